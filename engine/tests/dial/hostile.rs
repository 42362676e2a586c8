//! Servers that mean harm, or are none.

use super::support::{Heard, next, started, target};
use ringws_engine::conn::Limits;
use ringws_kit::{
    BINARY, CLOSE, Frame, NONCE, TEXT, answer, close, field, frame, once, read_head, read_masked,
    reset,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// What a server does with a connection, given the key of the request.
type Manner = fn(&mut TcpStream, &str);

/// Serves one connection so, on a port of its own.
fn serve(manner: Manner) -> (u16, thread::JoinHandle<()>) {
    once(move |mut stream| {
        let head = read_head(&mut stream).expect("a request");
        manner(&mut stream, field(&head, "Sec-WebSocket-Key").expect("a key"));
    })
}

/// A valid 101, with `more` behind its head.
fn accept(stream: &mut TcpStream, key: &str, more: &[u8]) {
    let _ = stream.write_all(&[answer(key, &[]).as_bytes(), more].concat());
}

/// A frame as a server sends it.
fn said(first: u8, payload: &[u8]) -> Frame<'_> {
    Frame::new(first, payload).unmasked()
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
fn answers_that_open_nothing_say_why() {
    let cases: [(&str, u16, Manner); 9] =
        [
            ("answer with a wrong Sec-WebSocket-Accept", 0, |stream, _| {
                accept(stream, NONCE, &said(TEXT, b"x").bytes());
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
fn a_reset_instead_of_an_answer_is_said() {
    let (error, status) = refused(|stream, _| {
        reset(stream);
    });
    assert!(error.contains("reset"), "{error}");
    assert_eq!(status, 0);
}

#[test]
fn frames_that_no_server_may_send_are_answered_with_a_code() {
    let cases: [(&str, u16, Manner); 4] = [
        ("masked", 1002, |stream, key| {
            accept(stream, key, &frame(TEXT, "hello"));
            drain(stream);
        }),
        ("a length over 2^63", 1002, |stream, key| {
            accept(stream, key, &said(BINARY, b"").declares(u64::MAX).bytes());
            drain(stream);
        }),
        ("more than may come", 1009, |stream, key| {
            accept(stream, key, &said(BINARY, b"").declares(0x7F_FFFF_FFFF).bytes());
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
fn an_end_without_a_close_frame_is_1006() {
    let expected = [Heard::Open, Heard::Closed(1006, None)];
    let manner: Manner = |stream, key| {
        accept(stream, key, b"");
        assert_eq!(read_masked(stream).expect("a greeting"), (TEXT, b"hello".to_vec()));
    };
    assert_eq!(heard(manner), expected);
}

/// RFC 6455 §7.1.1: the client waits for the server to end TCP, but not for ever.
#[test]
fn a_server_that_does_not_end_tcp_is_left() {
    let manner: Manner = |stream, key| {
        accept(stream, key, &said(CLOSE, &close(1000, "")).bytes());
        let start = Instant::now();
        let heard = drain(stream);
        assert!(start.elapsed() >= Duration::from_millis(250), "it waits");
        let mut heard = &heard[..];
        assert_eq!(read_masked(&mut heard).expect("a greeting"), (TEXT, b"hello".to_vec()));
        assert_eq!(read_masked(&mut heard).expect("an answer"), (CLOSE, close(1000, "")));
        assert!(heard.is_empty());
    };
    assert_eq!(heard(manner), [Heard::Open, Heard::Closed(1000, Some(1000))]);
}
