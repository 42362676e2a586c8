//! Timers that repeat, connections whose time is over, and round trips.

#[path = "support/service.rs"]
mod service;

use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{Cause, Conn, Context, Handler, Measure, Message, Timer};
use ringws_kit::{CLOSE, Client, PING, PONG, TEXT, close};
use service::{Echo, serve, stats, until};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn say(ctx: &mut Context, conn: Conn, what: &str) {
    ctx.send(conn, Opcode::Text, what.as_bytes(), SendFlags::default()).expect("room");
}

/// Tells when its timer has fired; the third call takes long, the fifth is the last.
struct Ticks(Mutex<Sender<Instant>>);

const EVERY: Duration = Duration::from_millis(200);

impl Handler for Ticks {
    fn on_open(&self, ctx: &mut Context, _: Conn) {
        let (told, mut times) = (self.0.lock().expect("whole").clone(), 0);
        let name = Arc::new(Mutex::new(None::<Timer>));
        let own = Arc::clone(&name);
        let tick = move |ctx: &mut Context| {
            told.send(Instant::now()).expect("the test listens");
            times += 1;
            if times == 3 {
                std::thread::sleep(EVERY * 5 / 2);
            }
            if times == 5 {
                let timer = own.lock().expect("whole").expect("it has started");
                assert!(ctx.timer_cancel(timer) && !ctx.timer_cancel(timer));
            }
        };
        *name.lock().expect("whole") = Some(ctx.timer_repeat(EVERY / 2, EVERY, Box::new(tick)));
    }
}

#[test]
fn a_timer_repeats_without_drift_until_it_cancels_itself() {
    let (told, ticks) = channel();
    let (_engine, port) = serve(Limits::default(), Ticks(Mutex::new(told)));
    let start = Instant::now();
    let _client = Client::connect(port);
    let fired: Vec<Duration> = (0..5)
        .map(|_| ticks.recv_timeout(PATIENCE).expect("it fires").duration_since(start))
        .collect();
    // Its times are 0.5, 1.5, ... The third call lasts from 2.5 to 5: then comes that of 3.5, late,
    // 4.5 is left out, and the last is that of 5.5.
    let earliest = [1, 3, 5, 10, 11].map(|halves| EVERY * halves / 2);
    // Of milliseconds that have begun.
    let grain = Duration::from_millis(2);
    for (at, earliest) in fired.iter().zip(earliest) {
        assert!(*at + grain >= earliest, "{fired:?}");
    }
    assert!(ticks.recv_timeout(EVERY * 4).is_err(), "it was cancelled");
}

/// Tells the round trip when it is asked, and what Pongs come to the application.
struct Tells;

impl Handler for Tells {
    fn on_message(&self, ctx: &mut Context, conn: Conn, _: Message<'_>) {
        let rtt = ctx.rtt_us(conn).to_string();
        say(ctx, conn, &rtt);
    }
    fn on_pong(&self, ctx: &mut Context, conn: Conn, payload: &[u8]) {
        say(ctx, conn, &format!("pong {}", String::from_utf8_lossy(payload)));
    }
}

/// The next frame that is no Ping of the engine.
fn answer(client: &mut Client) -> String {
    loop {
        let (opcode, payload) = client.receive();
        if opcode == TEXT {
            return String::from_utf8(payload).expect("text");
        }
        assert_eq!(opcode, PING);
    }
}

#[test]
fn round_trips_are_measured_and_only_by_the_pongs_that_were_asked_for() {
    let limits = Limits { ping_interval_ms: 100, ..Limits::default() };
    let (engine, port) = serve(limits, Tells);
    let mut client = Client::connect(port);
    client.send(TEXT, "?");
    assert_eq!(answer(&mut client), "0", "none was answered");
    let (opcode, asks) = client.receive();
    assert_eq!((opcode, asks.len(), &asks[..4]), (PING, 8, &b"rws-"[..]));
    client.send(PONG, "rws-none");
    assert_eq!(answer(&mut client), "pong rws-none");
    std::thread::sleep(Duration::from_millis(70));
    client.send(PONG, &asks);
    client.send(TEXT, "?");
    let rtt: u64 = answer(&mut client).parse().expect("a number");
    assert!((69_900..PATIENCE.as_micros() as u64).contains(&rtt), "{rtt}");
    until(&engine, "it is counted", |_| {
        engine.histogram(None, Measure::PingUs).expect("all").count() >= 1
    });
    let pings = engine.histogram(None, Measure::PingUs).expect("all");
    assert!(pings.quantile(1.0) >= rtt, "{}", pings.quantile(1.0));
    // And again, with another number.
    let (opcode, again) = client.receive();
    assert!(opcode == PING && again != asks, "{again:?}");
}

#[test]
fn a_connection_whose_time_is_over_is_closed() {
    let lifetime = Duration::from_millis(500);
    let limits = Limits {
        lifetime_max_ms: lifetime.as_millis() as u32,
        lifetime_code: CloseCode(4_001),
        ..Limits::default()
    };
    let (engine, port) = serve(limits, Echo);
    let start = Instant::now();
    let mut client = Client::connect(port);
    let mut early = Client::connect(port);
    early.send(CLOSE, close(1000, ""));
    early.closed_with(1000);
    drop(early);
    client.echoes(TEXT, "young");
    assert_eq!(client.closed_with(4_001), "");
    assert!(start.elapsed() >= lifetime * 9 / 10 - Duration::from_millis(2));
    client.send(CLOSE, close(4_001, ""));
    drop(client);
    until(&engine, "it has ended", |now| now.connections == 0);
    let now = stats(&engine);
    let by = |cause: Cause| now.ends[cause as usize];
    let (ours, peers) = (by(Cause::Lifetime), by(Cause::PeerClose));
    assert_eq!((now.lifetimes_over, ours, peers), (1, 1, 1), "{:?}", now.ends);
}
