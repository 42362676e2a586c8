//! A warm echo path allocates nothing and copies no payload that lies whole in its buffer.

use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::SendFlags;
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Allocations made on reactor threads.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTED.with(Cell::get) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if COUNTED.with(Cell::get) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Echo;

impl Handler for Echo {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).unwrap();
    }
}

fn connect(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_nodelay(true).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                   Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// A masked Text frame of `len` bytes (126..=65,535), and the echo expected for it.
fn frame(len: u16) -> (Vec<u8>, Vec<u8>) {
    let key = [0x11, 0x22, 0x33, 0x44];
    let payload: Vec<u8> = (0..len).map(|i| b'a' + (i % 26) as u8).collect();
    let mut masked = vec![0x81, 0xFE];
    masked.extend(len.to_be_bytes());
    masked.extend(key);
    masked.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    let mut plain = vec![0x81, 0x7E];
    plain.extend(len.to_be_bytes());
    plain.extend(payload);
    (masked, plain)
}

fn exchange(stream: &mut TcpStream, times: usize, masked: &[u8], plain: &[u8]) {
    let mut echo = vec![0; plain.len()];
    for _ in 0..times {
        stream.write_all(masked).unwrap();
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, plain);
    }
}

#[test]
fn a_warm_echo_allocates_nothing_and_copies_no_whole_payload() {
    assert_the_counter_counts();
    // Copied to be sent, and sent out of the buffer it came in.
    for len in [1_000, 12_000] {
        a_warm_echo_of(len);
    }
}

fn a_warm_echo_of(len: u16) {
    let config = Config {
        reactors: 1,
        on_start: Some(Arc::new(|_: &mut Context| COUNTED.with(|counted| counted.set(true)))),
        ..Config::default()
    };
    let engine = Engine::new(config).unwrap();
    let port = engine.listen(Endpoint::new(0, Arc::new(Echo))).unwrap();
    engine.start().unwrap();
    let mut streams: Vec<TcpStream> = (0..8).map(|_| connect(port)).collect();
    let (masked, plain) = frame(len);
    // Warm: buffers, pool and in-flight entries reach the size of this traffic.
    for stream in &mut streams {
        exchange(stream, 200, &masked, &plain);
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let messages_before = engine.stats(None).unwrap().messages_in;
    for stream in &mut streams {
        exchange(stream, 500, &masked, &plain);
    }
    let stats = engine.stats(None).unwrap();
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "allocations per 4,000 messages");
    assert_eq!(stats.messages_in - messages_before, 4_000);
    assert_eq!(stats.bytes_copied, 0, "payload bytes copied on the way in");
    drop(streams);
    engine.stop(Duration::from_secs(1));
    engine.wait().unwrap();
}

fn assert_the_counter_counts() {
    COUNTED.with(|counted| counted.set(true));
    std::hint::black_box(Vec::<u8>::with_capacity(10));
    COUNTED.with(|counted| counted.set(false));
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), 1);
}
