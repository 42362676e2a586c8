//! Servers as they are prepared for a comparison: those that need nothing but what is here.
//!
//! The others download and build for minutes: `cargo harness peers`.

use ringws_bench::compare::Contender;
use ringws_bench::example::Workspace;
use ringws_bench::load::closed::{self, Plan};
use ringws_bench::peers::{self, NAMES, smoke};
use ringws_bench::scenario::{Kind, Scenario};
use ringws_bench::server::Server;
use std::sync::Mutex;
use std::time::Duration;

const TIMED: Duration = Duration::from_millis(100);

fn prepare(names: &[&str]) -> Vec<Contender> {
    let workspace = Workspace::find().expect("cargo runs this test");
    let steps = Mutex::new(0);
    let prepared = peers::prepare(names, &workspace, &|_| *steps.lock().expect("no panic") += 1);
    assert_eq!(steps.into_inner().expect("no panic"), names.len());
    let ready = |(name, contender): (String, ringws_bench::Result<Contender>)| {
        let contender = contender.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(contender.name, name);
        contender
    };
    prepared.into_iter().map(ready).collect()
}

#[test]
fn the_ceilings_and_the_c_example_echo_every_byte() {
    for contender in prepare(&["ceiling-tcp", "ceiling-frames", "ceiling-epoll", "ringws-c"]) {
        assert!(contender.version.as_deref().is_some_and(|version| version.starts_with('0')));
        for row in smoke::ROWS {
            let report = smoke::row(&contender, row, TIMED, None)
                .unwrap_or_else(|error| panic!("{}, {row:?}: {error}", contender.name));
            // None of 16 MiB may have come back whole before the clock stopped.
            let large = report.scenario.size > 1 << 20;
            assert!(large || report.messages > 0, "{}: {report}", contender.name);
        }
    }
}

/// More connections than events of one wait, more than once: descriptors are used again.
#[test]
fn the_ceiling_on_epoll_lets_connections_go() {
    let contender = prepare(&["ceiling-epoll"]).remove(0);
    let server = Server::start(&contender.launch).expect("it listens");
    for _ in 0..2 {
        let report = closed::run(&Plan {
            server: server.address,
            scenario: Scenario::plain(1500, 300, 2, Kind::Raw),
            warmup: Duration::ZERO,
            timed: TIMED,
            pid: None,
        });
        assert!(report.expect("a faithful echo").messages >= 3000);
        let open = || {
            let fds = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("readable");
            fds.count()
        };
        let mut left = open();
        for _ in 0..100 {
            if left < 20 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            left = open();
        }
        assert!(left < 20, "{left} descriptors are still open");
    }
    server.interrupt().expect("it ends");
}

#[test]
fn names_are_told_apart() {
    for (index, name) in NAMES.iter().enumerate() {
        assert!(!NAMES[..index].contains(name), "{name} twice");
    }
}
