//! What messages move.

use crate::service::{Echo, at_of, reactors, serve, start, stats, until};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Conn, Context, Handler, Message, Stats};
use ringws_kit::{BINARY, Client, PING, TEXT, frame};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

#[test]
fn messages_and_bytes_are_counted_both_ways() {
    let (engine, port) = serve(Limits::default(), Echo);
    let mut client = Client::connect(port);
    until(&engine, "the answer has left", |now| now.bytes_out > 0);
    let before = stats(&engine);
    client.echoes(TEXT, "four");
    client.echoes(BINARY, [7; 1_000]);
    // With a header of 2 and one of 4 bytes.
    until(&engine, "both are sent", |now| now.bytes_out - before.bytes_out == 4 + 2 + 1_000 + 4);
    let after = stats(&engine);
    assert_eq!(after.messages_in - before.messages_in, 2);
    assert_eq!(after.bytes_in - before.bytes_in, 1_004);
    assert_eq!(after.messages_out - before.messages_out, 2);
    assert!(after.turns > before.turns);
}

/// Answers with a message in fragments, and a Ping.
struct Fragments;

impl Handler for Fragments {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let more = |more| SendFlags { more, ..SendFlags::default() };
        ctx.send(conn, message.opcode, b"one", more(true)).expect("room");
        ctx.send(conn, Opcode::Continuation, b"two", more(true)).expect("room");
        ctx.send(conn, Opcode::Continuation, b"three", more(false)).expect("room");
        ctx.send(conn, Opcode::Ping, b"no message", more(false)).expect("room");
    }
}

/// By opcode: continuation, text, binary.
#[test]
fn messages_are_counted_by_opcode() {
    let counted = |engine: &Engine| {
        let now = stats(engine);
        let of = (now.messages_in_by_opcode, now.messages_out_by_opcode);
        let sums = (of.0.iter().sum::<u64>(), of.1.iter().sum::<u64>());
        assert_eq!((now.messages_in, now.messages_out), sums);
        of
    };
    let (engine, port) = serve(Limits::default(), Echo);
    let mut client = Client::connect(port);
    // Short ones that come together, each of its own kind.
    let short = [TEXT, BINARY, BINARY, TEXT, BINARY].map(|first| frame(first, "short"));
    client.write(&short.concat());
    (0..5).for_each(|_| assert_eq!(client.receive().1, b"short"));
    assert_eq!(counted(&engine), ([0, 2, 3], [0, 2, 3]));
    // Longer ones, alone, and not for the short way back.
    client.echoes(TEXT, "\u{e9}".repeat(1_000));
    client.echoes(BINARY, [7; 1_000]);
    client.echoes(BINARY, vec![7; 300_000]);
    assert_eq!(counted(&engine), ([0, 3, 5], [0, 3, 5]));
    // What comes in fragments is delivered whole.
    client.write(&[frame(TEXT & 0x0F, "a"), frame(0, "b"), frame(0x80, "c")].concat());
    client.hears(TEXT, "abc");
    assert_eq!(counted(&engine), ([0, 4, 5], [0, 4, 5]));

    let (engine, port) = serve(Limits { stream: true, ..Limits::default() }, Fragments);
    let mut client = Client::connect(port);
    client.send(BINARY & 0x0F, "first");
    client.hears(BINARY & 0x0F, "one");
    client.send(0x80, "second");
    for (first, payload) in [(0, "two"), (0x80, "three"), (PING, "no message")] {
        client.hears(first, payload);
    }
    client.hears(BINARY & 0x0F, "one");
    (0..3).for_each(|_| _ = client.receive());
    let now = counted(&engine);
    assert_eq!((now.0[1..].to_vec(), now.1), (vec![0, 1], [4, 0, 2]));
    assert!(now.0[0] >= 1, "{now:?}");
    assert_eq!(stats(&engine).controls_out, [0, 2, 0]);
}

/// Keeps what comes.
struct Keeps;

impl Handler for Keeps {
    fn on_message(&self, ctx: &mut Context, _: Conn, message: Message<'_>) {
        let kept = ctx.retain(&message);
        assert_eq!(kept.payload(), message.payload);
    }
}

/// One that did not lie whole in its buffer, and is too short for memory of its own.
#[test]
fn a_message_that_is_copied_to_be_kept_is_counted() {
    let (engine, port) = serve(Limits::default(), Keeps);
    let mut client = Client::connect(port);
    client.send(TEXT & 0x0F, "in two ");
    client.send(0x80, "parts");
    until(&engine, "it is kept", |now| now.retain_copied == 1);
}

/// Sends so many bytes to whoever opens.
struct Much;

const MUCH: usize = 16 << 20;

impl Handler for Much {
    fn on_message(&self, ctx: &mut Context, conn: Conn, _: Message<'_>) {
        ctx.send(conn, Opcode::Binary, &vec![1; MUCH], SendFlags::default()).expect("room");
    }
}

#[test]
fn what_waits_for_peers_that_do_not_read_is_looked_at_once_a_second() {
    let (engine, port) = start(reactors(2), at_of(Arc::new(Much)));
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(port)).collect();
    clients.iter_mut().for_each(|client| client.send(TEXT, "!"));
    until(&engine, "all three are seen", |now| now.queued > 2 * MUCH as u64);
    until(&engine, "it grows older", |now| now.queue_age_ms > 1_000);
    let now = stats(&engine);
    assert!(now.queued <= 3 * (MUCH as u64 + 16), "{}", now.queued);
    let largest = MUCH as u64 / 2..=MUCH as u64 + 16;
    assert!(largest.contains(&now.queued_largest), "of one: {}", now.queued_largest);
    // The handles say the same, asked on their reactors.
    let (tell, told) = channel();
    for reactor in 0..2 {
        let tell = tell.clone();
        let ask = move |ctx: &mut Context| {
            let conns = ctx.conns();
            conns.iter().for_each(|&conn| tell.send(ctx.buffered(conn)).expect("it listens"));
        };
        engine.handle().post(reactor, Box::new(ask)).expect("taken");
    }
    drop(tell);
    let queued: Vec<usize> = told.iter().collect();
    assert_eq!((queued.len(), queued.iter().sum::<usize>() as u64), (3, now.queued));
    for client in &mut clients {
        assert_eq!(client.receive().1.len(), MUCH);
    }
    let queued = |now: &Stats| (now.queued, now.queued_largest, now.queue_age_ms);
    until(&engine, "nothing waits", |now| queued(now) == (0, 0, 0));
    // Of who has read as much the kernel may take all at once.
    let mut another = Client::connect(port);
    another.send(TEXT, "!");
    until(&engine, "it waits again", |now| now.queued > 0);
    engine.stop(Duration::ZERO);
    until(&engine, "its end", |now| now.connections == 0);
    until(&engine, "nobody is left to look", |now| queued(now) == (0, 0, 0));
}
