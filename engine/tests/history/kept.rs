//! What is kept and for how long, and who is told that he has come too late.

use super::follower::Follower;
use super::room::{Room, asks, hear, text};
use super::service::{reactors, stats};
use super::{RULE, with};
use ringws_engine::config::{Config, HistoryRule};
use ringws_engine::conn::Limits;
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::Opcode;
use ringws_kit::{BINARY, PING, TEXT, until};
use std::time::Duration;

fn room(rule: HistoryRule) -> Room {
    Room::new(with(1, rule), Limits::default())
}

fn say(room: &Room, words: &str) {
    room.handle().publish(b"blue", &text(words), None).unwrap();
}

/// It has heard one message, and goes.
fn begun(room: &Room) -> Follower {
    let mut follower = Follower::default();
    follower.begins(room);
    say(room, "first");
    assert_eq!(follower.hears(), "first");
    follower.goes();
    follower
}

#[test]
fn what_is_too_much_has_left_and_that_is_told() {
    let large = "z".repeat(900);
    for (rule, kept) in [
        (HistoryRule { messages_max: 3, ..RULE }, 3),
        // With what there is around each.
        (HistoryRule { bytes_max: 4_000, ..RULE }, 3),
    ] {
        let room = room(rule);
        let mut follower = begun(&room);
        (0..kept).for_each(|_| say(&room, &large));
        follower.comes_back(&room, "Ok(Complete)");
        (0..kept).for_each(|_| assert_eq!(follower.hears(), large));
        follower.goes();
        (0..=kept).for_each(|_| say(&room, &large));
        follower.comes_back(&room, "Ok(TooLate)");
        follower.lenient = true;
        (0..kept).for_each(|_| assert_eq!(follower.hears(), large));
        assert_eq!(follower.missed, 1);
        say(&room, "it is a member all the same");
        assert_eq!(follower.hears(), "it is a member all the same");
        let stats = stats(&room.engine);
        assert_eq!((stats.history_resumed, stats.history_late), (1, 1));
        assert_eq!(stats.history_replayed, 2 * kept);
    }
}

#[test]
fn what_is_too_old_has_left_without_anybody_doing_anything() {
    let room = room(HistoryRule { age_ms: 300, ..RULE });
    let mut follower = begun(&room);
    say(&room, "soon gone");
    until("kept", || stats(&room.engine).history_logs >= 1);
    assert!(stats(&room.engine).history_bytes > 100);
    until("gone", || stats(&room.engine).history_logs == 0);
    assert_eq!(stats(&room.engine).history_bytes, 0);
    // Of a topic that begins anew nobody knows what there was before.
    say(&room, "new");
    follower.comes_back(&room, "Ok(TooLate)");
    follower.lenient = true;
    assert_eq!(follower.hears(), "new");
    assert_eq!(follower.missed, 1);
}

#[test]
fn a_topic_with_members_keeps_its_history_and_no_message_for_too_long() {
    let room = room(HistoryRule { age_ms: 100, ..RULE });
    let mut follower = begun(&room);
    let _stays = room.member("blue");
    std::thread::sleep(Duration::from_millis(400));
    follower.comes_back(&room, "Ok(Complete)");
    follower.goes();
    say(&room, "missed");
    std::thread::sleep(Duration::from_millis(400));
    follower.comes_back(&room, "Ok(TooLate)");
}

#[test]
fn what_all_topics_keep_has_a_limit_of_its_own() {
    let config = Config { history_bytes_max: 20_000, ..with(1, RULE) };
    let room = Room::new(config, Limits::default());
    let mut follower = begun(&room);
    (0..100).for_each(|_| room.handle().publish(b"red", &text("r".repeat(900)), None).unwrap());
    until("swept", || stats(&room.engine).history_logs >= 2);
    let bytes = stats(&room.engine).history_bytes;
    assert!((10_000..=20_000).contains(&bytes), "{bytes}");
    follower.comes_back(&room, "Ok(Complete)");
}

#[test]
fn a_position_of_another_life_is_too_late_and_what_is_none_an_error() {
    let (one, other) = (room(RULE), room(RULE));
    let mut follower = begun(&one);
    say(&other, "elsewhere");
    follower.comes_back(&other, "Ok(TooLate)");
    let (mut client, _) = other.enter();
    asks(&mut client, "from blue 1.2", "Err(Topic(Position))");
    asks(&mut client, "from blue", "Ok(TooLate)");
    hear(&mut client, &[]);
    // Of where nobody keeps anything nothing can be proved.
    let plain = Room::new(reactors(1), Limits::default());
    let (mut client, _) = plain.enter();
    asks(&mut client, &format!("from blue {}", follower.position()), "Ok(TooLate)");
    client.send(TEXT, "say blue live");
    client.hears(TEXT, "live");
}

#[test]
fn a_member_that_was_never_away_goes_on_as_it_was() {
    let room = room(RULE);
    let mut follower = Follower::default();
    follower.begins(&room);
    say(&room, "one");
    let position = follower.position();
    assert_eq!(follower.hears(), "one");
    asks(follower.client(), &format!("from blue {position}"), "Ok(Before)");
    say(&room, "two");
    assert_eq!(follower.hears(), "two");
    asks(follower.client(), "leave blue", "Ok(true)");
    say(&room, "three");
    // It leaves in the middle of a replay, and comes again.
    let from = format!("from blue {}", follower.position());
    asks(follower.client(), &from, "Ok(Complete)");
    assert_eq!(follower.hears(), "three");
    asks(follower.client(), "count blue", "1 of 1");
}

#[test]
fn messages_of_all_kinds_come_back() {
    let room = room(HistoryRule { stamp: false, ..RULE });
    let (mut publisher, _) = room.enter();
    asks(&mut publisher, "join blue", "Ok(true)");
    publisher.send(TEXT, "where blue");
    let (_, position) = publisher.receive();
    publisher.send(TEXT, "tell blue not to whoever says it");
    asks(&mut publisher, "leave blue", "Ok(true)");
    let handle = room.handle();
    let binary = Outgoing::copied(Opcode::Binary, &[0xFF; 5_000]);
    handle.publish(b"blue", &binary, None).unwrap();
    handle
        .publish(b"blue", &Outgoing::new(Opcode::Ping, "a Ping is not kept".into()), None)
        .unwrap();
    (0..2).for_each(|n| handle.publish_latest(b"blue", 7, &text(format!("{n}")), None).unwrap());
    publisher.send(TEXT, [b"from blue ", &position[..]].concat());
    let expected = ["Ok(Complete)", "not to whoever says it"];
    hear(&mut publisher, &expected);
    publisher.hears(BINARY, [0xFF; 5_000]);
    hear(&mut publisher, &["0", "1"]);
    handle.publish(b"blue", &Outgoing::new(Opcode::Ping, "now".into()), None).unwrap();
    publisher.hears(PING, "now");
}

#[test]
fn a_binary_message_has_its_place_in_24_bytes() {
    let room = room(RULE);
    let mut follower = begun(&room);
    room.handle().publish(b"blue", &Outgoing::copied(Opcode::Binary, b"xyz"), None).unwrap();
    follower.comes_back(&room, "Ok(Complete)");
    let (_, payload) = follower.client().receive();
    assert_eq!((payload.len(), &payload[24..]), (27, &b"xyz"[..]));
    let words: Vec<u64> =
        payload[..24].chunks(8).map(|word| u64::from_be_bytes(word.try_into().unwrap())).collect();
    let stamp = format!("_{:x}.{:x}.{:x}", words[0], words[1], words[2] - 1);
    assert!(follower.position().ends_with(&stamp), "{stamp} is before it");
}

#[test]
fn of_a_publisher_that_the_history_has_not_heard_nothing_can_be_proved() {
    let room = room(RULE);
    let mut follower = begun(&room);
    follower.is_at(&format!("{}_99.1.5", follower.position()));
    follower.comes_back(&room, "Ok(TooLate)");
}

#[test]
fn a_replay_begins_also_where_nothing_else_is_sent() {
    let room = room(RULE);
    let follower = begun(&room);
    say(&room, "missed");
    let (mut client, _) = room.enter();
    client.send(TEXT, format!("back blue {}", follower.position()));
    let (_, text) = client.receive();
    assert!(text.ends_with(b" missed"));
}

#[test]
fn what_was_taken_from_the_handle_is_a_position_too() {
    let room = room(RULE);
    let handle = room.handle();
    let position = handle.position(b"blue").unwrap().expect("a history");
    say(&room, "behind it");
    let mut follower = Follower::default();
    follower.is_at(&position);
    follower.comes_back(&room, "Ok(Complete)");
    assert_eq!(follower.hears(), "behind it");
    assert!(handle.position(b"").is_err());
}
