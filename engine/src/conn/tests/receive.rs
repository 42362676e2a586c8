//! Messages however they are cut: lent when whole, assembled when not.

use super::*;

fn fragments() -> Vec<u8> {
    [
        frame(0x01, "caf\u{e9} ".as_bytes().split_last().unwrap().1),
        frame(0x00, ""),
        frame(0x89, "between"),
        frame(0x80, " and tea"),
        frame(0x82, [0, 255, 128]),
    ]
    .concat()
}

#[test]
fn whole_messages_are_lent_and_nothing_is_copied() {
    let mut bench = Bench::open(Limits::default());
    let bytes = [frame(0x81, "one"), frame(0x82, ""), frame(0x81, "d\u{f6}t")].concat();
    let expected =
        [lent(Opcode::Text, "one"), lent(Opcode::Binary, ""), lent(Opcode::Text, "d\u{f6}t")];
    assert_eq!(bench.feed(&bytes), (expected.to_vec(), None));
    assert_eq!((bench.copied, bench.conn.heap_bytes()), (0, 0));
}

#[test]
fn short_messages_that_come_together_are_one_batch_and_a_longer_one_is_a_batch_alone() {
    let mut bench = Bench::open(Limits::default());
    let mut bytes = [
        frame(0x81, "one"),
        frame(0x82, "two"),
        frame(0x82, [7; 126]),
        frame(0x81, "three"),
        frame(0x89, "between"),
        frame(0x81, "four"),
        frame(0x81, "five"),
        frame(0x82, "six"),
    ]
    .concat();
    let mut input = Input::new(&mut bytes);
    let mut counts = Vec::new();
    while let Some(event) = bench.with(|conn, env| conn.receive(&mut input, env)).expect("sound") {
        let Event::Batch(batch) = event else { panic!("no batch") };
        counts.push(batch.count());
    }
    // What comes behind a Ping is found with it, by the way of all frames.
    assert_eq!((counts, bench.sent()), (vec![2, 1, 1, 1, 2], b"\x8a\x07between".to_vec()));
}

#[test]
fn split_messages_are_assembled_at_every_cut() {
    let bytes = frame(0x81, "na\u{ef}ve caf\u{e9}");
    let payload_at = bytes.len() - "na\u{ef}ve caf\u{e9}".len();
    for cut in 1..bytes.len() {
        let mut bench = Bench::open(Limits::default());
        assert_eq!(bench.feed(&bytes[..cut]), (vec![], None));
        let (got, _) = bench.feed(&bytes[cut..]);
        // Cut in its header, the message is still whole in one buffer.
        let expected = if cut <= payload_at { lent } else { owned };
        assert_eq!(got, [expected(Opcode::Text, "na\u{ef}ve caf\u{e9}")], "cut at {cut}");
        let copied = if cut <= payload_at { 0 } else { bytes.len() - payload_at };
        assert_eq!(bench.copied, copied as u64);
        assert_eq!(bench.conn.heap_bytes(), 0);
    }
}

#[test]
fn fragments_with_a_ping_between_at_every_cut() {
    let text = "caf\u{e9} and tea";
    for cut in 0..fragments().len() {
        let mut bench = Bench::open(Limits::default());
        let (mut got, failure) = bench.feed(&fragments()[..cut]);
        assert_eq!(failure, None);
        got.extend(bench.feed(&fragments()[cut..]).0);
        let [Got::Message { data, opcode: Opcode::Text, .. }, Got::Message { data: last, .. }] =
            &got[..]
        else {
            panic!("{got:?}")
        };
        assert_eq!((data.as_slice(), last.as_slice()), (text.as_bytes(), &[0, 255, 128][..]));
        assert_eq!(bench.sent(), b"\x8a\x07between");
        assert_eq!(bench.conn.heap_bytes(), 0);
    }
}

#[test]
fn empty_fragments_do_not_cost_the_loan() {
    let mut bench = Bench::open(Limits::default());
    let bytes = [frame(0x01, ""), frame(0x00, ""), frame(0x80, "whole")].concat();
    assert_eq!(bench.feed(&bytes), (vec![lent(Opcode::Text, "whole")], None));
    let bytes = [frame(0x02, ""), frame(0x80, "")].concat();
    assert_eq!(bench.feed(&bytes), (vec![lent(Opcode::Binary, "")], None));
}

#[test]
fn a_pong_is_reported_even_when_split_inside_a_split_message() {
    let mut bench = Bench::open(Limits::default());
    let (data, pong) = (frame(0x02, "first "), frame(0x8A, "alive"));
    for byte in data.iter().chain(&pong[..pong.len() - 1]) {
        assert_eq!(bench.feed(&[*byte]), (vec![], None));
    }
    let (got, _) = bench.feed(&pong[pong.len() - 1..]);
    assert_eq!(got, [Got::Pong(b"alive".to_vec())]);
    let (got, _) = bench.feed(&frame(0x80, "second"));
    assert_eq!(got, [owned(Opcode::Binary, "first second")]);
}

/// What stream mode delivers: the parts joined per message, each with its flags checked.
fn joined(got: &[Got]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    for part in got {
        let Got::Message { data, first, last, copied, .. } = part else { panic!("{part:?}") };
        assert!(!copied, "parts are lent");
        assert_eq!(*first, !open);
        assert!(!data.is_empty() || *last, "an empty part that means nothing");
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
fn stream_mode_delivers_as_it_comes() {
    let limits = Limits { stream: true, ..Limits::default() };
    let bytes = [fragments(), frame(0x82, ""), frame(0x81, "x")].concat();
    let expected: [&[u8]; 4] = ["caf\u{e9} and tea".as_bytes(), &[0, 255, 128], b"", b"x"];
    for size in [1, 2, 3, 7, 1000] {
        let mut bench = Bench::open(limits);
        let mut got = Vec::new();
        for chunk in bytes.chunks(size) {
            let (more, failure) = bench.feed(chunk);
            assert_eq!(failure, None);
            got.extend(more);
        }
        assert_eq!(joined(&got), expected, "chunks of {size}");
        // Only the Ping had to be collected.
        assert!(bench.copied <= "between".len() as u64);
    }
}

#[test]
fn stream_mode_checks_text_as_it_comes() {
    let limits = Limits { stream: true, ..Limits::default() };
    let mut bench = Bench::open(limits);
    assert_eq!(bench.feed(&frame(0x01, b"ok \xE2\x82")).0.len(), 1);
    let failure = Some(Failure::Violation(Violation::InvalidUtf8));
    assert_eq!(bench.feed(&frame(0x80, "x")), (vec![], failure));
    assert_eq!(bench.sent(), b"\x88\x02\x03\xef");
}

#[test]
fn the_answers_to_our_own_pings_are_not_the_applications() {
    let mut bench = Bench::open(Limits { ping_interval_ms: 1, ..Limits::default() });
    let pong = |says: &str| Got::Pong(says.as_bytes().to_vec());
    // One that nobody has asked for is no answer, whatever it says.
    assert_eq!(bench.feed(&frame(0x8A, "rws-ZZZZ")), (vec![pong("rws-ZZZZ")], None));
    bench.with(|conn, env| conn.measure(env));
    bench.tools.now_us = 5_000;
    assert_eq!(bench.sent(), b"\x89\x08rws-ZZZZ");
    bench.tools.now_us = 5_250;
    let pongs = [frame(0x8A, "rws-ZZZY"), frame(0x8A, "rws-ZZZZ"), frame(0x8A, "mine")].concat();
    assert_eq!(bench.feed(&pongs), (vec![pong("rws-ZZZY"), pong("mine")], None));
    assert_eq!((bench.conn.rtt_us(), &bench.tools.tally.rtts[..]), (250, &[250][..]));
    assert_eq!(bench.conn.heap_bytes(), 0);
    // Twice is once too often.
    assert_eq!(bench.feed(&frame(0x8A, "rws-ZZZZ")), (vec![pong("rws-ZZZZ")], None));
}

/// The Pong may be that of either, so it measures nothing, but it is not the application's.
#[test]
fn a_ping_that_is_repeated_measures_nothing() {
    let mut bench = Bench::open(Limits { idle_timeout_ms: 1_000, ..Limits::default() });
    bench.run_until(1_500);
    bench.tools.now_us = 1_500_000;
    assert_eq!(bench.sent(), b"\x89\x08rws-ZZZZ");
    // A sign of life, but no answer; and silence again.
    bench.feed(&frame(0x81, "busy"));
    bench.with(|conn, env| conn.measure(env));
    assert_eq!(bench.sent(), b"", "one is out");
    bench.run_until(2_000);
    bench.tools.now_us = 2_000_000;
    assert_eq!(bench.sent(), b"\x89\x08rws-ZZZZ");
    assert_eq!(bench.feed(&frame(0x8A, "rws-ZZZZ")), (vec![], None));
    assert_eq!((bench.conn.rtt_us(), bench.tools.tally.rtts.len()), (0, 0));
}

/// Each fragment costs the same, however many there were: what has come is copied once, and moved
/// only when its memory doubles, whatever comes between.
#[test]
fn work_per_continuation_does_not_grow() {
    const COUNT: usize = 32_000;
    let ping = frame(0x89, "between two of them");
    for (first, stream, pings) in
        [(0x01, false, false), (0x02, false, false), (0x02, false, true), (0x01, true, false)]
    {
        let mut bench =
            Bench::open(Limits { fragments_max: u32::MAX, stream, ..Limits::default() });
        let (mut capacity, mut moves) = (0, 0);
        let mut feed = |bench: &mut Bench, bytes: &[u8]| {
            let (got, failure) = bench.feed(bytes);
            assert_eq!(failure, None);
            let now = bench.conn.inbound.capacity();
            moves += usize::from(std::mem::replace(&mut capacity, now) < now);
            got.len()
        };
        let mut parts = feed(&mut bench, &frame(first, "x"));
        for _ in 0..COUNT {
            parts += feed(&mut bench, &frame(0x00, "y"));
            if pings {
                // Cut, so that it is collected behind what has come of the message.
                parts += feed(&mut bench, &ping[..9]) + feed(&mut bench, &ping[9..]);
                bench.sent();
            }
        }
        parts += feed(&mut bench, &frame(0x80, "z"));
        assert_eq!(parts, if stream { COUNT + 2 } else { 1 });
        let of_pings = if pings { COUNT * (ping.len() - 6) } else { 0 };
        let copied = if stream { 0 } else { COUNT + 2 + of_pings };
        assert_eq!(bench.copied, copied as u64, "each byte once");
        assert!(moves <= 8, "moved {moves} times");
    }
}
