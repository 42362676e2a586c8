//! The engine on the real kernel, over loopback: what its users see of its life.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Address, Backend, Config, Endpoint, Level, Log};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::{Engine, Error};
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{CallError, Closed, Conn, Context, Handler, Message, Upgrade};
use ringws_kit::{BINARY, CLOSE, Client, PING, PONG, TEXT, ask, close, frame, tcp};
use service::{at_of, backend, reactors, start, stats};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// What a handler saw.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Upgrade(Option<SocketAddr>),
    Open(Conn, Option<SocketAddr>),
    Message(Vec<u8>),
    Close(u16, Option<u16>, String),
}

/// Reports what it sees, and echoes.
struct Witness(Mutex<Sender<Seen>>);

impl Witness {
    fn new() -> (Arc<Self>, Receiver<Seen>) {
        let (seen, seens) = channel();
        (Arc::new(Self(Mutex::new(seen))), seens)
    }
    fn tell(&self, seen: Seen) {
        self.0.lock().unwrap().send(seen).unwrap();
    }
}

impl Handler for Witness {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        self.tell(Seen::Upgrade(upgrade.peer()));
        if upgrade.request().target() == "/refused" { Err(Refusal::new(403)) } else { Ok(()) }
    }
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        self.tell(Seen::Open(conn, ctx.peer(conn)));
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        self.tell(Seen::Message(message.payload.to_vec()));
        if message.payload == b"pause" {
            ctx.pause(conn).unwrap();
        }
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).unwrap();
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        let info = closed.info;
        self.tell(Seen::Close(info.code.0, info.sent.map(|code| code.0), info.reason.into()));
    }
}

fn next(seens: &Receiver<Seen>) -> Seen {
    seens.recv_timeout(PATIENCE).expect("a callback")
}

fn opened(seens: &Receiver<Seen>) -> Conn {
    loop {
        if let Seen::Open(conn, _) = next(seens) {
            return conn;
        }
    }
}

#[test]
fn a_connection_from_upgrade_to_close() {
    let (witness, seens) = Witness::new();
    let (engine, port) = start(reactors(1), Endpoint::new(0, witness));
    let mut client = Client::connect(port);
    let peer = Some(client.stream.local_addr().unwrap());
    let Seen::Upgrade(at) = next(&seens) else { panic!("on_upgrade comes first") };
    assert_eq!(at, peer);
    let Seen::Open(conn, at) = next(&seens) else { panic!("then on_open") };
    assert_eq!(at, peer);
    client.send(TEXT, b"one");
    client.hears(TEXT, b"one");
    assert_eq!(next(&seens), Seen::Message(b"one".to_vec()));
    // A Ping alone in its buffer is answered at once.
    client.send(PING, b"there?");
    client.hears(PONG, b"there?");
    client.send(CLOSE, close(4000, "done"));
    client.hears(CLOSE, close(4000, ""));
    let asked = Instant::now();
    client.ends();
    assert!(asked.elapsed() < Duration::from_secs(2), "at once, not after a timeout");
    drop(client);
    assert_eq!(next(&seens), Seen::Close(4000, Some(4000), "done".into()));
    let stale = engine.handle().send(conn, Opcode::Text, b"late", SendFlags::default());
    assert_eq!(stale, Ok(()), "handed over");
    engine.stop(Duration::ZERO);
    engine.wait().unwrap();
    assert_eq!(stats(&engine).forward_dropped, 1, "and counted");
    assert_eq!(engine.handle().abort(conn), Err(CallError::Stopped));
}

#[test]
fn a_refusal_reaches_the_client_and_pairs_with_no_open() {
    let (witness, seens) = Witness::new();
    let (engine, port) = start(reactors(1), Endpoint::new(0, witness));
    let mut stream = tcp(port);
    let answer = ask(&mut stream, "/refused", &[]).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    drop(stream);
    drop(engine);
    assert!(matches!(next(&seens), Seen::Upgrade(_)));
    assert!(seens.recv().is_err(), "neither on_open nor on_close");
}

#[test]
fn a_taken_port_is_refused_also_to_a_second_engine() {
    let (witness, _seens) = Witness::new();
    let (_engine, port) = start(reactors(2), Endpoint::new(0, witness.clone()));
    let second = Engine::new(Config::default()).unwrap();
    match second.listen(Endpoint::new(port, witness)) {
        Err(Error::System { source, .. }) => {
            assert_eq!(source.raw_os_error(), rustix::io::Errno::ADDRINUSE.raw_os_error());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_port_can_be_had_again_at_once() {
    let (witness, _seens) = Witness::new();
    let (engine, port) = start(reactors(1), Endpoint::new(0, witness.clone()));
    // The server ends TCP, so its side is left in TIME_WAIT.
    let mut client = Client::connect(port);
    client.send(CLOSE, close(1000, ""));
    client.closed_with(1000);
    drop(engine);
    let (_engine, again) = start(reactors(1), Endpoint::new(port, witness));
    assert_eq!(again, port);
}

#[test]
fn stopping_says_1001_and_cuts_off_who_does_not_answer() {
    let (witness, seens) = Witness::new();
    let (engine, port) = start(reactors(2), Endpoint::new(0, witness));
    let mut polite = Client::connect(port);
    let mut deaf = Client::connect(port);
    let mut half_open = tcp(port);
    half_open.write_all(b"GET / HT").unwrap();
    let (_, _) = (opened(&seens), opened(&seens));
    let asked = Instant::now();
    engine.stop(Duration::from_millis(400));
    polite.hears(CLOSE, close(1001, ""));
    polite.send(CLOSE, close(1001, ""));
    deaf.closed_with(1001);
    engine.wait().unwrap();
    let took = asked.elapsed();
    assert!((300..3_000).contains(&took.as_millis()), "{took:?}");
    let mut codes: Vec<u16> = seens
        .try_iter()
        .filter_map(|seen| if let Seen::Close(code, ..) = seen { Some(code) } else { None })
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [1001, CloseCode::ABNORMAL.0]);
    assert_eq!(stats(&engine).connections, 0);
}

#[test]
fn another_thread_sends_closes_and_posts() {
    let (witness, seens) = Witness::new();
    let (engine, port) = start(reactors(2), Endpoint::new(0, witness));
    let mut client = Client::connect(port);
    let conn = opened(&seens);
    let handle = engine.handle().clone();
    let text = SendFlags::default();
    std::thread::spawn(move || {
        for number in 0..100u8 {
            handle.send(conn, Opcode::Binary, &[number], text).unwrap();
        }
        let refused = handle.send(conn, Opcode::Text, b"\xff", text);
        assert!(matches!(refused, Err(CallError::Send(_))));
        handle.close(conn, CloseCode(3000), "enough").unwrap();
    })
    .join()
    .unwrap();
    for number in 0..100u8 {
        client.hears(BINARY, [number]);
    }
    client.hears(CLOSE, close(3000, "enough"));
    let (report, reports) = channel();
    for reactor in 0..2 {
        let report = report.clone();
        let job = Box::new(move |ctx: &mut Context| report.send(ctx.index()).unwrap());
        engine.handle().post(reactor, job).unwrap();
    }
    let mut ran =
        [reports.recv_timeout(PATIENCE), reports.recv_timeout(PATIENCE)].map(Result::unwrap);
    ran.sort_unstable();
    assert_eq!(ran, [0, 1]);
    assert_eq!(engine.handle().post(2, Box::new(|_| {})), Err(CallError::Gone));
}

#[test]
fn paused_means_not_read_and_resumed_means_nothing_was_lost() {
    let (witness, seens) = Witness::new();
    let (engine, port) = start(reactors(1), Endpoint::new(0, witness));
    let mut client = Client::connect(port);
    let conn = opened(&seens);
    client.write(&[frame(TEXT, "pause"), frame(TEXT, "a"), frame(TEXT, "b")].concat());
    client.hears(TEXT, b"pause");
    assert_eq!(next(&seens), Seen::Message(b"pause".to_vec()));
    client.send(TEXT, b"c");
    assert!(seens.recv_timeout(Duration::from_millis(100)).is_err(), "no on_message while paused");
    let resume = Box::new(move |ctx: &mut Context| ctx.resume(conn).unwrap());
    engine.handle().post(0, resume).unwrap();
    for text in [b"a", b"b", b"c"] {
        client.hears(TEXT, text);
        assert_eq!(next(&seens), Seen::Message(text.to_vec()));
    }
}

#[test]
fn a_reactor_that_looks_before_it_sleeps_misses_nothing() {
    for busy_poll_us in [1, 2_000, 1_000_000] {
        let (witness, seens) = Witness::new();
        let config = Config { busy_poll_us, ..reactors(2) };
        let (engine, port) = start(config, Endpoint::new(0, witness));
        let mut client = Client::connect(port);
        let conn = opened(&seens);
        for pause_ms in [0, 5, 0] {
            std::thread::sleep(Duration::from_millis(pause_ms));
            client.send(TEXT, b"hello");
            client.hears(TEXT, b"hello");
            engine.handle().send(conn, Opcode::Text, b"posted", SendFlags::default()).unwrap();
            client.hears(TEXT, b"posted");
        }
        let asked = Instant::now();
        drop(client);
        drop(engine);
        assert!(asked.elapsed() < Duration::from_millis(900), "looking does not delay the end");
    }
}

#[test]
fn a_unix_socket_is_served_and_removed() {
    let path = std::env::temp_dir().join(format!("ringws-{}.sock", std::process::id()));
    let (witness, seens) = Witness::new();
    let at = Endpoint { address: Address::Unix(path.clone()), ..Endpoint::new(0, witness) };
    let (engine, port) = start(reactors(2), at);
    assert_eq!(port, 0);
    for _ in 0..4 {
        let mut client = Client::connect_unix(&path);
        assert_eq!(next(&seens), Seen::Upgrade(None));
        opened(&seens);
        client.send(BINARY, b"local");
        client.hears(BINARY, b"local");
        assert_eq!(next(&seens), Seen::Message(b"local".to_vec()));
        drop(client);
        assert_eq!(next(&seens), Seen::Close(1006, None, String::new()));
    }
    drop(engine);
    assert!(!path.exists());
}

#[test]
fn connections_beyond_the_limit_wait_in_the_backlog() {
    let (witness, _seens) = Witness::new();
    let config = Config { reactors: 1, connections_max: 2, ..Config::default() };
    let (engine, port) = start(config, at_of(witness));
    let first = Client::connect(port);
    let _second = Client::connect(port);
    let third = std::thread::spawn(move || Client::connect(port));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!third.is_finished(), "no room yet");
    drop(first);
    third.join().unwrap();
    assert!(stats(&engine).accept_paused > 0);
}

#[test]
fn a_hook_that_panics_fails_the_start() {
    let on_start: Arc<dyn Fn(&mut Context) + Send + Sync> =
        Arc::new(|ctx: &mut Context| assert_ne!(ctx.index(), 1, "on purpose"));
    let config = Config { on_start: Some(on_start), ..reactors(2) };
    let engine = Engine::new(config).unwrap();
    assert!(matches!(engine.start(), Err(Error::Panicked(1))));
    assert!(matches!(engine.start(), Err(Error::State(_))));
}

#[test]
fn misuse_is_refused_with_a_reason() {
    let (witness, _seens) = Witness::new();
    let invalid = |config: Config| matches!(Engine::new(config), Err(Error::Invalid(_)));
    assert!(invalid(Config { reactors: 256, ..Config::default() }));
    assert!(invalid(Config { recv_buffers: 100, ..Config::default() }));
    assert!(invalid(Config { recv_buffer_size: 63, ..Config::default() }));
    assert!(invalid(Config { busy_poll_us: 1_000_001, ..Config::default() }));
    assert!(invalid(Config { coalesce_us: 1_000_001, ..Config::default() }));
    assert!(invalid(Config { connections_max: 1 << 24, ..Config::default() }));
    let engine = Engine::new(reactors(1)).unwrap();
    let limits = Limits { idle_timeout_ms: 0, ..Limits::default() };
    let at = Endpoint { limits, ..Endpoint::new(0, witness.clone()) };
    assert!(matches!(engine.listen(at), Err(Error::Invalid(_))));
    assert!(engine.wait().is_ok(), "never started");
    engine.start().unwrap();
    assert!(matches!(engine.start(), Err(Error::State(_))));
    assert!(matches!(engine.listen(Endpoint::new(0, witness)), Err(Error::State(_))));
}

#[test]
fn the_log_says_what_was_chosen() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&lines);
    let log: Log =
        Arc::new(move |level, line: &str| heard.lock().unwrap().push((level, line.to_owned())));
    let config = Config { log: Some(log), ..reactors(2) };
    let engine = Engine::new(config).unwrap();
    engine.start().unwrap();
    engine.stop(Duration::ZERO);
    engine.wait().unwrap();
    let lines = lines.lock().unwrap();
    for reactor in 0..2 {
        let name = if backend() == Backend::Epoll { "epoll" } else { "io_uring with " };
        let start = format!("reactor {reactor}: {name}");
        let chosen = |(level, line): &&(Level, String)| {
            *level == Level::Info && line.starts_with(&start) && line.contains(" buffers of ")
        };
        assert_eq!(lines.iter().filter(chosen).count(), 1, "{lines:?}");
        assert!(
            lines.contains(&(Level::Info, format!("reactor {reactor}: has ended"))),
            "{lines:?}"
        );
    }
}
