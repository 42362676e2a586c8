//! A server that was killed, or drained under load, and its successor on the same port.

#![allow(clippy::print_stdout)] // what was counted, for who measures

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Address, Drain, Endpoint};
use ringws_engine::engine::{Engine, Error};
use ringws_engine::passed::of_number;
use ringws_kit::{BINARY, frame, free_port, read_frame, read_head, request};
use rustix::io::FdFlags;
use service::{Echo, reactors};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Set in the environment of a server of this test: how it listens.
const HOW: &str = "RINGWS_TEST_LISTEN";

fn listen(how: &str) -> Result<Engine, Error> {
    let engine = Engine::new(reactors(2))?;
    let (kind, number) = how.split_once(' ').expect("a kind and a number");
    let loopback = Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = || number.parse().expect("a port");
    let (address, port) = match kind {
        "given" => (Address::Given(Arc::new(of_number(number.parse().expect("digits"))?)), 0),
        "systemd" => (Address::Systemd(Some("web".into())), 0),
        _ => (loopback, port()),
    };
    let endpoint = Endpoint::new(port, Arc::new(Echo));
    engine.listen(Endpoint { address, shared: kind == "shared", ..endpoint })?;
    Ok(engine)
}

/// What the test runs as a process of its own: it is killed, or drained when its input ends.
#[test]
fn child_serves_until_it_is_killed() {
    let Some(how) = std::env::var_os(HOW) else { return };
    let engine = listen(how.to_str().expect("ASCII")).expect("listening");
    engine.start().expect("io_uring");
    writeln!(io::stdout(), "\nlistening").expect("heard");
    io::copy(&mut io::stdin(), &mut io::sink()).expect("to its end");
    let (serve, spread) = (Duration::from_millis(150), Duration::from_millis(100));
    engine.drain(Drain { serve, spread, ..Drain::default() }).expect("it runs");
    engine.wait().expect("an orderly end");
}

struct Server {
    process: Child,
    input: ChildStdin,
    /// What the test harness in it still says at its end has to go somewhere.
    said: BufReader<ChildStdout>,
}

fn serve(how: &str) -> Server {
    serve_by(Command::new(std::env::current_exe().expect("this test")), how)
}

fn serve_by(mut command: Command, how: &str) -> Server {
    let mut process = command
        .args(["--exact", "child_serves_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(HOW, how)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut said = BufReader::new(process.stdout.take().expect("piped"));
    let listens = said.by_ref().lines().map_while(Result::ok).any(|line| line == "listening");
    if !listens {
        let _ = process.kill();
        panic!("it does not listen: {:?}", process.wait());
    }
    let input = process.stdin.take().expect("piped");
    Server { process, input, said }
}

impl Server {
    fn drain(mut self) {
        drop(self.input);
        io::copy(&mut self.said, &mut io::sink()).expect("to its end");
        assert!(self.process.wait().expect("ours").success());
    }
}

#[test]
fn a_server_that_was_killed_is_succeeded_at_once() {
    let port = free_port();
    for _ in 0..10 {
        let mut server = serve(&format!("alone {port}"));
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        server.process.kill().expect("it runs");
        server.process.wait().expect("killed");
        drop(stream);
    }
}

#[test]
fn a_port_that_is_given_up_soon_is_waited_for_and_another_is_not() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("an address").port();
    let start = Instant::now();
    let Err(Error::System { source, .. }) = listen(&format!("alone {port}")) else {
        panic!("the port is taken")
    };
    assert_eq!(source, rustix::io::Errno::ADDRINUSE);
    assert!(start.elapsed() < Duration::from_secs(5));
    let giver = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        drop(holder);
    });
    assert!(listen(&format!("alone {port}")).is_ok());
    giver.join().expect("gave it up");
}

/// What became of the attempts of clients that connect all the time.
#[derive(Debug, Default)]
struct Attempts {
    over: AtomicBool,
    /// An echo came, or a Close in its place.
    served: AtomicU64,
    /// 503: by one that drains.
    turned_down: AtomicU64,
    /// Nobody listened.
    refused: AtomicU64,
    /// TCP ended before the answer.
    reset: AtomicU64,
}

impl Attempts {
    fn run(&self, port: u16) {
        while !self.over.load(Ordering::Relaxed) {
            let count = match try_once(port) {
                Ok(true) => &self.served,
                Ok(false) => &self.turned_down,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => &self.refused,
                Err(_) => &self.reset,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether it was let in.
fn try_once(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request("/", &[]).as_bytes())?;
    let head = read_head(&mut stream)?;
    if !head.starts_with("HTTP/1.1 101 ") {
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: 1"), "{head}");
        return Ok(false);
    }
    stream.write_all(&frame(BINARY, "x"))?;
    let (first, payload) = read_frame(&mut stream)?;
    assert!((first, &payload[..]) == (0x82, b"x") || first == 0x88, "{first:x} {payload:?}");
    // Not closed in order: so no port of ours waits for its peer's last segments.
    ringws_kit::reset(&stream);
    Ok(true)
}

/// Ends the attempts, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ten restarts under load, old and new alive together.
fn restart(how: &str, port: u16) -> Attempts {
    let attempts = Attempts::default();
    std::thread::scope(|scope| {
        let mut server = serve(how);
        let over = Over(&attempts.over);
        for _ in 0..4 {
            scope.spawn(|| attempts.run(port));
        }
        for _ in 0..10 {
            let next = serve(how);
            std::thread::sleep(Duration::from_millis(50));
            std::mem::replace(&mut server, next).drain();
        }
        drop(over);
        // The last one serves those that are still at it.
        std::thread::sleep(Duration::from_millis(200));
        server.drain();
    });
    println!("{how}: {attempts:?}");
    assert!(attempts.served.load(Ordering::Relaxed) > 100, "{attempts:?}");
    assert_eq!(attempts.refused.load(Ordering::Relaxed), 0, "{attempts:?}");
    attempts
}

/// Nobody who waits in its backlog, or is just connecting, notices.
#[test]
fn restarts_with_an_inherited_socket_lose_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    rustix::io::fcntl_setfd(&listener, FdFlags::empty()).expect("inherited");
    let attempts = restart(&format!("given {}", listener.as_raw_fd()), port);
    assert_eq!(attempts.reset.load(Ordering::Relaxed), 0, "{attempts:?}");
}

/// A connection that the kernel is making when a socket of the group is closed is reset: few.
#[test]
fn restarts_on_a_shared_port_refuse_nobody() {
    let port = free_port();
    let attempts = restart(&format!("shared {port}"), port);
    let (reset, served) = (&attempts.reset, &attempts.served);
    let few = served.load(Ordering::Relaxed) / 50 + 1;
    assert!(reset.load(Ordering::Relaxed) <= few, "{attempts:?}");
}

/// As systemd passes them: from descriptor 3 on, by name, to this process alone.
#[test]
fn sockets_that_systemd_passes_are_found_by_name() {
    let (other, web) = (
        TcpListener::bind("127.0.0.1:0").expect("a port"),
        TcpListener::bind("127.0.0.1:0").expect("a port"),
    );
    let port = web.local_addr().expect("an address").port();
    for listener in [&other, &web] {
        rustix::io::fcntl_setfd(listener, FdFlags::empty()).expect("inherited");
    }
    let (first, second) = (other.as_raw_fd(), web.as_raw_fd());
    // Moved out of the way first: one may be where the other is to go.
    let script = format!(
        "exec 18<&{first} 19<&{second} && exec 3<&18 4<&19 && LISTEN_PID=$$ exec \"$0\" \"$@\""
    );
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).arg(std::env::current_exe().expect("this test"));
    shell.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "other:web");
    let server = serve_by(shell, "systemd 0");
    assert!(try_once(port).expect("an answer"));
    server.drain();
    // It waits for the next one.
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the socket is still there");
    drop(stream);

    let Err(Error::Invalid(text)) = listen("systemd 0") else { panic!("to another process") };
    assert!(text.contains("LISTEN_PID"), "{text}");
}

/// What is no socket that listens is refused, and says what it is.
#[test]
fn what_does_not_listen_is_refused() {
    let refused = |how: &str| match listen(how) {
        Err(Error::Invalid(text)) => text,
        _ => panic!("{how}: taken"),
    };
    assert_eq!(refused("given 999999"), "descriptor 999999 is not open");
    assert_eq!(refused("given -1"), "descriptor -1 is not open");
    let file = std::fs::File::open("/dev/null").expect("there");
    assert_eq!(refused(&format!("given {}", file.as_raw_fd())), "the descriptor is no socket");
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let text = "the descriptor is no stream socket that listens";
    assert_eq!(refused(&format!("given {}", udp.as_raw_fd())), text);
    let (one, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
    assert_eq!(refused(&format!("given {}", one.as_raw_fd())), text);

    let path = Address::Unix("/nowhere".into());
    let engine = Engine::new(reactors(1)).expect("an engine");
    let endpoint = Endpoint { address: path, ..Endpoint::new(0, Arc::new(Echo)) };
    let shared = Endpoint { shared: true, ..endpoint.clone() };
    assert!(matches!(engine.listen(shared), Err(Error::Invalid(_))));
    assert!(matches!(engine.listen(Endpoint { port: 1, ..endpoint }), Err(Error::Invalid(_))));
}
