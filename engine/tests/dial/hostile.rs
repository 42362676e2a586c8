//! Servers that mean harm, or are none.

use super::support::{Heard, next, started, target};
use ringws_engine::conn::Limits;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What a server does with a connection, given the key of the request.
type Manner = fn(&mut TcpStream, &str);

/// Serves one connection so, on a port of its own.
fn serve(manner: Manner) -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        let head = read_head(&mut stream);
        let key = head.split("Sec-WebSocket-Key: ").nth(1).expect("a key");
        manner(&mut stream, &key[..24]);
    });
    (port, server)
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a request");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

/// A valid 101, with `more` behind its head.
fn accept(stream: &mut TcpStream, key: &str, more: &[u8]) {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let mut bytes = request.into_bytes();
    let mut input = ringws_engine::proto::Input::new(&mut bytes);
    let head = ringws_engine::proto::head::HeadReader::new().feed(&mut input, 1 << 14);
    let request = head.map(|head| head.expect("whole"));
    let request = request.and_then(ringws_engine::proto::handshake::Request::parse).expect("valid");
    let mut answer = Vec::new();
    ringws_engine::proto::handshake::Response::default().encode(&request, &mut answer);
    answer.extend(more);
    let _ = stream.write_all(&answer);
}

/// All that the client says until it ends.
fn drain(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

fn limits() -> Limits {
    Limits { handshake_timeout_ms: 300, close_timeout_ms: 300, ..Limits::default() }
}

/// What a client hears of such a server.
fn heard(manner: Manner) -> Vec<Heard> {
    let (port, server) = serve(manner);
    let client = started(1);
    let (mut to, told) = target(&format!("ws://127.0.0.1:{port}/"));
    to.limits = limits();
    client.connect(to).expect("taken");
    let mut all = vec![next(&told)];
    while !matches!(all.last(), Some(Heard::Closed(..) | Heard::Refused(..))) {
        all.push(next(&told));
    }
    client.stop(Duration::ZERO);
    client.wait().expect("an orderly end");
    assert!(told.try_recv().is_err(), "nothing comes behind the end");
    server.join().expect("the server's checks");
    all
}

fn refused(manner: Manner) -> (String, u16) {
    match &heard(manner)[..] {
        [Heard::Refused(error, status, _, 0)] => (error.clone(), *status),
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_that_open_nothing() {
    let cases: [(&str, u16, Manner); 9] =
        [
            ("answer with a wrong Sec-WebSocket-Accept", 0, |stream, _| {
                accept(stream, "dGhlIHNhbXBsZSBub25jZQ==", b"\x81\x01x");
                drain(stream);
            }),
            ("not an HTTP answer", 0, |stream, _| {
                let _ = stream.write_all(b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff\n\n");
                drain(stream);
            }),
            ("not an HTTP answer", 0, |stream, _| {
                let _ = stream.write_all(b"HTTP/1.1 101 x\nUpgrade: websocket\n\n");
                drain(stream);
            }),
            ("answer too long", 0, |stream, _| {
                let _ = stream.write_all(b"HTTP/1.1 101 x\r\n");
                while stream.write_all(b"X: endless\r\n").is_ok() {}
            }),
            ("answer too long", 0, |stream, _| {
                while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {}
            }),
            ("answered with status 503", 503, |stream, _| {
                let _ = stream.write_all(b"HTTP/1.1 503 x\r\n\r\n");
                while stream.write_all(&[b'x'; 4096]).is_ok() {}
            }),
            ("answered with status 302", 302, |stream, _| {
                let answer =
                    b"HTTP/1.1 302 x\r\nLocation: ws://evil/\r\nContent-Length: 9999\r\n\r\n";
                let _ = stream.write_all(answer);
                drain(stream);
            }),
            ("timed out", 0, |stream, _| {
                drain(stream);
            }),
            ("ended without an answer", 0, |_, _| {}),
        ];
    for (error, status, manner) in cases {
        assert_eq!(refused(manner), (error.into(), status));
    }
}

#[test]
fn a_reset_instead_of_an_answer() {
    let (error, status) = refused(|stream, _| {
        rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO)).expect("set");
    });
    assert!(error.contains("reset"), "{error}");
    assert_eq!(status, 0);
}

#[test]
fn frames_that_no_server_may_send() {
    let cases: [(&str, u16, Manner); 4] = [
        ("masked", 1002, |stream, key| {
            accept(stream, key, b"\x81\x85\x00\x00\x00\x00hello");
            drain(stream);
        }),
        ("a length over 2^63", 1002, |stream, key| {
            accept(stream, key, b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff");
            drain(stream);
        }),
        ("more than may come", 1009, |stream, key| {
            accept(stream, key, b"\x82\x7f\x00\x00\x00\x7f\xff\xff\xff\xff");
            drain(stream);
        }),
        ("garbage behind the head", 1002, |stream, key| {
            accept(stream, key, b"HTTP/1.1 200 OK\r\n\r\n");
            drain(stream);
        }),
    ];
    for (what, code, manner) in cases {
        let expected = [Heard::Open, Heard::Closed(1006, Some(code))];
        assert_eq!(heard(manner), expected, "{what}");
    }
}

#[test]
fn the_end_without_a_close_frame() {
    let expected = [Heard::Open, Heard::Closed(1006, None)];
    let manner: Manner = |stream, key| {
        accept(stream, key, b"");
        let mut hello = [0; 11];
        stream.read_exact(&mut hello).expect("a greeting");
        assert_eq!(hello[1], 0x85, "masked");
    };
    assert_eq!(heard(manner), expected);
}

/// RFC 6455 §7.1.1: the client waits for the server to end TCP, but not for ever.
#[test]
fn a_server_that_does_not_end_tcp() {
    let manner: Manner = |stream, key| {
        accept(stream, key, b"\x88\x02\x03\xe8");
        let start = Instant::now();
        let said = drain(stream);
        assert!(start.elapsed() >= Duration::from_millis(250), "it waits");
        // The greeting, and the answer to the Close.
        assert_eq!((said[11], said[12]), (0x88, 0x82));
    };
    assert_eq!(heard(manner), [Heard::Open, Heard::Closed(1000, Some(1000))]);
}
