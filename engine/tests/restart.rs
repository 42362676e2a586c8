//! A server that was killed, and its successor on the same port.

use ringws_engine::config::{Address, Config, Endpoint};
use ringws_engine::engine::{Engine, Error};
use ringws_engine::reactor::Handler;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Set in the environment of a server of this test: its port.
const PORT: &str = "RINGWS_TEST_PORT";

struct Quiet;

impl Handler for Quiet {}

fn listen(port: u16) -> Result<Engine, Error> {
    let engine = Engine::new(Config { reactors: 2, ..Config::default() })?;
    let address = Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    engine.listen(Endpoint { address, ..Endpoint::new(port, Arc::new(Quiet)) })?;
    Ok(engine)
}

/// What the test runs as a process of its own, and kills.
#[test]
fn child_serves_until_it_is_killed() {
    let Some(port) = std::env::var_os(PORT) else { return };
    let port = port.to_str().expect("digits").parse().expect("a port");
    let engine = listen(port).expect("the port");
    engine.start().expect("io_uring");
    writeln!(std::io::stdout(), "\nlistening").expect("heard");
    engine.wait().expect("killed before");
}

fn serve(port: u16) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child_serves_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(PORT, port.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let said = BufReader::new(child.stdout.take().expect("piped"));
    let listens = said.lines().map_while(Result::ok).any(|line| line == "listening");
    if !listens {
        let _ = child.kill();
        panic!("it does not listen: {:?}", child.wait());
    }
    child
}

/// A port that nobody has.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn a_server_that_was_killed_is_succeeded_at_once() {
    let port = free_port();
    for _ in 0..10 {
        let mut child = serve(port);
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        child.kill().expect("it runs");
        child.wait().expect("killed");
        drop(stream);
    }
}

#[test]
fn a_port_that_is_given_up_soon_is_waited_for_and_another_is_not() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("an address").port();
    let start = Instant::now();
    let Err(Error::System { source, .. }) = listen(port) else { panic!("the port is taken") };
    assert_eq!(source, rustix::io::Errno::ADDRINUSE);
    assert!(start.elapsed() < Duration::from_secs(5));
    let giver = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        drop(holder);
    });
    assert!(listen(port).is_ok());
    giver.join().expect("gave it up");
}
