//! What becomes of what is published to receivers that never read: memory has a bound, everything
//! is accounted for, and those that do read get all of it.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Endpoint, SocketOptions};
use ringws_engine::conn::{Limits, QueuePolicy, WhenFull};
use ringws_engine::engine::Engine;
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{CallError, Closed, Conn, Context, Handler, Stats};
use ringws_kit::{CLOSE, Client, Socket, until};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, connect, socket};
use service::{at_of, reactors, start, stats};
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Receivers that never read, and messages that are published, so many a second.
const RECEIVERS: usize = if cfg!(feature = "long") { 1_000 } else { 60 };
const MESSAGES: u64 = if cfg!(feature = "long") { 30_000 } else { 4_000 };
const A_SECOND: u64 = 10_000;
/// Those that read.
const HEALTHY: usize = 2;
/// Bytes of a message and of its frame.
const LEN: usize = 200;
const FRAME: usize = LEN + 4;
const QUEUE_MAX: u32 = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(120);

/// All join; the first ones have room for everything.
#[derive(Default)]
struct Room {
    opened: Mutex<Vec<Conn>>,
    /// What the ends have said was dropped.
    dropped: AtomicU64,
    closed: Mutex<Vec<Conn>>,
}

impl Handler for Room {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        let mut opened = self.opened.lock().expect("nobody panics");
        if opened.len() < HEALTHY {
            let policy = QueuePolicy {
                when_full: WhenFull::Refuse,
                send_queue_max: Some(64 << 20),
                queue_age_max_ms: None,
            };
            ctx.set_queue_policy(conn, policy).expect("it is here");
        }
        ctx.join(conn, b"all").expect("a member");
        opened.push(conn);
    }

    fn on_close(&self, _: &mut Context, conn: Conn, closed: &mut Closed<'_>) {
        self.dropped.fetch_add(closed.dropped.into(), Ordering::Relaxed);
        self.closed.lock().expect("nobody panics").push(conn);
    }
}

fn message(number: u64) -> Outgoing {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(LEN, b'm');
    Outgoing::copied(Opcode::Binary, &payload)
}

fn number((first, payload): &(u8, Vec<u8>)) -> u64 {
    assert_eq!((*first, payload.len()), (0x82, LEN));
    u64::from_be_bytes(*payload.first_chunk().expect("a number"))
}

/// Publishes all, at their rate.
fn publish(engine: &Engine, by: Option<WhenFull>) {
    let begun = Instant::now();
    for n in 0..MESSAGES {
        let due = begun + Duration::from_micros(n * 1_000_000 / A_SECOND);
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(early);
        }
        let (handle, message) = (engine.handle(), message(n));
        loop {
            let done = match by {
                None => handle.publish(b"all", &message, None),
                Some(when_full) => handle.publish_by(b"all", &message, None, when_full),
            };
            match done {
                Ok(()) => break,
                // Nobody got it.
                Err(CallError::MailboxFull) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// What has come until the server's Close, or until the connection was reset: messages, in order.
fn read_out(client: &mut Client) -> (u64, Option<u16>) {
    let (mut count, mut last) = (0, None);
    loop {
        match client.try_receive() {
            Ok((CLOSE, payload)) => {
                let code = u16::from_be_bytes(*payload.first_chunk().expect("a code"));
                return (count, Some(code));
            }
            Ok(frame) => {
                let n = Some(number(&frame));
                assert!(n > last, "{n:?} behind {last:?}");
                (count, last) = (count + 1, n);
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => panic!("{error}"),
            Err(_) => return (count, None),
        }
    }
}

/// A small window: what the kernel holds for a receiver is not the point.
fn with_window(bytes: usize, port: u16) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    // Before it connects: a window that was offered is not taken back.
    set_socket_recv_buffer_size(&socket, bytes).expect("a smaller buffer");
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_patience(PATIENCE);
    stream
}

/// What is the case at the end: the counters, what those who never read got when they did at last,
/// with which code.
struct Outcome {
    stats: Stats,
    got: u64,
    codes: Vec<Option<u16>>,
}

fn run(when_full: WhenFull, by: Option<WhenFull>) -> Outcome {
    let room = Arc::new(Room::default());
    let limits = Limits {
        when_full,
        send_queue_max: QUEUE_MAX,
        close_timeout_ms: u32::MAX,
        idle_timeout_ms: u32::MAX,
        ..Limits::default()
    };
    let socket_options = SocketOptions {
        unsent_max: 16 << 10,
        kernel_send_max: 16 << 10,
        ..SocketOptions::default()
    };
    let endpoint = Endpoint { limits, socket_options, ..at_of(room.clone()) };
    let (engine, port) = start(reactors(2), endpoint);
    let opened = || room.opened.lock().expect("nobody panics").len();
    let mut healthy: Vec<Client> = Vec::new();
    for n in 1..=HEALTHY {
        healthy.push(Client::connect(port).with_patience(PATIENCE));
        until("opened", || opened() == n);
    }
    let open = |_| Client::open(with_window(32 << 10, port)).with_patience(PATIENCE);
    let mut slow: Vec<Client> = (0..RECEIVERS).map(open).collect();
    until("opened", || opened() == RECEIVERS + HEALTHY);
    let before = ringws_kit::resident();
    let readers: Vec<_> = healthy
        .into_iter()
        .map(|mut client| {
            std::thread::spawn(move || {
                for n in 0..MESSAGES {
                    assert_eq!(number(&client.receive()), n, "a healthy one gets all");
                }
                client
            })
        })
        .collect();
    publish(&engine, by);
    let healthy: Vec<Client> =
        readers.into_iter().map(|reader| reader.join().expect("all of it")).collect();
    // Queues, which may be half empty, and what a batch takes beside; messages are shared.
    let bound = RECEIVERS * 3 * (QUEUE_MAX as usize + FRAME) + (32 << 20);
    let grown = ringws_kit::resident().saturating_sub(before);
    assert!(grown < bound, "{grown} bytes for {RECEIVERS} who do not read, at most {bound}");
    close_all(&engine, &room);
    let ends: Vec<_> = slow.iter_mut().map(read_out).collect();
    let got = ends.iter().map(|(count, _)| count).sum();
    let codes = ends.into_iter().map(|(_, code)| code).collect();
    drop((slow, healthy));
    let closed = || room.closed.lock().expect("nobody panics").len();
    until("closed", || closed() == RECEIVERS + HEALTHY);
    let stats = stats(&engine);
    // Of those that are closing already our Close is refused.
    let refused = stats.publish_dropped + stats.forward_dropped;
    let told = stats.dropped_newest + stats.dropped_oldest + refused;
    assert_eq!(room.dropped.load(Ordering::Relaxed), told, "each is some connection's");
    Outcome { stats, got, codes }
}

/// Those who are still there, behind all that is queued.
fn close_all(engine: &Engine, room: &Room) {
    let opened = room.opened.lock().expect("nobody panics");
    let closed = room.closed.lock().expect("nobody panics").clone();
    for conn in opened.iter().filter(|conn| !closed.contains(conn)) {
        engine.handle().close(*conn, CloseCode::NORMAL, "").expect("handed over");
    }
}

/// All that was published to all who have stayed.
const ALL: u64 = MESSAGES * (RECEIVERS + HEALTHY) as u64;

impl Outcome {
    /// Nobody has ended before all was published: drops and deliveries add up.
    fn adds_up(&self) {
        let Self { stats, got, .. } = self;
        let without = stats.dropped_newest + stats.publish_dropped + stats.publish_closing;
        assert_eq!(stats.messages_out + without, ALL);
        let delivered = got + MESSAGES * HEALTHY as u64;
        assert_eq!(delivered + stats.dropped_oldest, stats.messages_out);
        assert!(*got >= RECEIVERS as u64, "only {got} messages");
        assert!(*got < ALL / 2, "they were to be slow: {got} messages");
    }

    fn closed_with(&self, code: u16) {
        assert!(self.codes.iter().all(|got| *got == Some(code)), "{:?}", self.codes);
    }
}

#[test]
fn refused() {
    let outcome = run(WhenFull::Refuse, None);
    outcome.adds_up();
    outcome.closed_with(1000);
    let stats = outcome.stats;
    assert!(stats.publish_dropped > 0 && stats.dropped_newest + stats.dropped_oldest == 0);
}

#[test]
fn the_newest_are_dropped() {
    let outcome = run(WhenFull::DropNewest, None);
    outcome.adds_up();
    outcome.closed_with(1000);
    let stats = outcome.stats;
    assert!(stats.dropped_newest > 0 && stats.publish_dropped + stats.dropped_oldest == 0);
}

#[test]
fn the_oldest_are_dropped() {
    // Of the connections, and of what is published.
    for (when_full, by) in
        [(WhenFull::DropOldest, None), (WhenFull::Refuse, Some(WhenFull::DropOldest))]
    {
        let outcome = run(when_full, by);
        outcome.adds_up();
        outcome.closed_with(1000);
        let stats = outcome.stats;
        assert!(stats.dropped_oldest > 0 && stats.publish_dropped + stats.dropped_newest == 0);
    }
}

#[test]
fn those_who_do_not_read_are_closed() {
    let outcome = run(WhenFull::Close, None);
    outcome.adds_up();
    outcome.closed_with(1013);
    assert_eq!(outcome.stats.closed_full, RECEIVERS as u64);
    let Stats { publish_dropped, publish_closing, .. } = outcome.stats;
    assert_eq!(publish_dropped, RECEIVERS as u64, "what found the queue full");
    assert!(publish_closing > RECEIVERS as u64, "they stay until they have read");
}

#[test]
fn those_who_do_not_read_are_ended() {
    let Outcome { stats, codes, .. } = run(WhenFull::Abort, None);
    assert_eq!(stats.aborted_full, RECEIVERS as u64);
    assert!(codes.iter().all(Option::is_none), "a Close came: {codes:?}");
    assert_eq!(stats.publish_dropped, RECEIVERS as u64, "what found the queue full");
}

/// A reader of 50 KB/s, at most, of 50 symbols of which each has 1,000 prices a second.
mod ticker {
    use super::*;

    const SYMBOLS: u64 = 50;
    const ROUNDS: u64 = if cfg!(feature = "long") { 5_000 } else { 1_500 };
    /// Bytes of a price.
    const PRICE: usize = 80;

    fn price(symbol: u64, round: u64, at: Duration) -> Outgoing {
        let nanos = at.as_nanos() as u64;
        let mut payload = [symbol, round, nanos].map(u64::to_be_bytes).concat();
        payload.resize(PRICE, b'p');
        Outgoing::copied(Opcode::Binary, &payload)
    }

    /// Reads so slowly.
    struct Slowly(TcpStream);

    impl Read for Slowly {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            const PIECE: usize = 500;
            std::thread::sleep(Duration::from_millis(10));
            let most = into.len().min(PIECE);
            self.0.read(&mut into[..most])
        }
    }

    /// Publishes every millisecond; a round that is late is not made up for.
    fn feed(engine: &Engine, begun: Instant) {
        for round in 1..=ROUNDS {
            for symbol in 0..SYMBOLS {
                let message = price(symbol, round, begun.elapsed());
                let handle = engine.handle();
                handle.publish_latest(b"all", symbol, &message, None).expect("taken");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_slow_reader_sees_prices_that_are_young() {
        let room = Arc::new(Room::default());
        let socket_options = SocketOptions {
            unsent_max: 2 << 10,
            kernel_send_max: 4 << 10,
            ..SocketOptions::default()
        };
        let (engine, port) = start(reactors(1), Endpoint { socket_options, ..at_of(room.clone()) });
        let client = Client::open(with_window(4 << 10, port)).with_patience(PATIENCE);
        until("a member", || engine.handle().members(b"all") == 1);
        let begun = Instant::now();
        let (ages, newest, came) = std::thread::scope(|scope| {
            scope.spawn(|| feed(&engine, begun));
            let mut slowly = std::io::BufReader::with_capacity(500, Slowly(client.stream));
            let (mut ages, mut newest) = (Vec::new(), vec![0; SYMBOLS as usize]);
            let mut came = 0;
            while newest.iter().any(|round| *round < ROUNDS) {
                let (first, payload) = ringws_kit::read_frame(&mut slowly).expect("a price");
                assert_eq!((first, payload.len()), (0x82, PRICE));
                let word = |n: usize| u64::from_be_bytes(*payload[8 * n..].first_chunk().unwrap());
                let (symbol, round) = (word(0) as usize, word(1));
                assert!(round > newest[symbol], "{round} of {symbol} behind {}", newest[symbol]);
                newest[symbol] = round;
                ages.push(begun.elapsed() - Duration::from_nanos(word(2)));
                came += 1;
            }
            (ages, newest, came)
        });
        assert_eq!(newest, vec![ROUNDS; SYMBOLS as usize]);
        let stats = stats(&engine);
        assert_eq!((stats.messages_out, stats.publish_dropped), (came, 0));
        assert_eq!(stats.messages_out + stats.replaced, SYMBOLS * ROUNDS);
        assert!(stats.replaced > SYMBOLS * ROUNDS / 2, "{} were replaced", stats.replaced);
        let mut ages = ages;
        ages.sort_unstable();
        let (median, most) = (ages[ages.len() / 2], ages[ages.len() * 99 / 100]);
        assert!(most < Duration::from_millis(500), "99 of 100 within {most:?}, half {median:?}");
    }
}
