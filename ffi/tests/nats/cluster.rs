//! `examples/cluster.c`: three processes of it over a broker, of which engines and the broker end,
//! by their will or without it. Each member hears what was said on any of them once and in order,
//! or is told.

#[path = "engines.rs"]
mod engines;
#[path = "page.rs"]
mod page;

use super::broker::Broker;
use engines::{Engine, three};
use page::{Page, judge};
use ringws_kit::until;
use std::time::{Duration, Instant};

/// A member on each engine, who have all heard each other.
fn members(engines: &[Engine], room: &str) -> Vec<Page> {
    let mut all: Vec<Page> = engines.iter().map(|engine| Page::comes(engine.port, room)).collect();
    until("everybody hears everybody", || {
        all.iter_mut().for_each(|page| page.say("hello"));
        std::thread::sleep(Duration::from_millis(20));
        all.iter_mut().for_each(Page::take);
        all.iter().all(|page| page.publishers() == engines.len())
    });
    all
}

/// What each of them says from now on is heard by all.
fn talk(members: &mut [Page], of: &str, count: usize) {
    for number in 0..count {
        for (who, page) in members.iter_mut().enumerate() {
            page.say(&format!("{of} {who} {number}"));
        }
    }
    let speakers = members.len();
    for page in members {
        for who in 0..speakers {
            page.hears_all((0..count).map(|number| format!("{of} {who} {number}")));
        }
    }
}

#[test]
fn what_is_said_on_one_of_three_engines_is_heard_on_all() {
    let broker = Broker::start("");
    let engines = three(&broker.address(), &["/garden", "/kitchen"]);
    let mut garden = members(&engines, "/garden");
    let mut alone = Page::comes(engines[0].port, "/kitchen");
    talk(&mut garden, "garden", 100);
    alone.say("only here");
    alone.hears_all(["only here".into()]);
    let mut quiet = Page::comes(engines[1].port, "/kitchen");
    alone.say("to you");
    quiet.hears_all(["to you".into()]);
    // Where nobody has said anything, to where nobody has been.
    quiet.comes_back(engines[2].port);
    alone.say("to you again");
    for page in [&mut alone, &mut quiet] {
        page.hears_all(["to you".into(), "to you again".into()]);
    }
    judge(&garden);
    for page in garden.iter().chain([&alone, &quiet]) {
        assert!(page.gaps.is_empty() && !page.is_late, "{page:?}");
    }
    assert_eq!(alone.texts(), ["only here", "to you", "to you again"]);
    assert_eq!(Page::refused(engines[2].port, "/cellar"), "HTTP/1.1 404 Not Found");
    engines.iter().for_each(|engine| engine.signal("TERM"));
    garden.iter_mut().chain([&mut alone, &mut quiet]).for_each(|page| page.is_sent_away(1012));
    for (number, engine) in engines.into_iter().enumerate() {
        let closed = if number == 1 { 1 } else { 2 };
        assert_eq!(engine.ends(), format!("{closed} closed, 0 cut off\n"));
    }
}

#[test]
fn who_comes_back_to_another_engine_has_missed_nothing() {
    let broker = Broker::start("");
    let engines = three(&broker.address(), &["/garden"]);
    let mut all = members(&engines, "/garden");
    talk(&mut all, "before", 10);
    let [mut first, mut second, mut third] = <[Page; 3]>::try_from(all).unwrap();
    let [one, two, three] = <[Engine; 3]>::try_from(engines).unwrap();

    // Told to end: it sends its members away, and tells the others that it is over.
    one.signal("TERM");
    first.is_sent_away(1012);
    let away: Vec<String> = (0..50).map(|number| format!("away {number}")).collect();
    away.iter().for_each(|text| second.say(text));
    third.say("away, too");
    first.comes_back(two.port);
    for page in [&mut first, &mut second, &mut third] {
        page.hears_all(away.iter().cloned());
        page.hears_all(["away, too".into()]);
        assert!(!page.is_late && page.gaps.is_empty(), "{page:?}");
    }
    assert_eq!(one.ends(), "1 closed, 0 cut off\n");

    // Killed: what its members have heard they do not hear again, and what others say comes.
    two.signal("KILL");
    let killed = Instant::now();
    [&mut first, &mut second].into_iter().for_each(Page::is_cut_off);
    third.say("while nobody else is here");
    [&mut first, &mut second].into_iter().for_each(|page| page.comes_back(three.port));
    for page in [&mut first, &mut second, &mut third] {
        page.hears_all(["while nobody else is here".into()]);
        // Later nobody knows whether the dead engine has said more.
        assert!(!page.is_late || killed.elapsed() > Duration::from_secs(4), "{page:?}");
    }
    let node = first.node_of("before 1 0");
    for page in [&mut first, &mut second, &mut third] {
        page.hears_of_a_gap(|gap| gap.node == node && gap.last == 0);
    }
    // Who comes now was never owed that.
    let mut fourth = Page::comes(three.port, "/garden");
    third.say("after all");
    fourth.hears_all(["after all".into()]);
    fourth.comes_back(three.port);
    third.say("last");
    for page in [&mut first, &mut second, &mut third, &mut fourth] {
        page.hears_all(["after all".into(), "last".into()]);
    }
    assert!(!fourth.is_late, "{fourth:?}");
    judge(&[first, second, third, fourth]);
}

#[test]
fn while_the_broker_is_away_engines_serve_alone_and_tell_afterwards() {
    let mut broker = Broker::start("");
    let engines = three(&broker.address(), &["/garden"]);
    let mut all = members(&engines, "/garden");
    talk(&mut all, "before", 10);
    broker.kill();
    engines.iter().for_each(|engine| engine.logs("bus down", 1));
    for (number, page) in all.iter_mut().enumerate() {
        page.say(&format!("alone {number}"));
        page.hears_all([format!("alone {number}")]);
    }
    broker.begin("");
    engines.iter().for_each(|engine| engine.logs("bus up", 2));
    let nodes: Vec<u64> = (0..3).map(|n| all[0].node_of(&format!("before {n} 0"))).collect();
    for (own, page) in all.iter_mut().enumerate() {
        for (_, &node) in nodes.iter().enumerate().filter(|&(number, _)| number != own) {
            page.hears_of_a_gap(|gap| gap.node == node && gap.last != 0);
        }
    }
    talk(&mut all, "after", 10);
    judge(&all);
    assert!(all.iter().all(|page| !page.is_late));
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    for (arguments, status, words) in [
        (&["9001"][..], 2, "port brokers /room..."),
        (&["0", "localhost", "garden"], 2, "garden: a room is a path"),
        (&["0", "http://localhost", "/garden"], 1, "servers: \"http://localhost\""),
        (&["0", "", "/garden"], 1, "servers: at least one"),
    ] {
        let (code, said) = engines::refusal(arguments);
        assert_eq!(code, Some(status), "{said}");
        assert!(said.contains(words), "{said:?} has not {words:?}");
    }
}
