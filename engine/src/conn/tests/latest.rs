//! Messages of which a slow reader gets only the latest.

use super::client_handshake::{opened, unmasked};
use super::deflate::{frames, inflated, open};
use super::*;
use crate::codec::Inflater;
use crate::conn::Deflate;

impl Bench {
    /// Sends the latest of a key; whether it has replaced one.
    fn latest(&mut self, key: u64, price: impl AsRef<[u8]>) -> Result<(Queued, bool), SendError> {
        let message = Outgoing::new(Opcode::Binary, Bytes::copy_from_slice(price.as_ref()));
        self.with(|conn, env| conn.send_latest((0, key), &message, env))
    }
}

const QUEUED: Result<(Queued, bool), SendError> = Ok((Queued::Ok, false));
const REPLACED: Result<(Queued, bool), SendError> = Ok((Queued::Ok, true));

fn binary(payloads: &[&str]) -> Vec<(u8, Vec<u8>)> {
    payloads.iter().map(|payload| (0x82, payload.as_bytes().to_vec())).collect()
}

#[test]
fn the_latest_of_a_key_takes_the_place_of_the_one_before_it() {
    let mut bench = Bench::open(Limits::default());
    assert_eq!(bench.latest(1, "a1"), QUEUED);
    assert_eq!(bench.latest(2, "b1"), QUEUED);
    assert_eq!(bench.latest(1, "a2, and longer"), REPLACED);
    assert_eq!(bench.latest(u64::MAX, ""), QUEUED);
    assert_eq!(bench.latest(2, "b"), REPLACED);
    assert_eq!(bench.conn.buffered(), 2 + 14 + 2 + 1 + 2);
    assert_eq!(frames(&bench.sent()), binary(&["a2, and longer", "b", ""]));
    assert_eq!((bench.conn.buffered(), bench.conn.heap_bytes()), (0, 0));
    assert_eq!(bench.latest(1, "a3"), QUEUED, "all has left");
    assert_eq!(frames(&bench.sent()), binary(&["a3"]));
}

#[test]
fn what_has_begun_to_leave_is_not_replaced() {
    let mut bench = Bench::open(Limits::default());
    bench.latest(1, "first").unwrap();
    let batch = bench.transmit().expect("something to send");
    assert_eq!(bench.latest(1, "second"), QUEUED);
    assert_eq!(bench.latest(1, "third"), REPLACED);
    assert!(bench.transmit().is_none(), "one is out");
    // A short send: the rest goes first, and what waits may still be replaced.
    bench.with(|conn, env| conn.transmitted(batch, 3, env));
    let rest = bench.transmit().expect("the rest");
    assert_eq!(contents(&rest), b"irst");
    assert_eq!(bench.latest(1, "fourth"), REPLACED);
    bench.with(|conn, env| conn.transmitted(rest, 4, env));
    assert_eq!(frames(&bench.sent()), binary(&["fourth"]));
    assert_eq!((bench.conn.buffered(), bench.conn.heap_bytes()), (0, 0));
}

#[test]
fn others_go_before_it_and_a_close_behind() {
    let mut bench = Bench::open(Limits::default());
    bench.latest(1, "price").unwrap();
    bench.send(Opcode::Binary, b"other").unwrap();
    bench.with(|conn, env| conn.close(CloseCode(1000), "", env)).unwrap();
    assert_eq!(bench.latest(1, "late"), Err(SendError::Closing));
    let close = (0x88, close_payload(1000, ""));
    assert_eq!(frames(&bench.sent()), [binary(&["other", "price"]), vec![close]].concat());
}

#[test]
fn control_frames_overtake_it() {
    let mut bench = Bench::open(Limits::default());
    bench.latest(1, "price").unwrap();
    bench.feed(&frame(0x89, "ping"));
    assert_eq!(bench.latest(1, "newer"), REPLACED);
    let sent = [vec![(0x8A, b"ping".to_vec())], binary(&["newer"])].concat();
    assert_eq!(frames(&bench.sent()), sent);
}

#[test]
fn it_waits_for_the_end_of_a_message_in_fragments() {
    let mut bench = Bench::open(Limits::default());
    bench.send_more(Opcode::Binary, b"a").unwrap();
    bench.latest(1, "price").unwrap();
    assert_eq!(frames(&bench.sent()), [(0x02, b"a".to_vec())]);
    assert_eq!(bench.conn.buffered(), 7);
    bench.send(Opcode::Continuation, b"b").unwrap();
    let sent = [vec![(0x80, b"b".to_vec())], binary(&["price"])].concat();
    assert_eq!(frames(&bench.sent()), sent);
    // A Close cuts that message off: what waits for its end cannot be sent any more, and is told.
    bench.send_more(Opcode::Binary, b"c").unwrap();
    bench.latest(1, "price").unwrap();
    bench.with(|conn, env| conn.close(CloseCode(1000), "", env)).unwrap();
    assert_eq!(frames(&bench.sent()), [(0x02, b"c".to_vec()), (0x88, close_payload(1000, ""))]);
    assert_eq!((bench.conn.buffered(), bench.conn.unsent()), (0, 7));
}

#[test]
fn a_full_queue_takes_what_needs_no_more_room() {
    let mut bench = Bench::open(Limits { send_queue_max: 1000, ..Limits::default() });
    bench.latest(1, [b'x'; 600]).unwrap();
    assert_eq!(bench.latest(2, [b'y'; 600]), Ok((Queued::Full, false)));
    assert_eq!(bench.latest(3, "z"), Err(SendError::Full));
    // Without it there would be room.
    assert_eq!(bench.latest(2, [b'Y'; 700]), Ok((Queued::Full, true)));
    assert_eq!(bench.latest(1, [b'X'; 600]), Ok((Queued::Full, true)));
    assert_eq!(bench.conn.buffered(), 4 + 600 + 4 + 700);
    let batch = bench.transmit().expect("both");
    let len = batch.len();
    assert!(bench.with(|conn, env| conn.transmitted(batch, len, env)), "drained");
    assert_eq!(bench.latest(3, "z"), QUEUED);
    // What others have queued is no reason to refuse what gets no longer.
    bench.send(Opcode::Binary, &[b'o'; 2000]).unwrap();
    assert_eq!(bench.latest(3, "Z"), Ok((Queued::Full, true)));
    assert_eq!(bench.latest(3, "longer"), Err(SendError::Full));
    assert_eq!(frames(&bench.sent())[1..], binary(&["Z"]));
}

#[test]
fn of_many_only_a_batch_is_committed_at_a_time() {
    let mut bench = Bench::open(Limits { send_queue_max: 64 << 20, ..Limits::default() });
    let price = |round: u8| vec![round; 3000];
    (0..300).for_each(|key| assert_eq!(bench.latest(key, price(1)), QUEUED));
    let batch = bench.transmit().expect("a batch");
    let committed = batch.len() / 3004;
    assert!((80..100).contains(&committed), "{committed}");
    for key in 0..300 {
        assert_eq!(bench.latest(key, price(2)).unwrap().1, key >= committed as u64, "{key}");
    }
    let len = batch.len();
    bench.with(|conn, env| conn.transmitted(batch, len, env));
    let rest = frames(&bench.sent());
    assert!(rest.len() == 300 && rest.iter().all(|(_, payload)| *payload == price(2)));
    assert_eq!((bench.conn.buffered(), bench.conn.heap_bytes()), (0, 0));
}

#[test]
fn only_whole_messages_have_a_latest() {
    let mut bench = Bench::open(Limits::default());
    let mut send =
        |message: Outgoing| bench.with(|conn, env| conn.send_latest((0, 1), &message, env));
    let ping = Outgoing::new(Opcode::Ping, Bytes::new());
    assert_eq!(send(ping), Err(SendError::Sequence));
    let fragment = Outgoing::with_fin(Opcode::Text, Bytes::new(), false);
    assert_eq!(send(fragment), Err(SendError::Sequence));
    assert_eq!((bench.conn.buffered(), bench.conn.heap_bytes()), (0, 0));
}

#[test]
fn a_client_masks_what_is_left() {
    let mut bench = opened(Limits::default());
    bench.latest(1, "old").unwrap();
    bench.latest(1, "new").unwrap();
    bench.latest(2, vec![7; 5000]).unwrap();
    assert_eq!(bench.conn.buffered(), 6 + 3 + 8 + 5000);
    let sent = unmasked(&bench.sent());
    assert_eq!((sent.len(), sent[0].0, &sent[0].2[..]), (2, 0x82, &b"new"[..]));
    assert!(sent[1].2 == [7; 5000] && sent[0].1 != sent[1].1);
    assert_eq!((bench.conn.buffered(), bench.conn.heap_bytes()), (0, 0));
}

/// A compressor of the connection's own remembers what it has seen, so it must see only what the
/// peer gets.
#[test]
fn what_is_replaced_is_never_compressed() {
    let offer = "permessage-deflate";
    let prices: Vec<Vec<u8>> =
        (0..9).map(|n| format!("{{\"price\": {n}}}").repeat(20).into()).collect();
    for takeover in [false, true] {
        let deflate = Some(Deflate { takeover, min: 20, ..Deflate::default() });
        let (mut bench, _) = open(Limits { deflate, ..Limits::default() }, offer);
        let (mut inflater, mut got) = (Inflater::new(), Vec::new());
        for three in prices.chunks(3) {
            three.iter().for_each(|price| assert!(bench.latest(1, price).is_ok()));
            let sent = frames(&bench.sent());
            assert_eq!((sent.len(), sent[0].0), (1, 0xC2));
            let pool = &mut Pool::default();
            got.push(match takeover {
                true => inflater.inflate(&sent[0].1, false, 1 << 20, pool).expect("in order"),
                false => inflated(&sent[0].1),
            });
        }
        assert_eq!(got, [&*prices[2], &prices[5], &prices[8]]);
        assert_eq!((bench.tools.codec.done.deflated, bench.conn.buffered()), (3, 0));
    }
}
