//! What becomes of messages that find the queue full.

use super::client_handshake::{opened, unmasked};
use super::deflate::{frames, open};
use super::*;
use crate::codec::Inflater;
use crate::conn::tools::Policed;
use crate::conn::{Deflate, QueuePolicy, WhenFull};

/// Bytes of a message's frame.
pub(super) const FRAME: usize = 100;

pub(super) fn within(when_full: WhenFull) -> Limits {
    Limits { when_full, send_queue_max: 1000, ..Limits::default() }
}

pub(super) fn payload(number: u8) -> Vec<u8> {
    vec![number; FRAME - 2]
}

impl Bench {
    pub(super) fn number(&mut self, number: u8) -> Result<Queued, SendError> {
        self.send(Opcode::Binary, &payload(number))
    }

    /// The same, of a message that was made before.
    fn made(&mut self, number: u8) -> Result<Queued, SendError> {
        let message = Outgoing::new(Opcode::Binary, payload(number).into());
        self.with(|conn, env| conn.send_message(&message, env))
    }

    fn by(&mut self, number: u8, when_full: WhenFull) -> Result<Queued, SendError> {
        let message = Outgoing::new(Opcode::Binary, payload(number).into());
        self.with(|conn, env| conn.send_message_by(&message, when_full, env))
    }

    /// Hands something out, so that what follows waits behind it.
    pub(super) fn stuck(&mut self) -> Batch {
        self.number(0).unwrap();
        self.transmit().expect("something to send")
    }

    /// The peer takes that, and then all.
    fn unstuck(&mut self, batch: Batch) -> Vec<(u8, Vec<u8>)> {
        let mut all = contents(&batch);
        let len = batch.len();
        self.with(|conn, env| conn.transmitted(batch, len, env));
        all.extend(self.sent());
        frames(&all)
    }

    pub(super) fn policed(&self) -> Policed {
        self.tools.policed
    }
}

/// The first bytes of messages.
fn numbers(frames: &[(u8, Vec<u8>)]) -> Vec<u8> {
    frames.iter().filter(|(first, _)| *first == 0x82).map(|(_, payload)| payload[0]).collect()
}

#[test]
fn the_newest_are_dropped() {
    let mut bench = Bench::open(within(WhenFull::DropNewest));
    let out = bench.stuck();
    let mut answers: Vec<_> = (1..10).map(|n| bench.number(n)).collect();
    assert_eq!(answers.split_off(8), [Ok(Queued::Ok)]);
    assert_eq!(bench.made(10), Ok(Queued::Full));
    assert_eq!(bench.number(11), Ok(Queued::Dropped));
    assert_eq!(bench.made(12), Ok(Queued::Dropped));
    assert_eq!(bench.send(Opcode::Ping, b"now"), Ok(Queued::Full), "no message");
    assert_eq!(bench.send_more(Opcode::Binary, b"no"), Err(SendError::Full), "no whole one");
    assert_eq!((bench.policed().newest, bench.conn.dropped()), (2, 2));
    let sent = bench.unstuck(out);
    assert_eq!(numbers(&sent), (0..11).collect::<Vec<_>>());
    assert_eq!(bench.number(13), Ok(Queued::Ok), "there is room again");
}

#[test]
fn the_oldest_are_dropped_that_have_not_begun_to_leave() {
    for client in [false, true] {
        let limits = within(WhenFull::DropOldest);
        let mut bench = if client { opened(limits) } else { Bench::open(limits) };
        bench.limits.send_queue_max += if client { 10 * 4 } else { 0 };
        let out = bench.stuck();
        let sent = |n: u8| if n.is_multiple_of(2) { Bench::number } else { Bench::made };
        (1..50).for_each(|n| assert_eq!(sent(n)(&mut bench, n), Ok(Queued::Ok), "{n}"));
        assert!(bench.send(Opcode::Ping, b"ping").is_ok());
        assert_eq!((bench.policed().oldest, bench.conn.dropped()), (40, 40));
        let mut all = contents(&out);
        let len = out.len();
        bench.with(|conn, env| conn.transmitted(out, len, env));
        all.extend(bench.sent());
        let got = match client {
            false => numbers(&frames(&all)),
            true => unmasked(&all).iter().filter(|m| m.0 == 0x82).map(|m| m.2[0]).collect(),
        };
        assert_eq!(got, [0, 41, 42, 43, 44, 45, 46, 47, 48, 49], "the rest, in order");
        assert_eq!((bench.conn.buffered(), bench.conn.heap_bytes()), (0, 0));
    }
}

#[test]
fn what_leaves_at_once_need_not_stand_in_line() {
    let mut bench = Bench::open(within(WhenFull::DropOldest));
    (0..5).for_each(|n| assert_eq!(bench.number(n), Ok(Queued::Ok)));
    assert!(!bench.conn.holds_latest());
    // Of one turn, too, the oldest are dropped only where there is no room.
    (5..10).for_each(|n| assert_eq!(bench.number(n), Ok(Queued::Ok)));
    (10..20).for_each(|n| assert_eq!(bench.number(n), Ok(Queued::Full)));
    assert_eq!(bench.policed().oldest, 9);
    assert_eq!(numbers(&frames(&bench.sent())), [&(0..10).collect::<Vec<_>>()[..], &[19]].concat());
}

#[test]
fn one_message_is_always_taken_where_the_oldest_are_dropped() {
    let mut bench = Bench::open(within(WhenFull::DropOldest));
    bench.send(Opcode::Binary, &[0; 5000]).unwrap();
    let out = bench.transmit().expect("something to send");
    assert_eq!(bench.number(1), Ok(Queued::Full));
    assert_eq!(bench.send(Opcode::Binary, &[2; 3000]), Ok(Queued::Full));
    assert_eq!(bench.number(3), Ok(Queued::Full));
    assert_eq!((bench.policed().oldest, bench.conn.buffered()), (2, 5004 + FRAME));
    assert_eq!(numbers(&bench.unstuck(out)), [0, 3]);
}

#[test]
fn text_is_checked_before_it_stands_in_line() {
    let mut bench = Bench::open(within(WhenFull::DropOldest));
    let out = bench.stuck();
    assert_eq!(bench.send(Opcode::Text, b"\xFF"), Err(SendError::Utf8));
    assert_eq!(bench.send(Opcode::Text, "é".as_bytes()), Ok(Queued::Ok));
    assert_eq!(bench.unstuck(out)[1], (0x81, "é".as_bytes().to_vec()));
}

/// A message in fragments is whole, and in its place; what stood before it cannot be dropped any
/// more, and what comes behind it can.
#[test]
fn fragments_keep_their_place() {
    let mut bench = Bench::open(within(WhenFull::DropOldest));
    let out = bench.stuck();
    bench.number(1).unwrap();
    bench.send_more(Opcode::Text, b"a").unwrap();
    assert_eq!(bench.number(2), Err(SendError::Sequence), "a message in one");
    bench.send_more(Opcode::Continuation, b"b").unwrap();
    bench.send(Opcode::Continuation, b"c").unwrap();
    (3..60).for_each(|n| assert_eq!(bench.number(n), Ok(Queued::Ok)));
    let sent = bench.unstuck(out);
    let parts = [(0x01, b"a".to_vec()), (0x00, b"b".to_vec()), (0x80, b"c".to_vec())];
    assert_eq!(sent[2..5], parts);
    assert_eq!(numbers(&sent), [0, 1, 53, 54, 55, 56, 57, 58, 59]);
    assert_eq!(bench.policed().oldest, 50);
}

/// A message that may be dropped, of a topic, on a connection whose others may not be.
#[test]
fn others_keep_their_order_behind_what_may_be_dropped() {
    let mut bench = Bench::open(within(WhenFull::Refuse));
    let out = bench.stuck();
    bench.number(1).unwrap();
    assert_eq!(bench.by(2, WhenFull::DropOldest), Ok(Queued::Ok));
    bench.number(3).unwrap();
    bench.made(4).unwrap();
    (5..30).for_each(|n| assert_eq!(bench.by(n, WhenFull::DropOldest), Ok(Queued::Ok)));
    assert_eq!(bench.policed().oldest, 20);
    assert_eq!(bench.by(30, WhenFull::DropNewest), Ok(Queued::Full), "one goes over");
    assert_eq!(bench.by(31, WhenFull::DropNewest), Ok(Queued::Dropped));
    assert_eq!(bench.number(32), Err(SendError::Full));
    let sent = numbers(&bench.unstuck(out));
    assert_eq!(sent, [0, 1, 3, 4, 24, 25, 26, 27, 28, 29, 30]);
    // The short way is open again.
    let Bench { conn, pool, .. } = &mut bench;
    assert!(conn.open_writer(&Limits::default(), pool).is_some());
}

#[test]
fn control_frames_and_a_close_are_never_dropped() {
    let mut bench = Bench::open(within(WhenFull::DropOldest));
    let out = bench.stuck();
    (1..30).for_each(|n| _ = bench.number(n).unwrap());
    bench.feed(&frame(0x89, "ping"));
    bench.send(Opcode::Pong, b"unasked").unwrap();
    bench.close(1000, "").unwrap();
    assert_eq!(bench.number(30), Err(SendError::Closing));
    let sent = bench.unstuck(out);
    let control: Vec<_> = sent.iter().filter(|(first, _)| first & 8 != 0).cloned().collect();
    let close = (0x88, close_payload(1000, ""));
    assert_eq!(control, [(0x8A, b"ping".to_vec()), (0x8A, b"unasked".to_vec()), close.clone()]);
    assert_eq!(numbers(&sent).len(), 10);
    assert_eq!(sent.last(), Some(&close), "behind all");
}

#[test]
fn a_full_queue_closes() {
    let mut bench = Bench::open(within(WhenFull::Close));
    let out = bench.stuck();
    (1..10).for_each(|n| assert_eq!(bench.number(n), Ok(Queued::Ok)));
    assert_eq!(bench.number(10), Ok(Queued::Full));
    assert_eq!(bench.send(Opcode::Ping, b""), Ok(Queued::Full), "no message");
    assert_eq!(bench.made(11), Err(SendError::Closing));
    assert_eq!(bench.number(12), Err(SendError::Closing));
    assert_eq!((bench.policed().closed, bench.conn.dropped()), (1, 0));
    let sent = bench.unstuck(out);
    assert_eq!(sent.last(), Some(&(0x88, close_payload(1013, "send queue full"))));
    assert_eq!(numbers(&sent).len(), 11);
    bench.feed(&frame(0x88, close_payload(1013, "")));
    assert_eq!((bench.conn.failure(), bench.conn.disposition()), (None, Disposition::Finish));
}

#[test]
fn a_full_queue_aborts() {
    let mut bench = Bench::open(within(WhenFull::Abort));
    let _out = bench.stuck();
    (1..11).for_each(|n| _ = bench.number(n).unwrap());
    assert_eq!(bench.send_more(Opcode::Binary, b"x"), Err(SendError::Closing), "a fragment, too");
    assert_eq!(bench.number(12), Err(SendError::Closing));
    assert_eq!(bench.policed().aborted, 1);
    assert_eq!(bench.conn.failure(), Some(Failure::QueueFull));
    assert_eq!(bench.conn.disposition(), Disposition::Abort);
}

#[test]
fn a_connection_has_limits_of_its_own() {
    let mut bench = Bench::open(Limits { send_queue_max: 1 << 20, ..Limits::default() });
    let policy = QueuePolicy {
        when_full: WhenFull::DropNewest,
        send_queue_max: Some(300),
        queue_age_max_ms: None,
    };
    bench.with(|conn, env| conn.set_policy(policy, env)).unwrap();
    let out = bench.stuck();
    let answers: Vec<_> = (1..6).map(|n| bench.number(n).unwrap()).collect();
    let (ok, full, dropped) = (Queued::Ok, Queued::Full, Queued::Dropped);
    assert_eq!(answers, [ok, ok, full, dropped, dropped]);
    let len = out.len();
    assert!(!bench.with(|conn, env| conn.transmitted(out, len, env)), "not below half");
    let rest = bench.transmit().expect("the rest");
    let len = rest.len();
    assert!(bench.with(|conn, env| conn.transmitted(rest, len, env)), "drained");
    let policy = QueuePolicy { send_queue_max: None, queue_age_max_ms: Some(100), ..policy };
    bench.with(|conn, env| conn.set_policy(policy, env)).unwrap();
    let _out = bench.stuck();
    bench.now += 100;
    assert_eq!(bench.number(7), Ok(Queued::Dropped), "too old");
    let mut new = Bench::new(Limits::default());
    let refused = new.with(|conn, env| conn.set_policy(policy, env));
    assert_eq!(refused, Err(SendError::NotOpen));
}

/// What a Ping of ours needed is given back with its Pong, and nothing else of what few have.
#[test]
fn limits_of_its_own_outlive_a_ping() {
    let mut bench = Bench::open(within(WhenFull::Abort));
    let policy = QueuePolicy {
        when_full: WhenFull::Refuse,
        send_queue_max: Some(300),
        queue_age_max_ms: None,
    };
    bench.with(|conn, env| conn.set_policy(policy, env)).unwrap();
    bench.with(|conn, env| conn.measure(env));
    assert_eq!(bench.sent(), b"\x89\x08rws-ZZZZ");
    assert_eq!(bench.feed(&frame(0x8A, "rws-ZZZZ")), (vec![], None));
    let _out = bench.stuck();
    let refused = (1..20).find_map(|n| bench.number(n).err());
    assert_eq!((refused, bench.conn.failure()), (Some(SendError::Full), None));
}

/// The policy of a connection holds for what waits under keys, too.
#[test]
fn keys_obey_the_policy() {
    let send = |bench: &mut Bench, key, number| {
        let message = Outgoing::new(Opcode::Binary, payload(number).into());
        bench.with(|conn, env| conn.send_latest((0, key), &message, env))
    };
    for when_full in [WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Close] {
        let mut bench = Bench::open(within(when_full));
        let out = bench.stuck();
        for key in 1..11 {
            send(&mut bench, key, key as u8).unwrap();
        }
        assert_eq!(
            send(&mut bench, 2, 22),
            Ok((if when_full == WhenFull::DropOldest { Queued::Ok } else { Queued::Full }, true))
        );
        match when_full {
            WhenFull::DropNewest => {
                assert_eq!(send(&mut bench, 11, 11), Ok((Queued::Dropped, false)));
                let all: Vec<_> = [0, 1, 22].into_iter().chain(3..11).collect();
                assert_eq!(numbers(&bench.unstuck(out)), all);
            }
            WhenFull::DropOldest => {
                // Key 1 had to go for key 10.
                assert_eq!(send(&mut bench, 11, 11), Ok((Queued::Ok, false)));
                assert_eq!(bench.policed().oldest, 2);
                assert_eq!(numbers(&bench.unstuck(out)), [0, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
            }
            _ => {
                assert_eq!(send(&mut bench, 11, 11), Err(SendError::Closing));
                let sent = bench.unstuck(out);
                assert_eq!(numbers(&sent).len(), 11);
                assert_eq!(sent.last().map(|last| last.0), Some(0x88));
            }
        }
    }
}

/// A compressor of the connection's own remembers what it has seen, so it must see only what the
/// peer gets.
#[test]
fn what_is_dropped_was_never_compressed() {
    let text =
        |n: u8| format!("{{\"number\": {n}, \"of\": \"a feed that repeats itself\"}}").repeat(4);
    for (takeover, when_full) in
        [(true, WhenFull::DropOldest), (false, WhenFull::DropOldest), (true, WhenFull::DropNewest)]
    {
        let deflate = Some(Deflate { takeover, min: 20, ..Deflate::default() });
        let limits = Limits { deflate, send_queue_max: 1000, when_full, ..Limits::default() };
        let (mut bench, _) = open(limits, "permessage-deflate");
        let out = bench.stuck();
        for n in 0..100 {
            assert!(bench.send(Opcode::Binary, text(n).as_bytes()).is_ok());
        }
        let dropped = bench.policed().oldest + bench.policed().newest;
        let sent = bench.unstuck(out);
        assert_eq!(sent.len() as u64, 101 - dropped);
        assert!(dropped > 20, "{dropped}");
        let (mut inflater, pool) = (Inflater::new(), &mut Pool::default());
        let first = if when_full == WhenFull::DropOldest { 100 - (sent.len() - 1) } else { 0 };
        let mut all = sent.iter();
        let inflated = |frame: &(u8, Vec<u8>)| match frame.0 {
            0xC2 if takeover => inflater.inflate(&frame.1, false, 1 << 20, pool).unwrap(),
            0xC2 => super::deflate::inflated(&frame.1),
            _ => frame.1.clone(),
        };
        let mut inflated: Vec<Vec<u8>> = all.by_ref().map(inflated).collect();
        inflated.remove(0);
        let expected: Vec<Vec<u8>> =
            (first..).take(inflated.len()).map(|n| text(n as u8).into_bytes()).collect();
        assert!(inflated == expected, "takeover {takeover}, {when_full:?}");
    }
}
