//! Large messages over loopback: they come back as they were, are not copied on their way in, and
//! leave no memory behind.

#[path = "support/service.rs"]
mod service;

use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use ringws_kit::{BINARY, CONTINUATION, Client, FIN, MIB, PONG, TEXT, frame, payload, resident};
use service::{serve, stats, until};
use std::sync::{Mutex, PoisonError};
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
    let limits = Limits { message_max: 32 << 20, send_queue_max: 64 << 20, ..Limits::default() };
    serve(limits, Echo)
}

/// Sends frames, and what they say must come back once.
fn echoed(client: &mut Client, frames: Vec<u8>, first: u8, payload: &[u8]) {
    let writes = client.write_beside(frames);
    client.hears(first, payload);
    writes.join().unwrap();
}

#[test]
fn once_known_large_messages_are_not_copied_in_and_text_in_parts_once_at_most() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (engine, port) = start();
    for size in [48 << 10, 128 << 10, 300 << 10, 1 << 20, 5 << 20] {
        let mut client = Client::connect(port);
        let first = payload(0, size);
        echoed(&mut client, frame(BINARY, &first), BINARY, &first);
        let mut copied_of = |opcode| {
            let before = stats(&engine).bytes_copied;
            for seed in 0..8 {
                let bytes = payload(seed, size);
                echoed(&mut client, frame(opcode, &bytes), opcode, &bytes);
            }
            stats(&engine).bytes_copied - before
        };
        // What fits into a large buffer lies whole in it, whatever parts it comes in; what does not
        // is received where its message is, but for a head.
        let (binary, text) = (copied_of(BINARY), copied_of(TEXT));
        assert!(binary <= 8 * 512, "{size}: {binary} bytes copied");
        // But text is checked as it comes, so parts of it are not waited for.
        let most = if size < 512 << 10 { 8 * size as u64 } else { 8 * 512 };
        assert!(text <= most, "{size}: {text} bytes copied");
    }
}

#[test]
fn whoever_stops_in_the_middle_of_a_message_keeps_no_buffer_from_others() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (engine, port) = start();
    let large = payload(4, 128 << 10);
    let known = |_| {
        let mut client = Client::connect(port);
        echoed(&mut client, frame(BINARY, &large), BINARY, &large);
        client
    };
    // More than there are buffers.
    let mut slow: Vec<_> = (0..20).map(known).collect();
    let mut other = known(20);
    let (head, tail) = (&frame(BINARY, &large)[..70_000], &frame(BINARY, &large)[70_000..]);
    slow.iter_mut().for_each(|client| client.write(head));
    thread::sleep(Duration::from_millis(20));
    // The turns that this takes are more than a message may keep its buffer for.
    (0..40).for_each(|seed| other.echoes(TEXT, payload(seed, 20)));
    for seed in 0..8 {
        let bytes = payload(seed, 128 << 10);
        echoed(&mut other, frame(BINARY, &bytes), BINARY, &bytes);
    }
    let copied = stats(&engine).bytes_copied;
    assert!(copied >= 20 * 69_000, "{copied} bytes copied: the slow ones keep their buffers");
    for client in &mut slow {
        client.write(tail);
        client.hears(BINARY, &large);
    }
}

#[test]
fn large_small_fragmented_and_paused_messages_take_turns_in_order() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_engine, port) = start();
    let mut client = Client::connect(port);
    let large = payload(1, 300_000);
    for round in 0..12 {
        echoed(&mut client, frame(BINARY, &large), BINARY, &large);
        for len in [0, 1, 125, 126, 511, 512, 5_000] {
            let small = payload(round, len);
            echoed(&mut client, frame(TEXT, &small), TEXT, &small);
        }
        let (head, tail) = large.split_at(100_000 + round);
        let mut split = frame(TEXT & !FIN, head);
        split.extend(frame(PONG, b"a pong between"));
        split.extend(frame(FIN | CONTINUATION, tail));
        echoed(&mut client, split, TEXT, &large);
        // What comes behind it waits until the application reads again.
        let mut paused = frame(BINARY, b"pause");
        paused.extend(frame(BINARY, &large));
        echoed(&mut client, paused, BINARY, &large);
    }
}

#[test]
fn pipelined_large_messages_come_back_in_order() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_engine, port) = start();
    let clients = (0..4).map(|number| {
        thread::spawn(move || {
            let mut client = Client::connect(port);
            let sizes = [200_000, 10, 40_000, 1_500_000, 70_000, 16_384];
            let messages: Vec<_> =
                (0..48).map(|seed| payload(number + seed, sizes[seed % 6])).collect();
            let frames = messages.iter().flat_map(|bytes| frame(BINARY, bytes)).collect();
            let writes = client.write_beside(frames);
            messages.iter().for_each(|bytes| client.hears(BINARY, bytes));
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
        let mut client = Client::connect(port);
        echoed(&mut client, frame(BINARY, &large), BINARY, &large);
        let cut = [3, 600, 200_000][round % 3];
        client.write(&frame(BINARY, &large)[..cut]);
        if round % 2 == 0 {
            thread::sleep(Duration::from_millis(5));
            client.half_close();
        }
    }
    until(&engine, "all gone", |stats| stats.connections == 0);
}

#[test]
fn connections_that_fall_quiet_after_large_messages_hold_no_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_engine, port) = start();
    let mut clients: Vec<_> = (0..12).map(|_| Client::connect(port)).collect();
    let before = resident();
    let large = payload(3, 8 << 20);
    for client in &mut clients {
        echoed(client, frame(BINARY, &large), BINARY, &large);
    }
    // What the pool keeps is freed after a second or two without need. The allocator may hold some
    // of it, but not a message for each connection.
    drop(large);
    let asked = Instant::now();
    while resident() > before + 40 * MIB {
        let left = (resident() - before) / MIB;
        assert!(asked.elapsed() < Duration::from_secs(15), "{left} MiB are still held");
        thread::sleep(Duration::from_millis(100));
    }
    for client in &mut clients {
        echoed(client, frame(TEXT, b"still here"), TEXT, b"still here");
    }
}
