//! Topics on several engines: who gets what is published elsewhere, and what is told of what is
//! lost on the way.

#[path = "bus/hub.rs"]
mod hub;
#[path = "topics/room.rs"]
#[allow(dead_code, reason = "each test uses its own part")]
mod room;
#[path = "support/service.rs"]
mod service;
#[path = "bus/wakes.rs"]
mod wakes;

use hub::{Hub, Spoke};
use ringws_engine::broker::{BusConfig, Cause, Gap, State};
use ringws_engine::config::Config;
use ringws_engine::conn::Limits;
use ringws_engine::reactor::{CallError, Context};
use ringws_kit::{Client, TEXT, until};
use room::{Room, asks, hear, text};
use service::{reactors, stats};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Gaps, with their topics.
type Told = Arc<Mutex<Vec<(Vec<u8>, Gap)>>>;

/// A room whose topics cross, and the gaps that it was told of.
struct Site {
    room: Room,
    gaps: Told,
    states: Arc<Mutex<Vec<State>>>,
}

/// Heartbeats after 50 ms, silence after that and what patience there is.
fn quick() -> BusConfig {
    BusConfig { heartbeat_ms: 50, forget_ms: 60_000, settle_ms: 200, ..BusConfig::default() }
}

fn site_of(hub: &Hub, number: u32, config: BusConfig) -> Site {
    let gaps = Told::default();
    let states: Arc<Mutex<Vec<State>>> = Arc::default();
    let (noted, seen) = (Arc::clone(&gaps), Arc::clone(&states));
    let on_gap = move |_: &mut Context, topic: &[u8], gap: &Gap| {
        noted.lock().unwrap().push((topic.to_vec(), *gap));
    };
    let on_state = move |state: &State| seen.lock().unwrap().push(state.clone());
    let (on_gap, on_bus) = (Some(Arc::new(on_gap) as _), Some(Arc::new(on_state) as _));
    let engine = Config { on_gap, on_bus, ..reactors(1) };
    let spoke = Spoke { hub: hub.clone(), number };
    let room = Room::with(engine, Limits::default(), |engine| {
        engine.set_bus(config, Box::new(spoke)).expect("the first bus");
    });
    let site = Site { room, gaps, states };
    until("everybody is heard", || hub.wants(number, b""));
    site
}

fn site(hub: &Hub, number: u32) -> Site {
    site_of(hub, number, BusConfig { node: number.into(), ..quick() })
}

impl Site {
    fn member(&self, hub: &Hub, number: u32, topic: &str) -> Client {
        let client = self.room.member(topic);
        until("interest", || hub.wants(number, topic.as_bytes()));
        client
    }

    fn say(&self, topic: &str, words: &str) {
        self.room.handle().publish(topic.as_bytes(), &text(words), None).expect("room");
    }

    fn gaps(&self) -> Vec<(u64, u64, Option<u64>, Cause)> {
        let gaps = self.gaps.lock().unwrap();
        gaps.iter().map(|(_, gap)| (gap.origin.node, gap.first, gap.last, gap.cause)).collect()
    }

    fn until_gaps(&self, expected: &[(u64, u64, Option<u64>, Cause)]) {
        until("gaps", || self.gaps().len() >= expected.len());
        assert_eq!(self.gaps(), expected);
    }
}

#[test]
fn what_is_published_on_one_engine_reaches_members_of_others_once() {
    let hub = Hub::default();
    let (one, two, three) = (site(&hub, 1), site(&hub, 2), site(&hub, 3));
    let (mut a, mut b) = (one.member(&hub, 1, "blue"), two.member(&hub, 2, "blue"));
    let mut stranger = three.member(&hub, 3, "red");
    a.send(TEXT, "say blue from a");
    b.hears(TEXT, "from a");
    a.hears(TEXT, "from a");
    b.send(TEXT, "say blue from b");
    [&mut a, &mut b].into_iter().for_each(|client| client.hears(TEXT, "from b"));
    // Whoever has said it does without, on the own engine.
    a.send(TEXT, "tell blue others");
    b.hears(TEXT, "others");
    three.say("blue", "from nobody's");
    [&mut a, &mut b].into_iter().for_each(|client| client.hears(TEXT, "from nobody's"));
    [&mut a, &mut b, &mut stranger].into_iter().for_each(|c| asks(c, "count grey", "0 of 0"));
    assert!(one.gaps().is_empty() && two.gaps().is_empty());
    let sent = || [&one, &two, &three].map(|site| stats(&site.room.engine).bus_sent);
    until("sent", || sent() == [2, 1, 1]);
    until("delivered", || stats(&one.room.engine).bus_delivered == 2);
    until("brought back", || stats(&one.room.engine).bus_own >= 2);
}

#[test]
fn the_last_member_ends_the_interest() {
    let hub = Hub::default();
    let one = site(&hub, 1);
    let mut a = one.member(&hub, 1, "blue");
    asks(&mut a, "leave blue", "Ok(true)");
    until("no interest", || !hub.wants(1, b"blue"));
    asks(&mut a, "join blue", "Ok(true)");
    until("interest", || hub.wants(1, b"blue"));
    drop(a);
    until("no interest", || !hub.wants(1, b"blue"));
}

#[test]
fn what_is_lost_in_the_middle_is_a_gap_of_its_range() {
    let hub = Hub::default();
    let (one, two) = (site(&hub, 1), site(&hub, 2));
    let mut b = two.member(&hub, 2, "blue");
    one.say("blue", "1");
    b.hears(TEXT, "1");
    hub.lose_after(0);
    ["2", "3"].into_iter().for_each(|words| one.say("blue", words));
    until("sent", || stats(&one.room.engine).bus_sent == 3);
    hub.heal();
    one.say("blue", "4");
    b.hears(TEXT, "4");
    two.until_gaps(&[(1, 2, Some(3), Cause::Lost)]);
    assert_eq!(two.gaps.lock().unwrap()[0].0, b"blue");
    // They are counted when all reactors have been told.
    let stats = || stats(&two.room.engine);
    until("counted", || (stats().bus_gaps, stats().bus_missing) == (1, 2));
}

#[test]
fn a_lost_last_message_shows_too() {
    let hub = Hub::default();
    let (one, two) = (site(&hub, 1), site(&hub, 2));
    let mut b = two.member(&hub, 2, "blue");
    one.say("blue", "1");
    b.hears(TEXT, "1");
    hub.lose_after(0);
    one.say("blue", "2");
    until("sent", || stats(&one.room.engine).bus_sent == 2);
    hub.heal();
    two.until_gaps(&[(1, 2, Some(2), Cause::Lost)]);
}

#[test]
fn a_first_message_that_is_lost_shows_once_the_topic_is_settled() {
    let hub = Hub::default();
    let (one, two) = (site(&hub, 1), site(&hub, 2));
    let mut b = two.member(&hub, 2, "blue");
    std::thread::sleep(Duration::from_millis(300));
    hub.lose_after(0);
    one.say("blue", "1");
    until("sent", || stats(&one.room.engine).bus_sent == 1);
    hub.heal();
    one.say("blue", "2");
    b.hears(TEXT, "2");
    two.until_gaps(&[(1, 1, Some(1), Cause::Unheard)]);
}

#[test]
fn who_joins_in_the_middle_is_owed_what_comes_from_then_on() {
    let hub = Hub::default();
    let (one, two) = (site(&hub, 1), site(&hub, 2));
    ["1", "2", "3"].into_iter().for_each(|words| one.say("blue", words));
    let mut b = two.member(&hub, 2, "blue");
    // Asked for, and heard.
    until("a heartbeat", || stats(&two.room.engine).bus_heard == 1);
    assert_eq!(stats(&one.room.engine).bus_said, 1);
    assert!(stats(&one.room.engine).bus_signs >= 1);
    one.say("blue", "4");
    b.hears(TEXT, "4");
    assert_eq!(two.gaps(), []);
}

#[test]
fn what_comes_twice_is_delivered_once() {
    let hub = Hub::default();
    let (one, two) = (site(&hub, 1), site(&hub, 2));
    let mut b = two.member(&hub, 2, "blue");
    hub.double();
    (0..20).for_each(|n| one.say("blue", &n.to_string()));
    (0..20).for_each(|n| b.hears(TEXT, n.to_string()));
    asks(&mut b, "count grey", "0 of 0");
    until("known", || stats(&two.room.engine).bus_known >= 20);
}

#[test]
fn while_the_bus_is_down_members_here_are_served_and_the_others_are_told_later() {
    let hub = Hub::default();
    let (one, two) = (site(&hub, 1), site(&hub, 2));
    let (mut a, mut b) = (one.member(&hub, 1, "blue"), two.member(&hub, 2, "blue"));
    one.say("blue", "1");
    hear(&mut a, &["1"]);
    hear(&mut b, &["1"]);
    hub.connect(1, false);
    ["2", "3"].into_iter().for_each(|words| one.say("blue", words));
    hear(&mut a, &["2", "3"]);
    assert_eq!(stats(&one.room.engine).bus_unsent, 2);
    assert_eq!(stats(&one.room.engine).bus_up, 0);
    hub.connect(1, true);
    // Nothing is published behind it: the number itself is told.
    two.until_gaps(&[(1, 2, Some(3), Cause::Lost)]);
    one.say("blue", "4");
    hear(&mut a, &["4"]);
    hear(&mut b, &["4"]);
    assert_eq!(one.states.lock().unwrap().len(), 3);
    assert_eq!(two.gaps().len(), 1);
}

#[test]
fn who_was_away_is_told_what_was_published_meanwhile() {
    let hub = Hub::default();
    let (one, two) = (site(&hub, 1), site(&hub, 2));
    let mut b = two.member(&hub, 2, "blue");
    one.say("blue", "1");
    hear(&mut b, &["1"]);
    hub.connect(2, false);
    one.say("blue", "2");
    until("sent", || stats(&one.room.engine).bus_sent == 2);
    hub.connect(2, true);
    two.until_gaps(&[(1, 2, Some(2), Cause::Lost)]);
    // With nothing published, nothing is missing.
    hub.connect(2, false);
    hub.connect(2, true);
    one.say("blue", "3");
    hear(&mut b, &["3"]);
    assert_eq!(two.gaps().len(), 1);
}

#[test]
fn an_engine_that_ends_orderly_owes_nothing_and_one_that_falls_silent_may() {
    let hub = Hub::default();
    let two = site(&hub, 2);
    let mut b = two.member(&hub, 2, "blue");
    let one = site(&hub, 1);
    one.say("blue", "1");
    hear(&mut b, &["1"]);
    drop(one);
    let three = site(&hub, 3);
    three.say("blue", "3");
    hear(&mut b, &["3"]);
    hub.lose_after(0);
    // 50 ms of promise, three times that and two seconds of patience, and nothing of the first.
    two.until_gaps(&[(3, 2, None, Cause::Silent)]);
    hub.heal();
}

#[test]
fn a_new_life_of_an_engine_that_has_not_said_its_end_is_a_gap() {
    let hub = Hub::default();
    let two = site(&hub, 2);
    let mut b = two.member(&hub, 2, "blue");
    let one = site(&hub, 1);
    ["1", "2"].into_iter().for_each(|words| one.say("blue", words));
    hear(&mut b, &["1", "2"]);
    hub.lose_after(0);
    drop(one);
    hub.heal();
    let again = site(&hub, 1);
    again.say("blue", "new");
    hear(&mut b, &["new"]);
    two.until_gaps(&[(1, 3, None, Cause::Restarted)]);
}

#[test]
fn a_full_queue_refuses_the_whole_publish() {
    let hub = Hub::default();
    let config = BusConfig { queue_max: 1_000, ..quick() };
    let one = site_of(&hub, 1, config);
    let mut a = one.member(&hub, 1, "blue");
    hub.hold();
    let handle = one.room.handle();
    let big = text("x".repeat(60_000));
    let mut outcomes = (0..10_000).map(|_| handle.publish(b"blue", &big, None));
    assert!(outcomes.any(|outcome| outcome == Err(CallError::BusFull)), "never full");
    let sent = stats(&one.room.engine);
    assert!(sent.bus_refused >= 1 && sent.bus_queued > 0);
    let refused = handle.publish(b"blue", &text("x".repeat(100_000)), None);
    assert_eq!(format!("{refused:?}"), "Err(Send(TooBig))");
    hub.release();
    a.send(TEXT, "count grey");
    until("served", || a.receive().1 == b"0 of 0");
}

#[test]
fn topics_without_the_prefix_stay_here() {
    let hub = Hub::default();
    let prefixed = || BusConfig { prefix: b"all/".to_vec(), ..quick() };
    let (one, two) = (site_of(&hub, 1, prefixed()), site_of(&hub, 2, prefixed()));
    let (mut inside, mut across) = (two.room.member("here"), two.member(&hub, 2, "all/x"));
    assert!(!hub.wants(2, b"here"));
    one.say("here", "not there");
    one.say("all/x", "there");
    across.hears(TEXT, "there");
    asks(&mut inside, "count grey", "0 of 0");
    until("sent", || stats(&one.room.engine).bus_sent == 1);
}

#[test]
fn what_is_no_frame_is_counted_and_nothing_else() {
    let hub = Hub::default();
    let two = site(&hub, 2);
    let mut b = two.member(&hub, 2, "blue");
    for junk in [&b""[..], b"\x01", b"\x02 another version", &[1; 40]] {
        hub.inject(b"blue", junk);
    }
    assert_eq!(stats(&two.room.engine).bus_malformed, 4);
    asks(&mut b, "count blue", "1 of 1");
}

#[test]
fn an_engine_that_does_not_keep_up_drops_and_says_so() {
    let hub = Hub::default();
    let (one, two) = (site(&hub, 1), site(&hub, 2));
    let mut b = two.member(&hub, 2, "blue");
    one.say("blue", "1");
    hear(&mut b, &["1"]);
    let held = two.room.hold(0);
    let big = text("x".repeat(99_000));
    // What waits for a reactor is at most 64 MiB.
    while stats(&two.room.engine).bus_full == 0 {
        if one.room.handle().publish(b"blue", &big, None) == Err(CallError::BusFull) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    drop(held);
    // Told by the next message, or by a heartbeat.
    until("all of it was told", || {
        let stats = stats(&two.room.engine);
        stats.bus_missing >= stats.bus_full
    });
    until("told", || !two.gaps().is_empty());
}
