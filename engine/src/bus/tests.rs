//! What is told between engines, byte by byte and case by case. Whole clusters are the simulator's.

use super::*;
use crate::conn::WhenFull;
use crate::memory::Outgoing;
use crate::proto::Opcode;
use std::cell::RefCell;

const ORIGIN: Origin = Origin { node: 7, epoch: 3 };

fn envelope(kind: Kind<'_>) -> Envelope<'_> {
    Envelope { origin: ORIGIN, number: Number { start: 2, seq: 5 }, promise_ms: 900, kind }
}

fn message(manner: Manner) -> Kind<'static> {
    Kind::Message {
        opcode: Opcode::Text, compressible: true, manner, payload: "größe".as_bytes()
    }
}

#[test]
fn frames_come_back_as_they_were() {
    let policies = [
        WhenFull::Refuse,
        WhenFull::DropNewest,
        WhenFull::DropOldest,
        WhenFull::Close,
        WhenFull::Abort,
    ];
    let manners = policies.map(Manner::By).into_iter().chain([Manner::Queued, Manner::Latest(9)]);
    for kind in manners.map(message).chain([Kind::Heartbeat, Kind::End]) {
        let bytes = envelope(kind).encode();
        assert_eq!(Envelope::decode(&bytes), Ok(envelope(kind)));
        for len in 0..40 {
            assert_eq!(Envelope::decode(&bytes[..len]), Err(Malformed::Short), "{len} of {kind:?}");
        }
    }
    let plain = Kind::Message {
        opcode: Opcode::Binary,
        compressible: false,
        manner: Manner::Queued,
        payload: &[0xFF],
    };
    assert_eq!(Envelope::decode(&envelope(plain).encode()), Ok(envelope(plain)));
}

#[test]
fn what_cannot_be_is_refused() {
    let with = |at: usize, byte: u8| {
        let mut bytes = envelope(message(Manner::Queued)).encode();
        bytes[at] = byte;
        Envelope::decode(&bytes).map(|_| ())
    };
    assert_eq!(with(0, 2), Err(Malformed::Version(2)));
    for (at, byte) in [(1, 0), (1, 9), (2, 0), (2, 8), (2, 3), (3, 7), (3, 255)] {
        assert_eq!(with(at, byte), Err(Malformed::Head), "{byte} at {at}");
    }
    assert_eq!(with(39, 1), Err(Malformed::Number), "before its start");
    assert_eq!(with(31, 0), Err(Malformed::Number), "a start at 0");
    assert_eq!(with(45, b'x'), Err(Malformed::Text));
    let mut sync = envelope(Kind::Heartbeat).encode();
    sync[1] = 4;
    sync.extend_from_slice(&[0, 3, b'a']);
    assert_eq!(Envelope::decode(&sync), Err(Malformed::Short), "a name that is cut off");
}

/// An engine without members: remembers what it is told.
#[derive(Default)]
struct Site {
    delivered: RefCell<Vec<Vec<u8>>>,
    gaps: RefCell<Vec<Gap>>,
    full: RefCell<bool>,
}

impl Topics for Site {
    fn deliver(&self, _: &[u8], delivery: &Delivery<'_>) -> Result<(), Full> {
        if *self.full.borrow() {
            return Err(Full);
        }
        self.delivered.borrow_mut().push(delivery.message.payload().to_vec());
        Ok(())
    }
    fn tell(&self, _: &[u8], gap: &Gap) {
        self.gaps.borrow_mut().push(*gap);
    }
    fn forget(&self, _: &[u8], _: u64) -> bool {
        true
    }
    fn unsent(&self, _: &mut dyn FnMut(&Name, Number)) {}
}

const SETTINGS: Settings = Settings {
    origin: Origin { node: 1, epoch: 1 },
    heartbeat_ms: 1_000,
    forget_ms: 30_000,
    settle_ms: 2_000,
};

/// A node that is up, with a topic that is settled by 10,000.
fn node(site: &Site) -> Node {
    let mut node = Node::new(SETTINGS);
    node.up(0, 10_000, site);
    node.interest(0, b"t"[..].into(), true);
    while node.next_call().is_some() {}
    node
}

fn frame(seq: u64, kind: Kind<'_>) -> Vec<u8> {
    Envelope { origin: ORIGIN, number: Number { start: 1, seq }, promise_ms: 1_000, kind }.encode()
}

fn says(seq: u64) -> Vec<u8> {
    frame(seq, message(Manner::Queued))
}

fn gaps(site: &Site) -> Vec<(u64, Option<u64>)> {
    site.gaps.borrow().iter().map(|gap| (gap.first, gap.last)).collect()
}

#[test]
fn nothing_is_owed_before_a_topic_is_settled_and_all_of_it_after() {
    let (site, other) = (Site::default(), Site::default());
    let (mut early, mut late) = (node(&site), node(&other));
    assert_eq!(early.receive(1_999, b"t", &says(4), &site), Received::Delivered);
    assert_eq!(late.receive(2_000, b"t", &says(4), &other), Received::Delivered);
    assert_eq!((gaps(&site), gaps(&other)), (vec![], vec![(1, Some(3))]));
    // Whether the topic had members here when they were published nobody knows.
    assert_eq!(other.gaps.borrow()[0].cause, Cause::Unheard);
    assert_eq!(late.receive(2_001, b"t", &says(6), &other), Received::Delivered);
    assert_eq!(other.gaps.borrow()[1].cause, Cause::Lost, "it had");
}

/// Whoever publishes could not answer within the time: what was published before there was a member
/// is not missing.
#[test]
fn a_topic_that_was_not_settled_when_the_bus_went_down_is_not_when_it_is_up() {
    let (site, other) = (Site::default(), Site::default());
    let (mut early, mut late) = (node(&site), node(&other));
    for (node, site, down) in [(&mut early, &site, 1_999), (&mut late, &other, 2_000)] {
        node.down(down);
        node.up(5_000, 10_000, site);
        assert_eq!(node.receive(5_001, b"t", &says(4), site), Received::Delivered);
    }
    assert_eq!((gaps(&site), gaps(&other)), (vec![], vec![(1, Some(3))]));
}

#[test]
fn a_heartbeat_tells_of_what_it_follows() {
    let site = Site::default();
    let mut node = node(&site);
    node.receive(10_000, b"t", &says(1), &site);
    assert_eq!(node.receive(10_000, b"t", &frame(1, Kind::Heartbeat), &site), Received::Sign);
    assert_eq!(gaps(&site), []);
    node.receive(10_000, b"t", &frame(3, Kind::Heartbeat), &site);
    assert_eq!(gaps(&site), [(2, Some(3))]);
    assert_eq!(node.receive(10_000, b"t", &says(3), &site), Received::Known, "given up");
    assert_eq!(node.receive(10_000, b"t", &frame(2, Kind::Heartbeat), &site), Received::Known);
}

#[test]
fn silence_is_an_open_gap_and_what_comes_after_it_lies_in_it() {
    let site = Site::default();
    let mut node = node(&site);
    node.receive(10_000, b"t", &says(1), &site);
    // Three times its promise, and two seconds.
    node.tick(14_999, &site);
    assert_eq!((gaps(&site), node.deadline()), (vec![], Some(15_000)));
    node.tick(15_000, &site);
    assert_eq!(gaps(&site), [(2, None)]);
    node.receive(20_000, b"t", &says(5), &site);
    assert_eq!(gaps(&site).len(), 1, "2 to 4 were told");
    node.receive(20_000, b"t", &says(7), &site);
    assert_eq!(gaps(&site)[1..], [(6, Some(6))], "it lives again");
}

#[test]
fn what_finds_no_room_in_an_open_gap_is_not_told_again() {
    let site = Site::default();
    let mut node = node(&site);
    node.receive(10_000, b"t", &says(1), &site);
    node.tick(15_000, &site);
    *site.full.borrow_mut() = true;
    assert_eq!(node.receive(20_000, b"t", &says(2), &site), Received::Full);
    *site.full.borrow_mut() = false;
    node.receive(20_000, b"t", &frame(2, Kind::Heartbeat), &site);
    assert_eq!(gaps(&site), [(2, None)], "2 lies in it");
}

#[test]
fn after_an_end_nothing_is_owed_until_it_begins_anew() {
    let site = Site::default();
    let mut node = node(&site);
    node.receive(10_000, b"t", &says(1), &site);
    node.receive(10_000, b"t", &frame(1, Kind::End), &site);
    node.tick(1_000_000, &site);
    assert_eq!(node.receive(1_000_000, b"t", &says(1), &site), Received::Known);
    let anew = |seq: u64| {
        let (number, kind) = (Number { start: 8, seq }, message(Manner::Queued));
        Envelope { origin: ORIGIN, number, promise_ms: 1_000, kind }.encode()
    };
    assert_eq!(node.receive(1_000_000, b"t", &anew(9), &site), Received::Delivered);
    assert_eq!(gaps(&site), [(8, Some(8))], "what lies between the ends was never said");
}

#[test]
fn an_end_that_was_lost_leaves_an_open_gap_and_no_numbers_that_were_never_given() {
    let site = Site::default();
    let mut node = node(&site);
    node.receive(10_000, b"t", &says(1), &site);
    let anew = |start: u64, seq: u64| {
        let (number, kind) = (Number { start, seq }, message(Manner::Queued));
        Envelope { origin: ORIGIN, number, promise_ms: 1_000, kind }.encode()
    };
    node.receive(10_000, b"t", &anew(2, 2), &site);
    assert_eq!(gaps(&site), [], "nothing lies between");
    node.receive(10_000, b"t", &anew(1_000, 1_002), &site);
    assert_eq!(gaps(&site), [(3, None), (1_000, Some(1_001))]);
    assert_eq!(node.counts().missing, 2);
}

#[test]
fn an_earlier_life_is_over() {
    let site = Site::default();
    let mut node = node(&site);
    let of = |epoch: u64, seq: u64| {
        let (origin, number) = (Origin { epoch, ..ORIGIN }, Number { start: 1, seq });
        let kind = message(Manner::Queued);
        Envelope { origin, number, promise_ms: 1_000, kind }.encode()
    };
    node.receive(10_000, b"t", &of(5, 1), &site);
    assert_eq!(node.receive(10_000, b"t", &of(6, 2), &site), Received::Delivered);
    let told: Vec<Gap> = site.gaps.borrow().clone();
    assert_eq!((told[0].cause, told[0].origin.epoch, told[0].last), (Cause::Restarted, 5, None));
    assert_eq!((told[1].cause, told[1].first, told[1].last), (Cause::Lost, 1, Some(1)));
    assert_eq!(node.receive(10_000, b"t", &of(5, 2), &site), Received::Known);
}

/// A broker that hung brings what was published before we were started anew.
#[test]
fn an_earlier_life_of_our_own_is_over_once_this_one_has_spoken() {
    let site = Site::default();
    let own = Settings { origin: Origin { epoch: ORIGIN.epoch + 1, ..ORIGIN }, ..SETTINGS };
    let mut node = Node::new(own);
    node.up(0, 10_000, &site);
    let topic = Name::from(&b"t"[..]);
    node.interest(0, topic.clone(), true);
    assert_eq!(node.receive(100, b"t", &says(1), &site), Received::Delivered);
    let words = Outgoing::copied(Opcode::Text, b"x");
    node.publish(200, &topic, Number { start: 1, seq: 1 }, (&words, Manner::Queued));
    assert_eq!(node.receive(300, b"t", &says(2), &site), Received::Known);
    assert_eq!(site.delivered.borrow().len(), 1);
    // That it may have said more is told.
    node.tick(5_100, &site);
    assert_eq!(gaps(&site), [(2, None)]);
}

#[test]
fn what_finds_no_room_is_missing_once() {
    let site = Site::default();
    let mut node = node(&site);
    node.receive(10_000, b"t", &says(1), &site);
    *site.full.borrow_mut() = true;
    assert_eq!(node.receive(10_000, b"t", &says(4), &site), Received::Full);
    *site.full.borrow_mut() = false;
    assert_eq!(node.receive(10_000, b"t", &says(5), &site), Received::Delivered);
    assert_eq!(gaps(&site), [(2, Some(3)), (4, Some(4))]);
}

#[test]
fn a_sync_is_answered_with_what_was_said_last() {
    let site = Site::default();
    let (mut asks, mut answers) = (node(&site), Node::new(Settings { origin: ORIGIN, ..SETTINGS }));
    answers.up(0, 10_000, &site);
    let (topic, words) = (Name::from(&b"t"[..]), Outgoing::copied(Opcode::Text, b"x"));
    for seq in 1..=3 {
        answers.publish(0, &topic, Number { start: 1, seq }, (&words, Manner::Queued));
    }
    while answers.next_call().is_some() {}
    asks.up(0, 10_000, &site);
    let Some(Call::Send { topic: everybody, frame }) = asks.next_call() else { panic!("a sync") };
    assert_eq!(&*everybody, EVERYBODY);
    assert_eq!(answers.receive(0, EVERYBODY, &frame, &site), Received::Sign);
    let Some(Call::Send { topic, frame }) = answers.next_call() else { panic!("an answer") };
    let heard = Envelope::decode(&frame).expect("a heartbeat");
    assert_eq!((&*topic, heard.kind, heard.number.seq), (&b"t"[..], Kind::Heartbeat, 3));
    assert_eq!(asks.receive(0, b"t", &frame, &site), Received::Sign);
    assert_eq!(gaps(&site), [], "who asks was not there before");
}

#[test]
fn a_sync_of_many_topics_comes_in_pieces_that_fit() {
    let site = Site::default();
    let mut node = Node::new(SETTINGS);
    for topic in 0..1_000_u32 {
        node.interest(0, topic.to_be_bytes()[..].into(), true);
    }
    node.up(0, 1_000, &site);
    let (mut names, mut frames) = (0, 0);
    while let Some(call) = node.next_call() {
        let Call::Send { frame, .. } = call else { continue };
        assert!(frame.len() <= 1_000);
        let Ok(Envelope { kind: Kind::Sync(of), .. }) = Envelope::decode(&frame) else { panic!() };
        (names, frames) = (names + of.iter().count(), frames + 1);
    }
    assert_eq!((names, frames), (1_000, 7));
}

#[test]
fn heartbeats_come_ever_more_rarely_and_then_an_end() {
    let site = Site::default();
    let mut node = Node::new(SETTINGS);
    node.up(0, 10_000, &site);
    let (topic, words) = (Name::from(&b"t"[..]), Outgoing::copied(Opcode::Text, b"x"));
    node.publish(0, &topic, Number { start: 1, seq: 1 }, (&words, Manner::Queued));
    while node.next_call().is_some() {}
    let mut said = Vec::new();
    while let Some(at) = node.deadline() {
        node.tick(at, &site);
        while let Some(Call::Send { frame, .. }) = node.next_call() {
            let envelope = Envelope::decode(&frame).expect("a sign");
            said.push((at, envelope.promise_ms, envelope.kind == Kind::End));
        }
    }
    assert_eq!(
        said[..4],
        [
            (1_000, 2_000, false),
            (3_000, 4_000, false),
            (7_000, 4_000, false),
            (11_000, 4_000, false)
        ]
    );
    assert_eq!(said.last(), Some(&(31_000, 0, true)));
    assert_eq!(node.counts().said, 0);
}

/// What waited in the queue when the bus was lost comes behind what is told when it is up again.
#[test]
fn what_is_said_of_a_topic_never_goes_back() {
    let site = Site::default();
    let mut node = Node::new(SETTINGS);
    node.up(0, 10_000, &site);
    let (topic, words) = (Name::from(&b"t"[..]), Outgoing::copied(Opcode::Text, b"x"));
    let mut publish = |seq: u64| {
        node.publish(0, &topic, Number { start: 1, seq }, (&words, Manner::Queued));
    };
    publish(3);
    publish(2);
    while node.next_call().is_some() {}
    node.tick(1_000, &site);
    let Some(Call::Send { frame, .. }) = node.next_call() else { panic!("a heartbeat") };
    assert_eq!(Envelope::decode(&frame).map(|of| of.number.seq), Ok(3));
}

/// Its heartbeats come four times as far apart in the end: four minutes.
#[test]
fn the_slowest_promise_is_taken_at_its_word() {
    let site = Site::default();
    let mut node = node(&site);
    let slow = Envelope { promise_ms: 240_000, ..envelope(Kind::Heartbeat) }.encode();
    node.receive(0, b"t", &slow, &site);
    node.tick(240_000, &site);
    assert_eq!(gaps(&site), []);
}
