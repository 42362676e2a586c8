//! A corpus of streams, most of them hostile, with what must come of them.

use crate::machine::{Machine, Outcome, run};
use ringws_engine::proto::{Opcode, Role, Violation};
use ringws_kit::{Frame, KEY, Length, frame};

/// A stream from a client.
struct Case {
    name: &'static str,
    stream: Vec<u8>,
    /// The violation, and how many bytes show it at the earliest.
    wrong: Option<(Violation, usize)>,
    /// Messages and control frames that are whole before it.
    whole: usize,
}

fn good(name: &'static str, frames: &[Vec<u8>], whole: usize) -> Case {
    Case { name, stream: frames.concat(), wrong: None, whole }
}

fn bad(name: &'static str, frames: &[Vec<u8>], whole: usize, v: Violation, at: usize) -> Case {
    Case { name, stream: frames.concat(), wrong: Some((v, at)), whole }
}

/// The start of a Binary frame that declares so much.
fn declared(len: u64) -> Vec<u8> {
    Frame::new(0x82, b"").declares(len).bytes()
}

/// A Binary frame of five bytes whose length is written in this form.
fn five(length: Length) -> Vec<u8> {
    Frame::new(0x82, b"12345").length(length).bytes()
}

fn good_streams() -> Vec<Case> {
    let text = "κόσμε 漢字 😀".as_bytes();
    let (a, b) = text.split_at(2);
    let big: Vec<u8> = (0..700u32).map(|i| (i * 7) as u8).collect();
    vec![
        good("nothing", &[], 0),
        good("one text", &[frame(0x81, b"Hello")], 1),
        good("empty text", &[frame(0x81, b"")], 1),
        good("empty frames", &[frame(0x82, b""), frame(0x89, b""), frame(0x88, b"")], 3),
        good("text cut inside characters", &[frame(0x01, &text[..3]), frame(0x80, &text[3..])], 1),
        good("in three", &[frame(0x01, a), frame(0x00, b""), frame(0x80, b)], 1),
        good(
            "control frames between fragments",
            &[
                frame(0x01, b"\xe2\x82"),
                frame(0x89, b"ping"),
                frame(0x00, b""),
                frame(0x8A, b""),
                frame(0x80, b"\xac"),
                frame(0x88, b"\x03\xe8bye"),
            ],
            4,
        ),
        good("length of two bytes", &[frame(0x82, &big)], 1),
        good("longest ping", &[frame(0x89, [7; 125])], 1),
        good("all that a message may have", &many_fragments(8), 1),
        good("half a frame", &[frame(0x81, b"Hello")[..9].to_vec()], 0),
        good("half a header", &[declared(700)[..5].to_vec()], 0),
    ]
}

fn many_fragments(n: usize) -> Vec<Vec<u8>> {
    let opcode = |i: usize| if i == 0 { 0x02 } else { 0x00 };
    (0..n).map(|i| frame(opcode(i) | if i + 1 == 8 { 0x80 } else { 0 }, b"")).collect()
}

fn bad_headers() -> Vec<Case> {
    use Violation::*;
    let ok = frame(0x81, b"ok");
    let n = ok.len();
    vec![
        bad("opcode 3", &[ok.clone(), frame(0x83, b"")], 1, ReservedOpcode, n + 1),
        bad("opcode 15", &[frame(0x8F, b"")], 0, ReservedOpcode, 1),
        bad("RSV1", &[frame(0xC1, b"x")], 0, ReservedBits, 1),
        bad("RSV2", &[frame(0xA1, b"x")], 0, ReservedBits, 1),
        bad("RSV3", &[frame(0x91, b"x")], 0, ReservedBits, 1),
        bad("RSV1 on a ping", &[frame(0xC9, b"")], 0, ReservedBits, 1),
        bad("RSV1 on a continuation", &[frame(0x40, b"")], 0, ReservedBits, 1),
        bad("unmasked", &[ok, Frame::new(0x81, b"Hello").unmasked().bytes()], 1, Unmasked, n + 2),
        bad("5 in two bytes", &[five(Length::Two)], 0, NonMinimalLength, 4),
        bad("5 in eight bytes", &[five(Length::Eight)], 0, NonMinimalLength, 8),
        bad("top bit of the length", &[declared(1 << 63)], 0, LengthOverflow, 3),
        bad("all bits of the length", &[declared(!0)], 0, LengthOverflow, 3),
        bad("2^63 - 1", &[declared(!0 >> 1)], 0, MessageTooBig, 14),
        bad("2^32", &[declared(1 << 32)], 0, MessageTooBig, 14),
        bad("the limit and one", &[declared(65_537)], 0, MessageTooBig, 14),
        bad("long ping", &[frame(0x89, [0; 126])], 0, ControlTooLong, 2),
        bad("fragmented ping", &[frame(0x09, b"")], 0, ControlFragmented, 1),
    ]
}

fn bad_sequences() -> Vec<Case> {
    use Violation::*;
    let part = frame(0x01, b"part");
    let n = part.len();
    let nine = many_fragments(7);
    let nine = [&nine[..], &nine[1..3]].concat();
    let half = frame(0x02, [1; 0x8000]);
    let end = half.len() + 8;
    vec![
        bad("nothing to continue", &[frame(0x80, b"x")], 0, UnexpectedContinuation, 6),
        bad("text in text", &[part.clone(), frame(0x81, b"x")], 0, ExpectedContinuation, n + 6),
        bad("binary in text", &[part, frame(0x82, b"x")], 0, ExpectedContinuation, n + 6),
        bad("too many fragments", &nine, 0, TooManyFragments, 9 * 6),
        bad(
            "too big in two fragments",
            &[half, Frame::new(0x80, b"").declares(0x8001).bytes()],
            0,
            MessageTooBig,
            end,
        ),
    ]
}

fn bad_payloads() -> Vec<Case> {
    use Violation::*;
    let over = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited";
    let (a, b) = over.split_at(12);
    vec![
        bad("not a character", &[frame(0x81, b"a\xff__")], 0, InvalidUtf8, 6 + 2),
        bad("surrogate", &[frame(0x81, b"\xed\xa0\x80")], 0, InvalidUtf8, 6 + 2),
        bad("overlong", &[frame(0x81, b"\xe0\x80\xaf")], 0, InvalidUtf8, 6 + 2),
        bad("over the last code point", &[frame(0x81, over)], 0, InvalidUtf8, 6 + 13),
        bad("and in two frames", &[frame(0x01, a), frame(0x80, b)], 0, InvalidUtf8, 6 + 12 + 6 + 1),
        bad("cut by the end", &[frame(0x81, b"ab\xe2\x82")], 0, InvalidUtf8, 6 + 4),
        bad(
            "cut by the end of an empty last frame",
            &[frame(0x01, b"\xf0\x9f"), frame(0x80, b"")],
            0,
            InvalidUtf8,
            8 + 6,
        ),
        bad("close of one byte", &[frame(0x88, b"\x03")], 0, TruncatedCloseCode, 7),
        bad("close code 1005", &[frame(0x88, b"\x03\xed")], 0, InvalidCloseCode, 8),
        bad("close reason", &[frame(0x88, b"\x03\xe8\xc3\x28")], 0, InvalidCloseReason, 10),
    ]
}

fn corpus() -> Vec<Case> {
    [good_streams(), bad_headers(), bad_sequences(), bad_payloads()].into_iter().flatten().collect()
}

#[test]
fn a_stream_comes_to_what_it_means() {
    for case in corpus() {
        let Outcome { messages, violation, .. } = run(Role::Server, &case.stream, &[]);
        assert_eq!(violation, case.wrong.map(|(v, _)| v), "{}", case.name);
        assert_eq!(messages.len(), case.whole, "{}", case.name);
    }
}

#[test]
fn a_violation_is_told_at_the_byte_that_shows_it() {
    for case in corpus() {
        let mut machine = Machine::new(Role::Server);
        let taken = case.stream.iter().take_while(|b| machine.feed(&[**b])).count();
        let shown = case.wrong.map_or(case.stream.len(), |(_, at)| at - 1);
        assert_eq!(taken, shown, "{}", case.name);
        let mut expected = run(Role::Server, &case.stream, &[]);
        let found = machine.finish();
        if expected.violation.is_some() {
            // Where a stream that has failed was left does not matter.
            expected.at_boundary = found.at_boundary;
        }
        assert_eq!(found, expected, "{}", case.name);
    }
}

#[test]
fn a_stream_is_the_same_cut_at_every_point() {
    for case in corpus() {
        let expected = run(Role::Server, &case.stream, &[]);
        // Long payloads are all the same inside.
        let step = |at: &usize| *at < 800 || *at + 40 > case.stream.len() || at.is_multiple_of(997);
        for cut in (0..=case.stream.len()).filter(step) {
            let mut found = run(Role::Server, &case.stream, &[cut]);
            if expected.violation.is_some() {
                found.at_boundary = expected.at_boundary;
            }
            assert_eq!(found, expected, "{} cut at {cut}", case.name);
        }
    }
}

/// Two cuts: every place and length of a middle piece.
#[test]
fn a_stream_is_the_same_cut_at_every_two_points() {
    for case in corpus().iter().filter(|case| case.stream.len() < 100) {
        let expected = run(Role::Server, &case.stream, &[]);
        for a in 0..=case.stream.len() {
            for b in a..=case.stream.len() {
                let mut found = run(Role::Server, &case.stream, &[a, b]);
                if expected.violation.is_some() {
                    found.at_boundary = expected.at_boundary;
                }
                assert_eq!(found, expected, "{} cut at {a} and {b}", case.name);
            }
        }
    }
}

/// The header of a frame is reported with its last byte, once, before any payload.
#[test]
fn a_header_is_reported_before_its_payload() {
    use ringws_engine::proto::{FrameReader, Input};
    let frame = frame(0x82, [9; 700]);
    for cut in 0..8 {
        let mut reader = FrameReader::new(Role::Server);
        let (mut a, mut b) = (frame[..cut].to_vec(), frame[cut..8].to_vec());
        assert!(reader.next(&mut Input::new(&mut a)).unwrap().is_none());
        assert_eq!(reader.at_boundary(), cut == 0);
        let mut input = Input::new(&mut b);
        let piece = reader.next(&mut input).unwrap().unwrap();
        assert!(piece.first && !piece.last && piece.data.is_empty());
        assert_eq!((piece.header.len, piece.key), (700, KEY));
        assert_eq!(reader.remaining(), 700);
        assert!(reader.next(&mut input).unwrap().is_none());
        let mut rest = frame[8..].to_vec();
        let mut input = Input::new(&mut rest[..699]);
        let piece = reader.next(&mut input).unwrap().unwrap();
        assert!(!piece.first && !piece.last && piece.data.len() == 699);
        assert!(!reader.at_boundary());
        let mut input = Input::new(&mut rest[699..]);
        let piece = reader.next(&mut input).unwrap().unwrap();
        assert!(!piece.first && piece.last && piece.data.len() == 1);
        assert_eq!(piece.key[0], KEY[699 % 4]);
        assert!(reader.at_boundary());
    }
}

#[test]
fn a_client_reads_frames_without_masks_and_nothing_else() {
    let stream = b"\x01\x03Hel\x89\x00\x80\x02lo\x82\x00\x81\x85\x00".to_vec();
    let expected = run(Role::Client, &stream, &[]);
    assert_eq!(expected.violation, Some(Violation::Masked));
    let whole =
        [(Opcode::Ping, vec![]), (Opcode::Text, b"Hello".to_vec()), (Opcode::Binary, vec![])];
    assert_eq!(expected.messages, whole);
    for a in 0..=stream.len() {
        for b in a..=stream.len() {
            let found = run(Role::Client, &stream, &[a, b]);
            assert_eq!((found.messages, found.violation), (whole.to_vec(), expected.violation));
        }
    }
}

/// The state between frames stays small: there is one for each connection.
#[test]
fn the_state_between_frames_is_small() {
    assert!(size_of::<ringws_engine::proto::FrameReader>() <= 56);
}
