//! The echo under the filters of the samples: x86-64 alone, whose numbers the script knows.
#![cfg(target_arch = "x86_64")]

use super::common::server::Server;
use super::common::{Linkage, compilers, here, scratch};
use ringws_kit::{Client, TEXT, payload};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

static ECHO: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = scratch("docs").join("echo");
    let source = here().join("examples/echo.c");
    compilers()[0].program("c11", &source, Linkage::Shared, &["-D_GNU_SOURCE"], &program);
    program
});

fn under(sample: &str, without: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(here().join("docs/check/under.py"));
    if !without.is_empty() {
        command.args(["--without", without]);
    }
    command.arg(here().join("docs/samples").join(sample)).arg(&*ECHO).arg("0");
    command
}

fn echoes(sample: &str) {
    let server = Server::spawn(&mut under(sample, ""));
    let mut client = Client::connect(server.port);
    client.echoes(TEXT, "under a filter");
    client.echoes(0x82, payload(1, 700_000));
    client.close();
    server.signal("TERM");
    assert!(server.wait(Duration::from_secs(20)).success());
}

#[test]
fn the_container_profile_lets_it_work() {
    echoes("seccomp-ringws.json");
}

#[test]
fn the_unit_lets_it_work() {
    let tool = Command::new("systemd-analyze").arg("--version").output();
    if tool.is_err() {
        let all = std::env::var_os("RINGWS_ALL_COMPILERS").is_some();
        assert!(!all, "systemd-analyze is not installed");
        return;
    }
    echoes("ringws-echo.service");
}

/// Which shows, too, that the filter is one.
#[test]
fn without_the_three_calls_it_says_what_is_missing() {
    for call in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
        let output = under("seccomp-ringws.json", call).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("io_uring"), "{call}: {said}");
    }
}
