//! The opening handshake at every split, refused, and out of turn.

use super::*;
use crate::proto::handshake::Refusal;

#[test]
fn a_head_may_be_cut_anywhere_and_frames_may_follow_it_at_once() {
    let all = [REQUEST, &frame(0x81, "early"), &frame(0x82, "bird")].concat();
    let expected =
        [Got::Upgrade, lent(Opcode::Text, "early"), lent(Opcode::Binary, "bird")].to_vec();
    for cut in 0..=REQUEST.len() {
        let mut bench = Bench::new(Limits::default());
        let (mut got, failure) = bench.feed(&all[..cut]);
        assert_eq!(failure, None);
        got.extend(bench.feed(&all[cut..]).0);
        assert_eq!(got, expected, "cut at {cut}");
        assert!(bench.conn.opened());
        bench.sent();
        assert_eq!(bench.conn.heap_bytes(), 0);
    }
}

#[test]
fn a_head_byte_by_byte() {
    let mut bench = Bench::new(Limits::default());
    let got: Vec<_> = REQUEST.iter().flat_map(|byte| bench.feed(&[*byte]).0).collect();
    assert_eq!(got, [Got::Upgrade]);
}

#[test]
fn frames_wait_for_the_answer() {
    let mut bench = Bench::new(Limits::default());
    let mut bytes = [REQUEST, &frame(0x81, "early")].concat();
    let mut input = Input::new(&mut bytes);
    let Ok(Some(Event::Request(request))) = bench.with(|conn, env| conn.receive(&mut input, env))
    else {
        panic!("no upgrade")
    };
    let left = input.len();
    let early = bench.with(|conn, env| conn.receive(&mut input, env).is_ok_and(|e| e.is_none()));
    assert!(early && input.len() == left, "nothing is consumed before the answer");
    assert_eq!(bench.send(Opcode::Text, b"too early"), Err(SendError::NotOpen));
    assert_eq!(bench.close(1000, ""), Err(SendError::NotOpen));
    assert!(!bench.conn.opened());
    bench.with(|conn, env| conn.accept(&request, &Response::default(), env));
    let event = bench.with(|conn, env| conn.receive(&mut input, env));
    assert!(matches!(event, Ok(Some(Event::Batch(_)))));
    // A second answer is none.
    bench.sent();
    bench.with(|conn, env| conn.accept(&request, &Response::default(), env));
    bench.with(|conn, env| conn.refuse(&Refusal::new(403), env));
    assert_eq!((bench.conn.buffered(), bench.conn.failure()), (0, None));
}

#[test]
fn what_is_no_upgrade_is_answered_and_finished() {
    let long = [&b"GET / HTTP/1.1\r\nX: "[..], &[b'x'; 20_000]].concat();
    for (head, status) in [
        (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], 426),
        (b"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", 405),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
        (&long, 431),
    ] {
        let mut bench = Bench::new(Limits::default());
        let failure = Some(Failure::Handshake(status));
        assert_eq!(bench.feed(head), (vec![], failure));
        assert_eq!(bench.conn.disposition(), Disposition::Finish);
        assert_eq!(bench.feed(REQUEST), (vec![], failure), "nothing is read behind a refusal");
        let answer = String::from_utf8(bench.sent()).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(!bench.conn.opened());
        assert_eq!(bench.send(Opcode::Text, b""), Err(SendError::NotOpen));
        assert_eq!(bench.conn.heap_bytes(), 0);
        bench.conn.end_of_stream(bench.now);
        assert_eq!((bench.conn.disposition(), bench.conn.failure()), (Disposition::Abort, failure));
    }
}

#[test]
fn the_application_may_refuse() {
    let mut bench = Bench::new(Limits::default());
    let mut bytes = [REQUEST, &frame(0x81, "early")].concat();
    let mut input = Input::new(&mut bytes);
    let event = bench.with(|conn, env| conn.receive(&mut input, env));
    assert!(matches!(event, Ok(Some(Event::Request(_)))));
    bench.with(|conn, env| conn.refuse(&Refusal::new(403), env));
    let after = bench.with(|conn, env| conn.receive(&mut input, env).map(|_| ()));
    assert_eq!((after, input.is_empty()), (Err(Failure::Handshake(403)), true));
    assert!(bench.sent().starts_with(b"HTTP/1.1 403 "));
    assert_eq!(bench.conn.disposition(), Disposition::Finish);
}

#[test]
fn the_stream_may_end_inside_the_head() {
    let mut bench = Bench::new(Limits::default());
    bench.feed(&REQUEST[..40]);
    bench.conn.end_of_stream(bench.now);
    assert_eq!(bench.conn.failure(), Some(Failure::EndOfStream));
    assert_eq!(bench.conn.disposition(), Disposition::Abort);
}
