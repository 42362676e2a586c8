//! Topics: who gets what is published, in which order, and what becomes of it otherwise.

#[path = "topics/across.rs"]
mod across;
#[path = "topics/many.rs"]
mod many;
#[path = "topics/room.rs"]
mod room;
#[path = "support/service.rs"]
mod service;
#[path = "topics/turned.rs"]
mod turned;

use ringws_engine::config::Config;
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::Context;
use ringws_kit::{CLOSE, CONTINUATION, Client, FIN, PING, TEXT, close, until};
use room::{Room, asks, hear, text};
use service::{reactors, stats};
use std::sync::{Arc, Mutex};

fn room() -> Room {
    Room::new(reactors(1), Limits::default())
}

#[test]
fn members_get_what_is_published_once_and_nobody_else_does() {
    let room = room();
    let [mut a, mut b, mut c] = [(); 3].map(|()| room.member("blue"));
    let mut stranger = room.member("red");
    a.send(TEXT, "say blue hello");
    a.send(TEXT, "tell blue others");
    [&mut a, &mut b, &mut c].into_iter().for_each(|client| client.hears(TEXT, "hello"));
    [&mut b, &mut c].into_iter().for_each(|client| client.hears(TEXT, "others"));
    a.send(TEXT, "say nobody is there");
    [&mut a, &mut b, &mut c, &mut stranger]
        .into_iter()
        .for_each(|client| asks(client, "count blue", "3 of 3"));
    let stats = stats(&room.engine);
    assert_eq!((stats.topics, stats.published), (2, 2));
    assert_eq!((stats.publish_dropped, stats.publish_refused), (0, 0));
}

#[test]
fn joining_twice_is_joining_once_and_leaving_is_answered() {
    let room = room();
    let mut a = room.member("blue");
    asks(&mut a, "join blue", "Ok(false)");
    a.send(TEXT, "say blue once");
    a.hears(TEXT, "once");
    asks(&mut a, "leave red", "Ok(false)");
    asks(&mut a, "leave blue", "Ok(true)");
    asks(&mut a, "leave blue", "Ok(false)");
    a.send(TEXT, "say blue nobody");
    asks(&mut a, "count blue", "0 of 0");
}

#[test]
fn what_cannot_be_a_topic_or_be_published_is_refused() {
    let config = Config { topic_bytes_max: 4, topics_max: 2, ..reactors(1) };
    let room = Room::new(config, Limits::default());
    let (mut a, conn) = room.enter();
    asks(&mut a, "join five!", "Err(Topic(TooLong))");
    asks(&mut a, "join ", "Err(Topic(Empty))");
    asks(&mut a, "try five! x", "Err(Topic(TooLong))");
    asks(&mut a, "join four", "Ok(true)");
    asks(&mut a, "join two", "Ok(true)");
    asks(&mut a, "join more", "Err(Topic(TooMany))");
    asks(&mut a, "join two", "Ok(false)");
    let handle = room.handle();
    let published = |message: &Outgoing| format!("{:?}", handle.publish(b"two", message, None));
    assert_eq!(published(&text("x")), "Ok(())");
    let fragment = Outgoing::with_fin(Opcode::Text, "x".into(), false);
    assert_eq!(published(&fragment), "Err(Send(Sequence))");
    let close = Outgoing::with_fin(Opcode::Close, "".into(), true);
    assert_eq!(published(&close), "Err(Send(Sequence))");
    let ping = Outgoing::new(Opcode::Ping, vec![0; 126].into());
    assert_eq!(published(&ping), "Err(Send(TooBig))");
    assert_eq!(published(&Outgoing::new(Opcode::Ping, "x".into())), "Ok(())");
    a.hears(TEXT, "x");
    a.hears(PING, "x");
    drop(a);
    until("closed", || room.seen.closed.lock().unwrap().len() == 1);
    let gone = move |ctx: &mut Context| {
        assert_eq!(format!("{:?}", ctx.join(conn, b"two")), "Err(Gone)");
        assert_eq!(format!("{:?}", ctx.leave(conn, b"two")), "Err(Gone)");
    };
    handle.post(0, Box::new(gone)).unwrap();
    room.engine.stop(std::time::Duration::ZERO);
    room.engine.wait().unwrap();
}

#[test]
fn a_callback_publishes_and_sends_in_one_order() {
    let room = room();
    let [mut a, mut b] = [(); 2].map(|()| room.member("blue"));
    let long = "4".repeat(9_000);
    for _ in 0..3 {
        // Answered the short way before and behind.
        ["count blue", "around blue", "count blue"].into_iter().for_each(|what| a.send(TEXT, what));
        let expected = ["2 of 2", "1", "2", "3", &long, "5", "2 of 2"];
        expected.into_iter().for_each(|expected| a.hears(TEXT, expected));
        hear(&mut b, &["2", &long]);
    }
    a.send(TEXT, "mixed blue");
    hear(&mut a, &["1", "2", "3", "4", "5", "6", "7", "8"]);
    hear(&mut b, &["2", "4", "5", "7", "to nobody", "8"]);
}

#[test]
fn memberships_end_with_the_connection_however_it_ends() {
    let room = room();
    let handle = room.handle();
    let mut witness = room.member("ends");
    let ends: [fn(Client); 3] = [
        |mut client| client.close(),
        |client| client.reset(),
        |mut client| {
            client.send(TEXT, "abort");
            assert!(client.all().is_empty());
        },
    ];
    for end in ends {
        let mut leaver = room.member("ends");
        (0..20).for_each(|n| asks(&mut leaver, &format!("join other{n}"), "Ok(true)"));
        assert_eq!(stats(&room.engine).topics, 21);
        end(leaver);
        witness.hears(TEXT, "somebody has left");
        assert_eq!((handle.members(b"ends"), handle.members(b"other7")), (1, 0));
        until("gone", || stats(&room.engine).topics == 1);
    }
    assert_eq!(stats(&room.engine).publish_dropped, 0, "who has left is asked no more");
}

#[test]
fn topics_that_begin_and_end_are_reported_in_order_to_their_end() {
    for last_words in ["leave c", "abort", "panic"] {
        let events: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&events);
        let config = Config {
            on_topic: Some(Arc::new(move |ctx: &mut Context, topic, begins| {
                let sign = if begins { '+' } else { '-' };
                told.lock().unwrap().push(format!("{sign}{}", String::from_utf8_lossy(topic)));
                // The table is free, and members are where they are said to be.
                assert!(ctx.members(topic) <= 2);
                ctx.publish(topic, &text("begins"), None).unwrap();
            })),
            ..reactors(1)
        };
        let room = Room::new(config, Limits::default());
        let mut a = room.member("a");
        a.hears(TEXT, "begins");
        asks(&mut a, "join b", "Ok(true)");
        a.hears(TEXT, "begins");
        asks(&mut a, "leave b", "Ok(true)");
        let mut b = room.member("a");
        asks(&mut b, "join c", "Ok(true)");
        b.hears(TEXT, "begins");
        b.send(TEXT, last_words);
        if last_words == "leave c" {
            b.hears(TEXT, "Ok(true)");
        }
        until("told", || events.lock().unwrap().len() >= 5);
        assert_eq!(events.lock().unwrap()[..5], ["+a", "+b", "-b", "+c", "-c"], "{last_words}");
        room.engine.stop(std::time::Duration::ZERO);
        assert_eq!(room.engine.wait().is_err(), last_words == "panic");
        assert_eq!(events.lock().unwrap()[5..], ["-a"], "{last_words}");
        assert_eq!(room.handle().members(b"a"), 0);
    }
}

#[test]
fn a_member_that_does_not_read_holds_up_nobody_and_is_counted() {
    let limits = Limits { send_queue_max: 1 << 20, ..Limits::default() };
    let room = Room::new(reactors(1), limits);
    let mut reader = room.member("blue");
    let (mut sleeper, conn) = room.enter();
    asks(&mut sleeper, "join blue", "Ok(true)");
    let handle = room.handle();
    let mut published = 0;
    while stats(&room.engine).publish_dropped < 3 {
        let message = text(format!("{published} {}", "x".repeat(100_000)));
        handle.publish(b"blue", &message, None).unwrap();
        reader.hears(TEXT, message.payload());
        published += 1;
        assert!(published < 10_000);
    }
    let dropped = stats(&room.engine).publish_dropped;
    drop(sleeper);
    until("closed", || room.seen.closed.lock().unwrap().contains_key(&conn.to_bits()));
    assert_eq!(u64::from(room.seen.closed.lock().unwrap()[&conn.to_bits()]), dropped);
    asks(&mut reader, "count blue", "1 of 1");
}

#[test]
fn a_member_that_is_closing_is_owed_nothing() {
    let room = room();
    let mut reader = room.member("blue");
    let (mut leaver, conn) = room.enter();
    asks(&mut leaver, "join blue", "Ok(true)");
    let handle = room.handle();
    handle.close(conn, CloseCode::NORMAL, "").unwrap();
    leaver.closed_with(1000);
    handle.publish(b"blue", &text("late"), None).unwrap();
    reader.hears(TEXT, "late");
    let now = stats(&room.engine);
    assert_eq!((now.publish_dropped, now.publish_closing), (0, 1));
    leaver.send(CLOSE, close(1000, ""));
    drop(leaver);
    until("closed", || room.seen.closed.lock().unwrap().contains_key(&conn.to_bits()));
    assert_eq!(room.seen.closed.lock().unwrap()[&conn.to_bits()], 0, "nothing was dropped");
}

#[test]
fn a_member_in_the_middle_of_a_message_gets_it_behind_that() {
    let room = room();
    let (mut a, conn) = room.enter();
    asks(&mut a, "join blue", "Ok(true)");
    let mut b = room.member("blue");
    a.send(TEXT, "begin");
    a.hears(TEXT & !FIN, "(");
    // Published by others, and by the callbacks whose message it is.
    let handle = room.handle();
    handle.publish(b"blue", &text("1"), None).unwrap();
    b.hears(TEXT, "1");
    b.send(TEXT, "say blue 2");
    a.send(TEXT, "end");
    a.hears(FIN | CONTINUATION, ")");
    hear(&mut a, &["1", "2"]);
    b.hears(TEXT, "2");
    // By the thread whose message it is.
    let more = SendFlags { more: true, plain: false };
    handle.send(conn, Opcode::Text, b"[", more).unwrap();
    handle.publish(b"blue", &text("3"), None).unwrap();
    handle.publish(b"blue", &Outgoing::new(Opcode::Ping, "now".into()), None).unwrap();
    a.hears(TEXT & !FIN, "[");
    a.hears(PING, "now");
    handle.send(conn, Opcode::Continuation, b"]", SendFlags::default()).unwrap();
    handle.send(conn, Opcode::Text, b"4", SendFlags::default()).unwrap();
    a.hears(FIN | CONTINUATION, "]");
    hear(&mut a, &["3", "4"]);
    assert_eq!(stats(&room.engine).publish_dropped, 0);
    // What waits for an end that does not come is counted when the connection goes.
    a.send(TEXT, "begin");
    a.hears(TEXT & !FIN, "(");
    handle.publish(b"blue", &text("5"), None).unwrap();
    // Then it waits: the mail was read before the reset comes.
    b.hears(TEXT, "3");
    b.hears(PING, "now");
    b.hears(TEXT, "5");
    a.reset();
    until("counted", || stats(&room.engine).publish_dropped == 1);
    assert_eq!(stats(&room.engine).forward_dropped, 0);
}
