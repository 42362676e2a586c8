//! Bombs: 1 GiB of zeros that came as 1 MiB. Memory must stay in proportion to `message_max`,
//! and in stream mode to a part.

use ringws_engine::config::{Address, Config, Endpoint};
use ringws_engine::conn::{Deflate, Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zlib_rs::{DeflateConfig, DeflateFlush};

const MIB: usize = 1 << 20;
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

fn open(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a read timeout");
    let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("the request");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("ASCII");
    assert!(head.contains("permessage-deflate"), "{head}");
    stream
}

/// A compressed Binary message of so many blocks, under a mask of zeros. A server that has seen
/// enough hangs up.
fn throw(stream: &mut TcpStream, block: &[u8], blocks: usize) {
    // The last block's empty one is left out (RFC 7692 section 7.2.1).
    let len = block.len() * blocks - 4;
    let mut head = vec![0xC2, 0x80 | 127];
    head.extend((len as u64).to_be_bytes());
    head.extend([0; 4]);
    let mut sent = stream.write_all(&head);
    for left in (0..blocks).rev() {
        let part = if left == 0 { &block[..block.len() - 4] } else { block };
        sent = sent.and_then(|()| stream.write_all(part));
    }
}

/// The first frame that comes back.
fn answer(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("a frame");
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload).expect("a short payload");
    (head[0], payload)
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    let kib = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    kib.parse::<usize>().expect("a number") << 10
}

/// Throws so many blocks at an endpoint; what was answered, and the largest part delivered.
fn bomb(limits: Limits, blocks: usize) -> ((u8, Vec<u8>), usize) {
    let counter = Arc::new(Counter::default());
    let address = Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let endpoint = Endpoint { address, limits, ..Endpoint::new(0, counter.clone()) };
    let config = Config { reactors: 1, recv_buffers: 64, ..Config::default() };
    let engine = Engine::new(config).expect("an engine");
    let port = engine.listen(endpoint).expect("a port");
    engine.start().expect("io_uring");
    // An ordinary message of 1000 zeros first: what is made once is there when it has come.
    let ordinary = [0x62, 0x60, 0x18, 0x05, 0xA3, 0x60, 0x14, 0x0C, 0x77, 0x00, 0x00];
    let mut warm = open(port);
    let mut frame = vec![0xC2, 0x80 | ordinary.len() as u8, 0, 0, 0, 0];
    frame.extend(ordinary);
    warm.write_all(&frame).expect("a message");
    let (_, sum) = answer(&mut warm);
    assert_eq!(sum, 1000u64.to_be_bytes());

    let (block, mut stream) = (block(), open(port));
    // 5: VmHWM begins again at what is resident now (proc(5)).
    std::fs::write("/proc/self/clear_refs", "5").expect("procfs");
    let before = status("VmRSS");
    let mut writer = stream.try_clone().expect("a second handle");
    throw(&mut writer, &block, blocks);
    let answered = answer(&mut stream);
    let grown = status("VmHWM").saturating_sub(before);
    assert!(grown < 4 * MIB, "{grown} bytes for {blocks} blocks: {limits:?}");
    (answered, counter.largest.load(Ordering::Relaxed))
}

fn limits(takeover: bool, stream: bool, message_max: u32) -> Limits {
    let deflate = Some(Deflate { takeover, ..Deflate::default() });
    Limits { deflate, stream, message_max, ..Limits::default() }
}

fn too_big((first, payload): (u8, Vec<u8>)) {
    assert_eq!((first, payload.get(..2)), (0x88, Some(&1009u16.to_be_bytes()[..])));
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
        assert_eq!((first, &sum[..]), (0x82, &(GIB as u64).to_be_bytes()[..]));
        assert!(largest <= 64 << 10, "a part of {largest} bytes");
    }
}
