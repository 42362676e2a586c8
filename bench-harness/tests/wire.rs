//! Loads with permessage-deflate and with TLS against a server in this process: what is right is
//! taken, what is wrong is named.

#[path = "support/frames.rs"]
#[expect(dead_code, reason = "messages without compression are those of other tests")]
mod frames;
#[path = "support/secure.rs"]
mod secure;

use ringws_bench::load::closed::{self, Plan};
use ringws_bench::load::control::Control;
use ringws_bench::load::idle::{self, IdlePlan};
use ringws_bench::load::open::{self, OpenPlan};
use ringws_bench::load::threads;
use ringws_bench::report::Report;
use ringws_bench::scenario::{Deflate, Kind, Scenario};
use secure::serve;
use std::net::SocketAddr;
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn scenario(deflate: Deflate, tls: bool, size: usize, depth: usize) -> Scenario {
    Scenario { deflate, tls, ..Scenario::plain(3, size, depth, Kind::Json) }
}

fn plan(server: SocketAddr, scenario: Scenario) -> Plan {
    Plan { server, scenario, warmup: ms(20), timed: ms(150), pid: None }
}

fn load(server: SocketAddr, scenario: Scenario) -> ringws_bench::Result<Report> {
    closed::run(&plan(server, scenario))
}

#[test]
fn every_combination_is_loaded_and_checked() {
    for tls in [false, true] {
        let server = serve(tls, |_, _| {});
        for deflate in [Deflate::Off, Deflate::Shared, Deflate::Takeover] {
            for (size, depth) in [(0, 1), (100, 7), (1024, 1), (70_000, 2)] {
                let asked = scenario(deflate, tls, size, depth);
                let report = load(server, asked).expect("a faithful echo");
                assert!(report.messages > 0, "{report}");
                let text = report.to_string();
                assert_eq!(text.contains("TLS"), tls, "{text}");
                assert_eq!(text.contains("inflated"), deflate != Deflate::Off, "{text}");
            }
        }
    }
}

/// Every second answer or so is not compressed.
#[test]
fn a_server_may_leave_answers_as_they_are() {
    let server = serve(false, |payload, compressed| *compressed = payload[9] % 2 == 0);
    load(server, scenario(Deflate::Shared, false, 300, 3)).expect("a faithful echo");
}

#[test]
fn wrong_answers_are_noticed_in_every_form() {
    let spoilt = serve(true, |payload, _| payload[20] ^= 1);
    let plain = serve(false, |payload, compressed| {
        payload[20] ^= 1;
        *compressed = false;
    });
    let short = serve(false, |payload, _| payload.truncate(200));
    for (server, deflate, tls, why) in [
        (spoilt, Deflate::Shared, true, "byte 20"),
        (spoilt, Deflate::Takeover, true, "byte 20"),
        (spoilt, Deflate::Off, true, "wrong echo"),
        (plain, Deflate::Shared, false, "byte 20"),
        (short, Deflate::Shared, false, "a shorter answer"),
    ] {
        let error = load(server, scenario(deflate, tls, 300, 1)).expect_err("wrong").to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_server_without_tls_is_no_server_with_it() {
    let server = serve(false, |_, _| {});
    load(server, scenario(Deflate::Off, true, 20, 1)).expect_err("it speaks plain");
}

#[test]
fn the_open_loop_and_several_threads_are_encrypted_as_well() {
    let server = serve(true, |_, _| {});
    let scenario = scenario(Deflate::Off, true, 300, 1);
    let open = OpenPlan {
        server,
        scenario,
        rate: 500.0,
        warmup: ms(20),
        timed: ms(200),
        grace: ms(2000),
        spin: false,
        pid: None,
    };
    let report = open::run(&open, &Control::default()).expect("a faithful echo");
    assert_eq!((report.messages, report.unanswered), (100, 0));
    let compressed = Scenario { deflate: Deflate::Shared, ..scenario };
    let open = OpenPlan { scenario: compressed, ..open };
    open::run(&open, &Control::default()).expect_err("not in an open loop");
    let plan = plan(server, compressed);
    let report = threads::run(&plan, &[None; 2], &Control::default()).expect("a faithful echo");
    assert!(report.messages > 0 && report.load.threads == 2, "{report}");
}

#[test]
fn idle_connections_exchange_a_message() {
    let server = serve(true, |_, _| {});
    for deflate in [Deflate::Off, Deflate::Shared, Deflate::Takeover] {
        let plan = IdlePlan {
            server,
            scenario: Scenario { connections: 70, ..scenario(deflate, true, 1024, 1) },
            message: true,
            hold: ms(20),
            ping_interval: None,
            pid: Some(std::process::id()),
        };
        let report = idle::run(&plan, &Control::default()).expect("a faithful echo");
        assert_eq!(report.connections, 70);
    }
}
