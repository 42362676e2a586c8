//! The client in C and C++ against the server in C, and what rws_engine_connect takes.

mod common;

use common::server::Server;
use common::{Compiler, Linkage, compilers, here, scratch, stdout_of};
use ringws_kit::{CLOSE, Client, TEXT, close};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

fn build(compiler: Compiler, standard: &str, linkage: Linkage, source: &str) -> PathBuf {
    // Its whole path, since examples and tests have sources of one name.
    let name = source.replace('/', "-");
    let program = scratch("client").join(format!("{name}-{}-{standard}-{linkage:?}", compiler.c));
    let source = here().join(source);
    // The examples are plain POSIX, not bare C.
    let posix: &[&str] =
        if standard.starts_with("c++") { &[] } else { &["-D_POSIX_C_SOURCE=200809L"] };
    compiler.program(standard, &source, linkage, posix, &program);
    program
}

/// A program that hangs fails.
fn run(program: &PathBuf) -> Command {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program);
    command
}

#[test]
fn what_is_said_is_echoed() {
    for compiler in compilers() {
        let echo = build(compiler, "c11", Linkage::Static, "examples/echo.c");
        let server = Server::start(&echo, &["0"]);
        let url = format!("ws://localhost:{}/", server.port);
        for (standard, source) in [("c11", "examples/client.c"), ("c++17", "examples/client.cpp")] {
            for linkage in [Linkage::Static, Linkage::Shared] {
                let client = build(compiler, standard, linkage, source);
                assert_eq!(stdout_of(run(&client).args([&url, "good day"])), "good day\n");
                let output = run(&client).arg("ws://127.0.0.1:1/").output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(1), "{said}");
                assert!(said.starts_with("127.0.0.1:1: "), "{said}");
                assert!(said.contains("refused"), "{said}");
                let output = run(&client).arg("ws://user@localhost/").output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(1), "{said}");
                assert!(said.starts_with("invalid argument: URL: user"), "{said}");
            }
        }
        server.signal("TERM");
        server.wait(Duration::from_secs(10));
    }
}

#[test]
fn a_coroutine_says_one_thing_after_the_other() {
    let compiler = compilers()[0];
    let echo = build(compiler, "c++20", Linkage::Static, "examples/echo.cpp");
    let client = build(compiler, "c++20", Linkage::Static, "examples/client_coro.cpp");
    let server = Server::start(&echo, &["0"]);
    let url = format!("ws://localhost:{}/", server.port);
    assert_eq!(stdout_of(run(&client).args([&url, "good day", "well"])), "good day\nwell\n");
    let output = run(&client).arg("ws://127.0.0.1:1/").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("127.0.0.1:1: ") && said.contains("refused"), "{said}");
    server.signal("TERM");
    server.wait(Duration::from_secs(10));
}

#[test]
fn who_is_connected_when_the_server_is_told_to_end_is_closed() {
    let program = build(compilers()[0], "c11", Linkage::Static, "examples/drain.c");
    let server = Server::start(&program, &["0", "100"]);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(server.port)).collect();
    clients.iter_mut().for_each(|client| client.echoes(TEXT, "served"));
    server.signal("TERM");
    for client in &mut clients {
        client.closed_with(1012);
        client.send(CLOSE, close(1012, ""));
    }
    drop(clients);
    assert!(server.wait(Duration::from_secs(10)).success());
}

#[test]
fn arguments_answers_and_retries() {
    for compiler in compilers() {
        let program = build(compiler, "c11", Linkage::Static, "tests/c/client.c");
        assert_eq!(stdout_of(&mut run(&program)), "ok\n");
    }
}
