//! More clients than there is room for: who leaves lets one in, the others wait, nobody is reset.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Address, Config, Endpoint};
use ringws_engine::engine::Engine;
use ringws_engine::reactor::Handler;
use ringws_kit::request;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

struct Quiet;

impl Handler for Quiet {}

/// A client that has asked to be let in, and what it has been told.
struct Waiting {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Waiting {
    /// A socket of either family: the standard library reads both alike.
    fn new(socket: OwnedFd) -> Self {
        let mut stream = TcpStream::from(socket);
        stream.write_all(request("/", &[]).as_bytes()).expect("the request");
        stream.set_nonblocking(true).expect("a socket");
        Self { stream, answer: Vec::new() }
    }

    /// Whether it has been let in.
    fn is_in(&mut self) -> bool {
        let mut bytes = [0; 512];
        match self.stream.read(&mut bytes) {
            Ok(0) => panic!("turned away"),
            Ok(len) => self.answer.extend_from_slice(&bytes[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("turned away: {error}"),
        }
        self.answer.starts_with(b"HTTP/1.1 101 ")
    }
}

/// A server with so much room, and many clients.
struct Crowd {
    engine: Engine,
    outside: Vec<Waiting>,
    inside: Vec<Waiting>,
}

impl Crowd {
    fn new(config: Config, addresses: &[Address]) -> (Self, Vec<u16>) {
        let engine = Engine::new(config).expect("an engine");
        let listen = |address: &Address| {
            let endpoint = Endpoint::new(0, Arc::new(Quiet));
            engine.listen(Endpoint { address: address.clone(), ..endpoint }).expect("a listener")
        };
        let ports = addresses.iter().map(listen).collect();
        engine.start().expect("io_uring");
        (Self { engine, outside: Vec::new(), inside: Vec::new() }, ports)
    }

    fn tcp(&mut self, port: u16) {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("room in the backlog");
        self.outside.push(Waiting::new(stream.into()));
    }

    fn unix(&mut self, path: &Path) {
        let stream = UnixStream::connect(path).expect("room in the backlog");
        self.outside.push(Waiting::new(stream.into()));
    }

    /// Looks who has been let in since.
    fn look(&mut self) {
        for mut client in std::mem::take(&mut self.outside) {
            if client.is_in() { &mut self.inside } else { &mut self.outside }.push(client);
        }
    }

    /// Waits until so many are in, and a little longer: no more come.
    fn expect(&mut self, inside: usize) {
        let start = Instant::now();
        while self.inside.len() < inside {
            self.look();
            assert!(start.elapsed() < PATIENCE, "{} in, {inside} expected", self.inside.len());
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(30));
        self.look();
        assert_eq!(self.inside.len(), inside);
    }

    /// Four leave by ones; then all in turn, and all others have been in.
    fn play(mut self, room: usize) {
        self.expect(room);
        for _ in 0..4 {
            self.inside.pop().expect("somebody is in");
            self.expect(room);
        }
        let start = Instant::now();
        while !self.outside.is_empty() {
            self.inside.drain(..).for_each(|client| {
                client.stream.shutdown(Shutdown::Both).expect("open");
            });
            self.look();
            assert!(start.elapsed() < PATIENCE, "{} still wait", self.outside.len());
        }
        let stats = self.engine.stats(None).expect("stats");
        assert_eq!(stats.accept_dropped, 0);
        assert!(stats.accept_paused > 0);
    }
}

fn config(reactors: u32, connections_max: u32) -> Config {
    // Our own ends need descriptors, the server's are direct ones.
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).expect("RLIMIT_NOFILE");
    Config { connections_max, ..service::reactors(reactors) }
}

#[test]
fn one_leaves_and_one_comes_in() {
    let (mut crowd, ports) = Crowd::new(config(1, 100), &[Address::Any]);
    (0..1_000).for_each(|_| crowd.tcp(ports[0]));
    crowd.play(100);
}

#[test]
fn several_listeners_share_the_room() {
    let at = [Address::Any, Address::Any, Address::Any];
    let (mut crowd, ports) = Crowd::new(config(1, 2), &at);
    // The first waits at each; those behind it take turns as places become free.
    (0..300).for_each(|at| crowd.tcp(ports[at % 3]));
    crowd.play(2);
}

#[test]
fn several_reactors_share_a_unix_socket() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("crowd.sock");
    let (mut crowd, _) = Crowd::new(config(2, 10), &[Address::Unix(path.clone())]);
    (0..300).for_each(|_| crowd.unix(&path));
    crowd.play(20);
}
