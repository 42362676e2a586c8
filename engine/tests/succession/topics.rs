//! What is published while members move reaches each of them once, wherever it is published; and
//! what does not is told.

use crate::app::{App, New, Old, at_once, hand_over, hand_over_with, pair};
use crate::fails::{CONNECTION, PUBLISHED, answer, be_ready, be_ready_and, record, to_nobody};
use crate::hub::{Hub, Spoke};
use crate::service::{at, reactors, stats};
use ringws_engine::broker::BusConfig;
use ringws_engine::config::{Config, Drain, Endpoint, HistoryRule};
use ringws_engine::conn::Limits;
use ringws_engine::engine::Engine;
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::Opcode;
use ringws_engine::succession::HandOver;
use ringws_kit::{Client, TEXT, until};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn say(engine: &Engine, words: &str) {
    let what = Outgoing::copied(Opcode::Text, words.as_bytes());
    engine.handle().publish(b"feed", &what, None).expect("room");
}

fn member(port: u16) -> Client {
    let mut client = Client::connect(port);
    client.send(TEXT, "join");
    client.hears(TEXT, "joined");
    client
}

/// It was nobody's member on its way, and hears all the same.
#[test]
fn who_comes_back_has_missed_nothing() {
    for answers in [true, false] {
        let old = Old::start(App::default());
        let mut away = member(old.port);
        say(&old.engine, "1");
        let (mut line, said) = to_nobody(&old, at_once());
        be_ready(&mut line, 2);
        let (kind, body) = record(&mut line);
        assert_eq!(kind, CONNECTION);
        (2..100).for_each(|number| say(&old.engine, &number.to_string()));
        match answers {
            true => answer(&mut line, &body, false),
            false => drop(line),
        }
        assert_eq!(said.recv().expect("told").back, 1);
        // That one is drained now, and this one is not.
        let last = if answers { 99 } else { 100 };
        (100..=last).for_each(|number| say(&old.engine, &number.to_string()));
        (1..=last).for_each(|number| away.hears(TEXT, number.to_string()));
    }
}

/// Whoever comes to the new process as soon as it accepts hears the old one from then on.
#[test]
fn what_is_published_while_the_new_process_starts_is_for_it() {
    let old = Old::start(App::default());
    let _member = member(old.port);
    say(&old.engine, "before");
    let (mut line, _said) = to_nobody(&old, at_once());
    be_ready_and(&mut line, 2, || say(&old.engine, "meanwhile"));
    let (kind, body) = record(&mut line);
    assert!(kind == PUBLISHED && body.ends_with(b"meanwhile"), "{kind}: {body:?}");
    assert_eq!(record(&mut line).0, CONNECTION);
}

/// A connection that has been taken by a process that takes its time gets all that was published in
/// the old one meanwhile, behind what it had.
#[test]
fn who_moves_has_missed_nothing() {
    let old = Old::start(App::default());
    let mut members: Vec<Client> = (0..20).map(|_| member(old.port)).collect();
    let handle = old.engine.handle().clone();
    let publisher = std::thread::spawn(move || {
        for number in 0..2_000 {
            let what = Outgoing::copied(Opcode::Text, format!("old {number}").as_bytes());
            handle.publish(b"feed", &what, None).expect("room");
            if number % 50 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let new = hand_over(&old, App::default());
    for number in 0..500 {
        say(&new.engine, &format!("new {number}"));
        if number % 20 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    publisher.join().expect("published");
    for (nth, member) in members.iter_mut().enumerate() {
        let (mut olds, mut news) = (0, 0);
        while olds < 2_000 || news < 500 {
            let (_, text) = member.receive();
            let text = String::from_utf8(text).expect("text");
            let next = if text.starts_with("old ") { &mut olds } else { &mut news };
            assert!(text.ends_with(&format!(" {next}")), "{nth}: {text}, not {next}");
            *next += 1;
        }
    }
    assert!(stats(&new.engine).taken_over > 0);
}

fn drains_slowly() -> HandOver {
    let drain = Drain { serve: Duration::from_secs(3), ..at_once().drain };
    HandOver { drain, ..at_once() }
}

/// Those that are left in the old process until they are drained are still members: what is
/// published in either process reaches those in the other one, of any length.
#[test]
fn who_stays_is_in_both() {
    let limits = Limits { send_queue_max: 16 << 20, ..Limits::default() };
    let old = Old::with(reactors(2), limits, App { keeps: true });
    let mut stays = member(old.port);
    let new = hand_over_with(&old, reactors(2), limits, App::default(), drains_slowly());
    assert_eq!(new.said.recv().expect("told").left, 1);
    let mut comes = member(old.port);
    let long = "long".repeat(300 << 10);
    for words in ["1", &long, "2"] {
        say(&new.engine, words);
        say(&old.engine, words);
    }
    for client in [&mut stays, &mut comes] {
        let mut heard: Vec<String> = Vec::new();
        (0..6).for_each(|_| heard.push(String::from_utf8(client.receive().1).expect("text")));
        for words in ["1", &long, "2"] {
            assert_eq!(heard.iter().filter(|one| *one == words).count(), 2, "{:.9}", words);
        }
    }
    // What one says who is left there comes here, too, and the other way.
    stays.send(TEXT, "say 3");
    [&mut stays, &mut comes].into_iter().for_each(|one| one.hears(TEXT, "feed 3"));
    comes.send(TEXT, "say 4");
    [&mut stays, &mut comes].into_iter().for_each(|one| one.hears(TEXT, "feed 4"));
}

/// A process in the middle passes on what comes from before it.
#[test]
fn three_processes_in_a_row_hear_each_other() {
    let first = Old::start(App { keeps: true });
    let mut left = member(first.port);
    let how = drains_slowly;
    let New { engine, said } =
        hand_over_with(&first, reactors(2), Default::default(), App { keeps: true }, how());
    assert_eq!(said.recv().expect("told").left, 1);
    let second = Old { engine, port: first.port };
    let mut middle = member(second.port);
    let third = hand_over_with(&second, reactors(1), Default::default(), App::default(), how());
    assert_eq!(third.said.recv().expect("told").left, 1);
    let mut last = member(second.port);
    for (number, engine) in [&first.engine, &second.engine, &third.engine].into_iter().enumerate() {
        say(engine, &number.to_string());
        for client in [&mut left, &mut middle, &mut last] {
            client.hears(TEXT, number.to_string());
        }
    }
}

type Late = Arc<Mutex<Vec<String>>>;

fn on_bus(hub: &Hub, number: u32, history: bool) -> (Engine, Late) {
    let late = Late::default();
    let told = Arc::clone(&late);
    let rule = HistoryRule { prefix: b"feed".to_vec(), ..HistoryRule::default() };
    let config = Config {
        history: history.then_some(rule).into_iter().collect(),
        on_late: Some(Arc::new(move |_, _, topic| {
            told.lock().unwrap().push(String::from_utf8_lossy(topic).into_owned());
        })),
        ..reactors(1)
    };
    let engine = Engine::new(config).expect("an engine");
    let bus =
        BusConfig { node: number.into(), heartbeat_ms: 50, settle_ms: 50, ..BusConfig::default() };
    engine.set_bus(bus, Box::new(Spoke { hub: hub.clone(), number })).expect("the first bus");
    (engine, late)
}

/// What comes from a bus is not passed on, since it comes to both. Who moves is told that it may
/// have missed something, or, with a history, gets it where that can be proved.
#[test]
fn on_a_bus_what_may_be_missing_is_told() {
    for history in [false, true] {
        let hub = Hub::default();
        let (engine, _) = on_bus(&hub, 1, history);
        let port = engine.listen(Endpoint { ..at(App::default()) }).expect("a port");
        engine.start().expect("io_uring");
        let old = Old { engine, port };
        let mut member = member(old.port);
        until("interest", || hub.wants(1, b"feed"));
        let (ours, theirs) = pair();
        old.engine.hand_over(ours, at_once()).map_err(|(error, _)| error).expect("it runs");
        let (engine, late) = on_bus(&hub, 2, history);
        engine.take_over(theirs, Duration::from_secs(5)).expect("a greeting");
        engine.listen(Endpoint { ..at(App::default()) }).expect("its sockets");
        engine.start().expect("io_uring");
        until("it has moved", || engine.handle().members(b"feed") == 1);
        until("told", || late.lock().unwrap().len() == 2);
        let mut topics = late.lock().unwrap().clone();
        topics.sort();
        assert_eq!(topics, ["feed", "tick"]);
        assert_eq!(stats(&engine).history_late, 2);
        until("interest", || hub.wants(2, b"feed"));
        // Once, over the bus or over the line.
        (0..50).for_each(|number| say(&engine, &number.to_string()));
        (0..50).for_each(|number| member.hears(TEXT, number.to_string()));
    }
}
