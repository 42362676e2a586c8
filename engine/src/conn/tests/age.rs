//! How long what is queued has waited, and what is done about it.

use super::policy::{FRAME, payload, within};
use super::*;
use crate::conn::WhenFull;

/// What is out, and how old what waits has become when something is done about it, without a
/// further send.
fn acts_at(when_full: WhenFull) -> (Bench, Batch, Tick) {
    let limits = Limits { queue_age_max_ms: 500, ..within(when_full) };
    let mut bench = Bench::open(limits);
    bench.now += 5000;
    let begun = bench.now;
    let out = bench.stuck();
    bench.now += 100;
    bench.number(1).unwrap();
    bench.transmit();
    bench.now += 300;
    bench.number(2).unwrap();
    bench.transmit();
    assert_eq!(bench.conn.queue_age(bench.now), 400);
    let at = bench.conn.deadline(&bench.limits).expect("there is always one");
    (bench, out, at - begun)
}

#[test]
fn what_is_too_old_is_noticed_without_a_send() {
    let (mut bench, _out, at) = acts_at(WhenFull::DropOldest);
    assert_eq!(at, 600, "what is out has begun to leave");
    bench.now += 200;
    bench.with(|conn, env| conn.expired(env));
    assert_eq!((bench.policed().oldest, bench.conn.buffered()), (1, 2 * FRAME));
    assert_eq!(bench.conn.deadline(&bench.limits), Some(bench.now + 300));
    let (mut bench, _out, at) = acts_at(WhenFull::Close);
    assert_eq!(at, 500);
    bench.now += 100;
    bench.with(|conn, env| conn.expired(env));
    assert_eq!((bench.policed().closed, bench.number(3)), (1, Err(SendError::Closing)));
    let (mut bench, _out, at) = acts_at(WhenFull::Abort);
    bench.now += 100;
    bench.with(|conn, env| conn.expired(env));
    assert_eq!((at, bench.conn.failure()), (500, Some(Failure::QueueFull)));
}

#[test]
fn what_is_too_old_makes_a_queue_full() {
    for when_full in [WhenFull::Refuse, WhenFull::DropNewest] {
        let (mut bench, _out, at) = acts_at(when_full);
        assert!(at > 10_000, "nothing is to be done");
        bench.now += 99;
        assert_eq!(bench.number(3), Ok(Queued::Ok));
        bench.now += 1;
        let refused = bench.number(4);
        match when_full {
            WhenFull::Refuse => assert_eq!(refused, Err(SendError::Full)),
            _ => assert_eq!(refused, Ok(Queued::Dropped)),
        }
        assert_eq!(bench.send(Opcode::Ping, b"").map(|_| ()), Ok(()), "no message");
    }
    // What is sent drops what is too old.
    let (mut bench, _out, _) = acts_at(WhenFull::DropOldest);
    bench.now += 200;
    assert_eq!((bench.number(3), bench.policed().oldest), (Ok(Queued::Ok), 1));
    bench.now += 2000;
    assert_eq!((bench.number(4), bench.policed().oldest), (Ok(Queued::Ok), 3));
}

#[test]
fn the_age_of_what_waits_is_that_of_the_oldest() {
    let mut bench = Bench::open(Limits { send_queue_max: 1 << 30, ..Limits::default() });
    assert_eq!(bench.conn.queue_age(bench.now), 0);
    let first = bench.stuck();
    bench.now += 70;
    bench.number(1).unwrap();
    assert_eq!(bench.conn.queue_age(bench.now), 70, "the batch that is out");
    bench.transmit();
    // A short send: the rest is as old.
    bench.now += 10;
    bench.with(|conn, env| conn.transmitted(first, 50, env));
    assert_eq!(bench.conn.queue_age(bench.now), 80);
    let rest = bench.transmit().expect("the rest");
    bench.with(|conn, env| conn.transmitted(rest, 50, env));
    assert_eq!(bench.conn.queue_age(bench.now), 10, "what came then");
    let second = bench.transmit().expect("that");
    // More than a batch: each has an age of its own.
    for _ in 0..10 {
        bench.now += 10;
        bench.send(Opcode::Binary, &[7; 100_000]).unwrap();
        bench.transmit();
    }
    bench.with(|conn, env| conn.transmitted(second, 100, env));
    assert_eq!(bench.conn.queue_age(bench.now), 90);
    let mut ages = Vec::new();
    while let Some(batch) = bench.transmit() {
        ages.push(bench.conn.queue_age(bench.now));
        let len = batch.len();
        bench.with(|conn, env| conn.transmitted(batch, len, env));
    }
    assert!(ages.len() > 1 && ages[0] == 90, "{ages:?}");
    assert!(ages.windows(2).all(|two| two[0] >= two[1] + 30), "{ages:?}");
    assert_eq!((bench.conn.queue_age(bench.now), bench.conn.heap_bytes()), (0, 0));
    // Of a key: since when that waits, however new its message is.
    let key = |bench: &mut Bench| {
        let message = Outgoing::new(Opcode::Binary, payload(1).into());
        bench.with(|conn, env| conn.send_latest((0, 1), &message, env)).unwrap()
    };
    let _out = bench.stuck();
    bench.now += 5;
    key(&mut bench);
    bench.now += 5;
    assert!(key(&mut bench).1);
    assert_eq!(bench.conn.queue_age(bench.now), 10);
}
