//! permessage-deflate on one connection: negotiated, both directions, whole and in parts.

use super::*;
use crate::codec::{Codec, Deflater, Setting};
use crate::conn::Deflate;

const LEVEL_6: Setting = Setting { level: 6, bits: 15 };

pub(super) fn limits() -> Limits {
    Limits { deflate: Some(Deflate { min: 20, ..Deflate::default() }), ..Limits::default() }
}

fn request(offer: &str) -> Vec<u8> {
    let head = std::str::from_utf8(REQUEST).unwrap().trim_end();
    format!("{head}\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n").into_bytes()
}

/// Open after an offer; and what was answered to it.
pub(super) fn open(limits: Limits, offer: &str) -> (Bench, Option<String>) {
    let mut bench = Bench::new(limits);
    assert_eq!(bench.feed(&request(offer)), (vec![Got::Upgrade], None));
    let answer = String::from_utf8(bench.sent()).unwrap();
    let line = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    (bench, line.map(str::to_owned))
}

pub(super) fn text(len: usize) -> Vec<u8> {
    b"{\"key\": \"value\", \"other\": 12}".iter().copied().cycle().take(len).collect()
}

fn compressed(message: &[u8]) -> Vec<u8> {
    Codec::new(0).deflate(message, LEVEL_6).expect("smaller").to_vec()
}

/// The frames of what was sent: first byte and payload.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    while let [first, len, rest @ ..] = bytes {
        let (len, rest) = match len {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            len => (usize::from(*len), rest),
        };
        all.push((*first, rest[..len].to_vec()));
        bytes = &rest[len..];
    }
    all
}

pub(super) fn inflated(bytes: &[u8]) -> Vec<u8> {
    Codec::new(0).inflate(bytes, 1 << 24, &mut Pool::default()).expect("well formed")
}

#[test]
fn nothing_is_negotiated_that_was_not_asked_for() {
    assert_eq!(open(limits(), "permessage-edflate").1, None);
    let (mut bench, answer) = open(Limits::default(), "permessage-deflate");
    assert_eq!(answer, None);
    let (_, failure) = bench.feed(&frame(0xC1, compressed(&text(100))));
    assert_eq!(failure, Some(Failure::Violation(Violation::ReservedBits)));
}

#[test]
fn messages_are_compressed_both_ways_and_nothing_is_kept() {
    let (mut bench, answer) = open(limits(), "permessage-deflate; client_max_window_bits");
    let shared = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(answer.as_deref(), Some(shared));
    for len in [60, 125, 126, 3_000, 70_000] {
        let message = text(len);
        let (got, failure) = bench.feed(&frame(0xC1, compressed(&message)));
        assert_eq!((got, failure), (vec![owned(Opcode::Text, &message)], None));
        bench.send(Opcode::Text, &message).unwrap();
        let sent = frames(&bench.sent());
        assert_eq!((sent[0].0, sent.len()), (0xC1, 1));
        assert!(sent[0].1.len() < len && inflated(&sent[0].1) == message);
        assert_eq!(bench.conn.heap_bytes(), 0);
    }
    // Plain ones among them, empty ones, and control frames.
    let (got, _) = bench.feed(&[frame(0x81, "plain"), frame(0xC2, [0]), frame(0xC1, [0])].concat());
    let empty = |opcode| owned(opcode, "");
    assert_eq!(got, [lent(Opcode::Text, "plain"), empty(Opcode::Binary), empty(Opcode::Text)]);
    bench.send(Opcode::Binary, &[]).unwrap();
    bench.send(Opcode::Ping, &[7; 100]).unwrap();
    bench.send(Opcode::Binary, &[1; 19]).unwrap();
    let firsts: Vec<u8> = frames(&bench.sent()).iter().map(|frame| frame.0).collect();
    assert_eq!(firsts, [0x82, 0x89, 0x82]);
    assert_eq!(bench.tools.codec.done.deflated, 5);
    assert_eq!(bench.tools.codec.done.inflated, 7);
    assert!(bench.tools.codec.done.saved > 70_000);
}

#[test]
fn what_must_stay_plain_stays_plain() {
    let (mut bench, _) = open(limits(), "permessage-deflate");
    let message = text(500);
    let plain = SendFlags { plain: true, more: false };
    bench.with(|conn, env| conn.send(Opcode::Text, &message, plain, env)).unwrap();
    let wrapped = Outgoing::plain(Opcode::Text, message.clone().into());
    bench.with(|conn, env| conn.send_message(&wrapped, env)).unwrap();
    bench.send_more(Opcode::Text, &message).unwrap();
    assert_eq!(bench.send(Opcode::Text, &message), Err(SendError::Sequence));
    bench.send(Opcode::Continuation, &message).unwrap();
    let mut x = 7_u64;
    let mut next = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (x >> 40) as u8
    };
    let noise: Vec<u8> = (0..500).map(|_| next()).collect();
    bench.send(Opcode::Binary, &noise).unwrap();
    let sent = frames(&bench.sent());
    let firsts: Vec<u8> = sent.iter().map(|frame| frame.0).collect();
    assert_eq!(firsts, [0x81, 0x81, 0x01, 0x80, 0x82]);
    assert_eq!(bench.send(Opcode::Text, &[0xFF; 50]), Err(SendError::Utf8));
}

#[test]
fn a_shared_message_is_compressed_once_for_each_setting() {
    let (mut first, _) = open(limits(), "permessage-deflate");
    let (mut second, _) = open(limits(), "permessage-deflate; server_max_window_bits=9");
    let payload = text(6_000);
    let message = Outgoing::new(Opcode::Text, payload.clone().into());
    for bench in [&mut first, &mut second] {
        for _ in 0..2 {
            bench.with(|conn, env| conn.send_message(&message.clone(), env)).unwrap();
        }
        let sent = frames(&bench.sent());
        assert!(sent[0] == sent[1] && sent[0].0 == 0xC1 && inflated(&sent[0].1) == payload);
        let made = Setting { level: 1, bits: 15 };
        assert!(message.deflated(made, || unreachable!("made already")).is_some());
    }
}

#[test]
fn every_cut_of_a_compressed_message_in_fragments() {
    let message = "na\u{EF}ve ".repeat(40);
    let bytes = compressed(message.as_bytes());
    let (a, b) = bytes.split_at(bytes.len() / 2);
    let stream = [
        frame(0x41, a),
        frame(0x89, "ping"),
        frame(0x00, ""),
        frame(0x80, b),
        frame(0x81, "plain"),
    ]
    .concat();
    for stream_mode in [false, true] {
        let limits = Limits { stream: stream_mode, ..limits() };
        for cut in 0..stream.len() {
            let (mut bench, answer) = open(limits, "permessage-deflate");
            assert!(answer.is_some());
            let (mut got, _) = bench.feed(&stream[..cut]);
            let (more, failure) = bench.feed(&stream[cut..]);
            got.extend(more);
            assert_eq!(failure, None, "cut at {cut}");
            assert_eq!(join(&got), [message.as_bytes(), b"plain"], "cut at {cut}");
        }
    }
}

/// The messages that were delivered, put together from their parts.
fn join(got: &[Got]) -> Vec<Vec<u8>> {
    let (mut all, mut open) = (Vec::new(), false);
    for got in got {
        let Got::Message { data, first, last, .. } = got else { continue };
        assert_eq!(*first, !open);
        if *first {
            all.push(Vec::new());
        }
        all.last_mut().unwrap().extend(data);
        open = !last;
    }
    assert!(!open);
    all
}

#[test]
fn a_stream_comes_in_parts_of_bounded_size() {
    let limits = Limits { stream: true, message_max: u32::MAX, ..limits() };
    let (mut bench, _) = open(limits, "permessage-deflate");
    let zeros = vec![0; 3 << 20];
    for stream in [frame(0xC2, compressed(&zeros)), frame(0xC2, compressed(&text(300_000)))] {
        let (got, failure) = bench.feed(&stream);
        assert_eq!(failure, None);
        let sizes = got.iter().map(|got| match got {
            Got::Message { data, .. } => data.len(),
            other => panic!("{other:?}"),
        });
        assert!(sizes.max().unwrap() <= 64 << 10 && got.len() > 4);
        assert!(join(&got)[0].len() >= 300_000);
    }
    let small = Limits { stream: true, message_max: 100_000, ..limits };
    let (mut bench, _) = open(small, "permessage-deflate");
    let (_, failure) = bench.feed(&frame(0xC2, compressed(&zeros)));
    assert_eq!(failure, Some(Failure::Violation(Violation::MessageTooBig)));
}

#[test]
fn with_takeover_messages_refer_to_those_before() {
    let deflate = Deflate { takeover: true, min: 0, ..Deflate::default() };
    for stream in [false, true] {
        let limits = Limits { deflate: Some(deflate), stream, ..Limits::default() };
        let (mut bench, answer) = open(limits, "permessage-deflate; client_max_window_bits");
        assert_eq!(answer.as_deref(), Some("permessage-deflate"));
        let mut client = (Deflater::new(LEVEL_6, 8), crate::codec::Inflater::new());
        let (mut codec, mut pool) = (Codec::new(0), Pool::default());
        let mut sizes = Vec::new();
        for round in 0..6 {
            let message = if round == 3 { Vec::new() } else { text(400) };
            let bytes = codec.deflate_by(&mut client.0, &message).to_vec();
            let (got, failure) = bench.feed(&frame(0xC1, &bytes));
            assert_eq!((join(&got), failure), (vec![message.clone()], None));
            bench.send(Opcode::Text, &message).unwrap();
            let sent = frames(&bench.sent());
            assert_eq!((sent[0].0, sent.len()), (0xC1, 1));
            let back = client.1.inflate(&sent[0].1, false, 1_000, &mut pool);
            assert_eq!(back, Ok(message));
            sizes.push((bytes.len(), sent[0].1.len()));
        }
        assert!(sizes[1].0 < sizes[0].0 && sizes[1].1 < sizes[0].1, "{sizes:?}");
        assert!(bench.tools.codec.budget.spent() > 300_000);
        let Bench { conn, pool, .. } = &mut bench;
        conn.release(pool);
        assert_eq!(bench.tools.codec.budget.spent(), 0);
    }
}

/// However the parts fall, the last of them says so. It is empty only if what came last on the wire
/// brought nothing but the end.
#[test]
fn the_last_part_of_a_stream_ends_the_message() {
    let limits = Limits { stream: true, message_max: 1 << 20, ..limits() };
    for len in [156_400, 65_535, 65_536, 65_537, 131_072, 196_608] {
        let message = text(len);
        let bytes = frame(0xC1, compressed(&message));
        for cut in [1, 13, 4_096, bytes.len()] {
            let (mut bench, _) = open(limits, "permessage-deflate");
            let mut got = Vec::new();
            for chunk in bytes.chunks(cut) {
                let (more, failure) = bench.feed(chunk);
                assert_eq!(failure, None);
                got.extend(more);
            }
            let ends: Vec<_> = got
                .iter()
                .map(|part| match part {
                    Got::Message { data, last, .. } => (data.is_empty(), *last),
                    other => panic!("{other:?}"),
                })
                .collect();
            let parts = ends.len();
            let last = ends.iter().position(|(_, last)| *last);
            assert_eq!(last, Some(parts - 1), "{len} bytes in parts of {cut}");
            let empty = ends.iter().position(|(empty, _)| *empty);
            let allowed = (cut < bytes.len()).then_some(parts - 1);
            assert!(empty.is_none() || empty == allowed, "{len} bytes in parts of {cut}");
            assert_eq!(join(&got), std::slice::from_ref(&message));
        }
    }
}

#[test]
fn past_the_budget_nothing_is_remembered() {
    let deflate = Some(Deflate { takeover: true, ..Deflate::default() });
    let shared = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for (stream, expected) in [(false, Some(shared)), (true, None)] {
        let mut bench = Bench::new(Limits { deflate, stream, ..Limits::default() });
        bench.tools = Tools::new(|block| block.fill(0)).with_codec_memory(10_000);
        bench.feed(&request("permessage-deflate"));
        let answer = String::from_utf8(bench.sent()).unwrap();
        let line = answer.lines().find_map(|l| l.strip_prefix("Sec-WebSocket-Extensions: "));
        assert_eq!(line, expected);
        assert_eq!(bench.tools.codec.done.refused, 1);
    }
    // A thousand of them stay within it.
    let limits = Limits { deflate, ..Limits::default() };
    let mut tools = Tools::new(|block| block.fill(0)).with_codec_memory(8 << 20);
    let mut all = Vec::new();
    for _ in 0..1_000 {
        let mut bench = Bench::new(limits);
        std::mem::swap(&mut bench.tools, &mut tools);
        bench.feed(&request("permessage-deflate"));
        bench.sent();
        bench.send(Opcode::Binary, &text(1_000)).unwrap();
        bench.sent();
        std::mem::swap(&mut bench.tools, &mut tools);
        all.push(bench);
    }
    let spent = tools.codec.budget.spent();
    assert!((4 << 20..=8 << 20).contains(&spent), "{spent}");
    assert!(tools.codec.done.refused > 900);
    drop(all);
    assert_eq!(tools.codec.budget.spent(), 0);
}

#[test]
fn what_is_wrong_fails_with_its_code() {
    let small = Limits { message_max: 1_000, ..limits() };
    let zeros = compressed(&[0; 1_001]);
    for (bytes, violation, code) in [
        (frame(0xC2, zeros), Violation::MessageTooBig, 1009),
        // Declared longer than any message of the limit can become by compression.
        (header(0xC2, 1_068), Violation::MessageTooBig, 1009),
        (frame(0xC2, [7]), Violation::MalformedDeflate, 1007),
        (frame(0xC2, ""), Violation::MalformedDeflate, 1007),
        // A reference to before the message.
        (frame(0xC2, [0xF2, 0x00, 0x11, 0x00, 0x00]), Violation::MalformedDeflate, 1007),
        (frame(0xC1, compressed(&[0xFF; 100])), Violation::InvalidUtf8, 1007),
        (frame(0xC0, "x"), Violation::ReservedBits, 1002),
        (frame(0xC9, "x"), Violation::ReservedBits, 1002),
        ([frame(0x41, ""), frame(0xC0, "x")].concat(), Violation::ReservedBits, 1002),
    ] {
        for stream in [false, true] {
            let (mut bench, _) = open(Limits { stream, ..small }, "permessage-deflate");
            bench.feed(&frame(0xC1, compressed(&text(300))));
            bench.sent();
            let (_, failure) = bench.feed(&bytes);
            if bytes.len() == 6 && stream {
                // An empty message without its byte: nothing shows that one was cut.
                continue;
            }
            assert_eq!(failure, Some(Failure::Violation(violation)), "{bytes:X?} {stream}");
            let [hi, lo] = u16::to_be_bytes(code);
            assert_eq!(bench.sent(), [0x88, 2, hi, lo]);
        }
    }
    let (mut bench, _) = open(small, "permessage-deflate");
    assert_eq!(bench.feed(&header(0xC2, 1_067)), (vec![], None), "within the slack");
}

#[test]
fn a_client_offers_and_both_sides_compress() {
    use crate::proto::{Ask, Url};
    for takeover in [false, true] {
        let deflate = Some(Deflate { takeover, min: 20, ..Deflate::default() });
        let limits = Limits { deflate, ..Limits::default() };
        let (mut client, mut server) = (Bench::new(limits), Bench::new(limits));
        let ask = std::sync::Arc::new(Ask::new(&Url::parse("ws://a.example/").expect("a URL")));
        client.conn = client.with(|_, env| Connection::client(&ask, env));
        assert_eq!(server.feed(&client.sent()), (vec![Got::Upgrade], None));
        let (got, failure) = client.feed(&server.sent());
        assert!(matches!(got[..], [Got::Open(_)]) && failure.is_none(), "{got:?} {failure:?}");
        for len in [40, 500, 70_000, 500] {
            let message = text(len);
            client.send(Opcode::Text, &message).unwrap();
            let shared = Outgoing::new(Opcode::Text, message.clone().into());
            client.with(|conn, env| conn.send_message(&shared, env)).unwrap();
            let sent = client.sent();
            assert!(sent.len() < 2 * len + 10 && sent[0] == 0xC1 && sent[1] & 0x80 != 0);
            let (got, failure) = server.feed(&sent);
            assert_eq!((join(&got), failure), (vec![message.clone(); 2], None));
            server.send(Opcode::Text, &message).unwrap();
            let (got, failure) = client.feed(&server.sent());
            assert_eq!((join(&got), failure), (vec![message], None));
        }
    }
    // A server that remembers, though it was asked not to.
    let mut client = Bench::new(limits());
    let ask = std::sync::Arc::new(Ask::new(&Url::parse("ws://a.example/").expect("a URL")));
    client.conn = client.with(|_, env| Connection::client(&ask, env));
    let mut server = Bench::new(limits());
    server.feed(&client.sent());
    let answer = String::from_utf8(server.sent()).unwrap();
    let wrong = answer.replace("server_no_context_takeover; ", "");
    assert_ne!(answer, wrong);
    let (_, failure) = client.feed(wrong.as_bytes());
    assert_eq!(failure, Some(Failure::Answer(crate::proto::BadAnswer::Extension)));
}
