//! Time, tick by tick.

use super::*;

/// What asks for a sign of life.
const PING: &[u8] = b"\x89\x08rws-ZZZZ";

fn limits() -> Limits {
    Limits {
        handshake_timeout_ms: 100,
        idle_timeout_ms: 1000,
        close_timeout_ms: 50,
        ..Limits::default()
    }
}

fn timed_out(bench: &Bench) -> bool {
    let over = bench.conn.disposition() == Disposition::Abort;
    assert_eq!(over, matches!(bench.conn.failure(), Some(Failure::TimedOut(_))));
    assert!(!over || bench.conn.deadline(&bench.limits).is_none());
    over
}

#[test]
fn the_handshake_has_its_time() {
    let mut bench = Bench::new(limits());
    assert_eq!(bench.conn.deadline(&bench.limits), Some(1100));
    bench.run_until(1099);
    // Drip by drip it gets no more.
    bench.feed(&REQUEST[..30]);
    assert!(!timed_out(&bench));
    bench.run_until(1100);
    let late = Some(Failure::TimedOut(Timeout::Opening(100)));
    assert!(bench.conn.failure() == late && !bench.conn.opened());
    assert!(bench.sent().starts_with(b"HTTP/1.1 408 "), "RFC 9110 \u{a7}15.5.9");
    assert_eq!(bench.conn.disposition(), Disposition::Finish);
    assert_eq!(bench.feed(REQUEST), (vec![], late));
    bench.run_until(1150);
    assert!(timed_out(&bench));
}

#[test]
fn silence_is_answered_with_a_ping_and_then_the_end() {
    let mut bench = Bench::open(limits());
    assert_eq!(bench.conn.deadline(&bench.limits), Some(1500));
    bench.run_until(1499);
    assert_eq!(bench.sent(), b"");
    bench.run_until(1500);
    assert_eq!(bench.sent(), PING);
    bench.run_until(1999);
    assert_eq!(bench.sent(), b"", "one Ping, not several");
    assert!(!timed_out(&bench));
    bench.run_until(2000);
    assert!(timed_out(&bench));
    assert_eq!(bench.conn.close_info().code, CloseCode::ABNORMAL);
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let mut bench = Bench::open(limits());
    let pong = frame(0x8A, "");
    for _ in 0..100 {
        bench.run_until(bench.now + 900);
        assert_eq!(bench.sent(), PING);
        bench.feed(&pong[..1]);
        bench.run_until(bench.now + 499);
        assert_eq!(bench.sent(), b"");
        bench.feed(&pong[1..]);
    }
    assert!(!timed_out(&bench));
    // Empty input is none.
    bench.run_until(bench.now + 999);
    bench.feed(b"");
    bench.run_until(bench.now + 1);
    assert!(timed_out(&bench));
}

#[test]
fn called_too_early_nothing_expires() {
    let mut bench = Bench::open(limits());
    bench.now = 1499;
    bench.with(|conn, env| conn.expired(env));
    assert_eq!((bench.conn.buffered(), bench.conn.disposition()), (0, Disposition::Open));
    // However late it is called, the peer is asked first, and has its time to answer.
    bench.now = 5000;
    bench.with(|conn, env| conn.expired(env));
    assert_eq!(bench.sent(), PING);
    assert_eq!(bench.conn.deadline(&bench.limits), Some(5500));
    bench.now = 9000;
    bench.with(|conn, env| conn.expired(env));
    assert!(timed_out(&bench));
    assert_eq!(bench.conn.failure(), Some(Failure::TimedOut(Timeout::Silence(500))));
}

/// Hands a batch out and takes `bytes` of it.
fn send_some(bench: &mut Bench, bytes: usize) {
    let batch = bench.conn.transmit().expect("something to send");
    bench.with(|conn, env| conn.transmitted(batch, bytes, env));
}

#[test]
fn a_ping_that_has_not_left_proves_nothing() {
    let mut bench = Bench::open(limits());
    bench.send(Opcode::Binary, &[0; 3000]).unwrap();
    let batch = bench.conn.transmit().expect("the message");
    bench.run_until(1500);
    // The Ping waits for the message; now and then the transport takes some of it.
    bench.with(|conn, env| conn.transmitted(batch, 100, env));
    for _ in 0..20 {
        bench.run_until(bench.now + 400);
        bench.conn.room_made(bench.now);
        send_some(&mut bench, 100);
    }
    assert!(!timed_out(&bench), "{:?}", bench.conn.failure());
    // Nothing more is taken.
    bench.run_until(bench.now + 1500);
    assert!(timed_out(&bench));
    assert_eq!(bench.conn.failure(), Some(Failure::TimedOut(Timeout::Stuck(1000))));
}

#[test]
fn what_the_transport_has_seen_is_a_sign_of_life() {
    let mut bench = Bench::open(limits());
    bench.send(Opcode::Binary, &[0; 3000]).unwrap();
    let batch = bench.conn.transmit().expect("the message");
    bench.run_until(1999);
    assert!(!bench.conn.is_judged_by_progress(&bench.limits, 1999), "it has time left");
    assert!(bench.conn.is_judged_by_progress(&bench.limits, 2000));
    // Not what was before the last sign of life, and not before the transport is asked.
    bench.conn.has_progressed(1900, &bench.limits, 1999);
    bench.conn.has_progressed(900, &bench.limits, 2000);
    assert_eq!(bench.conn.deadline(&bench.limits), Some(2000));
    bench.conn.has_progressed(1900, &bench.limits, 2000);
    bench.run_until(2899);
    assert!(!timed_out(&bench));
    // So it is for the time of our Close, which has not left.
    bench.with(|conn, env| conn.close(CloseCode::NORMAL, "", env)).unwrap();
    assert_eq!(bench.conn.deadline(&bench.limits), Some(2949));
    bench.conn.has_progressed(2940, &bench.limits, 2949);
    bench.run_until(2989);
    assert!(!timed_out(&bench));
    bench.run_until(2990);
    assert!(timed_out(&bench));
    assert_eq!(bench.conn.failure(), Some(Failure::TimedOut(Timeout::Stuck(50))));
    drop(batch);
}

#[test]
fn the_peer_has_half_of_the_time_since_the_ping_left() {
    let mut bench = Bench::open(limits());
    bench.send(Opcode::Binary, &[0; 100]).unwrap();
    let batch = bench.conn.transmit().expect("the message");
    bench.run_until(1990);
    bench.with(|conn, env| conn.transmitted(batch, 104, env));
    assert_eq!(bench.sent(), PING, "left at 1990");
    bench.run_until(2489);
    assert!(!timed_out(&bench));
    bench.run_until(2490);
    assert!(timed_out(&bench));
}

#[test]
fn that_a_transport_with_room_takes_bytes_is_no_sign_of_life() {
    let mut bench = Bench::open(limits());
    for _ in 0..19 {
        bench.run_until(bench.now + 50);
        bench.send(Opcode::Binary, b"tick").unwrap();
        bench.sent();
    }
    assert!(!timed_out(&bench));
    bench.run_until(2000);
    assert!(timed_out(&bench), "the peer has been silent, and asked");
}

#[test]
fn until_our_close_has_left_only_progress_counts() {
    // Ours first, or the answer to theirs.
    for theirs in [false, true] {
        let mut bench = Bench::open(limits());
        bench.send(Opcode::Binary, &[0; 2000]).unwrap();
        match theirs {
            true => assert_eq!(bench.feed(&frame(0x88, close_payload(1000, ""))).1, None),
            false => bench.close(1000, "").unwrap(),
        }
        for _ in 0..10 {
            bench.run_until(bench.now + 49);
            send_some(&mut bench, 100);
        }
        assert_eq!((bench.conn.failure(), bench.conn.close_info().sent), (None, None));
        assert_eq!(bench.conn.unsent(), 2004 - 1000);
        let now = bench.now;
        bench.run_until(now + 49);
        let mut left = bench;
        left.sent();
        assert_eq!(left.conn.deadline(&left.limits), Some(left.now + 50), "{theirs}");
        assert_eq!(left.conn.close_info().sent, Some(CloseCode::NORMAL));
        assert_eq!(left.conn.unsent(), 0);
    }
}

#[test]
fn what_is_dropped_with_a_close_that_never_left_is_told() {
    let mut bench = Bench::open(limits());
    bench.send(Opcode::Binary, &[0; 2000]).unwrap();
    bench.feed(&frame(0x88, close_payload(1000, "")));
    send_some(&mut bench, 100);
    bench.run_until(bench.now + 50);
    assert!(timed_out(&bench), "the peer takes nothing");
    assert_eq!(bench.conn.failure(), Some(Failure::TimedOut(Timeout::Stuck(50))));
    assert_eq!((bench.conn.unsent(), bench.conn.close_info().sent), (1904, None));
    assert_eq!(bench.conn.close_info().code, CloseCode::NORMAL, "theirs did come");
}

#[test]
fn the_peer_has_its_time_to_close() {
    let mut bench = Bench::open(limits());
    bench.run_until(1400);
    bench.close(1000, "").unwrap();
    bench.sent();
    assert_eq!(bench.conn.deadline(&bench.limits), Some(1450));
    bench.run_until(1449);
    bench.feed(&frame(0x81, "still talking"));
    assert!(!timed_out(&bench));
    bench.run_until(1450);
    assert!(timed_out(&bench));
    assert_eq!(bench.conn.close_info().sent, Some(CloseCode::NORMAL));
}

#[test]
fn after_the_closing_handshake_the_transport_has_its_time_to_end() {
    let mut bench = Bench::open(limits());
    bench.run_until(1400);
    bench.feed(&frame(0x88, close_payload(1000, "")));
    bench.sent();
    bench.run_until(1449);
    assert_eq!(bench.conn.disposition(), Disposition::Finish);
    bench.run_until(1450);
    assert_eq!(bench.conn.disposition(), Disposition::Abort);
    assert_eq!(bench.conn.failure(), None, "it closed in order");
}

#[test]
fn a_failure_outlives_its_timeout() {
    let mut bench = Bench::open(limits());
    bench.feed(&frame(0x80, ""));
    bench.run_until(1050);
    assert_eq!(bench.conn.disposition(), Disposition::Abort);
    let failure = Some(Failure::Violation(Violation::UnexpectedContinuation));
    assert_eq!(bench.conn.failure(), failure);
}

#[test]
fn paused_silence_is_no_fault() {
    let mut bench = Bench::open(limits());
    bench.run_until(1900);
    assert_eq!(bench.sent(), PING);
    bench.conn.set_paused(true, bench.now);
    bench.run_until(100_000);
    assert!(!timed_out(&bench));
    assert_eq!(bench.conn.buffered(), 0, "no Ping either: its answer would not be read");
    bench.conn.set_paused(false, bench.now);
    assert_eq!(bench.conn.deadline(&bench.limits), Some(100_500), "time starts anew");
    bench.run_until(101_000);
    assert!(timed_out(&bench));
}

#[test]
fn paused_a_send_must_make_progress() {
    let mut bench = Bench::open(limits());
    bench.conn.set_paused(true, bench.now);
    bench.run_until(10_500);
    bench.send(Opcode::Binary, &[0; 100]).unwrap();
    for _ in 0..3 {
        bench.run_until(bench.now + 999);
        let batch = bench.conn.transmit().unwrap();
        bench.with(|conn, env| conn.transmitted(batch, 1, env));
    }
    assert!(!timed_out(&bench));
    let batch = bench.conn.transmit().unwrap();
    bench.run_until(bench.now + 999);
    assert!(!timed_out(&bench));
    // More in the queue is no progress.
    bench.send(Opcode::Binary, &[0; 100]).unwrap();
    bench.run_until(bench.now + 1);
    assert!(timed_out(&bench));
    bench.with(|conn, env| conn.transmitted(batch, 0, env));
}

#[test]
fn paused_in_the_upgrade_its_answer_has_its_time() {
    let mut bench = Bench::new(limits());
    bench.now = 1090;
    bench.conn.set_paused(true, bench.now);
    bench.feed(REQUEST);
    assert_eq!(bench.conn.deadline(&bench.limits), Some(2090));
    bench.run_until(2090);
    assert!(timed_out(&bench), "the answer was never sent");
}

#[test]
fn paused_or_not_the_closing_handshake_has_its_time() {
    let mut bench = Bench::open(limits());
    bench.conn.set_paused(true, bench.now);
    bench.close(1000, "").unwrap();
    bench.sent();
    bench.run_until(1040);
    bench.conn.set_paused(false, bench.now);
    bench.run_until(1050);
    assert!(timed_out(&bench));
    assert_eq!(bench.conn.failure(), Some(Failure::TimedOut(Timeout::Closing(50))));
}

#[test]
fn timeouts_can_be_off() {
    let off = u32::MAX;
    let never = Limits {
        handshake_timeout_ms: off,
        idle_timeout_ms: off,
        close_timeout_ms: off,
        ..Limits::default()
    };
    let mut bench = Bench::new(never);
    assert_eq!(bench.conn.deadline(&never), None);
    bench.feed(REQUEST);
    assert_eq!(bench.conn.deadline(&never), None);
    bench.conn.set_paused(true, bench.now);
    assert_eq!(bench.conn.deadline(&never), None);
    bench.close(1000, "").unwrap();
    assert_eq!(bench.conn.deadline(&never), None);
    bench.now = Tick::MAX;
    bench.with(|conn, env| conn.expired(env));
    assert_eq!(bench.conn.disposition(), Disposition::Open);
}

#[test]
fn the_shortest_idle_timeout_still_pings_before_it_ends() {
    let mut bench = Bench::open(Limits { idle_timeout_ms: 2, ..limits() });
    bench.run_until(1001);
    assert_eq!(bench.sent(), PING);
    bench.run_until(1002);
    assert!(timed_out(&bench));
    let mut bench = Bench::open(Limits { idle_timeout_ms: 1, ..limits() });
    bench.run_until(1001);
    assert_eq!(bench.sent(), PING);
    bench.run_until(1002);
    assert!(timed_out(&bench));
}

#[test]
fn a_peer_that_hangs_up_on_a_paused_connection_leaves_time_to_read() {
    let mut bench = Bench::open(limits());
    bench.conn.set_paused(true, bench.now);
    bench.run_until(50_000);
    bench.conn.peer_hung_up(bench.now);
    bench.run_until(50_999);
    assert_eq!(bench.conn.reading(), Reading::Hold);
    bench.run_until(51_000);
    assert_eq!(bench.conn.reading(), Reading::Discard);
    // What there was is read now, and its end is reported.
    let last = [frame(0x81, "unread"), frame(0x88, close_payload(3000, "bye"))].concat();
    assert_eq!(bench.feed(&last), (vec![Got::Close], None));
    assert_eq!((bench.conn.unread(), bench.conn.close_info().code), (6, CloseCode(3000)));
}

#[test]
fn resumed_in_time_it_reads_what_there_is() {
    let mut bench = Bench::open(limits());
    bench.conn.set_paused(true, bench.now);
    bench.conn.peer_hung_up(bench.now);
    bench.run_until(1999);
    bench.conn.set_paused(false, bench.now);
    assert_eq!(bench.feed(&frame(0x81, "last")).0, vec![lent(Opcode::Text, "last")]);
    bench.conn.end_of_stream(bench.now);
    assert_eq!(bench.conn.failure(), Some(Failure::EndOfStream));
}
