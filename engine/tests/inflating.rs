//! What is small on the wire and large when it is inflated: it must not hold others up, and it must
//! come whole and in order although it is delivered over many turns.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::Endpoint;
use ringws_engine::conn::{Deflate, Limits, SendFlags};
use ringws_engine::proto::Opcode;
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::reactor::{Closed, Conn, Context, Handler, Message, Upgrade};
use ringws_kit::{
    BINARY, CLOSE, Client, MIB, PING, PONG, TEXT, close, frame, resident, tcp, until,
};
use service::{at_of, reactors, start};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zlib_rs::{DeflateConfig, DeflateFlush};

/// RSV1 says that a message is compressed (RFC 7692 §6).
const COMPRESSED: u8 = BINARY | 0x40;

const BOMBERS: usize = 200;

/// One test at a time: they measure.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message as it goes into a frame with RSV1 (RFC 7692 §7.2.1).
fn compress(message: &[u8]) -> Vec<u8> {
    let config = DeflateConfig { level: 9, window_bits: -15, ..DeflateConfig::default() };
    let mut deflate = zlib_rs::Deflate::new_with_config(config);
    let mut out = vec![0; message.len() + 64];
    deflate.compress(message, &mut out, DeflateFlush::SyncFlush).expect("room");
    out.truncate(deflate.total_out() as usize);
    assert!(out.ends_with(&[0, 0, 0xFF, 0xFF]));
    out.truncate(out.len() - 4);
    out
}

fn open(port: u16, target: &str) -> Client {
    let more = [("Sec-WebSocket-Extensions", "permessage-deflate")];
    let client = Client::open_with(tcp(port), target, &more);
    assert!(client.head().contains("permessage-deflate"), "{}", client.head());
    client
}

fn limits(takeover: bool, stream: bool) -> Limits {
    let deflate = Some(Deflate { takeover, ..Deflate::default() });
    Limits { deflate, stream, ..Limits::default() }
}

/// Sends short messages back, and counts what bombers have thrown, each for itself.
struct Crowd {
    bombers: AtomicUsize,
    messages: Vec<AtomicUsize>,
}

impl Crowd {
    fn new() -> Arc<Self> {
        let messages = (0..BOMBERS).map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Self { bombers: AtomicUsize::new(0), messages })
    }

    fn least(&self) -> usize {
        self.messages.iter().map(|count| count.load(Ordering::Relaxed)).min().unwrap_or(0)
    }
}

impl Handler for Crowd {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        if upgrade.request().target() == "/bomber" {
            upgrade.set_user(1 + self.bombers.fetch_add(1, Ordering::Relaxed));
        }
        Ok(())
    }

    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        match ctx.user(conn) {
            Some(0) => {
                let flags = SendFlags::default();
                ctx.send(conn, message.opcode, message.payload, flags).expect("room");
            }
            Some(bomber) => {
                self.messages[bomber - 1].fetch_add(1, Ordering::Relaxed);
            }
            None => {}
        }
    }
}

/// Throws bombs from many sockets for as long as it is told to.
struct Bombers {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Bombers {
    fn throw(streams: Vec<TcpStream>, bombs: Vec<u8>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut at = vec![0; streams.len()];
            while !stopped.load(Ordering::Relaxed) {
                for (mut stream, at) in streams.iter().zip(&mut at) {
                    // What is not taken now goes the next time.
                    if let Ok(taken) = stream.write(&bombs[*at..]) {
                        *at = (*at + taken) % bombs.len();
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Bombers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

fn bombers(port: u16, count: usize) -> Bombers {
    let bomb = frame(COMPRESSED, compress(&vec![0; MIB]));
    let streams = (0..count).map(|_| open(port, "/bomber").stream);
    let streams: Vec<TcpStream> = streams.collect();
    streams.iter().for_each(|stream| stream.set_nonblocking(true).expect("a socket"));
    Bombers::throw(streams, bomb.repeat(16))
}

/// How long the slowest of a hundred answers took.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() - 1 - times.len() / 100]
}

#[test]
fn bombs_of_many_do_not_hold_up_the_others() {
    let _turn = turn();
    let crowd = Crowd::new();
    let endpoint = Endpoint { limits: limits(false, false), ..at_of(crowd.clone()) };
    let (_engine, port) = start(reactors(1), endpoint);
    // One without compression, and one that uses it as most do.
    let (mut plain, mut modest) = (Client::connect(port), open(port, "/"));
    let small = compress(b"a price");
    let _bombers = bombers(port, BOMBERS);
    until("all have begun", || crowd.least() > 0);
    let (mut of_plain, mut of_modest) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        match of_plain.len() % 2 {
            0 => plain.echoes(TEXT, "hello"),
            _ => {
                plain.send(PING, "hello");
                plain.hears(PONG, "hello");
            }
        }
        of_plain.push(asked.elapsed());
        let asked = Instant::now();
        modest.send(COMPRESSED, &small);
        modest.hears(BINARY, "a price");
        of_modest.push(asked.elapsed());
    }
    let counts = (of_plain.len(), crowd.least());
    let (of_plain, of_modest) = (p99(of_plain), p99(of_modest));
    let told = format!("plain {of_plain:?}, modest {of_modest:?}, (echoes, bombs) {counts:?}");
    assert!(of_plain < Duration::from_millis(100), "{told}");
    assert!(of_modest < Duration::from_millis(100), "{told}");
    assert!(counts.1 > 1, "bombers are served too: {told}");
}

#[test]
fn what_waits_to_be_inflated_is_left_to_tcp() {
    let _turn = turn();
    let crowd = Crowd::new();
    let endpoint = Endpoint { limits: limits(false, false), ..at_of(crowd.clone()) };
    let (_engine, port) = start(reactors(1), endpoint);
    let bombers = bombers(port, 4);
    let thrown = || crowd.messages[3].load(Ordering::Relaxed);
    until("all have begun", || thrown() > 8);
    let (before, begun) = (resident(), thrown());
    until("many more have come", || thrown() > begun + 100);
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 * MIB, "{grown} bytes");
    drop(bombers);
}

/// Answers each message with its number and its length; stops reading now and then, if it is to.
#[derive(Default)]
struct Numbers {
    pauses: bool,
    /// Number and length of the message in progress.
    message: Mutex<(u32, usize)>,
    closed: AtomicUsize,
}

fn resume(ctx: &mut Context, conn: Conn) {
    // It may have ended.
    let _ = ctx.resume(conn);
}

impl Handler for Numbers {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let mut in_progress = self.message.lock().expect("one reactor");
        if message.first {
            let number = message.payload.first_chunk().copied().expect("a number");
            *in_progress = (u32::from_be_bytes(number), 0);
        }
        in_progress.1 += message.payload.len();
        if !message.last {
            return;
        }
        let (number, len) = *in_progress;
        let answer = [number.to_be_bytes(), (len as u32).to_be_bytes()].concat();
        ctx.send(conn, Opcode::Binary, &answer, SendFlags::default()).expect("room");
        if self.pauses && number % 5 == 0 {
            ctx.pause(conn).expect("the connection under delivery");
            ctx.timer_start(Duration::from_millis(5), Box::new(move |ctx| resume(ctx, conn)));
        }
    }

    fn on_close(&self, _: &mut Context, _: Conn, _: &mut Closed<'_>) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Numbered messages of many sizes, compressed and not, with Pings between them; and the answers.
fn numbered(count: u32) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut bytes, mut answers) = (Vec::new(), Vec::new());
    for number in 0..count {
        let len = match number % 4 {
            0 => 700_000,
            1 => 4,
            2 => 300_000,
            _ => 50,
        };
        let mut message = number.to_be_bytes().to_vec();
        message.resize(len, number as u8);
        match number % 4 {
            1 => bytes.extend(frame(BINARY, &message)),
            _ => bytes.extend(frame(COMPRESSED, compress(&message))),
        }
        if number % 3 == 0 {
            bytes.extend(frame(PING, number.to_be_bytes()));
        }
        answers.push([number.to_be_bytes(), (len as u32).to_be_bytes()].concat());
    }
    (bytes, answers)
}

/// The next frame that is no Pong.
fn next(client: &mut Client) -> (u8, Vec<u8>) {
    loop {
        let (first, payload) = client.receive();
        if first != PONG {
            return (first, payload);
        }
    }
}

/// All the answers come, in order.
fn hears_all(client: &mut Client, answers: &[Vec<u8>], limits: &Limits) {
    for answer in answers {
        assert_eq!(next(client), (BINARY, answer.clone()), "{limits:?}");
    }
}

/// Without takeover and with, whole messages and parts, with pauses and without.
fn each_way(mut check: impl FnMut(Limits, Arc<Numbers>)) {
    let _turn = turn();
    for way in 0..8 {
        let (takeover, stream, pauses) = (way & 1 != 0, way & 2 != 0, way & 4 != 0);
        check(limits(takeover, stream), Arc::new(Numbers { pauses, ..Numbers::default() }));
    }
}

#[test]
fn all_comes_in_order_over_many_turns() {
    let (bytes, answers) = numbered(60);
    each_way(|limits, numbers| {
        let (_engine, port) = start(reactors(1), Endpoint { limits, ..at_of(numbers.clone()) });
        let mut client = open(port, "/");
        client.write(&bytes);
        hears_all(&mut client, &answers, &limits);
        client.close();
        drop(client);
        until("closed", || numbers.closed.load(Ordering::Relaxed) == 1);
    });
}

#[test]
fn a_close_behind_it_is_answered_behind_it() {
    let (mut bytes, answers) = numbered(40);
    bytes.extend(frame(CLOSE, close(1000, "")));
    each_way(|limits, numbers| {
        let (_engine, port) = start(reactors(1), Endpoint { limits, ..at_of(numbers.clone()) });
        let mut client = open(port, "/");
        client.write(&bytes);
        hears_all(&mut client, &answers, &limits);
        assert_eq!(next(&mut client), (CLOSE, close(1000, "")));
    });
}

#[test]
fn the_end_of_the_stream_does_not_overtake_it() {
    let (bytes, answers) = numbered(40);
    each_way(|limits, numbers| {
        let (_engine, port) = start(reactors(1), Endpoint { limits, ..at_of(numbers.clone()) });
        let mut client = open(port, "/");
        client.write(&bytes);
        client.half_close();
        hears_all(&mut client, &answers, &limits);
        until("closed", || numbers.closed.load(Ordering::Relaxed) == 1);
    });
}
