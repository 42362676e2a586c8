//! How a connection goes on from where somebody else has left it.

use super::running::{at_of, reactors, stats, until};
use super::service::{Door, Echo, adopting, nowhere};
use ringws_engine::config::{AddressLimits, Endpoint, Proxies, Route};
use ringws_engine::conn::Limits;
use ringws_engine::engine::Engine;
use ringws_engine::proto::Origins;
use ringws_engine::reactor::Adopt;
use ringws_kit::{
    BINARY, Client, PATIENCE, Socket, TEXT, accept, ask, frame, payload, read_frame, read_head,
    request,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// A request and frames behind it, of which the first bytes were read already: each number of them.
#[test]
fn bytes_read_ahead_are_the_beginning_wherever_they_end() {
    let (engine, echo) = adopting(reactors(2));
    let door = Door::new();
    let words = [frame(TEXT, "word"), frame(BINARY, payload(1, 200))].concat();
    let whole = [request("/", &[]).into_bytes(), words].concat();
    for ahead in 0..=whole.len() {
        let (mut client, mut server) = door.pair();
        client.write_all(&whole).expect("room");
        let mut early = vec![0; ahead];
        server.read_exact(&mut early).expect("sent");
        engine.adopt(Adopt { early: early.into(), ..Adopt::new(server, 0) }).expect("taken");
        assert!(read_head(&mut client).expect("an answer").starts_with("HTTP/1.1 101 "), "{ahead}");
        assert_eq!(read_frame(&mut client).expect("a word"), (TEXT, b"word".to_vec()), "{ahead}");
        let second = read_frame(&mut client).expect("another");
        assert_eq!(second, (BINARY, payload(1, 200)), "{ahead}");
    }
    let all = whole.len() as u64 + 1;
    let stats = stats(&engine);
    assert_eq!((stats.adopted, stats.accepted, stats.upgraded), (all, all, all));
    assert_eq!(echo.seen().upgrades as u64, all);
}

/// Somebody else has answered the upgrade, and has read so much of what came behind its head.
#[test]
fn an_upgraded_one_begins_with_frames_wherever_they_were_cut() {
    let (engine, echo) = adopting(reactors(2));
    let door = Door::new();
    let words = [frame(TEXT, "word"), frame(BINARY, payload(2, 200))].concat();
    for ahead in 0..=words.len() {
        let (mut client, mut server) = door.pair();
        client.write_all(request("/", &[]).as_bytes()).expect("room");
        client.write_all(&words).expect("room");
        accept(&mut server);
        let mut early = vec![0; ahead];
        server.read_exact(&mut early).expect("sent");
        let adopt = Adopt { early: early.into(), upgraded: true, ..Adopt::new(server, 0) };
        engine.adopt(adopt).expect("taken");
        assert!(read_head(&mut client).expect("an answer").starts_with("HTTP/1.1 101 "), "{ahead}");
        assert_eq!(read_frame(&mut client).expect("a word"), (TEXT, b"word".to_vec()), "{ahead}");
        let second = read_frame(&mut client).expect("another");
        assert_eq!(second, (BINARY, payload(2, 200)), "{ahead}");
    }
    let all = words.len() as u64 + 1;
    until(&engine, "all have gone", |stats| stats.connections == 0);
    let (stats, seen) = (stats(&engine), echo.seen());
    assert_eq!((stats.adopted, stats.accepted, stats.upgraded), (all, all, 0));
    assert_eq!(
        (seen.opens.len(), seen.closes, seen.upgrades),
        (words.len() + 1, words.len() + 1, 0)
    );
}

/// The peer has said all before it was handed over, and ended its direction.
#[test]
fn what_was_said_before_the_end_is_answered() {
    let (engine, _) = adopting(reactors(1));
    let (mut client, mut server) = Door::new().pair();
    let mut early = [request("/", &[]).into_bytes(), frame(TEXT, "last")].concat();
    client.write_all(&early).expect("room");
    client.half_close();
    server.read_exact(&mut early).expect("sent");
    engine.adopt(Adopt { early: early.into(), ..Adopt::new(server, 0) }).expect("taken");
    read_head(&mut client).expect("an answer");
    assert_eq!(read_frame(&mut client).expect("a word"), (TEXT, b"last".to_vec()));
}

#[test]
fn unix_sockets_are_served_too() {
    let (engine, _) = adopting(reactors(1));
    for upgraded in [false, true] {
        let (mut client, mut server) = UnixStream::pair().expect("a pair");
        client.set_patience(PATIENCE);
        client.write_all(request("/", &[]).as_bytes()).expect("room");
        if upgraded {
            accept(&mut server);
        }
        engine.adopt(Adopt { upgraded, ..Adopt::new(server, 0) }).expect("taken");
        read_head(&mut client).expect("an answer");
        client.write_all(&frame(BINARY, payload(3, 50_000))).expect("a server that reads");
        assert_eq!(read_frame(&mut client).expect("an echo"), (BINARY, payload(3, 50_000)));
    }
}

/// That the descriptor does not block, and how its owner has set TCP, is nothing to the engine.
#[test]
fn a_descriptor_that_does_not_block_is_sent_to_patiently() {
    let echo = Arc::new(Echo::default());
    let engine = Engine::new(reactors(1)).expect("an engine");
    let limits = Limits { message_max: 16 << 20, send_queue_max: 32 << 20, ..Limits::default() };
    engine.listen(Endpoint { limits, ..nowhere(&echo) }).expect("nowhere");
    engine.start().expect("io_uring");
    let (client, server) = Door::new().pair();
    server.set_nonblocking(true).expect("a socket");
    engine.adopt(Adopt::new(server, 0)).expect("taken");
    let mut client = Client::open(client);
    // More than both sockets' buffers take, before any of it is read.
    let whole = payload(4, 12 << 20);
    let writing = client.write_beside(frame(BINARY, &whole));
    assert_eq!(client.receive(), (BINARY, whole));
    writing.join().expect("written");
}

/// The user word of the connection goes before that of its endpoint and of the route.
#[test]
fn it_has_its_own_user_word() {
    let echo = Arc::new(Echo::default());
    let engine = Engine::new(reactors(1)).expect("an engine");
    let route = Route {
        pattern: "/room".into(),
        handler: echo.clone(),
        limits: Limits::default(),
        origins: Origins::default(),
        user: 8,
    };
    engine.listen(Endpoint { user: 7, routes: vec![route], ..nowhere(&echo) }).expect("nowhere");
    engine.start().expect("io_uring");
    let door = Door::new();
    let cases = [("/", None, 7), ("/room", None, 8), ("/", Some(1), 1), ("/room", Some(2), 2)];
    for (target, user, expected) in cases {
        let (mut client, server) = door.pair();
        engine.adopt(Adopt { user, ..Adopt::new(server, 0) }).expect("taken");
        assert!(ask(&mut client, target, &[]).expect("an answer").starts_with("HTTP/1.1 101 "));
        client.write_all(&frame(TEXT, "x")).expect("open");
        assert_eq!(read_frame(&mut client).expect("an echo"), (TEXT, b"x".to_vec()));
        assert_eq!(echo.seen().opens.last().map(|open| open.0), Some(expected), "{target}");
    }
}

/// Of several endpoints it is that of its number, also beside such that listen.
#[test]
fn endpoints_have_numbers() {
    let echoes = [(); 3].map(|()| Arc::new(Echo::default()));
    let engine = Engine::new(reactors(1)).expect("an engine");
    for (number, echo) in echoes.iter().enumerate() {
        let endpoint = if number == 1 { at_of(echo.clone()) } else { nowhere(echo) };
        let port = engine.listen(endpoint).expect("a port, or none");
        assert_eq!(port != 0, number == 1);
    }
    engine.start().expect("io_uring");
    let door = Door::new();
    for number in [2, 1, 0] {
        let (client, server) = door.pair();
        engine.adopt(Adopt::new(server, number)).expect("taken");
        Client::open(client).echoes(TEXT, "x");
        assert_eq!(echoes[number as usize].seen().upgrades, 1);
    }
}

/// On the reactor that is named, or where the fewest are.
#[test]
fn it_is_served_where_it_is_wanted() {
    let (engine, echo) = adopting(reactors(4));
    let door = Door::new();
    let mut clients = Vec::new();
    let mut adopt = |reactor| {
        let (client, server) = door.pair();
        engine.adopt(Adopt { reactor, ..Adopt::new(server, 0) }).expect("taken");
        clients.push(client);
    };
    (0..40).for_each(|_| adopt(Some(2)));
    (0..120).for_each(|_| adopt(None));
    until(&engine, "all are there", |stats| stats.connections == 160);
    for reactor in 0..4 {
        assert_eq!(engine.stats(Some(reactor)).expect("there").connections, 40);
    }
    assert!(echo.seen().opens.is_empty(), "nobody has asked yet");
}

/// As other connections have it from the clock.
#[test]
fn whoever_says_nothing_is_given_up_in_time() {
    let echo = Arc::new(Echo::default());
    let engine = Engine::new(reactors(1)).expect("an engine");
    let limits = Limits { handshake_timeout_ms: 50, ..Limits::default() };
    engine.listen(Endpoint { limits, ..nowhere(&echo) }).expect("nowhere");
    engine.start().expect("io_uring");
    let (_client, server) = Door::new().pair();
    let half = request("/", &[]).into_bytes()[..30].into();
    let adopt = echo.watched(Adopt { early: half, ..Adopt::new(server, 0) }, 5);
    engine.adopt(adopt).expect("taken");
    until(&engine, "it has timed out", |stats| stats.timeouts == 1);
    ringws_kit::until("it is told", || echo.seen().unopened == [5]);
}

/// A proxy's header may have been read ahead, in part, or with what is behind it; who has upgraded
/// a connection has read it before.
#[test]
fn the_header_of_a_proxy_may_be_cut_anywhere() {
    let echo = Arc::new(Echo::default());
    let engine = Engine::new(reactors(1)).expect("an engine");
    let proxies = Some(Proxies::parse("127.0.0.1").expect("an address"));
    let per_address = AddressLimits { connections_max: 1, ..AddressLimits::default() };
    let endpoint = Endpoint { proxies, per_address, ..nowhere(&echo) };
    engine.listen(endpoint).expect("nowhere");
    engine.start().expect("io_uring");
    let door = Door::new();
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n";
    let whole = [header, request("/", &[]).as_bytes(), &frame(TEXT, "word")].concat();
    let close = |mut client: TcpStream| {
        drop(client.write_all(&ringws_kit::frame(ringws_kit::CLOSE, "")));
        drop(client);
        until(&engine, "it has gone", |stats| stats.connections == 0);
    };
    for ahead in (0..whole.len()).step_by(7).chain([header.len(), whole.len()]) {
        let (mut client, mut server) = door.pair();
        client.write_all(&whole).expect("room");
        let mut early = vec![0; ahead];
        server.read_exact(&mut early).expect("sent");
        engine.adopt(Adopt { early: early.into(), ..Adopt::new(server, 0) }).expect("taken");
        assert!(read_head(&mut client).expect("an answer").starts_with("HTTP/1.1 101 "), "{ahead}");
        assert_eq!(read_frame(&mut client).expect("a word"), (TEXT, b"word".to_vec()), "{ahead}");
        close(client);
    }
    let (mut client, mut server) = door.pair();
    client.write_all(request("/", &[]).as_bytes()).expect("room");
    accept(&mut server);
    engine.adopt(Adopt { upgraded: true, ..Adopt::new(server, 0) }).expect("taken");
    read_head(&mut client).expect("an answer");
    client.write_all(&frame(TEXT, "x")).expect("open");
    assert_eq!(read_frame(&mut client).expect("an echo"), (TEXT, b"x".to_vec()));
    close(client);
    // What is no header ends it, and that is told.
    let (_client, server) = door.pair();
    let adopt = Adopt { early: b"GET / HTTP/1.1\r\n".as_slice().into(), ..Adopt::new(server, 0) };
    engine.adopt(echo.watched(adopt, 9)).expect("taken");
    ringws_kit::until("it is told", || echo.seen().unopened == [9]);
}
