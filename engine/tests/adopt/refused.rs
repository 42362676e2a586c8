//! What is not taken stays its owner's, as it was.

use super::running::{at_of, reactors, until};
use super::service::{Door, Echo, adopting, nowhere, open_sockets};
use ringws_engine::config::{Address, AddressLimits, Config, Endpoint};
use ringws_engine::engine::{Engine, Error};
use ringws_engine::reactor::{Adopt, AdoptError, CallError, Drain};
use ringws_engine::ring::BadSocket;
use ringws_kit::{Client, TEXT, ask, read_to_end};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

const STOPPED: AdoptError = AdoptError::Call(CallError::Stopped);

/// Why it is not taken; it is given back with all that was said of it, and still works.
fn refused(engine: &Engine, adopt: Adopt) -> AdoptError {
    let said = format!("{adopt:?}");
    let refused = engine.adopt(adopt).expect_err("not to be taken");
    assert_eq!(format!("{:?}", refused.adopt), said);
    refused.why
}

#[test]
fn what_is_no_connection_is_named() {
    let (engine, _) = adopting(reactors(1));
    let door = Door::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let cases: [(OwnedFd, BadSocket); 4] = [
        (listener.into(), BadSocket::Listens),
        (udp.into(), BadSocket::NoStream),
        (File::open("/dev/null").expect("there").into(), BadSocket::NoSocket),
        (door.reset().into(), BadSocket::NotConnected),
    ];
    for (socket, expected) in cases {
        assert_eq!(refused(&engine, Adopt::new(socket, 0)), AdoptError::Socket(expected));
    }
    assert_eq!(open_sockets(door.port()), 0, "it was given back, and dropped here");
}

#[test]
fn what_nobody_could_serve_is_named_and_can_be_used_on() {
    let (engine, _) = adopting(reactors(2));
    let door = Door::new();
    let (mut client, server) = door.pair();
    let mut adopt = Adopt { early: b"early".as_slice().into(), ..Adopt::new(server, 1) };
    let mut try_it = |change: fn(&mut Adopt), expected| {
        let (_, other) = door.pair();
        let unchanged = std::mem::replace(&mut adopt, Adopt::new(other, 0));
        let mut changed = unchanged;
        change(&mut changed);
        let given_back = engine.adopt(changed).expect_err("not to be taken");
        assert_eq!(given_back.why, expected);
        adopt = given_back.adopt;
    };
    try_it(|_| (), AdoptError::Endpoint);
    try_it(|adopt| (adopt.endpoint, adopt.reactor) = (0, Some(2)), AdoptError::Reactor);
    let too_much = |adopt: &mut Adopt| {
        (adopt.reactor, adopt.early) = (None, vec![0; (1 << 20) + 1].into());
    };
    try_it(too_much, AdoptError::TooMuch);
    client.write_all(b"still").expect("open");
    let mut still = [0; 5];
    TcpStream::from(adopt.socket).read_exact(&mut still).expect("sent");
    assert_eq!(&still, b"still");
}

#[test]
fn before_the_start_and_after_a_drain_nothing_is_taken() {
    let echo = Arc::new(Echo::default());
    let engine = Engine::new(reactors(2)).expect("an engine");
    engine.listen(nowhere(&echo)).expect("nowhere");
    let door = Door::new();
    let one = || Adopt::new(door.pair().1, 0);
    assert_eq!(refused(&engine, one()), STOPPED);
    engine.start().expect("io_uring");
    let (serve, deadline) = (Duration::from_secs(60), Duration::from_secs(120));
    engine.drain(Drain { serve, deadline, ..Drain::default() }).expect("running");
    assert_eq!(refused(&engine, one()), STOPPED);
    engine.stop(Duration::ZERO);
    engine.wait().expect("an orderly end");
    assert_eq!(refused(&engine, one()), STOPPED);
}

/// An endpoint that listens nowhere has nothing that belongs to a socket.
#[test]
fn nowhere_has_no_port() {
    let echo = Arc::new(Echo::default());
    let engine = Engine::new(reactors(1)).expect("an engine");
    let wrong: [fn(&mut Endpoint); 4] = [
        |endpoint| endpoint.port = 80,
        |endpoint| endpoint.shared = true,
        |endpoint| endpoint.backlog = 5,
        |endpoint| endpoint.mode = 0o600,
    ];
    for change in wrong {
        let mut endpoint = nowhere(&echo);
        change(&mut endpoint);
        assert!(matches!(engine.listen(endpoint), Err(Error::Invalid(_))));
    }
}

/// A reactor that has `connections_max` takes no more; one that is not attached none at all.
#[test]
fn limits_of_the_engine_are_kept() {
    let config = Config { connections_max: 3, attached: 1, ..reactors(3) };
    let (engine, _) = adopting(config);
    let door = Door::new();
    let mut clients = Vec::new();
    let mut adopt = |reactor| {
        let (client, server) = door.pair();
        clients.push(client);
        engine.adopt(Adopt { reactor, ..Adopt::new(server, 0) }).map_err(|refused| refused.why)
    };
    assert_eq!(adopt(Some(0)), Err(STOPPED), "nobody runs it");
    (0..3).for_each(|_| adopt(Some(1)).expect("room"));
    assert_eq!(adopt(Some(1)), Err(AdoptError::Full));
    (0..3).for_each(|_| adopt(None).expect("room on the other"));
    assert_eq!(adopt(None), Err(AdoptError::Full));
    until(&engine, "they are there", |stats| stats.connections == 6);
    // It is there again when one has gone.
    clients.clear();
    until(&engine, "they have gone", |stats| stats.connections == 0);
    let (client, server) = door.pair();
    engine.adopt(Adopt { reactor: Some(1), ..Adopt::new(server, 0) }).expect("room");
    Client::open(client).echoes(TEXT, "x");
}

/// Who has too many connections is closed unheard, and so it is told; another endpoint's count is
/// another.
#[test]
fn limits_of_an_address_are_kept() {
    let echo = Arc::new(Echo::default());
    let engine = Engine::new(reactors(2)).expect("an engine");
    let per_address = AddressLimits { connections_max: 2, ..AddressLimits::default() };
    engine.listen(Endpoint { per_address, ..nowhere(&echo) }).expect("nowhere");
    engine.start().expect("io_uring");
    let door = Door::new();
    let mut clients: Vec<TcpStream> = (0..5)
        .map(|number| {
            let (client, server) = door.pair();
            engine.adopt(echo.watched(Adopt::new(server, 0), number)).expect("taken");
            client
        })
        .collect();
    until(&engine, "three are closed", |stats| stats.address_closed == 3);
    ringws_kit::until("it is told", || echo.seen().unopened.len() == 3);
    let unopened = echo.seen().unopened.clone();
    for (number, client) in clients.iter_mut().enumerate() {
        match unopened.contains(&number) {
            true => assert_eq!(read_to_end(client), b""),
            false => assert!(ask(client, "/", &[]).expect("let in").starts_with("HTTP/1.1 101 ")),
        }
    }
    drop(clients);
    until(&engine, "all have gone", |stats| stats.connections == 0);
    ringws_kit::until("all descriptors are closed", || open_sockets(door.port()) == 0);
    // What has gone does not count any more.
    let (client, server) = door.pair();
    engine.adopt(Adopt::new(server, 0)).expect("taken");
    Client::open(client).echoes(TEXT, "x");
}

/// An engine without any endpoint says so.
#[test]
fn without_endpoints_there_is_none_of_any_number() {
    let engine = Engine::new(reactors(1)).expect("an engine");
    engine.start().expect("io_uring");
    let (_client, server) = Door::new().pair();
    assert_eq!(refused(&engine, Adopt::new(server, 0)), AdoptError::Endpoint);
    let echo = Arc::new(Echo::default());
    let endpoint = Endpoint { address: Address::Nowhere, ..at_of(echo) };
    assert!(matches!(engine.listen(endpoint), Err(Error::State(_))), "it has started");
}
