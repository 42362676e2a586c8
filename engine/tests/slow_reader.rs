//! A peer that reads more slowly than it is sent to: what is queued for it must be seen in the
//! queue, and not wait in the kernel where nobody sees it.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Endpoint, SocketOptions};
use ringws_engine::conn::{Limits, Queued, SendFlags};
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Conn, Context, Handler};
use ringws_kit::{Client, tcp, until};
use service::{at_of, reactors, start, stats};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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

/// Every millisecond a new price under each of a few keys.
#[derive(Default)]
struct Ticker {
    rounds: AtomicUsize,
}

const KEYS: u64 = 10;
const ROUNDS: usize = 300;

fn price(key: u64, round: usize) -> Vec<u8> {
    let mut price = [key.to_be_bytes(), (round as u64).to_be_bytes()].concat();
    price.resize(PRICE, b'p');
    price
}

fn tick(ticker: &Arc<Ticker>, ctx: &mut Context, conn: Conn) {
    let round = ticker.rounds.fetch_add(1, Ordering::Relaxed);
    for key in 0..KEYS {
        let message = Outgoing::copied(Opcode::Binary, &price(key, round));
        ctx.send_latest(conn, key, &message).expect("ten prices are within the limit");
    }
    if round + 1 < ROUNDS {
        let ticker = Arc::clone(ticker);
        let next = move |ctx: &mut Context| tick(&ticker, ctx, conn);
        ctx.timer_start(Duration::from_millis(1), Box::new(next));
    }
}

struct Opens(Arc<Ticker>);

impl Handler for Opens {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        tick(&self.0, ctx, conn);
    }
}

#[test]
fn a_slow_reader_of_a_ticker_gets_the_newest_prices() {
    let ticker = Arc::new(Ticker::default());
    let socket_options = SocketOptions {
        unsent_max: 16 << 10,
        kernel_send_max: 32 << 10,
        ..SocketOptions::default()
    };
    let opens = Arc::new(Opens(Arc::clone(&ticker)));
    let (engine, port) = start(reactors(1), Endpoint { socket_options, ..at_of(opens) });
    let mut client = Client::open(tcp(port));
    until("all were sent", || ticker.rounds.load(Ordering::Relaxed) == ROUNDS);
    let (mut newest, mut came) = ([None; KEYS as usize], 0);
    while newest != [Some(ROUNDS - 1); KEYS as usize] {
        let (_, got) = client.receive();
        let key = u64::from_be_bytes(*got.first_chunk().expect("a key"));
        let round = u64::from_be_bytes(*got[8..].first_chunk().expect("a round")) as usize;
        assert_eq!(got, price(key, round));
        let before = newest[key as usize].replace(round);
        assert!(before.is_none_or(|before| before < round), "{before:?}, then {round}");
        came += 1;
    }
    let stats = stats(&engine);
    assert_eq!(stats.messages_out, came);
    assert_eq!(stats.messages_out + stats.replaced, KEYS * ROUNDS as u64);
    assert!(stats.replaced > KEYS * ROUNDS as u64 / 3, "{} were replaced", stats.replaced);
}

#[test]
fn the_latest_is_handed_over_to_another_reactor() {
    struct Tells(Mutex<Option<Conn>>);
    impl Handler for Tells {
        fn on_open(&self, _: &mut Context, conn: Conn) {
            *self.0.lock().expect("nobody panics") = Some(conn);
        }
    }
    let tells = Arc::new(Tells(Mutex::new(None)));
    let (engine, port) = start(reactors(2), at_of(tells.clone()));
    let mut client = Client::open(tcp(port));
    let opened = || *tells.0.lock().expect("nobody panics");
    until("opened", || opened().is_some());
    let conn = opened().expect("opened");
    let send = move |ctx: &mut Context| {
        for price in ["1", "2", "3"] {
            let message = Outgoing::copied(Opcode::Text, price.as_bytes());
            ctx.send_latest(conn, 5, &message).expect("handed over");
        }
    };
    engine.handle().post(1 - conn.reactor(), Box::new(send)).expect("taken");
    let mut last = Vec::new();
    while last != b"3" {
        last = client.receive().1;
    }
    client.close();
    drop(client);
    until("closed", || stats(&engine).connections == 0);
    let late = move |ctx: &mut Context| {
        let message = Outgoing::copied(Opcode::Text, b"late");
        ctx.send_latest(conn, 5, &message).expect("handed over");
    };
    engine.handle().post(1 - conn.reactor(), Box::new(late)).expect("taken");
    until("dropped, and counted", || stats(&engine).forward_dropped == 1);
}

/// The most bytes that were on their way at once to a reader of 50 KB/s: in the queue, and not
/// there.
fn on_their_way(socket_options: SocketOptions) -> (usize, usize) {
    let feed = Arc::new(Feed::default());
    let limits = Limits { send_queue_max: 64 << 10, ..Limits::default() };
    let (_engine, port) =
        start(reactors(1), Endpoint { limits, socket_options, ..at_of(feed.clone()) });
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
    // A quick one gets all of what it was promised, in order. How much of that lies in the kernel,
    // and so comes before the queue can drain, is the kernel's matter: all of it is read.
    let (drained, promised) =
        (feed.drained.load(Ordering::Relaxed), feed.queued.load(Ordering::Relaxed));
    let cut = FRAME - read % FRAME;
    client.stream.read_exact(&mut vec![0; cut]).expect("the end of a message");
    for _ in 0..(promised - read - cut) / FRAME {
        assert_eq!(client.receive().1, [b'p'; PRICE]);
    }
    until("on_drain follows each RWS_FULL", || feed.drained.load(Ordering::Relaxed) > drained);
    (queue_most, kernel_most)
}

#[test]
fn what_waits_for_a_slow_reader_is_seen_in_the_queue() {
    // Beside what is bounded, the peer's own buffer holds what it has not read: that is not ours.
    let peer = 320 * KIB;
    let unsent =
        SocketOptions { unsent_max: 16 << 10, kernel_send_max: 0, ..SocketOptions::default() };
    let (queue, kernel) = on_their_way(unsent);
    assert!(queue > 64 * KIB && queue <= 64 * KIB + FRAME, "{queue} bytes in the queue");
    assert!(kernel < 16 * KIB + peer, "{kernel} bytes in the kernel");
    let all = SocketOptions {
        unsent_max: u32::MAX,
        kernel_send_max: 32 << 10,
        ..SocketOptions::default()
    };
    let (_, kernel) = on_their_way(all);
    assert!(kernel < 64 * KIB + peer, "{kernel} bytes in the kernel");
    // What it is without: the test must be able to tell.
    let neither =
        SocketOptions { unsent_max: u32::MAX, kernel_send_max: 0, ..SocketOptions::default() };
    let (_, kernel) = on_their_way(neither);
    assert!(kernel > 1024 * KIB, "only {kernel} bytes in the kernel");
    let (_, kernel) = on_their_way(SocketOptions::default());
    assert!(kernel < 1024 * KIB + 64 * KIB + peer, "{kernel} bytes in the kernel");
}
