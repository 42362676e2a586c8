//! A client's connection: what it asks, what it takes for an answer, how it masks and how it ends.

use super::*;
use crate::proto::handshake::Request;
use crate::proto::head::HeadReader;
use crate::proto::{Ask, BadAnswer, Url};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes that differ with each block.
fn count(block: &mut [u8]) {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    for word in block.chunks_exact_mut(4) {
        let n = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B1);
        word.copy_from_slice(&n.to_le_bytes());
    }
}

fn ask() -> Arc<Ask> {
    let mut ask = Ask::new(&Url::parse("ws://a.example/chat").expect("a URL"));
    ask.offer_protocol("v2").expect("a token");
    Arc::new(ask)
}

/// The answer that a server gives to a request.
fn answer_to(request: &[u8], protocol: Option<&str>) -> Vec<u8> {
    let mut bytes = request.to_vec();
    let head = HeadReader::new().feed(&mut Input::new(&mut bytes), 1 << 14);
    let request = Request::parse(head.unwrap().expect("whole")).expect("a valid request");
    let mut response = Response::default();
    if let Some(protocol) = protocol {
        response.set_protocol(&request, protocol).expect("offered");
    }
    let mut out = Vec::new();
    response.encode(&request, &mut out);
    out
}

/// A client that has asked, and what it asked.
fn asked(limits: Limits) -> (Bench, Vec<u8>) {
    let mut bench = Bench::new(limits);
    bench.tools = Tools::new(count);
    bench.conn = bench.with(|_, env| Connection::client(&ask(), env));
    let request = bench.sent();
    (bench, request)
}

pub(super) fn opened(limits: Limits) -> Bench {
    let (mut bench, request) = asked(limits);
    assert_eq!(bench.feed(&answer_to(&request, None)), (vec![Got::Open(None)], None));
    bench
}

/// A frame of a server.
fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len();
    let mut out = match len {
        0..=125 => vec![first, len as u8],
        _ => [&[first, 126][..], &(len as u16).to_be_bytes()].concat(),
    };
    out.extend(payload);
    out
}

/// Takes masked frames apart: first bytes, keys and payloads.
pub(super) fn unmasked(mut bytes: &[u8]) -> Vec<(u8, [u8; 4], Vec<u8>)> {
    let mut all = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert!(second & 0x80 != 0, "every frame of a client is masked");
        let (len, rest) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            len => (usize::from(len), rest),
        };
        let key: [u8; 4] = rest[..4].try_into().unwrap();
        let payload = rest[4..4 + len].iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k);
        all.push((*first, key, payload.collect()));
        bytes = &rest[4 + len..];
    }
    all
}

#[test]
fn an_answer_and_the_frames_behind_it_cut_anywhere() {
    let (_, request) = asked(Limits::default());
    let expected = [
        Got::Open(Some("v2".into())),
        lent(Opcode::Text, "hello"),
        Got::Pong(b"p".to_vec()),
        lent(Opcode::Binary, [9; 300]),
    ];
    for cut in 0..200 {
        let (mut bench, again) = asked(Limits::default());
        assert_ne!(again, request, "each request has a key of its own");
        let all = [
            answer_to(&again, Some("v2")),
            plain(0x81, b"hello"),
            plain(0x8A, b"p"),
            plain(0x82, &[9; 300]),
        ]
        .concat();
        let cut = cut * all.len() / 200;
        let (mut got, failure) = bench.feed(&all[..cut]);
        assert_eq!(failure, None);
        got.extend(bench.feed(&all[cut..]).0);
        for got in &mut got {
            if let Got::Message { copied, .. } = got {
                *copied = false;
            }
        }
        assert_eq!(got, expected, "cut at {cut}");
        assert_eq!((bench.conn.heap_bytes(), bench.conn.rare.is_none()), (0, true));
    }
}

#[test]
fn frames_are_masked_each_with_a_key_of_its_own() {
    let mut bench = opened(Limits::default());
    let large = Bytes::from(vec![7; 70_000]);
    bench.send(Opcode::Text, b"hello").unwrap();
    bench.send(Opcode::Text, b"hello").unwrap();
    bench.send_more(Opcode::Binary, b"a").unwrap();
    bench.send(Opcode::Continuation, b"").unwrap();
    bench.send(Opcode::Ping, b"p").unwrap();
    let shared = Outgoing::new(Opcode::Binary, large.clone());
    bench.with(|conn, env| conn.send_message(&shared, env)).unwrap();
    bench.with(|conn, env| conn.send_message(&shared, env)).unwrap();
    assert_eq!(shared.payload(), large, "what others share is not touched");
    bench.feed(&plain(0x89, b"ping"));
    bench.close(1000, "bye").unwrap();
    let frames = unmasked(&bench.sent());
    let said: Vec<_> = frames.iter().map(|(first, _, payload)| (*first, &payload[..])).collect();
    let close = close_payload(1000, "bye");
    let expected: [(u8, &[u8]); 9] = [
        (0x81, b"hello"),
        (0x81, b"hello"),
        (0x02, b"a"),
        (0x80, b""),
        (0x89, b"p"),
        (0x82, &large),
        (0x82, &large),
        (0x8A, b"ping"),
        (0x88, &close),
    ];
    assert!(said == expected);
    let keys: HashSet<_> = frames.iter().map(|(_, key, _)| *key).collect();
    assert_eq!(keys.len(), expected.len(), "no key twice");
}

#[test]
fn nothing_is_referred_to_where_frames_are_masked() {
    let mut bench = opened(Limits::default());
    let Bench { conn, limits, pool, .. } = &mut bench;
    assert!(conn.open_writer(limits, pool).is_none());
    let payload = Bytes::from(vec![b'x'; 5_000]);
    let share = |brief: bool| {
        assert!(!brief, "nothing that others wait for");
        Some((payload.clone().into(), 0))
    };
    let flags = SendFlags::default();
    let sent = bench.with(|conn, env| conn.send_from(Opcode::Text, &payload, flags, env, share));
    assert_eq!((sent, payload.is_unique()), (Ok(Queued::Ok), true), "copied");
    assert!(unmasked(&bench.sent())[0].2 == payload);
}

#[test]
fn a_masked_frame_of_a_server_fails() {
    let mut bench = opened(Limits::default());
    let failure = Some(Failure::Violation(Violation::Masked));
    assert_eq!(bench.feed(&frame(0x81, "x")), (vec![], failure));
    let close = unmasked(&bench.sent());
    assert_eq!((close[0].0, &close[0].2[..]), (0x88, &close_payload(1002, "")[..]));
    assert_eq!(bench.conn.disposition(), Disposition::Finish, "who fails it, ends it");
}

/// Compression was not negotiated, or not even offered.
#[test]
fn a_reserved_bit_that_nobody_agreed_on_fails() {
    let offering = Limits { deflate: Some(crate::conn::Deflate::default()), ..Limits::default() };
    for limits in [Limits::default(), offering] {
        for first in [0xC1, 0xC2, 0x41, 0xA1, 0x91, 0xC9] {
            let mut bench = opened(limits);
            let failure = Some(Failure::Violation(Violation::ReservedBits));
            assert_eq!(bench.feed(&plain(first, b"x")), (vec![], failure), "{first:x}");
            let close = unmasked(&bench.sent());
            assert_eq!((close[0].0, &close[0].2[..]), (0x88, &close_payload(1002, "")[..]));
        }
    }
}

#[test]
fn the_server_ends_tcp_first() {
    for ours_first in [true, false] {
        let mut bench = opened(Limits::default());
        if ours_first {
            bench.close(1000, "").unwrap();
            bench.sent();
        }
        bench.feed(&plain(0x88, &close_payload(1000, "bye")));
        assert_eq!(bench.conn.disposition(), Disposition::Await);
        bench.sent();
        assert_eq!(bench.conn.disposition(), Disposition::Await, "until the peer ends");
        let mut late = Bench { ..bench };
        let end = late.now + 5_000;
        late.run_until(end - 1);
        assert_eq!(late.conn.disposition(), Disposition::Await);
        if ours_first {
            late.run_until(end);
            assert_eq!(late.conn.failure(), None, "a slow server is not worth a failure");
        } else {
            late.conn.end_of_stream(late.now);
        }
        assert_eq!(late.conn.disposition(), Disposition::Abort);
        let info = late.conn.close_info();
        assert_eq!((info.code.0, info.sent.map(|c| c.0), info.reason), (1000, Some(1000), "bye"));
    }
}

#[test]
fn refusals_come_with_the_beginning_of_their_body() {
    let long = "x".repeat(5000);
    let cases: [(&str, &str, &[u8]); 8] = [
        ("Content-Length: 5\r\n", "no, 42behind", b"no, 4"),
        ("Content-Length: 5000\r\n", &long, &[b'x'; 1024]),
        ("", &long, &[b'x'; 1024]),
        ("Content-Length: 0\r\n", "x", b""),
        ("", "cut", b"cut"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nno,\r\n4;x\r\n 423\r\n0\r\n\r\n", b"no, 423"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nno,\r\nand so on", b"no,"),
        ("Transfer-Encoding: chunked\r\n", &format!("1388\r\n{long}\r\n"), &[b'x'; 1024]),
    ];
    for (lines, body, expected) in cases {
        let answer = format!("HTTP/1.1 403 Forbidden\r\n{lines}\r\n{body}").into_bytes();
        for cut in 0..answer.len() {
            let (mut bench, _) = asked(Limits::default());
            bench.feed(&answer[..cut]);
            if bench.conn.failure().is_none() {
                bench.feed(&answer[cut..]);
            }
            let over = !lines.is_empty() || body.len() >= 1024;
            assert_eq!(bench.conn.failure().is_some(), over, "at once, if its end can be seen");
            bench.conn.end_of_stream(bench.now);
            let failure = Some(Failure::Answer(BadAnswer::Status(403)));
            assert_eq!(bench.conn.failure(), failure, "{lines} cut at {cut}");
            assert_eq!(bench.conn.take_refusal().1, expected, "{lines} cut at {cut}");
            assert_eq!(bench.conn.disposition(), Disposition::Abort);
        }
    }
}

#[test]
fn the_headers_of_an_answer_that_opens_nothing() {
    for (status, failure) in [("403 x", BadAnswer::Status(403)), ("101 x", BadAnswer::Upgrade)] {
        let (mut bench, _) = asked(Limits::default());
        let answer = format!("HTTP/1.1 {status}\r\nRetry-After: 5\r\nContent-Length: 2\r\n\r\nno");
        assert_eq!(bench.feed(answer.as_bytes()).1, Some(Failure::Answer(failure)));
        let (answer, _) = bench.conn.take_refusal();
        let answer = answer.expect("it came");
        assert_eq!((answer.header("retry-after"), answer.header("x")), (Some(&b"5"[..]), None));
    }
    let (mut bench, _) = asked(Limits::default());
    bench.feed(b"SSH-2.0-OpenSSH_9.6\r\n\r\n");
    assert_eq!(bench.conn.take_refusal().0.and_then(|a| a.header("x").map(<[u8]>::to_vec)), None);
}

#[test]
fn what_is_no_answer() {
    let endless = [b"HTTP/1.1 101 x\r\n", &b"X: y\r\n".repeat(5000)[..]].concat();
    let hints = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17);
    for (bytes, failure) in [
        (&b"HTTP/1.1 101 x\n\n"[..], BadAnswer::Malformed),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", BadAnswer::Malformed),
        (b"HTTP/1.1 101 x\r\n\r\n", BadAnswer::Upgrade),
        (&endless, BadAnswer::TooLong),
        (&hints, BadAnswer::TooLong),
    ] {
        let (mut bench, _) = asked(Limits::default());
        let failure = Some(Failure::Answer(failure));
        assert_eq!(bench.feed(bytes), (vec![], failure));
        assert_eq!(bench.feed(b"more"), (vec![], failure), "nothing is read behind it");
        assert_eq!((bench.conn.disposition(), bench.conn.buffered()), (Disposition::Abort, 0));
    }
}

#[test]
fn another_answer_may_come_first() {
    let (mut bench, request) = asked(Limits::default());
    let hints = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let all = [hints, hints, &answer_to(&request, None)[..]].concat();
    assert_eq!(bench.feed(&all), (vec![Got::Open(None)], None));
}

#[test]
fn silence_and_the_end_before_the_answer() {
    let (mut bench, _) = asked(Limits::default());
    bench.run_until(bench.now + 10_000);
    assert!(matches!(bench.conn.failure(), Some(Failure::TimedOut(Timeout::Opening(_)))));
    let (mut bench, _) = asked(Limits::default());
    bench.feed(b"HTTP/1.1 101 ");
    bench.conn.end_of_stream(bench.now);
    assert_eq!(bench.conn.failure(), Some(Failure::EndOfStream));
    let (mut bench, _) = asked(Limits::default());
    assert_eq!(bench.send(Opcode::Text, b"early"), Err(SendError::NotOpen));
    bench.feed(b"HTTP/1.1 404 x\r\n\r\nnot ");
    bench.run_until(bench.now + 10_000);
    let failure = Some(Failure::Answer(BadAnswer::Status(404)));
    assert_eq!((bench.conn.failure(), bench.conn.take_refusal().1), (failure, b"not ".to_vec()));
}

#[test]
fn through_a_proxy() {
    let mut bench = Bench::new(Limits::default());
    bench.conn = bench.with(|_, env| Connection::tunnel(b"CONNECT a:80 HTTP/1.1\r\n\r\n", env));
    assert_eq!(bench.sent(), b"CONNECT a:80 HTTP/1.1\r\n\r\n");
    let connected = b"HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(bench.feed(connected), (vec![Got::Tunnel], None));
    bench.with(|conn, env| conn.ask(&ask(), env));
    let request = bench.sent();
    assert_eq!(bench.feed(&answer_to(&request, None)), (vec![Got::Open(None)], None));
    // A second question is none.
    bench.with(|conn, env| conn.ask(&ask(), env));
    assert_eq!(bench.conn.buffered(), 0);

    let mut bench = Bench::new(Limits::default());
    bench.conn = bench.with(|_, env| Connection::tunnel(b"CONNECT a:80 HTTP/1.1\r\n\r\n", env));
    let refusal = b"HTTP/1.1 407 Who are you\r\nContent-Length: 2\r\n\r\nno";
    let failure = Some(Failure::Proxy(BadAnswer::Status(407)));
    assert_eq!(bench.feed(refusal), (vec![], failure));
    assert_eq!(bench.conn.take_refusal().1, b"no");
}
