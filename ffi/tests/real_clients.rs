//! The C echo server under clients that others wrote: the Python package `websockets`, the npm
//! package `ws`, and the WebSocket of Node itself, which is the one of the browsers' API.

mod clients;
mod common;

use common::server::Server;
use common::{Linkage, compilers, here, scratch};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The longest message of the server: twice the largest that the clients send in earnest.
const MESSAGE_MAX: u32 = 32 << 20;

/// For one client with all its checks. Alone it takes some seconds.
const CLIENT_MAX: Duration = Duration::from_secs(300);

const STOP_MAX: Duration = Duration::from_secs(15);

/// The program, compiled once for all tests.
fn echo() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let compile = || {
        let program = scratch("real_clients").join("echo");
        let source = here().join("examples/echo.c");
        let compiler = compilers()[0];
        compiler.program("c11", &source, Linkage::Static, &["-O2", "-g"], &program);
        program
    };
    PROGRAM.get_or_init(compile).clone()
}

/// Runs a client against a server of its own. Both must end well.
fn drive(mut client: Command, program: &str) {
    let server = Server::start(&echo(), &["0", &MESSAGE_MAX.to_string()]);
    client.arg(clients::program(program));
    client.arg(format!("ws://127.0.0.1:{}", server.port)).arg(MESSAGE_MAX.to_string());
    let mut child = client.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let output = child.stdout.take().unwrap();
    let output = std::thread::spawn(move || std::io::read_to_string(output).unwrap());
    let passed = wait(&mut child);
    let said = output.join().unwrap();
    assert!(passed, "{program}:\n{said}");
    assert!(said.lines().last().is_some_and(|line| line.ends_with(" checks passed")), "{said}");

    server.signal("TERM");
    let status = server.wait(STOP_MAX);
    assert!(status.success(), "the server ended with {status}");
}

/// Whether the client found all well, in time.
fn wait(client: &mut Child) -> bool {
    let start = Instant::now();
    while start.elapsed() < CLIENT_MAX {
        if let Some(status) = client.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    client.kill().unwrap();
    client.wait().unwrap();
    false
}

#[test]
fn python_websockets() {
    drive(Command::new(clients::python()), "client.py");
}

#[test]
fn node_ws() {
    drive(clients::node_with_ws(), "client_ws.mjs");
}

#[test]
fn node_builtin() {
    drive(clients::node_with_websocket(), "client_builtin.mjs");
}
