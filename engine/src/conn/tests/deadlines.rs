//! Time, tick by tick.

use super::*;

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
    assert_eq!(over, bench.conn.failure() == Some(Failure::TimedOut));
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
    assert!(timed_out(&bench) && !bench.conn.opened());
    assert_eq!(bench.feed(REQUEST), (vec![], Some(Failure::TimedOut)));
}

#[test]
fn silence_is_answered_with_a_ping_and_then_the_end() {
    let mut bench = Bench::open(limits());
    assert_eq!(bench.conn.deadline(&bench.limits), Some(1500));
    bench.run_until(1499);
    assert_eq!(bench.sent(), b"");
    bench.run_until(1999);
    assert_eq!(bench.sent(), b"\x89\x00", "one Ping, not several");
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
        assert_eq!(bench.sent(), b"\x89\x00");
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
    // Called too late, it is over at once.
    bench.now = 5000;
    bench.with(|conn, env| conn.expired(env));
    assert!(timed_out(&bench));
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
    assert_eq!(bench.sent(), b"\x89\x00");
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
    bench.run_until(1040);
    bench.conn.set_paused(false, bench.now);
    bench.sent();
    bench.run_until(1050);
    assert!(timed_out(&bench));
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
    assert_eq!(bench.sent(), b"\x89\x00");
    bench.run_until(1002);
    assert!(timed_out(&bench));
    let mut bench = Bench::open(Limits { idle_timeout_ms: 1, ..limits() });
    bench.run_until(1001);
    assert!(timed_out(&bench), "no time for a Ping");
}
