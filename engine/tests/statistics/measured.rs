//! What is measured and not counted, and what the kernel and the loop have done.

use crate::child::{in_a_child, is_child};
use crate::service::{Echo, at, serve, stats, until};
use ringws_engine::config::{Backend, Config};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{Conn, Context, Handler, Histogram, Measure, Message};
use ringws_kit::{Client, TEXT};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

fn of(engine: &Engine, what: Measure) -> Histogram {
    engine.histogram(Some(0), what).expect("the one reactor")
}

/// Works for as many milliseconds as it is told.
struct Works;

impl Handler for Works {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let ms = std::str::from_utf8(message.payload).expect("text").parse().expect("a number");
        std::thread::sleep(Duration::from_millis(ms));
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).expect("room");
    }
}

#[test]
fn a_turn_takes_as_long_as_its_callbacks() {
    let (engine, port) = serve(Limits::default(), Works);
    let mut client = Client::connect(port);
    client.echoes(TEXT, "50");
    until(&engine, "the turn is over", |_| of(&engine, Measure::TurnUs).quantile(1.0) >= 50_000);
    assert_eq!(stats(&engine).turns_long, 0);
    client.echoes(TEXT, "1001");
    until(&engine, "it is told", |now| now.turns_long == 1);
    let turns = of(&engine, Measure::TurnUs);
    assert!(turns.quantile(1.0) >= 1_001_000 && turns.sum() >= 1_051_000, "{}", turns.sum());
    assert!(turns.quantile(0.01) < 50_000, "most turns do nothing");
    let found = of(&engine, Measure::TurnCompletions);
    let now = stats(&engine);
    assert!(found.count() >= 4 && found.quantile(1.0) >= 1, "{}", found.count());
    assert!(now.enters >= 4 && now.turns >= 4, "{now:?}");
}

/// What stops a process stops all of it, so it has one of its own.
#[test]
fn a_turn_that_a_stop_of_the_process_has_kept_waiting_is_long() {
    if !is_child() {
        return in_a_child("measured::a_turn_that_a_stop_of_the_process_has_kept_waiting_is_long");
    }
    let limits = Limits { ping_interval_ms: 100, ..Limits::default() };
    let (engine, port) = serve(limits, Echo);
    let _client = Client::connect(port);
    let pid = std::process::id();
    let stop = format!("kill -STOP {pid}; sleep 1.4; kill -CONT {pid}");
    assert!(Command::new("sh").args(["-c", &stop]).status().expect("a shell").success());
    until(&engine, "it is told", |now| now.turns_long == 1);
}

#[test]
fn a_handshake_takes_from_the_accept_to_the_answer() {
    let (engine, port) = serve(Limits::default(), Echo);
    let mut slow = ringws_kit::tcp(port);
    until(&engine, "it is accepted", |now| now.accepted == 1);
    std::thread::sleep(Duration::from_millis(120));
    ringws_kit::ask(&mut slow, "/", &[]).expect("an answer");
    let handshakes = of(&engine, Measure::HandshakeUs);
    assert_eq!(handshakes.count(), 1);
    assert!(handshakes.quantile(1.0) >= 119_000, "{}", handshakes.quantile(1.0));
}

/// A kernel thread completes what comes while a callback keeps the reactor: more than the queue has
/// room for, which are 4,096 with that few buffers.
#[test]
fn completions_without_room_are_counted_and_not_lost() {
    const ALL: usize = 4_400;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("RLIMIT_NOFILE");
    let config = Config { reactors: 1, sqpoll: true, recv_buffers: 64, ..Config::default() };
    // Of a ring alone.
    let engine = Engine::new(Config { backend: Backend::Uring, ..config }).expect("an engine");
    let port = engine.listen(at(Echo)).expect("a port");
    engine.start().expect("io_uring");
    let mut clients: Vec<_> = (0..ALL).map(|_| Client::connect(port)).collect();
    let begun = Instant::now();
    while stats(&engine).cq_overflow == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "all of them had room");
        let ((kept, is_kept), (go, wait)) = (channel(), channel::<()>());
        let keep = move |_: &mut Context| {
            kept.send(()).expect("it waits");
            assert!(wait.recv().is_err());
        };
        engine.handle().post(0, Box::new(keep)).expect("taken");
        is_kept.recv().expect("it runs");
        clients.iter_mut().for_each(|client| client.send(TEXT, "held"));
        drop(go);
        clients.iter_mut().for_each(|client| client.hears(TEXT, "held"));
    }
}
