//! The load generator against servers in this process: what is right passes and is counted, what
//! is wrong is noticed.

mod support;

use ringws_bench::Error;
use ringws_bench::ceiling::Options;
use ringws_bench::load::closed::{Plan, run};
use ringws_bench::load::idle::Idle;
use ringws_bench::report::{Bottleneck, Report};
use ringws_bench::scenario::{Kind, Scenario};
use ringws_bench::stream::Mismatch;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use support::{Ceiling, listen, websocket};

/// Sends back what comes, after `change` has seen it with its offset in the stream.
fn echo(mut stream: TcpStream, change: fn(usize, &mut [u8])) {
    let mut bytes = [0; 4096];
    let mut offset = 0;
    while let Ok(n @ 1..) = stream.read(&mut bytes) {
        change(offset, &mut bytes[..n]);
        offset += n;
        if stream.write_all(&bytes[..n]).is_err() {
            return;
        }
    }
}

const WAIT: Duration = Duration::from_millis(10);
const ROOMY: Options = Options { buffers: 64, buffer_size: 4096, connections: 64, frames: false };

fn load(server: SocketAddr, scenario: Scenario) -> ringws_bench::Result<Report> {
    run(&Plan {
        server,
        scenario,
        warmup: Duration::from_millis(20),
        timed: Duration::from_millis(200),
        pid: None,
    })
}

fn scenario(connections: usize, size: usize, depth: usize, kind: Kind) -> Scenario {
    Scenario::plain(connections, size, depth, kind)
}

#[test]
fn the_ceiling_returns_every_byte() {
    let ceiling = Ceiling::start(ROOMY);
    for (connections, size, depth) in [(1, 0, 1), (16, 20, 1), (16, 20, 64), (8, 100_000, 3)] {
        let report = load(ceiling.address, scenario(connections, size, depth, Kind::Raw))
            .expect("a faithful echo");
        assert!(report.messages > 0);
        let rate = report.messages as f64 / report.seconds;
        assert!((report.messages_per_second - rate).abs() < 1.0);
        assert!(report.latency.p50 > 0.0 && report.latency.p50 <= report.latency.max);
        assert!((0.0..=1.1).contains(&report.load_cpu), "{}", report.load_cpu);
        assert_eq!(report.bottleneck, Bottleneck::Unknown);
    }
    ceiling.end();
}

/// Two small buffers for sixteen connections: receives end with `ENOBUFS` all the time.
#[test]
fn the_ceiling_survives_the_want_of_buffers() {
    let ceiling = Ceiling::start(Options { buffers: 2, buffer_size: 512, ..ROOMY });
    let report = load(ceiling.address, scenario(16, 5000, 2, Kind::Raw)).expect("no byte is lost");
    assert!(report.messages > 0);
    ceiling.end();
}

/// Frames that are split everywhere, in a buffer or over many, and receives that end with
/// `ENOBUFS`.
#[test]
fn the_ceiling_of_frames_returns_split_frames() {
    for (buffers, buffer_size) in [(2, 512), (8, 61), (64, 4096)] {
        let ceiling = Ceiling::start(Options { buffers, buffer_size, frames: true, ..ROOMY });
        for (size, depth, kind) in
            [(0, 9, Kind::Text), (20, 64, Kind::Text), (5000, 3, Kind::Binary)]
        {
            let report = load(ceiling.address, scenario(8, size, depth, kind));
            assert!(report.expect("a faithful echo").messages > 0);
        }
        ceiling.end();
    }
}

/// More connections, one after the other, than there are slots.
#[test]
fn slots_of_the_ceiling_are_used_again() {
    let ceiling = Ceiling::start(Options { connections: 8, ..ROOMY });
    let six = scenario(6, 100, 1, Kind::Raw);
    let exchange =
        || Idle::open(ceiling.address, &six).and_then(|mut idle| idle.exchange()).is_ok();
    for _ in 0..4 {
        // The slots of the round before are free as soon as the server has seen the resets.
        assert!((0..500).any(|_| exchange() || {
            std::thread::sleep(WAIT);
            false
        }));
    }
    ceiling.end();
}

#[test]
fn a_flipped_byte_is_noticed() {
    let server = listen(|stream| {
        echo(stream, |offset, bytes| {
            if let Some(byte) = 10_000usize.checked_sub(offset).and_then(|at| bytes.get_mut(at)) {
                *byte ^= 0x20;
            }
        });
    });
    let wrong = scenario(2, 20, 4, Kind::Raw);
    // A record is as long as the masked frame: 26 bytes.
    let error = load(server, wrong).expect_err("byte 10,000 is wrong");
    let Error::Echo { mismatch: Mismatch::Byte { message, offset, expected, found }, .. } = error
    else {
        panic!("{error}")
    };
    assert_eq!((message, offset, expected ^ found), (10_000 / 26, 10_000 % 26, 0x20));
}

#[test]
fn an_early_end_and_surplus_bytes_are_noticed() {
    let closing = listen(drop);
    let error = load(closing, scenario(1, 20, 1, Kind::Raw)).expect_err("nothing is echoed");
    assert!(matches!(error, Error::Echo { .. } | Error::Io { .. }), "{error}");
    let twice = listen(|stream| websocket(stream, |payload| payload.push(b'x')));
    let error = load(twice, scenario(1, 20, 1, Kind::Text)).expect_err("a longer echo");
    assert!(matches!(error, Error::Echo { .. }), "{error}");
}

#[test]
fn websocket_messages_come_back() {
    let server = listen(|stream| websocket(stream, |_| {}));
    for (size, depth, kind) in
        [(0, 1, Kind::Text), (20, 1, Kind::Text), (125, 8, Kind::Binary), (70_000, 2, Kind::Binary)]
    {
        let report = load(server, scenario(4, size, depth, kind)).expect("a faithful echo");
        assert!(report.messages > 0);
    }
    let mut idle = Idle::open(server, &scenario(5, 300, 1, Kind::Text)).expect("it upgrades");
    idle.exchange().expect("a faithful echo");
}

#[test]
fn a_changed_payload_is_noticed() {
    let server = listen(|stream| {
        websocket(stream, |payload| {
            if let Some(last) = payload.last_mut() {
                *last ^= 1;
            }
        });
    });
    let error = load(server, scenario(2, 200, 1, Kind::Binary)).expect_err("the last byte");
    let Error::Echo { mismatch: Mismatch::Byte { offset, .. }, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(offset, 4 + 199);
    let mut idle = Idle::open(server, &scenario(1, 200, 1, Kind::Binary)).expect("it upgrades");
    assert!(idle.exchange().is_err());
}

#[test]
fn a_server_that_does_not_upgrade_is_refused() {
    let ceiling = Ceiling::start(ROOMY);
    let error = load(ceiling.address, scenario(1, 20, 1, Kind::Text)).expect_err("not a WebSocket");
    assert!(matches!(error, Error::Protocol(_)), "{error}");
    ceiling.end();
}
