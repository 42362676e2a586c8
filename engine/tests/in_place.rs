//! Messages sent back out of the buffer they came in: they arrive as they were sent, whatever
//! else is done with them, and a peer that does not read keeps no buffer from others.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use ringws_kit::{BINARY, Client, TEXT, frame, payload};
use service::{Echo, at, reactors};
use std::time::Duration;

/// Sends each message in all ways: as it came, as binary, a part of it, again, kept for later.
struct Many;

impl Handler for Many {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let Message { opcode, payload, .. } = message;
        let plain = SendFlags::default();
        let kept = ctx.retain(&message);
        ctx.send(conn, opcode, payload, plain).unwrap();
        ctx.send(conn, Opcode::Binary, payload, plain).unwrap();
        ctx.send(conn, opcode, &payload[1..], plain).unwrap();
        ctx.send(conn, opcode, payload, plain).unwrap();
        let later = move |ctx: &mut Context| {
            ctx.send_message(conn, &kept).unwrap();
        };
        ctx.timer_start(Duration::from_millis(20), Box::new(later));
    }
}

/// With so few and large buffers that keeping one is felt.
fn start(handler: impl Handler) -> (Engine, u16) {
    let config = Config { recv_buffers: 16, recv_buffer_size: 64 << 10, ..reactors(1) };
    let limits = Limits { send_queue_max: 64 << 20, ..Limits::default() };
    service::start(config, Endpoint { limits, ..at(handler) })
}

#[test]
fn messages_of_all_sizes_come_back_in_order() {
    let (engine, port) = start(Echo);
    let mut client = Client::connect(port);
    let sizes = [3, 125, 4_095, 4_096, 4_097, 10_000, 16_384, 30_000, 65_535, 65_536, 126, 5_000];
    for round in 0..20 {
        let said: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(i, &size)| ([TEXT, BINARY][(i + round) % 2], payload(i + round, size)))
            .collect();
        let bytes: Vec<u8> = said.iter().flat_map(|(first, bytes)| frame(*first, bytes)).collect();
        let writes = client.write_beside(bytes);
        for (first, bytes) in said {
            client.hears(first, bytes);
        }
        writes.join().unwrap();
    }
    engine.stop(Duration::from_secs(1));
    engine.wait().unwrap();
}

#[test]
fn what_else_is_done_with_a_message_does_not_show_in_it() {
    let (engine, port) = start(Many);
    let mut client = Client::connect(port);
    for (first, size) in [(TEXT, 4_096), (BINARY, 20_000), (TEXT, 60_000), (TEXT, 200)] {
        let bytes = payload(size, size);
        client.send(first, &bytes);
        let expected = [
            (first, &bytes[..]),
            (BINARY, &bytes),
            (first, &bytes[1..]),
            (first, &bytes),
            (first, &bytes),
        ];
        for (first, bytes) in expected {
            client.hears(first, bytes);
        }
    }
    engine.stop(Duration::from_secs(1));
    engine.wait().unwrap();
}

#[test]
fn peers_that_do_not_read_keep_no_buffer_from_others() {
    let (engine, port) = start(Echo);
    let bytes = payload(1, 60_000);
    let message = frame(BINARY, &bytes);
    // Far more than sockets take: the echoes of each stay in its queue.
    const PENDING: usize = 300;
    let mut slow: Vec<_> = (0..20).map(|_| Client::connect(port)).collect();
    for _ in 0..PENDING {
        slow.iter_mut().for_each(|client| client.write(&message));
    }
    let mut quick = Client::connect(port);
    for seed in 0..200 {
        quick.echoes(TEXT, payload(seed, 30_000));
    }
    for client in &mut slow {
        for _ in 0..PENDING {
            client.hears(BINARY, &bytes);
        }
    }
    drop((slow, quick));
    engine.stop(Duration::from_secs(1));
    engine.wait().unwrap();
}

/// A text of `h` is answered through the engine's handle, a long one not at all, any other where
/// it is.
struct TwoWays;

impl Handler for TwoWays {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let (opcode, payload, plain) = (message.opcode, message.payload, SendFlags::default());
        match payload {
            b"h" => ctx.engine().send(conn, opcode, payload, plain).unwrap(),
            [_, .., _] => {}
            _ => _ = ctx.send(conn, opcode, payload, plain).unwrap(),
        }
    }
}

/// What a callback has asked for through a handle goes before what the next one sends, also where
/// a long message lies between theirs, so that they are not of one batch.
#[test]
fn calls_through_a_handle_keep_their_place_among_short_answers() {
    let (engine, port) = start(TwoWays);
    let mut client = Client::connect(port);
    client.send(TEXT, "a");
    client.hears(TEXT, "a");
    let long = payload(0, 300);
    let said = [frame(TEXT, "b"), frame(TEXT, "h"), frame(TEXT, &long), frame(TEXT, "c")];
    client.write(&said.concat());
    for answer in ["b", "h", "c"] {
        client.hears(TEXT, answer);
    }
    engine.stop(Duration::from_secs(1));
    engine.wait().unwrap();
}
