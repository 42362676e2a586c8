//! Topics from C: what the calls answer, the one order of what is published, the chat and the
//! ticker.

mod common;

use common::server::Server;
use common::ticker::watch;
use common::{Compiler, Linkage, compilers, here, scratch, stdout_of};
use ringws_kit::{CLOSE, Client, TEXT, close};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

fn build(compiler: Compiler, source: &str) -> PathBuf {
    let program = scratch("topics").join(format!("{}-{}", source.replace('/', "-"), compiler.c));
    let posix = &["-D_POSIX_C_SOURCE=200809L", "-D_DEFAULT_SOURCE"];
    compiler.program("c11", &here().join(source), Linkage::Static, posix, &program);
    program
}

#[test]
fn answers_and_one_order() {
    for compiler in compilers() {
        let program = build(compiler, "tests/c/topics.c");
        // A program that hangs fails.
        let mut command = Command::new("timeout");
        assert_eq!(stdout_of(command.arg("60").arg(program)), "ok\n");
    }
}

#[test]
fn members_that_come_back() {
    for compiler in compilers() {
        let program = build(compiler, "tests/c/history.c");
        let mut command = Command::new("timeout");
        assert_eq!(stdout_of(command.arg("60").arg(program)), "ok\n");
    }
}

#[test]
fn two_engines_over_a_broker_of_the_program() {
    for compiler in compilers() {
        let program = build(compiler, "tests/c/bus.c");
        let mut command = Command::new("timeout");
        assert_eq!(stdout_of(command.arg("60").arg(program)), "ok\n");
    }
}

#[test]
fn the_chat_says_in_a_room_what_is_said_in_it() {
    let server = Server::start(&build(compilers()[0], "examples/chat.c"), &["0"]);
    let enter = |room| {
        let stream = ringws_kit::tcp(server.port);
        Client::open_with(stream, room, &[])
    };
    let mut garden: Vec<Client> = (0..4).map(|_| enter("/garden")).collect();
    let mut kitchen = enter("/kitchen");
    for speaker in 0..garden.len() {
        let word = format!("here is {speaker}");
        garden[speaker].send(TEXT, &word);
        garden.iter_mut().for_each(|client| client.hears(TEXT, &word));
    }
    kitchen.echoes(TEXT, "alone");
    garden.into_iter().for_each(|mut client| client.close());
    kitchen.echoes(TEXT, "still alone");
    server.signal("TERM");
    kitchen.closed_with(1001);
    kitchen.send(CLOSE, close(1001, ""));
    kitchen.ends();
    server.wait(Duration::from_secs(10));
}

#[test]
fn a_broadcast_reaches_all_on_whatever_reactor() {
    let server = Server::start(&build(compilers()[0], "examples/broadcast.c"), &["0", "2"]);
    let enter = || Client::open_with(ringws_kit::tcp(server.port), "/", &[]);
    let mut all: Vec<Client> = (0..8).map(|_| enter()).collect();
    for speaker in 0..all.len() {
        let word = format!("here is {speaker}");
        all[speaker].send(TEXT, &word);
        all.iter_mut().for_each(|client| client.hears(TEXT, &word));
    }
    all.into_iter().for_each(|mut client| client.close());
    server.signal("TERM");
    server.wait(Duration::from_secs(10));
}

#[test]
fn the_ticker_tells_a_slow_reader_the_newest_prices() {
    for compiler in compilers() {
        watch(Server::start(&build(compiler, "examples/ticker.c"), &["0"]));
    }
}
