//! The records are read as they were written, and whatever else comes is refused: in a process that
//! has connections to lose.

use super::SuccessionError;
use super::wire::{self, Described};
use crate::bus::{Manner, Name};
use crate::conn::{CarriedDeflate, Carry, QueuePolicy, WhenFull};
use crate::memory::Outgoing;
use crate::proto::Opcode;
use crate::reactor::{Carried, CarriedTopic, Conn, CrossesOut, Cut, Publication, Seam, Takes};
use crate::ring::Credentials;
use std::sync::Arc;

fn carried() -> Carried {
    let topic = |name: &[u8], position: Option<&str>| CarriedTopic {
        name: name.into(),
        position: position.map(Into::into),
    };
    Carried {
        endpoint: 3,
        conn: Carry {
            deflate: Some(CarriedDeflate { bits: 12, ours: true, theirs: false }),
            asked_ping: Some(*b"01234567"),
            policy: Some(QueuePolicy {
                when_full: WhenFull::DropOldest,
                send_queue_max: Some(70_000),
                queue_age_max_ms: None,
            }),
            dropped: 9,
        },
        peer: Some("[2001:db8::1]:443".parse().expect("an address")),
        credentials: Some(Credentials { pid: 7, uid: 1_000, gid: 100 }),
        paused: true,
        lifetime_ms: Some(12_345),
        early: b"\x81\x85".as_slice().into(),
        topics: vec![topic(b"blue", None), topic(b"red", Some("0:1.2.3"))],
        seam: Some(Seam {
            lane: 1,
            cut: Cut { ours: 5, theirs: 6 },
            was: 77,
            was_theirs: false,
            _kept: Arc::default(),
        }),
        state: b"state".as_slice().into(),
        is_back: false,
    }
}

fn out(manner: Manner, opcode: Opcode) -> CrossesOut {
    let message = Outgoing::copied(opcode, b"words");
    let what = Arc::new(Publication::new(&message, Some(Conn::from_bits(8)), manner));
    CrossesOut { number: 4, topic: Name::from(&b"blue"[..]), what }
}

const MANNERS: [Manner; 7] = [
    Manner::Queued,
    Manner::Latest(1 << 40),
    Manner::By(WhenFull::Refuse),
    Manner::By(WhenFull::DropNewest),
    Manner::By(WhenFull::DropOldest),
    Manner::By(WhenFull::Close),
    Manner::By(WhenFull::Abort),
];

#[test]
fn what_is_written_is_read() {
    let of = |place: &str, routes: &[&str]| Described {
        place: place.into(),
        routes: routes.iter().map(|route| (*route).into()).collect(),
    };
    let endpoints = [of("any:443", &["/a", "/b/{c}"]), of("unix:/x", &[])];
    let (read, listeners, bus) =
        wire::read_hello(&wire::hello(&endpoints, 5, Some(b"bus."))).expect("a greeting");
    assert_eq!((&read[..], listeners, bus.as_deref()), (&endpoints[..], 5, Some(&b"bus."[..])));

    let takes = [
        Takes { any: true, deflated: false },
        Takes::default(),
        Takes { any: true, deflated: true },
    ];
    assert_eq!(wire::read_ready(&wire::ready(&takes), 3), Ok(takes.to_vec()));
    assert!(wire::read_ready(&wire::ready(&takes), 2).is_err(), "of others");
    for bus in [None, Some(&b"bus."[..])] {
        assert_eq!(wire::read_lane(&wire::lane(bus)), Ok(bus.map(Into::into)));
    }

    assert_eq!(wire::read_answer(&wire::answer(6, true)), Ok((6, true)));

    let carried = carried();
    let (number, read, left) =
        wire::read_connection(&wire::connection(2, &carried)).expect("a connection");
    let left = left.expect("it was in both");
    assert_eq!((number, left.was, left.cut), (2, 77, Cut { ours: 6, theirs: 5 }));
    // All but its seam.
    let without = Carried { seam: None, ..carried };
    assert_eq!(format!("{read:?}"), format!("{without:?}"));

    for manner in MANNERS {
        let body = wire::published(&out(manner, Opcode::Binary));
        let read = wire::read_published(&body).expect("a message");
        assert_eq!(
            (read.number, read.except, read.topic, read.manner),
            (4, 8, &b"blue"[..], manner)
        );
        let (opcode, payload) = (read.message.opcode(), read.message.payload());
        assert_eq!(
            (opcode, payload, read.message.may_deflate()),
            (Opcode::Binary, &b"words"[..], true)
        );
    }
}

/// Reads it as each of them.
fn read_all(body: &[u8]) -> [Option<SuccessionError>; 5] {
    [
        wire::read_hello(body).err(),
        wire::read_ready(body, 3).err(),
        wire::read_answer(body).err(),
        wire::read_connection(body).err(),
        wire::read_published(body).err(),
    ]
}

#[test]
fn what_is_cut_off_or_changed_is_refused_or_means_something_else() {
    let endpoints = [Described { place: "any:443".into(), routes: vec!["/a".into()] }];
    let takes = [Takes::default(); 3];
    let records = [
        wire::hello(&endpoints, 1, Some(b"bus.")),
        wire::ready(&takes),
        wire::answer(1, false),
        wire::connection(1, &carried()),
        wire::published(&out(Manner::Latest(3), Opcode::Text)),
    ];
    let mut random = 1_u64;
    let mut draw = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as usize % below
    };
    for (nth, record) in records.iter().enumerate() {
        assert_eq!(read_all(record)[nth], None);
        // What is published ends with its payload, however long that is.
        let least = if nth == 4 { record.len() - b"words".len() } else { record.len() };
        for len in 0..least {
            assert!(read_all(&record[..len])[nth].is_some(), "{nth}: {len} of it");
        }
        let longer = [&record[..], b"x"].concat();
        assert_eq!(read_all(&longer)[nth].is_some(), nth != 4, "{nth}: more of it");
        for _ in 0..20_000 {
            let mut changed = record.clone();
            for _ in 0..1 + draw(4) {
                let at = draw(changed.len());
                changed[at] = [0, 1, 0x7F, 0xFF, draw(256) as u8][draw(5)];
            }
            changed.truncate(record.len() - draw(3));
            // Nothing of it panics, nor takes memory for a length that is only claimed.
            read_all(&changed);
        }
    }
}
