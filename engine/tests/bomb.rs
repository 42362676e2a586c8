//! Bombs: 1 GiB of zeros that came as 1 MiB. Memory must stay in proportion to `message_max`,
//! and in stream mode to a part.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::{Deflate, Limits, SendFlags};
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use ringws_kit::{BINARY, CLOSE, Client, Frame, Length, MIB, memory, resident, tcp};
use service::{at_of, reactors, start};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zlib_rs::{DeflateConfig, DeflateFlush};

const GIB: usize = 1 << 30;
/// Zeros between two full flushes, behind which the same bytes mean the same again.
const BLOCK: usize = 16 * MIB;

/// One test at a time: they measure the process.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says how much came when a message ends.
#[derive(Default)]
struct Counter {
    sum: AtomicUsize,
    largest: AtomicUsize,
}

impl Handler for Counter {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let len = message.payload.len();
        let sum = self.sum.fetch_add(len, Ordering::Relaxed) + len;
        self.largest.fetch_max(len, Ordering::Relaxed);
        if message.last {
            self.sum.store(0, Ordering::Relaxed);
            let sum = (sum as u64).to_be_bytes();
            ctx.send(conn, Opcode::Binary, &sum, SendFlags::default()).expect("a short answer");
        }
    }
}

/// A block of zeros, compressed up to a full flush.
fn block() -> Vec<u8> {
    let config = DeflateConfig { level: 9, window_bits: -15, ..DeflateConfig::default() };
    let mut deflate = zlib_rs::Deflate::new_with_config(config);
    let (zeros, mut out) = (vec![0; BLOCK], vec![0; 64 << 10]);
    deflate.compress(&zeros, &mut out, DeflateFlush::FullFlush).expect("room");
    out.truncate(deflate.total_out() as usize);
    assert!(out.ends_with(&[0, 0, 0xFF, 0xFF]) && out.len() < 32 << 10);
    out
}

fn open(port: u16) -> Client {
    let more = [("Sec-WebSocket-Extensions", "permessage-deflate")];
    let client = Client::open_with(tcp(port), "/", &more).with_patience(Duration::from_secs(60));
    assert!(client.head().contains("permessage-deflate"), "{}", client.head());
    client
}

/// RSV1 says that a message is compressed (RFC 7692 §6).
const COMPRESSED: u8 = BINARY | 0x40;

/// A compressed message of so many blocks, under a mask of zeros. A server that has seen enough
/// hangs up.
fn throw(client: &mut Client, block: &[u8], blocks: usize) {
    // The last block's empty one is left out (RFC 7692 §7.2.1).
    let len = block.len() * blocks - 4;
    let head = Frame::new(COMPRESSED, "").key([0; 4]).length(Length::Eight).declares(len as u64);
    let mut sent = client.try_write(&head.bytes());
    for left in (0..blocks).rev() {
        let part = if left == 0 { &block[..block.len() - 4] } else { block };
        sent = sent.and_then(|()| client.try_write(part));
    }
}

/// Throws so many blocks at an endpoint; what was answered, and the largest part delivered.
fn bomb(limits: Limits, blocks: usize) -> ((u8, Vec<u8>), usize) {
    let counter = Arc::new(Counter::default());
    let config = Config { recv_buffers: 64, ..reactors(1) };
    let (_engine, port) = start(config, Endpoint { limits, ..at_of(counter.clone()) });
    // An ordinary message of 1000 zeros first: what is made once is there when it has come.
    let ordinary = [0x62, 0x60, 0x18, 0x05, 0xA3, 0x60, 0x14, 0x0C, 0x77, 0x00, 0x00];
    let mut warm = open(port);
    warm.send(COMPRESSED, ordinary);
    warm.hears(BINARY, 1000u64.to_be_bytes());
    // All receive buffers, 64 of 16 KiB, are touched in turn: a peer that outruns us would else be
    // the first to touch them.
    for _ in 0..200 {
        warm.send(BINARY, vec![7; 12_000]);
        warm.hears(BINARY, 12_000u64.to_be_bytes());
    }

    let (block, mut client) = (block(), open(port));
    // 5: VmHWM begins again at what is resident now (proc(5)).
    std::fs::write("/proc/self/clear_refs", "5").expect("procfs");
    let before = resident();
    throw(&mut client, &block, blocks);
    let answered = client.receive();
    let grown = memory("VmHWM").saturating_sub(before);
    assert!(grown < 4 * MIB, "{grown} bytes for {blocks} blocks: {limits:?}");
    (answered, counter.largest.load(Ordering::Relaxed))
}

fn limits(takeover: bool, stream: bool, message_max: u32) -> Limits {
    let deflate = Some(Deflate { takeover, ..Deflate::default() });
    Limits { deflate, stream, message_max, ..Limits::default() }
}

fn too_big((first, payload): (u8, Vec<u8>)) {
    assert_eq!((first, payload.get(..2)), (CLOSE, Some(&1009u16.to_be_bytes()[..])));
}

#[test]
fn a_bomb_ends_with_1009() {
    let _turn = turn();
    for (takeover, stream) in [(false, false), (true, false), (false, true), (true, true)] {
        let limits = limits(takeover, stream, Limits::default().message_max);
        // Admitted by what it declares, and found out while it inflates.
        too_big(bomb(limits, GIB / BLOCK).0);
        // Refused by what it declares.
        too_big(bomb(limits, 2 * GIB / BLOCK).0);
    }
}

#[test]
fn without_a_limit_it_comes_in_parts() {
    let _turn = turn();
    for takeover in [false, true] {
        let ((first, sum), largest) = bomb(limits(takeover, true, u32::MAX), GIB / BLOCK);
        assert_eq!((first, &sum[..]), (BINARY, &(GIB as u64).to_be_bytes()[..]));
        assert!(largest <= 64 << 10, "a part of {largest} bytes");
    }
}
