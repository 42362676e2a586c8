//! Messages sent back out of the buffer they came in: they arrive as they were sent, whatever
//! else is done with them, and a peer that does not read keeps no buffer from others.

#[path = "support/client.rs"]
mod client;

use client::{connect, frame, payload, read_frame};
use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// First bytes of a frame.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

struct Echo;

impl Handler for Echo {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).unwrap();
    }
}

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

fn start(handler: Arc<dyn Handler>, recv_buffers: u32) -> (Engine, u16) {
    let config =
        Config { reactors: 1, recv_buffers, recv_buffer_size: 64 << 10, ..Config::default() };
    let engine = Engine::new(config).unwrap();
    let limits = Limits { send_queue_max: 64 << 20, ..Limits::default() };
    let port = engine.listen(Endpoint { limits, ..Endpoint::new(0, handler) }).unwrap();
    engine.start().unwrap();
    (engine, port)
}

#[test]
fn messages_of_all_sizes_come_back_in_order() {
    let (engine, port) = start(Arc::new(Echo), 16);
    let mut stream = connect(port);
    let sizes = [3, 125, 4_095, 4_096, 4_097, 10_000, 16_384, 30_000, 65_535, 65_536, 126, 5_000];
    for round in 0..20 {
        let said: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(i, &size)| ([TEXT, BINARY][(i + round) % 2], payload(i + round, size)))
            .collect();
        let bytes: Vec<u8> = said.iter().flat_map(|(first, bytes)| frame(*first, bytes)).collect();
        let mut writer = stream.try_clone().unwrap();
        let writes = thread::spawn(move || writer.write_all(&bytes).unwrap());
        for (first, bytes) in said {
            assert!(read_frame(&mut stream) == (first, bytes), "not what was sent");
        }
        writes.join().unwrap();
    }
    engine.stop(Duration::from_secs(1));
    engine.wait().unwrap();
}

#[test]
fn what_else_is_done_with_a_message_does_not_show_in_it() {
    let (engine, port) = start(Arc::new(Many), 16);
    let mut stream = connect(port);
    for (first, size) in [(TEXT, 4_096), (BINARY, 20_000), (TEXT, 60_000), (TEXT, 200)] {
        let bytes = payload(size, size);
        stream.write_all(&frame(first, &bytes)).unwrap();
        let expected = [
            (first, &bytes[..]),
            (BINARY, &bytes),
            (first, &bytes[1..]),
            (first, &bytes),
            (first, &bytes),
        ];
        for (first, bytes) in expected {
            let (got, back) = read_frame(&mut stream);
            assert!((got, &back[..]) == (first, bytes), "{got:#x} {}", back.len());
        }
    }
    engine.stop(Duration::from_secs(1));
    engine.wait().unwrap();
}

#[test]
fn peers_that_do_not_read_keep_no_buffer_from_others() {
    let (engine, port) = start(Arc::new(Echo), 16);
    let bytes = payload(1, 60_000);
    let message = frame(BINARY, &bytes);
    // Far more than sockets take: the echoes of each stay in its queue.
    const PENDING: usize = 300;
    let mut slow: Vec<_> = (0..20).map(|_| connect(port)).collect();
    for _ in 0..PENDING {
        slow.iter_mut().for_each(|stream| stream.write_all(&message).unwrap());
    }
    let mut quick = connect(port);
    for seed in 0..200 {
        let bytes = payload(seed, 30_000);
        quick.write_all(&frame(TEXT, &bytes)).unwrap();
        assert!(read_frame(&mut quick) == (TEXT, bytes));
    }
    for stream in &mut slow {
        for _ in 0..PENDING {
            assert!(read_frame(stream) == (BINARY, bytes.clone()));
        }
    }
    drop((slow, quick));
    engine.stop(Duration::from_secs(1));
    engine.wait().unwrap();
}
