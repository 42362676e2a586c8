//! Large messages over loopback: they come back as they were, are not copied on their way in, and
//! leave no memory behind.

#[path = "support/client.rs"]
mod client;

use client::{connect, frame, payload, read_frame};
use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{Conn, Context, Handler, Message, Stats};
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// One test at a time: they watch the memory of the process.
static ALONE: Mutex<()> = Mutex::new(());

struct Echo;

impl Handler for Echo {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        if message.payload == b"pause" {
            ctx.pause(conn).unwrap();
            let resume = move |ctx: &mut Context| ctx.resume(conn).unwrap();
            ctx.timer_start(Duration::from_millis(20), Box::new(resume));
            return;
        }
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).unwrap();
    }
}

fn start() -> (Engine, u16) {
    let engine = Engine::new(Config { reactors: 1, ..Config::default() }).unwrap();
    let limits = Limits { message_max: 32 << 20, send_queue_max: 64 << 20, ..Limits::default() };
    let port = engine.listen(Endpoint { limits, ..Endpoint::new(0, Arc::new(Echo)) }).unwrap();
    engine.start().unwrap();
    (engine, port)
}

/// Sends frames and checks that `first` and `payload` come back once.
fn echoed(stream: &mut TcpStream, frames: Vec<u8>, first: u8, payload: &[u8]) {
    let mut writer = stream.try_clone().unwrap();
    let writes = thread::spawn(move || writer.write_all(&frames).unwrap());
    let (got, back) = read_frame(stream);
    writes.join().unwrap();
    assert_eq!((got, back.len()), (first, payload.len()));
    assert!(back == payload, "not what was sent");
}

fn stats(engine: &Engine) -> Stats {
    engine.stats(None).unwrap()
}

#[test]
fn once_shown_large_messages_are_not_copied_in() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (engine, port) = start();
    for size in [48 << 10, 128 << 10, 1 << 20, 5 << 20] {
        let mut stream = connect(port);
        let first = payload(0, size);
        echoed(&mut stream, frame(0x82, &first), 0x82, &first);
        let before = stats(&engine).bytes_copied;
        for seed in 0..8 {
            let (bytes, opcode) = (payload(seed, size), [0x81, 0x82][seed % 2]);
            echoed(&mut stream, frame(opcode, &bytes), opcode, &bytes);
        }
        let copied = stats(&engine).bytes_copied - before;
        assert!(copied <= 8 * 512, "{size}: {copied} bytes copied");
    }
}

#[test]
fn large_small_fragmented_and_paused_messages_take_turns_in_order() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_engine, port) = start();
    let mut stream = connect(port);
    let large = payload(1, 300_000);
    for round in 0..12 {
        echoed(&mut stream, frame(0x82, &large), 0x82, &large);
        for len in [0, 1, 125, 126, 511, 512, 5_000] {
            let small = payload(round, len);
            echoed(&mut stream, frame(0x81, &small), 0x81, &small);
        }
        let (head, tail) = large.split_at(100_000 + round);
        let mut split = frame(0x01, head);
        split.extend(frame(0x8A, b"a pong between"));
        split.extend(frame(0x80, tail));
        echoed(&mut stream, split, 0x81, &large);
        // What comes behind it waits until the application reads again.
        let mut paused = frame(0x82, b"pause");
        paused.extend(frame(0x82, &large));
        echoed(&mut stream, paused, 0x82, &large);
    }
}

#[test]
fn pipelined_large_messages_come_back_in_order() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_engine, port) = start();
    let clients = (0..4).map(|client| {
        thread::spawn(move || {
            let mut stream = connect(port);
            let mut writer = stream.try_clone().unwrap();
            let sizes = [200_000, 10, 40_000, 1_500_000, 70_000, 16_384];
            let writes = thread::spawn(move || {
                for seed in 0..48 {
                    let bytes = payload(client + seed, sizes[seed % 6]);
                    writer.write_all(&frame(0x82, &bytes)).unwrap();
                }
            });
            for seed in 0..48 {
                let (_, back) = read_frame(&mut stream);
                assert!(back == payload(client + seed, sizes[seed % 6]), "message {seed}");
            }
            writes.join().unwrap();
        })
    });
    clients.collect::<Vec<_>>().into_iter().for_each(|client| client.join().unwrap());
}

#[test]
fn whoever_leaves_in_the_middle_of_a_message_is_cleared_away() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (engine, port) = start();
    let large = payload(2, 400_000);
    for round in 0..20 {
        let mut stream = connect(port);
        echoed(&mut stream, frame(0x82, &large), 0x82, &large);
        let cut = [3, 600, 200_000][round % 3];
        stream.write_all(&frame(0x82, &large)[..cut]).unwrap();
        if round % 2 == 0 {
            thread::sleep(Duration::from_millis(5));
            stream.shutdown(Shutdown::Write).unwrap();
        }
    }
    let asked = Instant::now();
    while stats(&engine).connections > 0 {
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", stats(&engine));
        thread::sleep(Duration::from_millis(5));
    }
}

/// Resident memory of the process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

#[test]
fn connections_that_fall_quiet_after_large_messages_hold_no_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_engine, port) = start();
    let mut streams: Vec<_> = (0..12).map(|_| connect(port)).collect();
    let before = resident();
    let large = payload(3, 8 << 20);
    for stream in &mut streams {
        let frame = frame(0x82, &large);
        echoed(stream, frame, 0x82, &large);
    }
    // What the pool keeps is freed after a second or two without need. The allocator may hold some
    // of it, but not a message for each connection.
    drop(large);
    let asked = Instant::now();
    while resident() > before + (40 << 20) {
        let left = (resident() - before) >> 20;
        assert!(asked.elapsed() < Duration::from_secs(15), "{left} MiB are still held");
        thread::sleep(Duration::from_millis(100));
    }
    for stream in &mut streams {
        echoed(stream, frame(0x81, b"still here"), 0x81, b"still here");
    }
}
