//! The service under the filters of the samples: x86-64 alone, whose numbers the script knows.
#![cfg(target_arch = "x86_64")]

use super::common::here;
use super::common::server::Server;
use super::service::{SERVICE, get, has, quiet};
use ringws_kit::{Client, TEXT, payload};
use std::time::Duration;

fn under(sample: &str, more: &[&str]) -> Server {
    let script = here().join("docs/check/under.py");
    let sample = here().join("docs/samples").join(sample);
    let mut command = vec!["python3", script.to_str().unwrap()];
    command.extend(more);
    command.extend([sample.to_str().unwrap(), SERVICE.to_str().unwrap(), "0"]);
    Server::spawn(&mut quiet(&command))
}

/// Serves, ends in order, and says how many of its reactors are by epoll.
fn serves(server: Server) -> usize {
    let mut client = Client::connect(server.port);
    assert_eq!(client.receive().0, TEXT, "who connects is greeted");
    client.echoes(TEXT, "under a filter");
    client.echoes(0x82, payload(1, 200_000));
    client.close();
    drop(client); // a server waits for the end of TCP, too
    let metrics = get(server.port, "/metrics");
    let mut lines = metrics.lines().filter(|line| line.starts_with("ringws_epoll_reactors{"));
    let reactors = lines.by_ref().map(|line| line.ends_with(" 1") as usize).sum();
    server.signal("TERM");
    assert!(server.wait(Duration::from_secs(20)).success());
    reactors
}

#[test]
fn the_container_profile_lets_it_work() {
    assert_eq!(serves(under("seccomp-ringws.json", &[])), 0, "by io_uring");
}

#[test]
fn the_unit_lets_it_work() {
    if has("systemd-analyze", "--version") {
        assert_eq!(serves(under("ringws-echo.service", &[])), 0, "by io_uring");
    }
}

/// Which shows, too, that the filter is one.
#[test]
fn without_one_of_the_three_calls_it_serves_by_epoll() {
    for call in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
        assert!(serves(under("seccomp-ringws.json", &["--without", call])) > 0, "{call}");
    }
}
