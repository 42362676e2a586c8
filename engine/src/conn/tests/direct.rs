//! Direct receive: the rest of a large frame comes into the memory of its message.

use super::*;
use crate::conn::receive::direct::DirectReceive;

/// As much as may be received directly, at most `most`: what that came to, and where in `sent` the
/// connection is now.
fn receive_directly(
    bench: &mut Bench,
    sent: &[u8],
    at: usize,
    most: usize,
) -> (Result<Vec<Got>, Failure>, usize) {
    let (mut memory, may) =
        bench.with(|conn, env| conn.begin_direct((0, usize::MAX), most, env.pool));
    assert!((1..=most.min(sent.len() - at)).contains(&may), "{may} of {most}");
    memory.extend_from_slice(&sent[at..at + may]);
    let event = bench.with(|conn, env| conn.received_directly(memory, may, env));
    let mut all = Vec::new();
    let found = event.map(|event| event.into_iter().for_each(|it| bench.detach(it, &mut all)));
    (found.map(|()| all), at + may)
}

#[test]
fn what_is_received_directly_is_the_message_that_was_sent() {
    let text = "\u{e9}".repeat(5000);
    let sent = [frame(0x81, &text), frame(0x82, "behind")].concat();
    let end = sent.len() - frame(0x82, "behind").len();
    for most in [1, 7, 4096, usize::MAX] {
        let mut bench = Bench::open(Limits::default());
        assert_eq!(bench.feed(&sent[..500]), (vec![], None));
        let (mut at, mut got) = (500, Vec::new());
        while got.is_empty() {
            let known = bench.conn.direct_receive();
            assert_eq!((known.received, known.remaining), (at - 8, (end - at) as u64));
            let (found, now) = receive_directly(&mut bench, &sent[..end], at, most);
            (got, at) = (found.expect("UTF-8"), now);
        }
        assert_eq!((got, at), (vec![owned(Opcode::Text, &text)], end));
        let known = DirectReceive { size_hint: 8192, received: 0, remaining: 0 };
        assert_eq!((bench.conn.direct_receive(), bench.copied), (known, 500 - 8));
        assert_eq!(bench.feed(&sent[end..]).0, [lent(Opcode::Binary, "behind")]);
        bench.conn.forget_size_hint();
        assert_eq!(bench.conn.direct_receive(), DirectReceive::default());
    }
}

#[test]
fn memory_that_nothing_came_into_is_taken_back_with_what_it_held() {
    let sent = frame(0x82, [7; 3000]);
    let mut bench = Bench::open(Limits::default());
    bench.feed(&sent[..1000]);
    let (memory, _) = bench.with(|conn, env| conn.begin_direct((0, usize::MAX), 100, env.pool));
    bench.with(|conn, env| conn.cancel_direct(memory, env.pool));
    assert_eq!(bench.feed(&sent[1000..]).0, [owned(Opcode::Binary, [7; 3000])]);
    assert_eq!(bench.conn.heap_bytes(), 0);
}

#[test]
fn what_is_received_directly_is_checked() {
    let sent = frame(0x81, [&[b'x'; 2000][..], b"\xFF", &[b'x'; 999]].concat());
    let mut bench = Bench::open(Limits::default());
    bench.feed(&sent[..1000]);
    let (found, at) = receive_directly(&mut bench, &sent, 1000, 500);
    assert_eq!(found, Ok(vec![]));
    let failure = Failure::Violation(Violation::InvalidUtf8);
    assert_eq!(receive_directly(&mut bench, &sent, at, 1000).0, Err(failure));
    assert_eq!((bench.conn.failure(), bench.sent()), (Some(failure), b"\x88\x02\x03\xef".to_vec()));
    assert_eq!(bench.conn.direct_receive(), DirectReceive::default(), "nothing is expected");
}

#[test]
fn what_comes_directly_behind_the_end_is_dropped() {
    let sent = frame(0x82, [7; 3000]);
    let mut bench = Bench::open(Limits::default());
    bench.feed(&sent[..1000]);
    let lend = |bench: &mut Bench| {
        bench.with(|conn, env| conn.begin_direct((0, usize::MAX), 100, env.pool)).0
    };
    let (memory, other) = (lend(&mut bench), vec![0; 10]);
    bench.conn.end_of_stream(bench.now);
    let event = bench.with(|conn, env| conn.received_directly(memory, 0, env));
    assert_eq!(event.map(|event| event.is_none()), Err(Failure::EndOfStream));
    bench.with(|conn, env| conn.cancel_direct(other, env.pool));
    assert_eq!(bench.conn.inbound.capacity(), 0);
    bench.with(|conn, env| conn.release(env.pool));
    assert_eq!(bench.conn.heap_bytes(), 0);
}

#[test]
fn a_stopped_connection_discards_what_it_receives_directly() {
    let sent = frame(0x82, [7; 3000]);
    let mut bench = Bench::open(Limits::default());
    bench.feed(&sent[..1000]);
    bench.conn.set_paused(true, bench.now);
    bench.close(1000, "").expect("open");
    let (found, at) = receive_directly(&mut bench, &sent, 1000, usize::MAX);
    let mut got = found.expect("no failure");
    if at < sent.len() {
        got.extend(bench.feed(&sent[at..]).0);
    }
    assert_eq!((got, bench.conn.unread()), (vec![], 3000));
}

#[test]
fn only_what_is_worth_waiting_for_is_missing() {
    let limits = Limits { message_max: 1000, ..Limits::default() };
    let whole = frame(0x82, "x".repeat(900));
    let missing = |bench: &mut Bench, bytes: &[u8]| bench.with(|c, env| c.missing(bytes, env));
    let mut bench = Bench::open(limits);
    bench.now = 7;
    for (cut, expected) in [(3, 0), (8, 900), (500, 408), (whole.len() - 1, 1), (whole.len(), 0)] {
        assert_eq!(missing(&mut bench, &whole[..cut]), expected, "{cut}");
    }
    let behind = [&whole[..], b"\x82\xFE"].concat();
    assert_eq!(missing(&mut bench, &behind), 0, "the first one is whole");
    for (first, len, why) in [
        (0x81, 900, "text fails at the offending byte"),
        (0x02, 900, "a fragment"),
        (0xC2, 900, "RSV1 without an extension"),
        (0x89, 100, "a control frame"),
        (0x82, 1001, "too long: refused at once"),
    ] {
        assert_eq!(missing(&mut bench, &frame(first, "x".repeat(len))[..60]), 0, "{why}");
    }
    let mut unmasked = whole.clone();
    unmasked[1] &= 0x7F;
    assert_eq!(missing(&mut bench, &unmasked[..60]), 0, "a violation");
    bench.feed(&frame(0x02, "begun"));
    assert_eq!(missing(&mut bench, &whole[..60]), 0, "another message is in progress");
    let mut bench = Bench::open(limits);
    bench.with(|conn, env| conn.set_paused(true, env.now));
    assert_eq!(missing(&mut bench, &whole[..60]), 0, "nobody reads");
}
