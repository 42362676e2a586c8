//! A warm echo path allocates nothing and copies no payload that lies whole in its buffer.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::Config;
use ringws_engine::reactor::Context;
use ringws_kit::{Client, Frame, TEXT, payload};
use service::{Echo, at, reactors, start, stats};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Read;
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

/// Echoes of one frame: nothing here shall be made anew either.
fn exchange(client: &mut Client, times: usize, sent: &[u8], expected: &[u8]) {
    let mut echo = vec![0; expected.len()];
    for _ in 0..times {
        client.write(sent);
        client.stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, expected);
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

fn a_warm_echo_of(len: usize) {
    let config = Config {
        on_start: Some(Arc::new(|_: &mut Context| COUNTED.with(|counted| counted.set(true)))),
        ..reactors(1)
    };
    let (engine, port) = start(config, at(Echo));
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(port)).collect();
    let payload = payload(0, len);
    let frame = Frame::new(TEXT, &payload);
    let (masked, plain) = (frame.bytes(), frame.unmasked().bytes());
    // Warm: buffers, pool and in-flight entries reach the size of this traffic.
    for client in &mut clients {
        exchange(client, 200, &masked, &plain);
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let messages_before = stats(&engine).messages_in;
    for client in &mut clients {
        exchange(client, 500, &masked, &plain);
    }
    let stats = stats(&engine);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "allocations per 4,000 messages");
    assert_eq!(stats.messages_in - messages_before, 4_000);
    assert_eq!(stats.bytes_copied, 0, "payload bytes copied on the way in");
    drop(clients);
    engine.stop(Duration::from_secs(1));
    engine.wait().unwrap();
}

fn assert_the_counter_counts() {
    COUNTED.with(|counted| counted.set(true));
    std::hint::black_box(Vec::<u8>::with_capacity(10));
    COUNTED.with(|counted| counted.set(false));
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), 1);
}
