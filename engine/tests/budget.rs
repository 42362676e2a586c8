//! Peers that make an engine hold memory, all together: it holds no more than it may, those that
//! hold most pay for that, and the others do not notice. `cargo test` has hundreds of peers,
//! `cargo test-long` (the feature `long`) thousands.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::{Failure, Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{Closed, Conn, Context, EndError, Handler, Message};
use ringws_kit::{
    BINARY, Client, Frame, MIB, TEXT, ask, field, frame, resident, tcp, until as eventually,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use service::{at_of, of, start, stats, until};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const LONG: bool = cfg!(feature = "long");

/// Beside the budget: receive buffers in use, what a turn brings, what the allocator has in pieces,
/// and a connection at rest.
const BESIDE: usize = 48 * MIB;
const EACH: usize = 4 << 10;

/// One test at a time: they measure the process.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Echoes as long as there is room, and counts the ends for want of memory.
#[derive(Default)]
struct Service {
    closed: AtomicU64,
    unsent: AtomicU64,
    unread: AtomicU64,
}

impl Handler for Service {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        // Whoever does not read is refused more.
        let _ = ctx.send(conn, message.opcode, message.payload, SendFlags::default());
    }

    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        if let Some(EndError::Failure(Failure::OutOfMemory)) = closed.error {
            self.closed.fetch_add(1, Ordering::Relaxed);
            self.unsent.fetch_add(closed.unsent, Ordering::Relaxed);
            self.unread.fetch_add(closed.unread, Ordering::Relaxed);
        }
    }
}

fn serve(reactors: u32, memory_max: usize, limits: Limits) -> (Engine, u16, Arc<Service>) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("RLIMIT_NOFILE");
    let service = Arc::new(Service::default());
    let config = Config { reactors, memory_max: memory_max as u64, ..Config::default() };
    let endpoint = Endpoint { limits, ..at_of(service.clone()) };
    let (engine, port) = start(config, endpoint);
    (engine, port, service)
}

/// So many peers each write this, and are still there: the most that the process has grown by. One
/// that is healthy has its echoes all the while.
fn siege(peers: usize, port: u16, bytes: &[u8]) -> (usize, Vec<Client<TcpStream>>) {
    let mut healthy = Client::connect(port);
    let mut peers: Vec<_> = (0..peers).map(|_| Client::connect(port)).collect();
    let before = resident();
    let mut most = before;
    for peer in &mut peers {
        // Those that were closed meanwhile may not take it.
        let _ = peer.try_write(bytes);
        healthy.echoes(TEXT, "still here");
        most = most.max(resident());
    }
    (most - before, peers)
}

#[test]
fn messages_that_stop_in_the_middle_fit_into_the_budget() {
    let _turn = turn();
    let (peers, budget) = if LONG { (5_000, 256 * MIB) } else { (300, 48 * MIB) };
    let (engine, port, service) = serve(1, budget, Limits::default());
    let most = Frame::new(BINARY, &vec![7; MIB]).bytes();
    let half = &most[..MIB * 5 / 8];
    let (grown, peers) = siege(peers, port, half);
    assert!(grown < budget + BESIDE + peers.len() * EACH, "{} MiB", grown / MIB);
    // What has come in a turn is told before others are closed for it.
    until(&engine, "it is kept to", |now| now.memory <= budget as u64);
    let told = stats(&engine);
    assert!(told.budget_closed as usize > peers.len() / 4, "{told:?}");
    assert!(told.memory_peak as usize <= budget + BESIDE, "{told:?}");
    // The first ones were heard, and hear why they end.
    let mut peers = peers.into_iter();
    let (mut first, mut last) = (peers.next().expect("many"), peers.next_back().expect("many"));
    assert_eq!(first.closed_with(1013), "");
    eventually("an end that is told", || service.closed.load(Ordering::Relaxed) > 0);
    assert!(service.unread.load(Ordering::Relaxed) > 100_000, "what was dropped");
    // Whoever came last goes on.
    last.write(&most[half.len()..]);
    assert_eq!(last.message().1.len(), MIB);
    drop((first, last, peers));
    until(&engine, "nothing is held", |stats| stats.connections == 0 && stats.memory < 16 << 20);
}

#[test]
fn echoes_that_nobody_reads_fit_into_the_budget() {
    let _turn = turn();
    let (peers, budget) = if LONG { (2_000, 256 * MIB) } else { (150, 48 * MIB) };
    let (engine, port, service) = serve(1, budget, Limits::default());
    let four = frame(BINARY, vec![7; MIB]).repeat(4);
    let (grown, peers) = siege(peers, port, &four);
    let told = stats(&engine);
    assert!(grown < budget + BESIDE + peers.len() * EACH, "{} MiB: {told:?}", grown / MIB);
    assert!(told.budget_closed > 0 && told.memory <= budget as u64, "{told:?}");
    eventually("an end that is told", || service.unsent.load(Ordering::Relaxed) > 100_000);
    drop(peers);
    until(&engine, "nothing is held", |stats| stats.connections == 0);
}

/// The memory lies with one reactor, the others have none of it: that one pays.
#[test]
fn a_reactor_that_sleeps_is_called_for_relief() {
    let _turn = turn();
    let budget = 16 * MIB;
    let (engine, port, _) = serve(4, budget, Limits { message_max: 32 << 20, ..Limits::default() });
    let half = Frame::new(BINARY, &vec![7; 6 * MIB]).declares(8 << 20).bytes();
    let mut peers: Vec<_> = (0..8).map(|_| Client::connect(port)).collect();
    for peer in &mut peers {
        let _ = peer.try_write(&half);
    }
    until(&engine, "relief", |stats| stats.budget_closed >= 5 && stats.memory <= budget as u64);
    drop(peers);
    until(&engine, "all have ended", |stats| stats.ends.iter().sum::<u64>() == 8);
    let told = stats(&engine);
    assert_eq!(of(&told, "ends", "memory"), told.budget_closed, "{:?}", told.ends);
    for reactor in 0..4 {
        let own = engine.stats(Some(reactor)).expect("a reactor");
        assert!(own.memory <= budget as u64, "{own:?}");
    }
}

#[test]
fn upgrades_are_refused_while_little_is_left() {
    let _turn = turn();
    let (engine, port, _) =
        serve(1, 8 * MIB, Limits { message_max: 16 << 20, ..Limits::default() });
    let message = vec![7; 7 * MIB + MIB / 2];
    let bytes = frame(BINARY, &message);
    let mut large = Client::connect(port);
    let (most, rest) = bytes.split_at(bytes.len() - 1);
    large.write(most);
    until(&engine, "little is left", |stats| stats.memory > 7 << 20);
    let head = ask(&mut tcp(port), "/", &[]).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(field(&head, "Retry-After").is_some(), "{head}");
    assert_eq!((stats(&engine).budget_refused, stats(&engine).budget_closed), (1, 0));
    until(&engine, "it is refused", |stats| of(stats, "refused_by_reason", "memory") == 1);
    large.write(rest);
    assert!(large.message().1 == message, "nobody was closed for it");
    until(&engine, "it has left", |stats| stats.memory < 7 << 20);
    Client::connect(port).echoes(TEXT, "let in again");
}
