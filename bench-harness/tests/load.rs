//! The modes of the load generator against servers in this process: figures that fit together, and
//! what is wrong noticed.

mod support;

use ringws_bench::Error;
use ringws_bench::ceiling::Options;
use ringws_bench::load::churn::{self, ChurnPlan, ChurnReport, Ends};
use ringws_bench::load::closed::Plan;
use ringws_bench::load::control::Control;
use ringws_bench::load::idle::{self, IdlePlan};
use ringws_bench::load::open::{self, OpenPlan, OpenReport};
use ringws_bench::load::threads;
use ringws_bench::scenario::{Kind, Scenario};
use ringws_bench::server::{Launch, Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Ceiling, listen, websocket};

const FRAMES: Options = Options { buffers: 64, buffer_size: 4096, connections: 128, frames: true };

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn scenario(connections: usize, size: usize, depth: usize, kind: Kind) -> Scenario {
    Scenario::plain(connections, size, depth, kind)
}

fn open(server: SocketAddr, scenario: Scenario, rate: f64) -> ringws_bench::Result<OpenReport> {
    let plan = OpenPlan {
        server,
        scenario,
        rate,
        warmup: ms(50),
        timed: ms(400),
        grace: ms(2000),
        spin: true,
        pid: None,
    };
    open::run(&plan, &Control::default())
}

fn churn(server: SocketAddr, message: bool, ends: Ends) -> ringws_bench::Result<ChurnReport> {
    let plan = ChurnPlan {
        server,
        scenario: scenario(8, 20, 1, Kind::Text),
        message,
        ends,
        warmup: ms(20),
        timed: ms(300),
        patience: ms(300),
        pid: Some(std::process::id()),
    };
    churn::run(&plan, &Control::default())
}

#[test]
fn the_open_loop_keeps_its_rate() {
    let ceiling = Ceiling::start(FRAMES);
    for (connections, size, rate) in [(1, 20, 500.0), (16, 20, 5000.0), (8, 70_000, 200.0)] {
        let asked = scenario(connections, size, 1, Kind::Binary);
        let report = open(ceiling.address, asked, rate).expect("a faithful echo");
        assert_eq!(report.messages, (rate * 0.4) as u64);
        assert_eq!(report.unanswered, 0);
        let ratio = report.achieved_per_second / rate;
        assert!((0.5..1.5).contains(&ratio), "{rate}: {report:?}");
        assert!(report.latency.p50 > 0.0 && report.latency.p9999 <= report.latency.max);
        assert!((0.0..=1.0).contains(&report.late));
    }
    ceiling.end();
}

/// The server sleeps for 150 ms once: every message that falls due meanwhile waited, not only the
/// ones that had been sent.
#[test]
fn a_stall_of_the_server_shows_in_the_latency_of_all_that_fell_due() {
    static STALLED: AtomicU64 = AtomicU64::new(0);
    let server = listen(|stream| {
        websocket(stream, |_| {
            if STALLED.fetch_add(1, Ordering::Relaxed) == 100 {
                std::thread::sleep(ms(150));
            }
        });
    });
    let report = open(server, scenario(1, 20, 1, Kind::Text), 1000.0).expect("a faithful echo");
    assert_eq!((report.messages, report.unanswered), (400, 0));
    // 150 of 400 messages fell due within the stall, with 150 ms to 0 ms to go: 3/4 of them are
    // behind, half of them by at least 75 ms.
    assert!(report.latency.p90 > 60_000.0, "{report:?}");
    assert!(report.latency.max > 130_000.0, "{report:?}");
    assert!(report.backlog_max > 20, "{report:?}");
}

/// It echoes the first messages, then only reads: what never came back is in the figures.
#[test]
fn what_never_comes_back_is_counted() {
    static ECHOED: AtomicU64 = AtomicU64::new(0);
    let server = listen(|stream| {
        websocket(stream, |_| {
            if ECHOED.fetch_add(1, Ordering::Relaxed) > 200 {
                std::thread::sleep(Duration::from_secs(30));
            }
        });
    });
    let plan = OpenPlan {
        server,
        scenario: scenario(1, 20, 1, Kind::Text),
        rate: 1000.0,
        warmup: ms(100),
        timed: ms(300),
        grace: ms(200),
        spin: false,
        pid: None,
    };
    let report = open::run(&plan, &Control::default()).expect("the rest is waited for in vain");
    assert_eq!(report.messages, 300);
    assert!((150..=250).contains(&report.unanswered), "{report:?}");
    assert!(report.latency.p90 >= 200_000.0, "{report:?}");
}

#[test]
fn connections_are_opened_and_closed_in_order() {
    let ceiling = Ceiling::start(FRAMES);
    for message in [false, true] {
        let report = churn(ceiling.address, message, Ends::Client).expect("it upgrades");
        assert!(report.handshakes > 10, "{report:?}");
        assert_eq!(report.failures.total(), 0, "{report:?}");
        assert!(report.latency.p50 > 0.0 && report.latency.p50 <= report.whole.max);
        assert!(report.sides.server.is_some());
        // The ceiling echoes the Close frame and leaves the end of TCP to the client.
        let left = churn(ceiling.address, message, Ends::Server).expect("it upgrades");
        assert!(left.failures.left_open > 0, "{left:?}");
        assert_eq!(left.failures.total(), left.failures.left_open, "{left:?}");
    }
    ceiling.end();
    let server = listen(|stream| websocket(stream, |_| {}));
    let report = churn(server, true, Ends::Server).expect("it upgrades");
    assert!(report.completed > 5, "{report:?}");
    assert_eq!(report.failures.total(), 0, "{report:?}");
    // What was begun before the clock started may end within, and the other way round.
    assert!(report.completed.abs_diff(report.handshakes) <= 8, "{report:?}");
}

#[test]
fn failures_are_told_apart() {
    let wrong = listen(|stream| websocket(stream, |payload| payload.reverse()));
    let report = churn(wrong, true, Ends::Server).expect("it upgrades");
    assert!(report.failures.echo > 0, "{report:?}");
    assert!(report.last_failure.is_some_and(|why| why.contains("echo")));
    let refusing = listen(|mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 1000]);
        let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
    });
    let report = churn(refusing, false, Ends::Server);
    match report {
        Ok(report) => assert!(report.failures.refused > 0, "{report:?}"),
        Err(error) => assert!(error.to_string().contains("did not upgrade"), "{error}"),
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("bound");
    drop(nobody);
    let error = churn(address, false, Ends::Server).expect_err("nothing listens");
    assert!(error.to_string().contains("refused"), "{error}");
}

/// A server that ends while connections come and go: no run of failures to the end of the time.
#[test]
fn churn_ends_with_the_server() {
    let program = env!("CARGO_BIN_EXE_ceiling-tcp").to_owned();
    let command = vec![program, "--frames".into(), "--connections".into(), "100".into()];
    let server = Server::start(&Launch { command, announces: true, cpu: None });
    let server = server.expect("it listens");
    let plan = ChurnPlan {
        server: server.address,
        scenario: scenario(8, 20, 1, Kind::Text),
        message: false,
        ends: Ends::Client,
        warmup: ms(0),
        timed: Duration::from_secs(60),
        patience: ms(300),
        pid: Some(server.pid()),
    };
    let begun = Instant::now();
    let killer = std::thread::spawn(move || {
        std::thread::sleep(ms(200));
        drop(server);
    });
    let error = churn::run(&plan, &Control::default()).expect_err("it has ended");
    assert!(error.to_string().contains("has ended"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    killer.join().expect("no panic");
}

#[test]
fn idle_connections_are_held_and_pinged() {
    let server = listen(|stream| websocket(stream, |_| {}));
    let plan = IdlePlan {
        server,
        scenario: scenario(20, 16, 1, Kind::Text),
        message: true,
        hold: ms(200),
        ping_interval: Some(ms(100)),
        pid: Some(std::process::id()),
    };
    let report = idle::run(&plan, &Control::default()).expect("a good server");
    assert_eq!(report.connections, 20);
    assert!(report.resident_quiet > Some(65536), "{report:?}");
    assert!(report.idle_cpu.is_some_and(|cpu| cpu >= 0.0));
    let ping = report.ping.expect("asked for");
    // Twenty per tenth of a second, for two of them.
    assert_eq!((ping.pings, ping.unanswered), (40, 0));
    assert!(ping.latency.p50 > 0.0 && ping.cpu_us_per_ping >= Some(0.0), "{ping:?}");
    assert!(ping.cpu_us_per_ping >= ping.cpu_us_per_ping_beyond_idle, "{ping:?}");
}

/// The ceiling echoes the Ping as it came: no Pong.
#[test]
fn a_wrong_pong_is_noticed() {
    let ceiling = Ceiling::start(FRAMES);
    let plan = IdlePlan {
        server: ceiling.address,
        scenario: scenario(2, 16, 1, Kind::Text),
        message: false,
        hold: ms(50),
        ping_interval: Some(ms(50)),
        pid: None,
    };
    let error = idle::run(&plan, &Control::default()).expect_err("no Pong");
    assert!(error.to_string().contains("byte 0 is 0x89, not 0x8a"), "{error}");
    ceiling.end();
}

#[test]
fn several_threads_report_as_one() {
    let ceiling = Ceiling::start(FRAMES);
    let plan = Plan {
        server: ceiling.address,
        scenario: scenario(7, 20, 4, Kind::Text),
        warmup: ms(50),
        timed: ms(300),
        pid: Some(std::process::id()),
    };
    let report = threads::run(&plan, &[None, Some(0), None], &Control::default());
    let report = report.expect("a faithful echo");
    assert_eq!((report.load.threads, report.scenario.connections), (3, 7));
    assert!(report.messages > 100 && report.load_us_per_message > 0.0, "{report:?}");
    assert!((0.25..0.6).contains(&report.seconds), "{report:?}");
    assert!(threads::run(&plan, &[None; 8], &Control::default()).is_err(), "more than connections");
    ceiling.end();
}

/// One of several threads meets a wrong byte: the run ends at once and says so.
#[test]
fn the_error_of_one_thread_ends_all() {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let server = listen(|stream| {
        websocket(stream, |payload| {
            if COUNT.fetch_add(1, Ordering::Relaxed) == 500 {
                payload.reverse();
            }
        });
    });
    let plan = Plan {
        server,
        scenario: scenario(4, 20, 1, Kind::Text),
        warmup: ms(10),
        timed: Duration::from_secs(60),
        pid: None,
    };
    let begun = Instant::now();
    let error = threads::run(&plan, &[None; 2], &Control::default()).expect_err("a wrong byte");
    assert!(matches!(error, Error::Echo { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_run_can_be_interrupted_and_reports_progress() {
    let ceiling = Ceiling::start(FRAMES);
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let progress = move |elapsed: Duration, done: u64| {
        flag.store(elapsed > ms(200) && done > 0, Ordering::Relaxed);
    };
    let control = Control { stop: Some(stop), progress: Some(Arc::new(progress)) };
    let plan = Plan {
        server: ceiling.address,
        scenario: scenario(2, 20, 1, Kind::Text),
        warmup: ms(0),
        timed: Duration::from_secs(60),
        pid: None,
    };
    let begun = Instant::now();
    let error = ringws_bench::load::closed::run_with(&plan, &control).expect_err("interrupted");
    assert!(matches!(error, Error::Interrupted { done: 1.., .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    ceiling.end();
}
