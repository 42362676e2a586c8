//! The send queue: order, checks, Full and drain, Pongs to a peer that does not read.

use super::*;

fn small_queue() -> Bench {
    Bench::open(Limits { send_queue_max: 1000, ..Limits::default() })
}

/// Sends at most `bytes` of the next batch: those bytes, and whether the queue drained.
fn send_some(bench: &mut Bench, bytes: usize) -> (Vec<u8>, bool) {
    let batch = bench.conn.transmit().expect("something to send");
    let mut out = [IoSlice::new(&[]); 64];
    let written = batch.slices(&mut out);
    let sent = out[..written].iter().flat_map(|s| s.iter().copied()).take(bytes).collect();
    let drained = bench.with(|conn, env| conn.transmitted(batch, bytes, env));
    (sent, drained)
}

#[test]
fn headers_are_minimal_and_unmasked() {
    for (len, header) in [
        (0, &[0x82, 0][..]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (65_535, &[0x82, 126, 0xFF, 0xFF]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let payload = vec![5; len];
        let mut bench = Bench::open(Limits::default());
        assert_eq!(bench.send(Opcode::Binary, &payload), Ok(Queued::Ok));
        assert_eq!(bench.conn.buffered(), header.len() + len);
        assert_eq!(bench.sent(), [header, &payload].concat());
        let message = Outgoing::new(Opcode::Binary, Bytes::from(payload.clone()));
        assert_eq!(bench.with(|conn, env| conn.send_message(&message, env)), Ok(Queued::Ok));
        assert_eq!(bench.sent(), [header, &payload].concat());
    }
}

#[test]
fn one_batch_is_out_at_a_time_and_order_is_kept() {
    let mut bench = Bench::open(Limits::default());
    bench.send(Opcode::Text, b"a").unwrap();
    bench.send(Opcode::Text, b"b").unwrap();
    let batch = bench.conn.transmit().unwrap();
    assert_eq!(contents(&batch), b"\x81\x01a\x81\x01b", "one batch for both");
    bench.send(Opcode::Text, b"c").unwrap();
    assert!(bench.conn.transmit().is_none(), "one is out");
    assert_eq!(bench.conn.buffered(), 9);
    // A short send: the rest goes first.
    bench.with(|conn, env| conn.transmitted(batch, 4, env));
    assert_eq!(bench.conn.buffered(), 5);
    bench.send(Opcode::Text, b"d").unwrap();
    assert_eq!(bench.sent(), b"\x01b\x81\x01c\x81\x01d");
    assert_eq!(bench.conn.heap_bytes(), 0);
}

#[test]
fn short_sends_of_every_size_lose_nothing() {
    let shared = Outgoing::new(Opcode::Binary, Bytes::from(vec![3; 5000]));
    let header = [0x82, 126, 0x13, 0x88];
    for step in [1, 2, 3, 1000, 4097, 20_000] {
        let mut bench = Bench::open(Limits::default());
        let mut all = Vec::new();
        let mut expected = Vec::new();
        for i in 0..6_u8 {
            bench.send(Opcode::Binary, &[i]).unwrap();
            bench.with(|conn, env| conn.send_message(&shared, env)).unwrap();
            expected.extend([0x82, 1, i]);
            expected.extend(header.iter().chain(shared.payload()));
            all.extend(send_some(&mut bench, step).0);
        }
        while bench.conn.buffered() > 0 {
            all.extend(send_some(&mut bench, step).0);
        }
        assert!(all == expected, "step {step}");
        assert_eq!(bench.conn.heap_bytes(), 0);
    }
}

#[test]
fn large_messages_are_shared_and_small_ones_copied() {
    for (len, shared) in [(100, false), (4095, false), (4096, true)] {
        let mut bench = Bench::open(Limits::default());
        let payload = Bytes::from(vec![1; len]);
        let message = Outgoing::new(Opcode::Binary, payload.clone());
        bench.with(|conn, env| conn.send_message(&message, env)).unwrap();
        drop(message);
        assert_eq!(!payload.is_unique(), shared, "{len}");
        bench.sent();
        assert!(payload.is_unique(), "released when sent");
    }
}

#[test]
fn a_small_message_for_many_is_sent_from_one_place_until_something_follows_it() {
    let message = Outgoing::new(Opcode::Text, Bytes::from_static(b"for all"));
    let frame = b"\x81\x07for all";
    let place = message.frame().expect("in one piece").bytes().as_ptr();
    let mut bench = Bench::open(Limits::default());
    for _ in 0..2 {
        bench.with(|conn, env| conn.send_message(&message, env)).unwrap();
        assert_eq!((bench.conn.buffered(), bench.conn.heap_bytes()), (frame.len(), 0));
        let batch = bench.conn.transmit().unwrap();
        assert_eq!(batch.contiguous().map(<[u8]>::as_ptr), Some(place));
        // While it is out, the next ones wait behind it.
        bench.with(|conn, env| conn.send_message(&message, env)).unwrap();
        bench.with(|conn, env| conn.transmitted(batch, 4, env));
        bench.send(Opcode::Binary, b"copied").unwrap();
        bench.with(|conn, env| conn.send_message(&message, env)).unwrap();
        let rest = [&frame[4..], frame, b"\x82\x06copied", frame].concat();
        assert_eq!((bench.conn.buffered(), bench.sent()), (rest.len(), rest));
        assert_eq!((bench.conn.buffered(), bench.conn.heap_bytes()), (0, 0));
    }
    bench.send_more(Opcode::Text, b"begun").unwrap();
    let refused = bench.with(|conn, env| conn.send_message(&message, env));
    assert_eq!(refused, Err(SendError::Sequence), "in the middle of another message");
}

#[test]
fn full_once_refused_after_and_drained_once() {
    let mut bench = small_queue();
    assert_eq!(bench.send(Opcode::Binary, &[0; 996]), Ok(Queued::Ok), "1000 with its header");
    assert_eq!(bench.send(Opcode::Binary, &[0; 804]), Ok(Queued::Full));
    assert_eq!(bench.send(Opcode::Binary, &[0; 1]), Err(SendError::Full));
    let message = Outgoing::new(Opcode::Binary, Bytes::from_static(b"x"));
    assert_eq!(bench.with(|c, env| c.send_message(&message, env)), Err(SendError::Full));
    assert_eq!(bench.send(Opcode::Ping, b"exempt"), Ok(Queued::Full));
    let total = 2 * 904 + 8;
    assert_eq!(bench.conn.buffered(), total);
    assert!(!send_some(&mut bench, total - 500).1, "500 is not below half");
    assert!(send_some(&mut bench, 1).1, "499 is");
    assert!(!send_some(&mut bench, 400).1, "told once");
    assert_eq!(bench.send(Opcode::Binary, &[0; 2000]), Ok(Queued::Full));
    assert!(!send_some(&mut bench, 99).1, "the rest");
    assert!(send_some(&mut bench, 2004).1, "told again for the next time");
}

#[test]
fn a_refusal_alone_is_followed_by_a_drain() {
    let mut bench = small_queue();
    // Answers to Pings fill the queue without the application being told.
    for _ in 0..20 {
        bench.feed(&frame(0x89, [0; 100]));
    }
    assert_eq!(bench.send(Opcode::Text, b"x"), Err(SendError::Full));
    assert!(send_some(&mut bench, 5000).1);
}

#[test]
fn a_tiny_limit_drains_too() {
    let mut bench = Bench::open(Limits { send_queue_max: 1, ..Limits::default() });
    assert_eq!(bench.send(Opcode::Text, b"x"), Ok(Queued::Full));
    assert!(send_some(&mut bench, 3).1);
}

#[test]
fn pings_of_the_application_end_somewhere() {
    let mut bench = small_queue();
    let taken = (0..10_000).take_while(|_| bench.send(Opcode::Ping, &[0; 125]).is_ok()).count();
    assert!((500..600).contains(&taken), "{taken}");
}

#[test]
fn every_ping_is_answered_in_order() {
    let mut bench = Bench::open(Limits::default());
    let pings: Vec<u8> = (0..10).flat_map(|i| frame(0x89, [i])).collect();
    bench.feed(&pings);
    let pongs: Vec<u8> = (0..10).flat_map(|i| [0x8A, 1, i]).collect();
    assert_eq!(bench.sent(), pongs);
}

#[test]
fn over_the_limit_only_the_latest_pong_is_kept() {
    let mut bench = small_queue();
    bench.send(Opcode::Binary, &[0; 2000]).unwrap();
    let queued = bench.conn.buffered();
    let held = bench.conn.heap_bytes();
    for i in 0..100_000_u32 {
        bench.feed(&frame(0x89, i.to_be_bytes()));
    }
    assert_eq!(bench.conn.buffered(), queued);
    assert!(bench.conn.heap_bytes() < held + 300);
    let (_, drained) = send_some(&mut bench, 100);
    assert!(!drained && bench.conn.buffered() == queued - 100, "still over the limit");
    send_some(&mut bench, 1500);
    let rest = bench.sent();
    assert!(rest.ends_with(&[&b"\x8a\x04"[..], &99_999_u32.to_be_bytes()].concat()));
    assert_eq!(bench.conn.heap_bytes(), 0);
}

#[test]
fn a_pong_held_back_is_dropped_when_the_peer_closes() {
    let mut bench = small_queue();
    bench.send(Opcode::Binary, &[0; 2000]).unwrap();
    bench.feed(&[frame(0x89, "held"), frame(0x88, "")].concat());
    let sent = bench.sent();
    assert!(sent.ends_with(b"\0\x88\x00"));
    assert_eq!(sent.len(), 2004 + 2);
}

#[test]
fn fragments_are_checked() {
    let mut bench = Bench::open(Limits::default());
    assert_eq!(bench.send(Opcode::Continuation, b""), Err(SendError::Sequence));
    assert_eq!(bench.send_more(Opcode::Text, b"caf\xc3"), Ok(Queued::Ok));
    assert_eq!(bench.send(Opcode::Text, b"new"), Err(SendError::Sequence));
    assert_eq!(bench.send(Opcode::Binary, b"new"), Err(SendError::Sequence));
    let whole = Outgoing::new(Opcode::Text, Bytes::from_static(b"new"));
    assert_eq!(bench.with(|c, env| c.send_message(&whole, env)), Err(SendError::Sequence));
    assert_eq!(bench.send(Opcode::Ping, b"may"), Ok(Queued::Ok));
    assert_eq!(bench.send_more(Opcode::Continuation, b"x"), Err(SendError::Utf8));
    assert_eq!(bench.send(Opcode::Continuation, b""), Err(SendError::Utf8), "ends in a character");
    // What was refused has left no trace.
    let more = Outgoing::with_fin(Opcode::Continuation, Bytes::from_static(b"\xa9 "), false);
    assert_eq!(bench.with(|c, env| c.send_message(&more, env)), Ok(Queued::Ok));
    assert_eq!(bench.send(Opcode::Continuation, b"end"), Ok(Queued::Ok));
    assert_eq!(bench.send(Opcode::Text, b"next"), Ok(Queued::Ok));
    let expected = b"\x01\x04caf\xc3\x89\x03may\x00\x02\xa9 \x80\x03end\x81\x04next";
    assert_eq!(bench.sent(), expected);
}

#[test]
fn what_send_does_not_take() {
    let mut bench = Bench::open(Limits::default());
    assert_eq!(bench.send(Opcode::Close, b""), Err(SendError::Sequence));
    assert_eq!(bench.send_more(Opcode::Ping, b""), Err(SendError::Sequence));
    assert_eq!(bench.send(Opcode::Ping, &[0; 126]), Err(SendError::TooBig));
    assert_eq!(bench.send(Opcode::Text, b"\xff"), Err(SendError::Utf8));
    assert_eq!(bench.send(Opcode::Pong, &[0; 125]), Ok(Queued::Ok), "a heartbeat");
    assert_eq!(bench.sent().len(), 127);
}

#[test]
fn control_frames_overtake_the_messages_that_wait() {
    let mut bench = Bench::open(Limits { send_queue_max: 64 << 20, ..Limits::default() });
    let message = vec![7; 100_000];
    let shared = Outgoing::new(Opcode::Binary, Bytes::from(message.clone()));
    for i in 0..48 {
        match i % 2 {
            0 => bench.send(Opcode::Binary, &message).unwrap(),
            _ => bench.with(|conn, env| conn.send_message(&shared, env)).unwrap(),
        };
    }
    let first = bench.conn.transmit().expect("a batch");
    let len = first.len();
    assert!((100_000..500_000).contains(&len), "one batch is bounded: {len}");
    bench.feed(&[frame(0x89, "one"), frame(0x89, "two")].concat());
    bench.send(Opcode::Ping, b"three").unwrap();
    let ping = Outgoing::new(Opcode::Ping, Bytes::from_static(b"four"));
    bench.with(|conn, env| conn.send_message(&ping, env)).unwrap();
    // A short send: its rest goes first, since it may begin inside a frame.
    bench.with(|conn, env| conn.transmitted(first, len - 7, env));
    let rest = bench.conn.transmit().expect("the rest");
    assert_eq!(rest.len(), 7);
    bench.with(|conn, env| conn.transmitted(rest, 7, env));
    let control = bench.conn.transmit().expect("what overtakes");
    assert_eq!(contents(&control), b"\x8a\x03one\x8a\x03two\x89\x05three\x89\x04four");
    let sent = control.len();
    bench.with(|conn, env| conn.transmitted(control, sent, env));
    bench.close(1000, "").unwrap();
    let messages = bench.sent();
    assert_eq!(len + messages.len(), 48 * 100_010 + 4, "all the messages, and behind them");
    assert!(messages.ends_with(b"\x07\x88\x02\x03\xe8"), "our Close");
    assert_eq!((bench.conn.heap_bytes(), bench.conn.buffered()), (0, 0));
}

#[test]
fn nothing_overtakes_the_answer_to_the_upgrade() {
    let mut bench = Bench::new(Limits { send_queue_max: 64 << 20, ..Limits::default() });
    bench.feed(REQUEST);
    for _ in 0..8 {
        bench.send(Opcode::Binary, &[7; 300_000]).unwrap();
    }
    bench.feed(&frame(0x89, "early"));
    let sent = bench.sent();
    assert!(sent.starts_with(b"HTTP/1.1 101 "));
    let at = sent.windows(7).position(|seven| seven == b"\x8a\x05early").expect("the Pong");
    assert!(at < 700_000, "{at}");
}

#[test]
fn many_small_messages_leave_in_batches() {
    let mut bench = Bench::open(Limits { send_queue_max: 64 << 20, ..Limits::default() });
    for _ in 0..200_000 {
        bench.send(Opcode::Text, b"twenty bytes of text").unwrap();
    }
    let mut batches = 0;
    while let Some(batch) = bench.conn.transmit() {
        let len = batch.len();
        assert!(len <= 1 << 20, "{len}");
        bench.with(|conn, env| conn.transmitted(batch, len, env));
        batches += 1;
    }
    assert!((5..=20).contains(&batches), "{batches}");
    assert_eq!(bench.conn.heap_bytes(), 0);
}

#[test]
fn no_ping_is_left_behind_a_close() {
    // With what nothing may overtake at the head of the queue, over its limit, so that a Pong is
    // held back; and with a queue that is as long as a batch.
    for size in [2_000, 300_000] {
        let mut bench = Bench::new(Limits { send_queue_max: 1000, ..Limits::default() });
        bench.feed(REQUEST);
        bench.send(Opcode::Binary, &vec![7; size]).unwrap();
        bench.feed(&frame(0x89, "held"));
        bench.send(Opcode::Ping, b"ours").unwrap_or(Queued::Full);
        bench.close(1000, "").unwrap();
        let sent = bench.sent();
        let close = sent.windows(4).position(|four| four == b"\x88\x02\x03\xe8").expect("a Close");
        let ping = sent.windows(6).position(|six| six == b"\x89\x04ours");
        assert!(ping.is_none_or(|ping| ping < close), "{size}: {ping:?} behind {close}");
    }
}

/// What of `bench` is sent when `payload` is offered by reference, as `frame` behind `headed` bytes
/// of its header.
fn send_from(bench: &mut Bench, frame: &Shared, headed: usize) -> Result<Queued, SendError> {
    let share = |_| Some((frame.clone(), headed));
    let (payload, flags) = (&frame.bytes()[headed..], SendFlags::default());
    bench.with(|conn, env| conn.send_from(Opcode::Binary, payload, flags, env, share))
}

#[test]
fn what_is_referred_to_needs_no_header_or_has_it() {
    let bytes = Bytes::from([&[0x82, 126, 0x13, 0x88], &[3; 5000][..]].concat());
    let frame = Shared::from(bytes.clone());
    let mut bench = Bench::open(Limits::default());
    assert_eq!(send_from(&mut bench, &frame, 4), Ok(Queued::Ok));
    let batch = bench.conn.transmit().expect("something to send");
    assert_eq!(batch.contiguous().map(<[u8]>::as_ptr), Some(bytes.as_ptr()), "from where it lies");
    bench.with(|conn, env| conn.transmitted(batch, 5004, env));
    let payload = frame.slice(4..5004).expect("inside");
    assert_eq!(send_from(&mut bench, &payload, 0), Ok(Queued::Ok));
    assert_eq!(bench.conn.buffered(), 5004);
    assert!(bench.sent() == bytes);
    drop((frame, payload));
    assert!(bytes.is_unique(), "released when sent");
}

#[test]
fn what_is_referred_to_is_refused_as_any_other_frame_is() {
    let bytes = Bytes::from(vec![3; 5000]);
    let frame = Shared::from(bytes.clone());
    let mut bench = small_queue();
    bench.send_more(Opcode::Text, b"begun").unwrap();
    assert_eq!(send_from(&mut bench, &frame, 0), Err(SendError::Sequence));
    bench.send(Opcode::Continuation, b"").unwrap();
    assert_eq!(send_from(&mut bench, &frame, 0), Ok(Queued::Full));
    assert_eq!(send_from(&mut bench, &frame, 0), Err(SendError::Full));
    bench.sent();
    bench.close(1000, "").unwrap();
    assert_eq!(send_from(&mut bench, &frame, 0), Err(SendError::Closing));
    bench.sent();
    drop(frame);
    assert!(bytes.is_unique(), "nothing of it is left");
}
