//! The engine on the real kernel, over loopback: what its users see of its life.

use ringws_engine::config::{Address, Config, Endpoint, Level, Log};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::{Engine, Error};
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{CallError, Closed, Conn, Context, Handler, Message, Upgrade};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
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

fn start(reactors: u32, endpoint: Endpoint) -> (Engine, u16) {
    let engine = Engine::new(Config { reactors, ..Config::default() }).unwrap();
    let port = engine.listen(endpoint).unwrap();
    engine.start().unwrap();
    (engine, port)
}

fn upgrade(stream: &mut (impl Read + Write), target: &str) -> String {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn connect(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(upgrade(&mut stream, "/").starts_with("HTTP/1.1 101 "));
    stream
}

/// A masked frame of at most 125 bytes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [7, 77, 177, 211];
    let mut frame = vec![first, 0x80 | payload.len() as u8];
    frame.extend(key);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    frame
}

/// The next frame: its first byte and its payload of at most 125 bytes.
fn read_frame(stream: &mut impl Read) -> (u8, Vec<u8>) {
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    let mut payload = vec![0; usize::from(header[1])];
    stream.read_exact(&mut payload).unwrap();
    (header[0], payload)
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
    let (engine, port) = start(1, Endpoint::new(0, witness));
    let mut stream = connect(port);
    let peer = Some(stream.local_addr().unwrap());
    let Seen::Upgrade(at) = next(&seens) else { panic!("on_upgrade comes first") };
    assert_eq!(at, peer);
    let Seen::Open(conn, at) = next(&seens) else { panic!("then on_open") };
    assert_eq!(at, peer);
    stream.write_all(&frame(0x81, b"one")).unwrap();
    assert_eq!(read_frame(&mut stream), (0x81, b"one".to_vec()));
    assert_eq!(next(&seens), Seen::Message(b"one".to_vec()));
    // A Ping alone in its buffer is answered at once.
    stream.write_all(&frame(0x89, b"there?")).unwrap();
    assert_eq!(read_frame(&mut stream), (0x8A, b"there?".to_vec()));
    stream.write_all(&frame(0x88, b"\x0f\xa0done")).unwrap();
    assert_eq!(read_frame(&mut stream), (0x88, b"\x0f\xa0".to_vec()));
    let asked = Instant::now();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the server ends TCP");
    assert!(asked.elapsed() < Duration::from_secs(2), "at once, not after a timeout");
    drop(stream);
    assert_eq!(next(&seens), Seen::Close(4000, Some(4000), "done".into()));
    let stale = engine.handle().send(conn, Opcode::Text, b"late", SendFlags::default());
    assert_eq!(stale, Ok(()), "handed over");
    engine.stop(Duration::ZERO);
    engine.wait().unwrap();
    assert_eq!(engine.stats(None).unwrap().forward_dropped, 1, "and counted");
    assert_eq!(engine.handle().abort(conn), Err(CallError::Stopped));
}

#[test]
fn a_refusal_reaches_the_client_and_pairs_with_no_open() {
    let (witness, seens) = Witness::new();
    let (engine, port) = start(1, Endpoint::new(0, witness));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(upgrade(&mut stream, "/refused").starts_with("HTTP/1.1 403 "));
    drop(stream);
    drop(engine);
    assert!(matches!(next(&seens), Seen::Upgrade(_)));
    assert!(seens.recv().is_err(), "neither on_open nor on_close");
}

#[test]
fn a_taken_port_is_refused_also_to_a_second_engine() {
    let (witness, _seens) = Witness::new();
    let (_engine, port) = start(2, Endpoint::new(0, witness.clone()));
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
    let (engine, port) = start(1, Endpoint::new(0, witness.clone()));
    // The server ends TCP, so its side is left in TIME_WAIT.
    let mut stream = connect(port);
    stream.write_all(&frame(0x88, b"\x03\xe8")).unwrap();
    assert_eq!(read_frame(&mut stream).0, 0x88);
    drop(engine);
    let (_engine, again) = start(1, Endpoint::new(port, witness));
    assert_eq!(again, port);
}

#[test]
fn stopping_says_1001_and_cuts_off_who_does_not_answer() {
    let (witness, seens) = Witness::new();
    let (engine, port) = start(2, Endpoint::new(0, witness));
    let mut polite = connect(port);
    let mut deaf = connect(port);
    let mut half_open = TcpStream::connect(("127.0.0.1", port)).unwrap();
    half_open.write_all(b"GET / HT").unwrap();
    let (_, _) = (opened(&seens), opened(&seens));
    let asked = Instant::now();
    engine.stop(Duration::from_millis(400));
    assert_eq!(read_frame(&mut polite), (0x88, 1001u16.to_be_bytes().to_vec()));
    polite.write_all(&frame(0x88, &1001u16.to_be_bytes())).unwrap();
    assert_eq!(read_frame(&mut deaf).0, 0x88);
    engine.wait().unwrap();
    let took = asked.elapsed();
    assert!((300..3_000).contains(&took.as_millis()), "{took:?}");
    let mut codes: Vec<u16> = seens
        .try_iter()
        .filter_map(|seen| if let Seen::Close(code, ..) = seen { Some(code) } else { None })
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [1001, CloseCode::ABNORMAL.0]);
    assert_eq!(engine.stats(None).unwrap().connections, 0);
}

#[test]
fn another_thread_sends_closes_and_posts() {
    let (witness, seens) = Witness::new();
    let (engine, port) = start(2, Endpoint::new(0, witness));
    let mut stream = connect(port);
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
        assert_eq!(read_frame(&mut stream), (0x82, vec![number]));
    }
    assert_eq!(read_frame(&mut stream), (0x88, b"\x0b\xb8enough".to_vec()));
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
    let (engine, port) = start(1, Endpoint::new(0, witness));
    let mut stream = connect(port);
    let conn = opened(&seens);
    let several = [frame(0x81, b"pause"), frame(0x81, b"a"), frame(0x81, b"b")].concat();
    stream.write_all(&several).unwrap();
    assert_eq!(read_frame(&mut stream).1, b"pause");
    assert_eq!(next(&seens), Seen::Message(b"pause".to_vec()));
    stream.write_all(&frame(0x81, b"c")).unwrap();
    assert!(seens.recv_timeout(Duration::from_millis(100)).is_err(), "no on_message while paused");
    let resume = Box::new(move |ctx: &mut Context| ctx.resume(conn).unwrap());
    engine.handle().post(0, resume).unwrap();
    for text in [b"a", b"b", b"c"] {
        assert_eq!(read_frame(&mut stream).1, text);
        assert_eq!(next(&seens), Seen::Message(text.to_vec()));
    }
}

#[test]
fn a_reactor_that_looks_before_it_sleeps_misses_nothing() {
    for busy_poll_us in [1, 2_000, 1_000_000] {
        let (witness, seens) = Witness::new();
        let engine =
            Engine::new(Config { reactors: 2, busy_poll_us, ..Config::default() }).unwrap();
        let port = engine.listen(Endpoint::new(0, witness)).unwrap();
        engine.start().unwrap();
        let mut stream = connect(port);
        let conn = opened(&seens);
        for pause_ms in [0, 5, 0] {
            std::thread::sleep(Duration::from_millis(pause_ms));
            stream.write_all(&frame(0x81, b"hello")).unwrap();
            assert_eq!(read_frame(&mut stream), (0x81, b"hello".to_vec()));
            engine.handle().send(conn, Opcode::Text, b"posted", SendFlags::default()).unwrap();
            assert_eq!(read_frame(&mut stream), (0x81, b"posted".to_vec()));
        }
        let asked = Instant::now();
        drop(stream);
        drop(engine);
        assert!(asked.elapsed() < Duration::from_millis(900), "looking does not delay the end");
    }
}

#[test]
fn a_unix_socket_is_served_and_removed() {
    let path = std::env::temp_dir().join(format!("ringws-{}.sock", std::process::id()));
    let (witness, seens) = Witness::new();
    let at = Endpoint { address: Address::Unix(path.clone()), ..Endpoint::new(0, witness) };
    let (engine, port) = start(2, at);
    assert_eq!(port, 0);
    for _ in 0..4 {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(upgrade(&mut stream, "/").starts_with("HTTP/1.1 101 "));
        assert_eq!(next(&seens), Seen::Upgrade(None));
        opened(&seens);
        stream.write_all(&frame(0x82, b"local")).unwrap();
        assert_eq!(read_frame(&mut stream), (0x82, b"local".to_vec()));
        assert_eq!(next(&seens), Seen::Message(b"local".to_vec()));
        drop(stream);
        assert_eq!(next(&seens), Seen::Close(1006, None, String::new()));
    }
    drop(engine);
    assert!(!path.exists());
}

#[test]
fn connections_beyond_the_limit_wait_in_the_backlog() {
    let (witness, _seens) = Witness::new();
    let config = Config { reactors: 1, connections_max: 2, ..Config::default() };
    let engine = Engine::new(config).unwrap();
    let ip = Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let at = Endpoint { address: ip, ..Endpoint::new(0, witness) };
    let port = engine.listen(at).unwrap();
    engine.start().unwrap();
    let first = connect(port);
    let _second = connect(port);
    let third = std::thread::spawn(move || connect(port));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!third.is_finished(), "no room yet");
    drop(first);
    third.join().unwrap();
    assert!(engine.stats(None).unwrap().accept_paused > 0);
}

#[test]
fn a_hook_that_panics_fails_the_start() {
    let on_start: Arc<dyn Fn(&mut Context) + Send + Sync> =
        Arc::new(|ctx: &mut Context| assert_ne!(ctx.index(), 1, "on purpose"));
    let config = Config { reactors: 2, on_start: Some(on_start), ..Config::default() };
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
    assert!(invalid(Config { connections_max: 1 << 24, ..Config::default() }));
    let engine = Engine::new(Config { reactors: 1, ..Config::default() }).unwrap();
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
    let config = Config { reactors: 2, log: Some(log), ..Config::default() };
    let engine = Engine::new(config).unwrap();
    engine.start().unwrap();
    engine.stop(Duration::ZERO);
    engine.wait().unwrap();
    let lines = lines.lock().unwrap();
    for reactor in 0..2 {
        let start = format!("reactor {reactor}: io_uring with ");
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
