//! The broker goes, comes, and falls silent.

use super::broker::Broker;
use super::site::{Site, options};
use ringws_engine::nats::Options;
use ringws_kit::{free_port, until};
use std::time::{Duration, Instant};

#[test]
fn a_broker_that_comes_back_is_found_and_told_all_interests() {
    let mut broker = Broker::start("");
    let [a, b] = [(); 2].map(|()| Site::up(options(&broker.address())));
    let topics: Vec<Vec<u8>> = (0..300).map(|n: u32| n.to_string().into_bytes()).collect();
    let names: Vec<&[u8]> = topics.iter().map(Vec::as_slice).collect();
    let member = b.member(&names, &a);
    broker.kill();
    assert!(a.wait_down().contains(&broker.address()));
    b.wait_down();
    a.publish(b"7", b"while it is down").expect("members here get it");
    broker.begin("");
    [&a, &b].into_iter().for_each(Site::wait_up);
    for name in names {
        member.reach(&a, name);
    }
    a.publish(b"7", b"afterwards").unwrap();
    member.hears(b"afterwards");
    assert_eq!((a.stats().nats_connects, a.stats().bus_up), (2, 1));
    assert!(a.stats().bus_unsent > 0 && b.stats().bus_gaps > 0, "told, not passed over");
}

#[test]
fn an_engine_starts_without_a_broker() {
    let port = free_port();
    let start = Instant::now();
    let [a, b] = [(); 2].map(|()| Site::start(options(&format!("127.0.0.1:{port}"))));
    assert!(start.elapsed() < Duration::from_secs(2), "start waits for nobody");
    let here = a.member(&[b"blue"], &a);
    a.publish(b"blue", b"here").unwrap();
    here.hears(b"here");
    a.wait_logged("refused");
    assert!(!a.is_up() && a.stats().bus_up == 0);
    let _broker = Broker::start_on(port, "");
    [&a, &b].into_iter().for_each(Site::wait_up);
    let there = b.member(&[b"blue"], &a);
    a.publish(b"blue", b"there").unwrap();
    there.hears(b"there");
}

#[test]
fn a_broker_that_has_stopped_is_noticed() {
    let broker = Broker::start("");
    let quick = || Options { ping_interval_ms: 250, ..options(&broker.address()) };
    let (a, b) = (Site::up(quick()), Site::up(quick()));
    let member = b.member(&[b"blue"], &a);
    broker.signal("STOP");
    let start = Instant::now();
    let why = a.wait_down();
    assert!(why.contains("not answered"), "{why}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    b.wait_down();
    broker.signal("CONT");
    [&a, &b].into_iter().for_each(Site::wait_up);
    member.reach(&a, b"blue");
}

/// It does not wait for a broker that will never take the last messages.
#[test]
fn an_engine_ends_though_its_broker_has_stopped() {
    let broker = Broker::start("");
    let a = Site::up(options(&broker.address()));
    broker.signal("STOP");
    let mut sent = 0_u32;
    // More than the kernel takes, and what we take ahead of it.
    until("the queue is full", || a.publish(b"x", &[7; 60_000]).map(|()| sent += 1).is_err());
    assert!(sent > 100, "{sent}");
    let start = Instant::now();
    drop(a);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Nor is what waits kept for the next connection: others are told of a gap, not of the past.
#[test]
fn what_waits_for_a_broker_that_dies_is_dropped_and_counted() {
    let mut broker = Broker::start("");
    let a = Site::up(options(&broker.address()));
    broker.signal("STOP");
    until("the queue is full", || a.publish(b"x", &[7; 60_000]).is_err());
    broker.kill();
    a.wait_down();
    until("it is counted", || a.stats().bus_unsent > 10);
    broker.begin("");
    a.wait_up();
    until("there is room", || a.publish(b"x", &[7; 60_000]).is_ok());
}

/// What was published before an engine's end is not lost by it.
#[test]
fn the_last_words_of_an_engine_arrive() {
    let broker = Broker::start("");
    let b = Site::up(options(&broker.address()));
    for round in 0..10_u32 {
        let a = Site::up(options(&broker.address()));
        let member = b.member(&[b"blue"], &a);
        for number in 0..500 {
            a.publish(b"blue", &[number as u8; 1_000]).unwrap();
        }
        let last = format!("last of {round}");
        a.publish(b"blue", last.as_bytes()).unwrap();
        drop(a);
        member.hears(last.as_bytes());
        assert_eq!(member.heard().len(), 501);
    }
}
