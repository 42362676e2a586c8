//! How connections end, by cause, code and violation.

use crate::service::{at_of, of, reactors, serve, start, stats, until};
use ringws_engine::config::{Endpoint, SocketOptions};
use ringws_engine::conn::{Deflate, Failure, Limits, SendFlags, Timeout, WhenFull};
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::proto::{CloseCode, Opcode, VIOLATIONS};
use ringws_engine::reactor::{
    Cause, Closed, Conn, Context, EndError, Handler, Message, Target, Upgrade,
};
use ringws_engine::ring::Errno;
use ringws_kit::{CLOSE, Client, TEXT, answer, ask, close, field, once, read_head, tcp};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, connect, socket};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Does as it is told, and notes what it is told of ends.
#[derive(Default)]
struct Told(Mutex<Vec<(Cause, Option<EndError>)>>);

/// More than the window of a peer that has a small one, and less than the kernel takes.
const SOME: usize = 48 << 10;

/// More than the kernel takes for a peer that does not read.
static MUCH: [u8; 16 << 20] = [b'm'; 16 << 20];

impl Handler for Told {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        if upgrade.request().target() == "/no" { Err(Refusal::new(403)) } else { Ok(()) }
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let more = SendFlags { more: true, ..SendFlags::default() };
        match message.payload {
            b"abort" => ctx.abort(conn).expect("open"),
            b"much" => {
                ctx.send(conn, Opcode::Binary, &MUCH, SendFlags::default()).expect("room");
            }
            b"one more" => {
                let _ = ctx.send(conn, Opcode::Binary, b"full", SendFlags::default());
            }
            b"fragments" => {
                let handle = ctx.engine().clone();
                handle.send(conn, Opcode::Binary, &MUCH, more).expect("taken");
                handle.send(conn, Opcode::Continuation, b"lost", more).expect("taken");
            }
            b"some" => {
                ctx.send(conn, Opcode::Binary, &MUCH[..SOME], SendFlags::default()).expect("room");
            }
            b"panic" => panic!("on purpose"),
            code => {
                let code = std::str::from_utf8(code).expect("text").parse().expect("a code");
                ctx.close(conn, CloseCode(code), "").expect("open");
            }
        }
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        self.0.lock().expect("nobody panics").push((closed.cause, closed.error.clone()));
    }
}

/// An engine with such a handler, and one connection.
struct Scene {
    engine: Engine,
    port: u16,
    told: Arc<Told>,
    client: Client,
}

impl Scene {
    fn new(limits: Limits) -> Self {
        Self::with(limits, SocketOptions::default())
    }

    fn with(limits: Limits, socket_options: SocketOptions) -> Self {
        let told = Arc::new(Told::default());
        let endpoint = Endpoint { limits, socket_options, ..at_of(told.clone()) };
        let (engine, port) = start(reactors(1), endpoint);
        Self { engine, port, told, client: Client::connect(port) }
    }

    /// The same, and the client has said these words.
    fn said(limits: Limits, words: &[&str]) -> Self {
        let mut scene = Self::new(limits);
        words.iter().for_each(|word| scene.client.send(TEXT, word));
        scene
    }

    /// Waits for the end: what the handler was told is what was counted.
    fn ended(&self, cause: &str) -> Option<EndError> {
        until(&self.engine, cause, |now| now.ends.iter().sum::<u64>() == 1);
        assert_eq!(of(&stats(&self.engine), "ends", cause), 1, "{:?}", stats(&self.engine).ends);
        ringws_kit::until("it is told", || self.told.0.lock().expect("whole").len() == 1);
        let (told, error) = self.told.0.lock().expect("whole").pop().expect("one");
        assert_eq!(told.name(), cause);
        error
    }

    /// The same, of which it is told that all went well.
    fn ended_in_order(&self, cause: &str) {
        assert_eq!(self.ended(cause), None);
        assert_eq!(stats(&self.engine).closes_unanswered, 0);
    }

    /// The same, of an end that has begun with a Close, and has taken too long.
    fn ended_unanswered(&self, cause: &str) {
        let error = self.ended(cause);
        let late = matches!(error, Some(EndError::Failure(Failure::TimedOut(_))));
        assert!(late, "{error:?}");
        assert_eq!(stats(&self.engine).closes_unanswered, 1);
    }

    /// The server's Close comes, and is answered.
    fn answers(mut self, code: u16) -> Self {
        self.client.closed_with(code);
        self.client.send(CLOSE, close(code, ""));
        self.client.half_close();
        self
    }
}

fn quick() -> Limits {
    Limits { idle_timeout_ms: 300, close_timeout_ms: 300, ..Limits::default() }
}

/// A peer that has told the kernel to keep no more for it.
fn with_window(bytes: usize, port: u16) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    set_socket_recv_buffer_size(&socket, bytes).expect("a smaller buffer");
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).expect("a connection");
    TcpStream::from(socket)
}

/// Waits for an end, and looks at its cause and codes.
fn ended(engine: &Engine, cause: &str, received: &str, sent: &str) {
    until(engine, cause, |now| now.ends.iter().sum::<u64>() == 1);
    let now = stats(engine);
    assert_eq!(of(&now, "ends", cause), 1, "{cause}: {:?}", now.ends);
    assert_eq!(of(&now, "close_codes_received", received), 1, "{:?}", now.close_codes_received);
    assert_eq!(of(&now, "close_codes_sent", sent), 1, "{:?}", now.close_codes_sent);
    until(engine, "it is gone", |now| now.connections == 0);
    assert_eq!((now.accepted, now.upgraded), (1, 1));
}

#[test]
fn in_order_with_each_kind_of_code() {
    for (code, label) in [
        (1000, "1000"),
        (1001, "1001"),
        (1002, "1002"),
        (1003, "1003"),
        (1007, "1007"),
        (1008, "1008"),
        (1009, "1009"),
        (1010, "1010"),
        (1011, "1011"),
        (1012, "1012"),
        (1013, "1013"),
        (1014, "1014"),
        (3999, "3xxx"),
        (4000, "4xxx"),
    ] {
        let (engine, port) = serve(Limits::default(), Told::default());
        let mut client = Client::connect(port);
        client.send(CLOSE, close(code, ""));
        client.closed_with(code);
        drop(client);
        ended(&engine, "peer_close", label, label);
    }
    let (engine, port) = serve(Limits::default(), Told::default());
    let mut client = Client::connect(port);
    client.send(CLOSE, "");
    assert_eq!(client.receive(), (CLOSE, Vec::new()));
    drop(client);
    ended(&engine, "peer_close", "1005", "1005");
    let (engine, port) = serve(Limits::default(), Told::default());
    Client::connect(port).half_close();
    ended(&engine, "ended", "1006", "none");
    let (engine, port) = serve(Limits::default(), Told::default());
    let mut client = Client::connect(port);
    client.send(TEXT, "4321");
    client.closed_with(4321);
    client.send(CLOSE, close(1001, ""));
    drop(client);
    ended(&engine, "close", "1001", "4xxx");
}

#[test]
fn what_a_close_has_begun() {
    let mut scene = Scene::new(Limits::default());
    scene.client.send(CLOSE, close(1000, ""));
    scene.client.closed_with(1000);
    scene.client.half_close();
    scene.ended_in_order("peer_close");

    Scene::said(Limits::default(), &["1000"]).answers(1000).ended_in_order("close");
    Scene::said(quick(), &["1000"]).ended_unanswered("close");

    let limits = Limits { lifetime_max_ms: 50, ..quick() };
    Scene::new(limits).answers(1001).ended_in_order("lifetime");
    Scene::new(limits).ended_unanswered("lifetime");

    let scene = Scene::new(Limits::default());
    scene.engine.stop(Duration::from_secs(10));
    scene.answers(1001).ended_in_order("stop");
    let scene = Scene::new(Limits::default());
    scene.engine.stop(Duration::ZERO);
    assert_eq!(scene.ended("stop"), Some(EndError::Stopped));

    // It has begun with the peer's, whatever comes of it.
    let mut scene = Scene::said(quick(), &["much"]);
    scene.client.send(CLOSE, close(1000, ""));
    scene.ended_unanswered("peer_close");
}

#[test]
fn what_a_full_queue_has_begun() {
    let limits = |when_full| Limits { when_full, send_queue_max: 1 << 10, ..quick() };
    let mut scene = Scene::said(limits(WhenFull::Close), &["much", "one more"]);
    assert_eq!(scene.client.receive().1.len(), MUCH.len());
    scene.answers(1013).ended_in_order("full");
    Scene::said(limits(WhenFull::Close), &["much", "one more"]).ended_unanswered("full");
    let scene = Scene::said(limits(WhenFull::Abort), &["much", "one more"]);
    assert_eq!(scene.ended("full"), Some(EndError::Failure(Failure::QueueFull)));

    let limits = Limits { send_queue_max: 1 << 10, ..Limits::default() };
    let mut scene = Scene::said(limits, &["fragments"]);
    assert_eq!(scene.client.receive().0, 0x02, "the first fragment, and no other");
    scene.answers(1011).ended_in_order("fragment");
}

#[test]
fn otherwise() {
    let scene = Scene::said(Limits::default(), &["abort"]);
    assert_eq!(scene.ended("abort"), Some(EndError::Aborted));

    let scene = Scene::new(Limits::default());
    scene.client.half_close();
    assert_eq!(scene.ended("ended"), Some(EndError::Failure(Failure::EndOfStream)));

    let mut scene = Scene::new(Limits::default());
    let other = Client::connect(scene.port);
    std::mem::replace(&mut scene.client, other).reset();
    assert_eq!(scene.ended("reset"), Some(EndError::Receiving(Errno::CONNRESET)));

    let mut scene = Scene::new(Limits::default());
    scene.client.write(&[0xFF; 14]);
    assert!(matches!(scene.ended("protocol"), Some(EndError::Failure(Failure::Violation(_)))));

    let scene = Scene::new(quick());
    let silence = Failure::TimedOut(Timeout::Silence(150));
    assert_eq!(scene.ended("silent"), Some(EndError::Failure(silence)));
    let now = stats(&scene.engine);
    assert_eq!((now.timeouts, now.closes_unanswered), (1, 0));

    let scene = Scene::said(quick(), &["much"]);
    let stuck = Failure::TimedOut(Timeout::Stuck(300));
    assert_eq!(scene.ended("stuck"), Some(EndError::Failure(stuck)));

    // The peer's window stays shut for longer than TCP is to wait.
    let patience = SocketOptions { user_timeout_ms: 300, ..SocketOptions::default() };
    let mut scene = Scene::with(Limits::default(), patience);
    let narrow = Client::open(with_window(4 << 10, scene.port));
    let _other = std::mem::replace(&mut scene.client, narrow);
    scene.client.send(TEXT, "some");
    until(&scene.engine, "the kernel has all of it", |now| now.bytes_out > SOME as u64);
    assert_eq!(scene.ended("transport"), Some(EndError::Receiving(Errno::TIMEDOUT)));

    let scene = Scene::said(Limits::default(), &["panic"]);
    assert_eq!(scene.ended("panic"), Some(EndError::Panicked));
}

#[test]
fn violations_by_kind() {
    let long = [0x89, 0xFE, 0, 126, 0, 0, 0, 0];
    let fragments = [&[0x02, 0x80, 0, 0, 0, 0][..], &[0, 0x80, 0, 0, 0, 0].repeat(3)].concat();
    for (bytes, kind, code) in [
        (&[0x82, 0xFE, 0, 5, 0, 0, 0, 0][..], "non_minimal_length", "1002"),
        (&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], "length_overflow", "1002"),
        (&[0x09, 0x80, 0, 0, 0, 0], "control_fragmented", "1002"),
        (&[1, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0], "expected_continuation", "1002"),
        (&[0x88, 0x81, 0, 0, 0, 0, 3], "truncated_close_code", "1002"),
        (&[0x88, 0x82, 0, 0, 0, 0, 3, 0xEC], "invalid_close_code", "1002"),
        (&[0x88, 0x83, 0, 0, 0, 0, 3, 0xE8, 0xFF], "invalid_close_reason", "1007"),
        (&fragments, "too_many_fragments", "1008"),
        (&[0xC1, 0x80, 0, 0, 0, 0], "reserved_bits", "1002"),
        (&[0x83, 0x80, 0, 0, 0, 0], "reserved_opcode", "1002"),
        (&[0x81, 0x00], "unmasked", "1002"),
        (&long, "control_too_long", "1002"),
        (&[0x80, 0x80, 0, 0, 0, 0], "unexpected_continuation", "1002"),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xFF], "invalid_utf8", "1007"),
        (&[0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], "message_too_big", "1009"),
    ] {
        let (engine, port) =
            serve(Limits { fragments_max: 2, ..Limits::default() }, Told::default());
        let mut client = Client::connect(port);
        client.write(bytes);
        client.closed_with(code.parse().expect("a code"));
        drop(client);
        ended(&engine, "protocol", "1006", code);
        let now = stats(&engine);
        assert_eq!((now.violations, now.violations_by_kind.iter().sum::<u64>()), (1, 1));
        assert_eq!(of(&now, "violations_by_kind", kind), 1, "{kind}");
    }
    assert_eq!(
        VIOLATIONS.len(),
        stats(&serve(quick(), Told::default()).0).violations_by_kind.len()
    );
}

#[test]
fn what_does_not_inflate_is_a_violation() {
    let limits = Limits { deflate: Some(Deflate::default()), ..Limits::default() };
    let (engine, port) = serve(limits, Told::default());
    let offer = [("Sec-WebSocket-Extensions", "permessage-deflate")];
    let mut client = Client::open_with(tcp(port), "/", &offer);
    // A block of the reserved type, RFC 1951 §3.2.3.
    client.send(0xC2, [7]);
    client.closed_with(1007);
    drop(client);
    ended(&engine, "protocol", "1006", "1007");
    assert_eq!(of(&stats(&engine), "violations_by_kind", "malformed_deflate"), 1);
}

/// Of a server, which must not mask (RFC 6455 §5.1).
#[test]
fn what_a_server_masks_is_a_violation() {
    let (port, serving) = once(|mut stream| {
        let head = read_head(&mut stream).expect("a request");
        let answer = answer(field(&head, "Sec-WebSocket-Key").expect("a key"), &[]);
        let masked = [0x82, 0x80, 0, 0, 0, 0];
        stream.write_all(&[answer.as_bytes(), &masked].concat()).expect("room");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let engine = Engine::new(reactors(1)).expect("an engine");
    engine.start().expect("io_uring");
    let url = format!("ws://127.0.0.1:{port}/");
    engine.connect(Target::new(&url, Arc::new(Told::default())).expect("a target")).expect("taken");
    until(&engine, "it has ended", |now| of(now, "ends", "protocol") == 1);
    let now = stats(&engine);
    assert_eq!(now.violations_by_kind.iter().sum::<u64>(), 1);
    assert_eq!(of(&now, "violations_by_kind", "masked"), 1);
    drop(engine);
    serving.join().expect("the server's checks");
}

#[test]
fn a_refused_upgrade_is_no_end() {
    let (engine, port) = serve(Limits::default(), Told::default());
    let mut stream = tcp(port);
    let answer = ask(&mut stream, "/no", &[]).expect("an answer");
    assert!(answer.contains("403"), "{answer}");
    drop(stream);
    until(&engine, "it is refused", |now| now.refused == 1 && now.connections == 0);
    assert_eq!(stats(&engine).ends.iter().sum::<u64>(), 0);
}
