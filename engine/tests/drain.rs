//! A drain: who is served on, who is turned down, who hears what and when, and what is counted.

#![allow(clippy::print_stdout)] // what was counted, for who measures

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Config, Drain, Drained, Endpoint};
use ringws_engine::conn::Limits;
use ringws_engine::engine::Engine;
use ringws_engine::proto::CloseCode;
use ringws_engine::reactor::DrainError;
use ringws_kit::{BINARY, CLOSE, Client, close, read_head, request, tcp};
use service::{Echo, at, reactors, start};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// What is told at the end, in the order in which it is told.
#[derive(Debug, PartialEq)]
enum Told {
    Drained(Drained),
    Stopped,
}

/// An engine that echoes, its port, and where it tells how it ended.
fn serve(config: Config, limits: Limits) -> (Engine, u16, Drain, Receiver<Told>) {
    let (tell, told) = channel();
    let tell = Arc::new(Mutex::new(tell));
    let also = Arc::clone(&tell);
    let tells = move |what| _ = tell.lock().expect("whole").send(what);
    let config = Config {
        on_stopped: Some(Arc::new(move || {
            let _ = also.lock().expect("whole").send(Told::Stopped);
        })),
        ..config
    };
    let (engine, port) = start(config, Endpoint { limits, ..at(Echo) });
    let drain = Drain {
        code: CloseCode(1012),
        reason: "moving".into(),
        deadline: PATIENCE,
        retry_after: Duration::from_secs(3),
        on_drained: Some(Arc::new(move |drained| tells(Told::Drained(*drained)))),
        ..Drain::default()
    };
    (engine, port, drain, told)
}

/// What was counted. Both are told, in this order, and nothing else.
fn counts(told: &Receiver<Told>) -> Drained {
    let first = told.recv_timeout(PATIENCE).expect("on_drained");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Stopped));
    let Told::Drained(drained) = first else { panic!("stopped before drained") };
    drained
}

/// Waits for a Close, reading without blocking, and answers it.
struct Reader {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Reader {
    fn new(client: Client<TcpStream>) -> Self {
        client.stream.set_nonblocking(true).expect("a socket");
        Self { stream: client.stream, heard: Vec::new() }
    }

    /// Whether its Close has come, which is as it was told to be.
    fn is_closed(&mut self) -> bool {
        let mut bytes = [0; 64];
        match self.stream.read(&mut bytes) {
            Ok(0) => panic!("ended without a Close: {:?}", self.heard),
            Ok(len) => self.heard.extend_from_slice(&bytes[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("aborted: {error}"),
        }
        let whole = b"\x88\x08\x03\xf4moving";
        if self.heard.len() < whole.len() {
            return false;
        }
        assert_eq!(self.heard, whole);
        let answer = ringws_kit::frame(CLOSE, close(1012, ""));
        self.stream.write_all(&answer).expect("room");
        true
    }
}

/// So many connections, drained over so long: the Closes in each part of that time are within 20 %
/// of even, none is aborted.
fn spreads(count: usize, spread: Duration, parts: u32) {
    let (engine, port, drain, told) = serve(reactors(2), Limits::default());
    let mut readers: Vec<Reader> = (0..count).map(|_| Reader::new(Client::connect(port))).collect();
    let begun = Instant::now();
    engine.drain(Drain { spread, ..drain }).expect("it runs");
    let mut found = vec![0; parts as usize];
    while !readers.is_empty() && begun.elapsed() < PATIENCE {
        readers.retain_mut(|reader| {
            let closed = reader.is_closed();
            if closed {
                let part = begun.elapsed().as_nanos() * u128::from(parts) / spread.as_nanos();
                found[(part as usize).min(parts as usize - 1)] += 1;
            }
            !closed
        });
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("{count} connections over {spread:?}: {found:?}");
    assert!(readers.is_empty(), "{} have not been closed", readers.len());
    let even = count / parts as usize;
    assert!(found.iter().all(|&some| some * 5 >= even * 4 && some * 5 <= even * 6), "{found:?}");
    assert_eq!(counts(&told), Drained { closed: count as u64, ..Drained::default() });
    engine.wait().expect("an orderly end");
}

#[test]
fn closes_are_spread_evenly() {
    spreads(300, Duration::from_secs(3), 3);
}

#[test]
#[cfg(feature = "long")]
fn closes_of_ten_thousand_are_spread_evenly() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("up to the hard limit");
    spreads(10_000, Duration::from_secs(5), 5);
}

/// While they are served on, and what becomes of those who are not open yet.
#[test]
fn open_ones_are_served_on_and_others_turned_down() {
    let (engine, port, drain, told) = serve(reactors(2), Limits::default());
    let mut open = Client::connect(port);
    let mut late = tcp(port);
    let mute = tcp(port);
    service::until(&engine, "they are accepted", |stats| stats.accepted == 3);
    let begun = Instant::now();
    let serve = Duration::from_secs(3);
    engine.drain(Drain { serve, ..drain.clone() }).expect("it runs");
    assert_eq!(engine.drain(drain), Err(DrainError::Stopping));

    open.echoes(BINARY, "still here");
    // Nobody looks at the port by connecting: who gets in is one more to be turned down.
    ringws_kit::until("the port is free", || TcpListener::bind(("127.0.0.1", port)).is_ok());
    late.write_all(request("/", &[]).as_bytes()).expect("it is open");
    let head = read_head(&mut late).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains("\r\nRetry-After: 3\r\n"), "{head}");
    open.echoes(BINARY, "and now");
    assert_eq!(open.closed_with(1012), "moving");
    let took = begun.elapsed() + Duration::from_millis(20);
    assert!(took >= serve, "closed after {took:?}");
    open.send(CLOSE, close(1012, ""));
    let expected = Drained { closed: 1, refused: 1, unheard: 1, ..Drained::default() };
    assert_eq!(counts(&told), expected);
    drop(mute);
}

/// Who does not answer: by the connection's own time, by the deadline, or by a stop that comes in
/// between; and who has gone.
#[test]
fn who_does_not_answer_is_counted() {
    let limits = Limits { close_timeout_ms: 300, ..Limits::default() };
    let (engine, port, drain, told) = serve(reactors(1), limits);
    let silent = Client::connect(port);
    engine.drain(drain).expect("it runs");
    assert_eq!(counts(&told), Drained { timed_out: 1, ..Drained::default() });
    drop((engine, silent));

    let patient = Limits { close_timeout_ms: u32::MAX, ..Limits::default() };
    let (engine, port, drain, told) = serve(reactors(1), patient);
    let silent = Client::connect(port);
    let begun = Instant::now();
    let deadline = Duration::from_millis(700);
    engine.drain(Drain { deadline, ..drain }).expect("it runs");
    assert_eq!(counts(&told), Drained { aborted: 1, ..Drained::default() });
    assert!(begun.elapsed() + Duration::from_millis(20) >= deadline);
    drop((engine, silent));

    let (engine, port, drain, told) = serve(reactors(1), patient);
    let mut silent = Client::connect(port);
    let gone = Client::connect(port);
    let begun = Instant::now();
    engine.drain(Drain { serve: PATIENCE, ..drain }).expect("it runs");
    gone.reset();
    service::until(&engine, "the other one", |stats| stats.connections == 1);
    engine.stop(Duration::from_millis(200));
    assert_eq!(silent.closed_with(1012), "moving");
    assert_eq!(counts(&told), Drained { aborted: 1, lost: 1, ..Drained::default() });
    assert!(begun.elapsed() < PATIENCE / 2);
}

/// A stop alone tells of no drain; nor does an engine that was drained before its start lose it.
#[test]
fn the_end_is_told_once() {
    let (engine, _, drain, told) = serve(reactors(3), Limits::default());
    engine.stop(Duration::ZERO);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Stopped));
    engine.wait().expect("an orderly end");
    assert_eq!(engine.drain(drain), Err(DrainError::Stopping));

    let (other, _, drain, told) = serve(reactors(1), Limits::default());
    drop(other);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Stopped), "within the drop");
    let engine = Engine::new(reactors(2)).expect("an engine");
    engine.drain(drain).expect("not started yet");
    engine.start().expect("io_uring");
    engine.wait().expect("an orderly end");
    assert_eq!(told.try_recv(), Ok(Told::Drained(Drained::default())));
}
