//! A peer that reads more slowly than it is sent to: what is queued for it must be seen in the
//! queue, and not wait in the kernel where nobody sees it.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Endpoint, SendBuffer};
use ringws_engine::conn::{Limits, Queued, SendFlags};
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Conn, Context, Handler};
use ringws_kit::{Client, tcp, until};
use service::{at_of, reactors, start};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const KIB: usize = 1 << 10;

/// Bytes of a message, and of its frame.
const PRICE: usize = 1000;
const FRAME: usize = 4 + PRICE;

/// Sends for as long as there is room, and says how it stands.
#[derive(Default)]
struct Feed {
    queued: AtomicUsize,
    buffered: AtomicUsize,
    full: AtomicUsize,
    drained: AtomicUsize,
}

impl Feed {
    fn feed(&self, ctx: &mut Context, conn: Conn) {
        loop {
            let sent = ctx.send(conn, Opcode::Binary, &[b'p'; PRICE], SendFlags::default());
            self.queued.fetch_add(FRAME, Ordering::Relaxed);
            if sent.expect("until it is full") == Queued::Full {
                break;
            }
        }
        self.full.fetch_add(1, Ordering::Relaxed);
        self.buffered.store(ctx.buffered(conn), Ordering::Relaxed);
    }
}

impl Handler for Feed {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        self.feed(ctx, conn);
    }

    fn on_drain(&self, ctx: &mut Context, conn: Conn) {
        self.drained.fetch_add(1, Ordering::Relaxed);
        self.feed(ctx, conn);
    }
}

/// The most bytes that were on their way at once to a reader of 50 KB/s: in the queue, and not
/// there.
fn on_their_way(send_buffer: SendBuffer) -> (usize, usize) {
    let feed = Arc::new(Feed::default());
    let limits = Limits { send_queue_max: 64 << 10, ..Limits::default() };
    let (_engine, port) =
        start(reactors(1), Endpoint { limits, send_buffer, ..at_of(feed.clone()) });
    let mut client = Client::open(tcp(port));
    until("the first RWS_FULL", || feed.full.load(Ordering::Relaxed) > 0);
    let (begun, mut read) = (Instant::now(), 0);
    let (mut queue_most, mut kernel_most) = (0, 0);
    let mut bytes = vec![0; 5_000];
    while begun.elapsed() < Duration::from_millis(1_500) {
        std::thread::sleep(Duration::from_millis(100));
        // Before what is queued since: no more than it was.
        let buffered = feed.buffered.load(Ordering::Relaxed);
        let unseen = feed.queued.load(Ordering::Relaxed) - read;
        queue_most = queue_most.max(buffered);
        kernel_most = kernel_most.max(unseen.saturating_sub(buffered));
        client.stream.read_exact(&mut bytes).expect("there is always something");
        read += bytes.len();
    }
    // A quick one gets all of what it was promised, in order.
    let drained = feed.drained.load(Ordering::Relaxed);
    client.stream.read_exact(&mut vec![0; FRAME - read % FRAME]).expect("the end of a message");
    for _ in 0..2_000 {
        assert_eq!(client.receive().1, [b'p'; PRICE]);
    }
    assert!(feed.drained.load(Ordering::Relaxed) > drained, "on_drain follows each RWS_FULL");
    (queue_most, kernel_most)
}

#[test]
fn what_waits_for_a_slow_reader_is_seen_in_the_queue() {
    // Beside what is bounded, the peer's own buffer holds what it has not read: that is not ours.
    let peer = 320 * KIB;
    let unsent = SendBuffer { unsent_max: 16 << 10, kernel_send_max: 0 };
    let (queue, kernel) = on_their_way(unsent);
    assert!(queue > 64 * KIB && queue <= 64 * KIB + FRAME, "{queue} bytes in the queue");
    assert!(kernel < 16 * KIB + peer, "{kernel} bytes in the kernel");
    let all = SendBuffer { unsent_max: u32::MAX, kernel_send_max: 32 << 10 };
    let (_, kernel) = on_their_way(all);
    assert!(kernel < 64 * KIB + peer, "{kernel} bytes in the kernel");
    // What it is without: the test must be able to tell.
    let neither = SendBuffer { unsent_max: u32::MAX, kernel_send_max: 0 };
    let (_, kernel) = on_their_way(neither);
    assert!(kernel > 1024 * KIB, "only {kernel} bytes in the kernel");
    let (_, kernel) = on_their_way(SendBuffer::default());
    assert!(kernel < 1024 * KIB + 64 * KIB + peer, "{kernel} bytes in the kernel");
}
