//! Over a bus: who comes back to the same engine, and to another one.

use super::follower::Follower;
use super::hub::{Hub, Spoke};
use super::room::{Room, text};
use super::service::stats;
use super::{RULE, with};
use ringws_engine::broker::BusConfig;
use ringws_engine::config::HistoryRule;
use ringws_engine::conn::Limits;
use ringws_kit::until;

fn site(hub: &Hub, number: u32, rule: HistoryRule) -> Room {
    let spoke = Spoke { hub: hub.clone(), number };
    let bus =
        BusConfig { node: number.into(), heartbeat_ms: 50, settle_ms: 200, ..BusConfig::default() };
    let room = Room::with(with(1, rule), Limits::default(), |engine| {
        engine.set_bus(bus, Box::new(spoke)).expect("the first bus");
    });
    until("everybody is heard", || hub.wants(number, b""));
    room
}

fn say(room: &Room, words: &str) {
    room.handle().publish(b"blue", &text(words), None).expect("room");
}

/// Two engines, with an interest in "blue" at both.
fn two(hub: &Hub) -> [Room; 2] {
    let rooms = [1, 2].map(|number| site(hub, number, RULE));
    for room in &rooms {
        assert!(room.handle().position(b"blue").unwrap().is_some());
    }
    until("interest", || [1, 2].into_iter().all(|number| hub.wants(number, b"blue")));
    rooms
}

#[test]
fn the_last_member_that_comes_back_has_missed_nothing_from_elsewhere() {
    let hub = Hub::default();
    let [one, two] = two(&hub);
    let mut follower = Follower::default();
    follower.begins(&one);
    [&one, &two].into_iter().for_each(|room| say(room, "before"));
    (0..2).for_each(|_| assert_eq!(follower.hears(), "before"));
    follower.goes();
    until("gone", || one.handle().members(b"blue") == 0);
    assert!(hub.wants(1, b"blue"), "it may come back");
    for n in 0..20 {
        [&one, &two].into_iter().for_each(|room| say(room, &n.to_string()));
    }
    until("all are here", || stats(&one.engine).bus_delivered == 21);
    follower.comes_back(&one, "Ok(Complete)");
    (0..40).for_each(|_| _ = follower.hears());
    // And on the other one, whose history has had both from the start.
    follower.goes();
    say(&one, "again");
    until("it is there", || stats(&two.engine).bus_delivered == 22);
    follower.comes_back(&two, "Ok(Complete)");
    assert_eq!(follower.hears(), "again");
}

#[test]
fn who_was_where_nobody_speaks_may_come_back_elsewhere() {
    let hub = Hub::default();
    let [one, two] = two(&hub);
    let mut follower = Follower::default();
    follower.begins(&one);
    say(&two, "1");
    assert_eq!(follower.hears(), "1");
    follower.goes();
    say(&two, "2");
    follower.comes_back(&two, "Ok(Complete)");
    assert_eq!(follower.hears(), "2");
    // What is said over there after all is owed, too.
    follower.goes();
    say(&one, "3");
    until("it is there", || stats(&two.engine).bus_delivered == 1);
    follower.comes_back(&one, "Ok(Complete)");
    assert_eq!(follower.hears(), "3");
}

#[test]
fn who_has_heard_more_than_the_history_gets_nothing_twice() {
    let hub = Hub::default();
    let [one, two] = two(&hub);
    let mut follower = Follower::default();
    follower.begins(&one);
    say(&one, "1");
    assert_eq!(follower.hears(), "1");
    until("it is there", || stats(&two.engine).bus_delivered == 1);
    hub.hold();
    say(&one, "2");
    assert_eq!(follower.hears(), "2");
    follower.goes();
    follower.comes_back(&two, "Ok(Complete)");
    hub.release();
    until("it has come", || stats(&two.engine).bus_delivered == 2);
    say(&one, "3");
    assert_eq!(follower.hears(), "3");
}

#[test]
fn an_engine_that_was_not_interested_all_the_time_says_so() {
    let hub = Hub::default();
    let [one, two] = two(&hub);
    let mut follower = Follower::default();
    follower.begins(&one);
    say(&two, "1");
    assert_eq!(follower.hears(), "1");
    let three = site(&hub, 3, RULE);
    follower.goes();
    say(&two, "2");
    say(&three, "a history begins");
    until("there is one", || hub.wants(3, b"blue"));
    follower.comes_back(&three, "Ok(TooLate)");
}

#[test]
fn what_the_bus_has_lost_is_not_in_the_history_and_that_is_told() {
    let hub = Hub::default();
    let [one, two] = two(&hub);
    let mut follower = Follower::default();
    follower.begins(&one);
    say(&two, "1");
    assert_eq!(follower.hears(), "1");
    follower.goes();
    hub.lose_after(0);
    say(&two, "2");
    until("sent", || stats(&two.engine).bus_sent == 2);
    hub.heal();
    say(&two, "3");
    until("found out", || stats(&one.engine).bus_delivered == 2);
    follower.comes_back(&one, "Ok(TooLate)");
    follower.lenient = true;
    assert_eq!(follower.hears(), "3");
    // What comes behind the gap is whole again.
    follower.goes();
    follower.lenient = false;
    say(&two, "4");
    until("it is here", || stats(&one.engine).bus_delivered == 3);
    follower.comes_back(&one, "Ok(Complete)");
    assert_eq!(follower.hears(), "4");
}

#[test]
fn an_engine_that_has_fallen_silent_may_have_published() {
    let hub = Hub::default();
    let [one, two] = two(&hub);
    let mut follower = Follower::default();
    follower.begins(&one);
    say(&two, "1");
    assert_eq!(follower.hears(), "1");
    follower.goes();
    hub.connect(2, false);
    until("missed", || stats(&one.engine).bus_gaps == 1);
    follower.comes_back(&one, "Ok(TooLate)");
}

/// Its doubt is not for ever: who comes afterwards was never owed what it may have said.
#[test]
fn who_has_come_after_an_engine_fell_silent_is_owed_nothing_of_it() {
    let hub = Hub::default();
    let [one, two] = two(&hub);
    let three = site(&hub, 3, RULE);
    say(&three, "1");
    until("heard", || [&one, &two].iter().all(|room| stats(&room.engine).bus_delivered == 1));
    let mut before = Follower::default();
    before.begins(&one);
    before.goes();
    hub.connect(3, false);
    until("silent", || [&one, &two].iter().all(|room| stats(&room.engine).bus_gaps == 1));
    let mut follower = Follower::default();
    follower.begins(&one);
    say(&one, "2");
    assert_eq!(follower.hears(), "2");
    follower.goes();
    until("it is there, too", || stats(&two.engine).bus_delivered >= 2);
    say(&two, "3");
    for room in [&two, &one] {
        follower.comes_back(room, "Ok(Complete)");
        assert_eq!(follower.hears(), if room.port == two.port { "3" } else { "4" });
        follower.goes();
        say(&two, "4");
    }
    before.comes_back(&one, "Ok(TooLate)");

    // It is heard again, and falls silent again: what it has said then is owed.
    hub.connect(3, true);
    say(&three, "5");
    follower.comes_back(&two, "Ok(Complete)");
    ["4", "5"].into_iter().for_each(|words| assert_eq!(follower.hears(), words));
    follower.goes();
    hub.connect(3, false);
    until("silent again", || stats(&two.engine).bus_gaps == 2);
    follower.comes_back(&two, "Ok(TooLate)");
}

#[test]
fn the_interest_ends_with_the_history() {
    let hub = Hub::default();
    let room = site(&hub, 1, HistoryRule { age_ms: 200, ..RULE });
    let mut follower = Follower::default();
    follower.begins(&room);
    until("interest", || hub.wants(1, b"blue"));
    follower.goes();
    until("no interest", || !hub.wants(1, b"blue"));
    assert_eq!(stats(&room.engine).topics, 0);
}
