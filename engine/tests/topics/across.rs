//! Across reactors: who is told, and that all see one order.

use super::room::{Room, asks, hear, next, text};
use super::service::{reactors, stats};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{CallError, Conn, Context, TopicError};
use ringws_kit::{Client, TEXT, until};
use std::collections::HashMap;
use std::thread::scope;

fn room(count: u32) -> Room {
    Room::new(reactors(count), Limits::default())
}

#[test]
fn a_message_crosses_once_and_only_to_reactors_that_have_members() {
    let room = room(3);
    let mut members: Vec<Client> = [0, 0, 2, 2].map(|at| room.member_at(at, "blue")).into();
    let (mut stranger, _) = room.enter_at(1);
    stranger.send(TEXT, "say blue by a callback");
    members.iter_mut().for_each(|client| client.hears(TEXT, "by a callback"));
    room.handle().publish(b"blue", &text("by a thread"), None).unwrap();
    members.iter_mut().for_each(|client| client.hears(TEXT, "by a thread"));
    members[0].send(TEXT, "tell blue to the others");
    members[1..].iter_mut().for_each(|client| client.hears(TEXT, "to the others"));
    asks(&mut members[0], "count blue", "2 of 4");
    let published = |reactor| room.engine.stats(Some(reactor)).unwrap().published;
    assert_eq!([0, 1, 2].map(published), [3, 0, 3]);
    // When the last has left nothing crosses any more.
    members.drain(2..).for_each(drop);
    until("left", || room.handle().members(b"blue") == 2);
    members[0].send(TEXT, "say blue here");
    members.iter_mut().for_each(|client| client.hears(TEXT, "here"));
    assert_eq!([0, 1, 2].map(published), [4, 0, 3]);
}

/// Threads and callbacks of all reactors publish on the same topics at the same time, as fast as
/// they can.
#[test]
fn all_members_get_what_is_published_on_a_topic_in_one_order() {
    const EACH: usize = 2_000;
    const TOPICS: [&str; 2] = ["blue", "red"];
    let room = room(3);
    let mut members: Vec<Client> = [0, 1, 2, 0, 1, 2].map(|at| room.member_at(at, "blue")).into();
    members.iter_mut().for_each(|client| asks(client, "join red", "Ok(true)"));
    let publishers: Vec<Client> = [0, 1, 2, 2].map(|at| room.enter_at(at).0).into();
    let (threads, total) = (2, TOPICS.len() * EACH * (2 + publishers.len()));
    let heard: Vec<Vec<String>> = scope(|scope| {
        for thread in 0..threads {
            let handle = room.handle();
            scope.spawn(move || {
                for n in 0..EACH {
                    for topic in TOPICS {
                        let message = text(format!("{topic} t{thread} {n}"));
                        handle.publish(topic.as_bytes(), &message, None).unwrap();
                    }
                }
            });
        }
        for (at, mut client) in publishers.into_iter().enumerate() {
            scope.spawn(move || {
                for n in 0..EACH {
                    TOPICS
                        .into_iter()
                        .for_each(|t| client.send(TEXT, format!("say {t} {t} c{at} {n}")));
                }
                asks(&mut client, "count green", "0 of 0");
            });
        }
        let hears = |mut client: Client| move || (0..total).map(|_| next(&mut client)).collect();
        let readers: Vec<_> = members.drain(..).map(|client| scope.spawn(hears(client))).collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    for topic in TOPICS {
        let of_topic = |all: &Vec<String>| -> Vec<String> {
            all.iter().filter(|text| text.starts_with(topic)).cloned().collect()
        };
        let first = of_topic(&heard[0]);
        assert_eq!(first.len(), total / 2);
        for (member, all) in heard.iter().enumerate() {
            assert!(of_topic(all) == first, "member {member} saw another order on {topic}");
        }
    }
    // And each publisher's own, over both topics.
    let mut latest: HashMap<&str, usize> = HashMap::new();
    for text in &heard[0] {
        let words: Vec<&str> = text.split(' ').collect();
        let count = latest.entry(words[1]).or_default();
        let expected = format!("{} {} {}", TOPICS[*count % 2], words[1], *count / 2);
        assert_eq!(*text, expected);
        *count += 1;
    }
    let stats = stats(&room.engine);
    assert_eq!((stats.publish_dropped, stats.publish_refused, stats.forward_dropped), (0, 0, 0));
}

/// What lies in the mailbox of a reactor whose callback publishes goes first: else its members
/// would see the other order.
#[test]
fn what_was_published_before_a_callback_publishes_goes_before_it() {
    let room = room(2);
    let mut far = room.member_at(1, "blue");
    let (mut near, conn) = room.enter_at(0);
    asks(&mut near, "join blue", "Ok(true)");
    let handle = room.handle();
    let held = room.hold(0);
    let publish = |ctx: &mut Context| ctx.publish(b"blue", &text("4"), None).unwrap();
    handle.post(0, Box::new(publish)).unwrap();
    let job = move |ctx: &mut Context| {
        ctx.send(conn, Opcode::Text, b"job", SendFlags::default()).unwrap();
    };
    handle.post(0, Box::new(job)).unwrap();
    handle.send(conn, Opcode::Text, b"1", SendFlags::default()).unwrap();
    handle.publish(b"blue", &text("2"), None).unwrap();
    handle.publish(b"blue", &text("3"), None).unwrap();
    handle.send(conn, Opcode::Text, b"5", SendFlags::default()).unwrap();
    // The order is made when the calls are: for the other reactor it is there already.
    hear(&mut far, &["2", "3"]);
    drop(held);
    far.hears(TEXT, "4");
    hear(&mut near, &["1", "2", "3", "4", "job", "5"]);
}

/// Whoever keeps a history, and joins under the lock under which all publish, finds no seam.
#[test]
fn who_joins_or_leaves_does_so_behind_what_was_published_before() {
    let room = room(2);
    let mut near = room.member_at(0, "blue");
    let (mut coming, joins) = room.enter_at(0);
    let (mut going, leaves) = room.enter_at(0);
    asks(&mut going, "join blue", "Ok(true)");
    let handle = room.handle();
    let (published, wait) = std::sync::mpsc::channel();
    let job = move |ctx: &mut Context| {
        wait.recv().unwrap();
        ctx.join(joins, b"blue").unwrap();
        ctx.leave(leaves, b"blue").unwrap();
    };
    handle.post(0, Box::new(job)).unwrap();
    handle.publish(b"blue", &text("before"), None).unwrap();
    published.send(()).unwrap();
    hear(&mut near, &["before"]);
    hear(&mut going, &["before"]);
    until("joined and left", || handle.members(b"blue") == 2);
    asks(&mut near, "count blue", "2 of 2");
    handle.publish(b"blue", &text("behind"), None).unwrap();
    hear(&mut near, &["behind"]);
    hear(&mut coming, &["behind"]);
    asks(&mut going, "count red", "0 of 0");
}

#[test]
fn nobody_gets_what_one_reactor_has_no_room_for_and_the_publisher_is_told() {
    let room = Room::new(reactors(3), Limits { send_queue_max: 64 << 20, ..Limits::default() });
    let mut members: Vec<Client> = [0, 1, 2].map(|at| room.member_at(at, "blue")).into();
    let handle = room.handle();
    let held = room.hold(1);
    let half = text("x".repeat(33 << 20));
    handle.publish(b"blue", &half, None).unwrap();
    for at in [0, 2] {
        members[at].hears(TEXT, half.payload());
    }
    // A mailbox holds 64 MiB.
    assert_eq!(handle.publish(b"blue", &half, None), Err(CallError::MailboxFull));
    let big = half.clone();
    let publish = move |ctx: &mut Context| {
        assert_eq!(ctx.publish(b"blue", &big, None), Err(CallError::MailboxFull));
    };
    handle.post(0, Box::new(publish)).unwrap();
    // What is small has room, and comes behind what was taken: not what was refused.
    asks(&mut members[2], "count blue", "1 of 3");
    handle.publish(b"blue", &text("small"), None).unwrap();
    for at in [0, 2] {
        members[at].hears(TEXT, "small");
    }
    let refused = |reactor| room.engine.stats(Some(reactor)).unwrap().publish_refused;
    until("counted", || [0, 1, 2].map(refused) == [0, 2, 0]);
    drop(held);
    members[1].hears(TEXT, half.payload());
    members[1].hears(TEXT, "small");
    assert_eq!(stats(&room.engine).publish_dropped, 0);
}

#[test]
fn a_connection_is_a_member_on_its_own_reactor() {
    let room = room(2);
    let (_client, conn) = room.enter_at(1);
    let elsewhere = move |ctx: &mut Context| {
        let elsewhere = Err(CallError::Topic(TopicError::Elsewhere));
        assert_eq!((ctx.join(conn, b"blue"), ctx.leave(conn, b"blue")), (elsewhere, elsewhere));
        assert_eq!(ctx.join(Conn::from_bits(u64::MAX), b"blue"), Err(CallError::Gone));
    };
    room.handle().post(0, Box::new(elsewhere)).unwrap();
    room.engine.stop(std::time::Duration::ZERO);
    room.engine.wait().unwrap();
}
