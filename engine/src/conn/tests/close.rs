//! The closing handshake in every order.

use super::*;

#[test]
fn the_peer_closes_first() {
    let mut bench = Bench::open(Limits::default());
    bench.send(Opcode::Text, b"queued").unwrap();
    let close = frame(0x88, close_payload(4321, "d\u{f6}ne"));
    let bytes = [close, frame(0x81, "ignored"), frame(0x89, "ignored")].concat();
    assert_eq!(bench.feed(&bytes), (vec![Got::Close], None));
    assert_eq!(bench.conn.disposition(), Disposition::Finish);
    assert_eq!(bench.sent(), b"\x81\x06queued\x88\x02\x10\xe1");
    assert_eq!(bench.feed(&frame(0x88, "")), (vec![], None), "a second Close is discarded");
    assert_eq!(bench.send(Opcode::Text, b""), Err(SendError::Closing));
    assert_eq!(bench.close(1000, ""), Err(SendError::Closing));
    bench.conn.end_of_stream(bench.now);
    assert_eq!((bench.conn.disposition(), bench.conn.failure()), (Disposition::Abort, None));
    let expected =
        CloseInfo { code: CloseCode(4321), sent: Some(CloseCode(4321)), reason: "d\u{f6}ne" };
    assert_eq!(bench.conn.close_info(), expected);
    bench.with(|conn, env| conn.release(env.pool));
    assert_eq!(bench.conn.close_info(), expected, "survives the release");
}

#[test]
fn an_empty_close_is_echoed_empty() {
    let mut bench = Bench::open(Limits::default());
    assert_eq!(bench.feed(&frame(0x88, "")), (vec![Got::Close], None));
    assert_eq!(bench.sent(), b"\x88\x00");
    let info = bench.conn.close_info();
    assert_eq!((info.code, info.reason), (CloseCode::NO_STATUS, ""));
}

#[test]
fn an_empty_close_can_be_sent() {
    let mut bench = Bench::open(Limits::default());
    assert_eq!(bench.close(1005, "why"), Err(SendError::Sequence), "no reason without a code");
    assert_eq!(bench.close(1006, ""), Err(SendError::Sequence));
    bench.close(1005, "").unwrap();
    assert_eq!(bench.sent(), b"\x88\x00");
    assert_eq!(bench.feed(&frame(0x88, "")), (vec![Got::Close], None));
    let info = bench.conn.close_info();
    assert_eq!((info.code, info.sent), (CloseCode::NO_STATUS, Some(CloseCode::NO_STATUS)));
}

#[test]
fn every_registered_and_private_code_is_echoed() {
    for code in [1000, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let mut bench = Bench::open(Limits::default());
        assert_eq!(bench.feed(&frame(0x88, close_payload(code, ""))).1, None);
        assert_eq!(bench.sent(), [&b"\x88\x02"[..], &code.to_be_bytes()].concat());
        assert_eq!(bench.conn.close_info().code, CloseCode(code));
    }
}

#[test]
fn we_close_first_and_hear_what_was_on_its_way() {
    let mut bench = Bench::open(Limits::default());
    bench.send(Opcode::Text, b"last").unwrap();
    bench.close(1001, "bye").unwrap();
    assert_eq!(bench.sent(), b"\x81\x04last\x88\x05\x03\xe9bye");
    assert_eq!(bench.conn.disposition(), Disposition::Open);
    assert_eq!(bench.send(Opcode::Text, b"no"), Err(SendError::Closing));
    assert_eq!(bench.send(Opcode::Ping, b""), Err(SendError::Closing));
    assert_eq!(bench.close(1000, ""), Err(SendError::Closing));
    let late = [frame(0x81, "late"), frame(0x89, "ping")].concat();
    assert_eq!(bench.feed(&late), (vec![lent(Opcode::Text, "late")], None));
    assert_eq!(bench.sent(), b"\x8a\x04ping", "Pings are answered until the peer's Close");
    let close = frame(0x88, close_payload(1001, "you too"));
    assert_eq!(bench.feed(&close), (vec![Got::Close], None));
    assert_eq!(bench.sent(), b"", "ours was sent");
    assert_eq!(bench.conn.disposition(), Disposition::Finish);
    let info = bench.conn.close_info();
    assert_eq!((info.code.0, info.sent, info.reason), (1001, Some(CloseCode(1001)), "you too"));
    bench.conn.end_of_stream(bench.now);
    assert_eq!((bench.conn.disposition(), bench.conn.failure()), (Disposition::Abort, None));
}

#[test]
fn both_close_at_once() {
    let mut bench = Bench::open(Limits::default());
    bench.close(1000, "").unwrap();
    // Ours is queued, not sent, when theirs comes.
    assert_eq!(bench.feed(&frame(0x88, close_payload(3001, ""))), (vec![Got::Close], None));
    assert_eq!(bench.sent(), b"\x88\x02\x03\xe8");
    let info = bench.conn.close_info();
    assert_eq!((info.code.0, info.sent), (3001, Some(CloseCode::NORMAL)));
}

#[test]
fn a_half_closed_peer_still_gets_our_close() {
    let mut bench = Bench::open(Limits::default());
    bench.feed(&frame(0x88, close_payload(1000, "")));
    bench.conn.end_of_stream(bench.now);
    assert_eq!(bench.conn.disposition(), Disposition::Finish, "ours is not sent yet");
    assert_eq!(bench.sent(), b"\x88\x02\x03\xe8");
    assert_eq!((bench.conn.disposition(), bench.conn.failure()), (Disposition::Abort, None));
}

#[test]
fn the_stream_ends_without_a_close() {
    for closing in [false, true] {
        let mut bench = Bench::open(Limits::default());
        let cut = frame(0x82, [1; 100]);
        bench.feed(&cut[..50]);
        if closing {
            bench.close(1000, "").unwrap();
        }
        bench.conn.end_of_stream(bench.now);
        assert_eq!(bench.conn.failure(), Some(Failure::EndOfStream));
        // The peer may still read.
        bench.sent();
        assert_eq!(bench.conn.disposition(), Disposition::Abort);
        assert_eq!(bench.conn.close_info().code, CloseCode::ABNORMAL);
        assert_eq!(bench.conn.close_info().sent, closing.then_some(CloseCode::NORMAL));
        assert_eq!(bench.send(Opcode::Text, b""), Err(SendError::Closing));
        bench.with(|conn, env| conn.release(env.pool));
        assert_eq!(bench.conn.heap_bytes(), 0);
    }
}

#[test]
fn a_violation_behind_our_close_sends_no_second_one() {
    let mut bench = Bench::open(Limits::default());
    bench.close(1000, "").unwrap();
    let (_, failure) = bench.feed(&frame(0x80, ""));
    assert_eq!(failure, Some(Failure::Violation(Violation::UnexpectedContinuation)));
    assert_eq!(bench.sent(), b"\x88\x02\x03\xe8");
    assert_eq!(bench.conn.disposition(), Disposition::Finish);
    assert_eq!(bench.conn.close_info().sent, Some(CloseCode::NORMAL));
}

#[test]
fn what_may_not_be_sent_is_refused() {
    let mut bench = Bench::open(Limits::default());
    for code in [0, 999, 1004, 1006, 1015, 2999, 5000] {
        assert_eq!(bench.close(code, ""), Err(SendError::Sequence), "{code}");
    }
    assert_eq!(bench.close(1000, &"x".repeat(124)), Err(SendError::TooBig));
    assert_eq!((bench.conn.buffered(), bench.conn.close_info().sent), (0, None));
    assert_eq!(bench.close(1000, &"x".repeat(123)), Ok(()));
    assert_eq!(bench.sent().len(), 2 + 125);
}

#[test]
fn a_close_frame_may_come_split() {
    let bytes = frame(0x88, close_payload(1000, "in pieces"));
    for cut in 1..bytes.len() {
        let mut bench = Bench::open(Limits::default());
        assert_eq!(bench.feed(&bytes[..cut]), (vec![], None));
        assert_eq!(bench.feed(&bytes[cut..]), (vec![Got::Close], None));
        assert_eq!(bench.conn.close_info().reason, "in pieces");
    }
}

#[test]
fn a_paused_connection_that_closes_reads_on_and_discards() {
    // Whichever comes first.
    for close_first in [false, true] {
        let mut bench = Bench::open(Limits::default());
        if close_first {
            bench.close(1000, "").unwrap();
        }
        bench.conn.set_paused(true, bench.now);
        if !close_first {
            assert_eq!(bench.conn.reading(), Reading::Hold);
            bench.close(1000, "").unwrap();
        }
        assert_eq!(bench.conn.reading(), Reading::Discard);
        bench.sent();
        let large = frame(0x82, [7; 5000]);
        let all = [frame(0x81, "not wanted"), large, frame(0x88, close_payload(1000, ""))].concat();
        for part in all.chunks(999) {
            let (got, failure) = bench.feed(part);
            assert!(failure.is_none() && got.iter().all(|got| *got == Got::Close), "{got:?}");
        }
        assert_eq!((bench.conn.unread(), bench.conn.close_info().code.0), (5010, 1000));
        bench.conn.set_paused(false, bench.now);
        assert_eq!(bench.conn.reading(), Reading::Discard, "not taken back");
    }
}

#[test]
fn when_sending_has_failed_what_has_come_is_still_read() {
    let mut bench = Bench::open(Limits::default());
    bench.send(Opcode::Text, b"lost").unwrap();
    let batch = bench.conn.transmit().expect("the message");
    bench.with(|conn, env| {
        conn.transmitted(batch, 2, env);
        conn.cannot_send(env.now, env.pool);
    });
    assert_eq!((bench.conn.unsent(), bench.conn.buffered()), (4, 0));
    assert_eq!(bench.send(Opcode::Text, b"no"), Err(SendError::Closing));
    let last = [frame(0x81, "last"), frame(0x89, "ping"), frame(0x88, close_payload(4000, "bye"))];
    let (got, failure) = bench.feed(&last.concat());
    assert_eq!((got, failure), (vec![lent(Opcode::Text, "last"), Got::Close], None));
    assert!(bench.conn.transmit().is_none(), "neither the Pong nor our Close");
    let info = bench.conn.close_info();
    assert_eq!((info.code.0, info.sent, info.reason), (4000, None, "bye"));
    bench.conn.end_of_stream(bench.now);
    assert_eq!((bench.conn.disposition(), bench.conn.failure()), (Disposition::Abort, None));
    assert_eq!(bench.conn.unsent(), 4);
}

#[test]
fn when_sending_has_failed_the_end_is_not_waited_for_for_ever() {
    let mut bench = Bench::open(Limits::default());
    bench.with(|conn, env| conn.cannot_send(env.now, env.pool));
    assert_eq!(bench.conn.deadline(&bench.limits), Some(bench.now + 5_000));
    bench.run_until(bench.now + 5_000);
    assert_eq!(bench.conn.disposition(), Disposition::Abort);
}
