//! What the broker takes, and how much waits for it.

use super::broker::Broker;
use super::site::{Site, options};
use ringws_engine::broker::BusConfig;
use ringws_engine::conn::SendError;
use ringws_engine::nats::Options;
use ringws_engine::reactor::CallError;
use ringws_kit::until;

/// The broker would cut us off: the publish is refused before.
#[test]
fn what_is_larger_than_the_broker_takes_is_refused() {
    let broker = Broker::start("max_payload: 4096");
    let [a, b] = [(); 2].map(|()| Site::up(options(&broker.address())));
    let member = b.member(&[b"blue"], &a);
    let too_big = Err(CallError::Send(SendError::TooBig));
    assert_eq!(a.publish(b"blue", &[0; 4_096]), too_big);
    let fits = (1..4_096).rev().find(|&bytes| a.publish(b"blue", &vec![1; bytes]).is_ok()).unwrap();
    member.hears(&vec![1; fits]);
    assert!(fits > 4_000, "{fits}");
    let stats = a.stats();
    assert_eq!((stats.nats_connects, stats.nats_refused), (1, 0));
}

/// What the broker does not take waits, up to a bound; nothing of it is lost, and nothing that was
/// refused is sent.
#[test]
fn a_broker_that_does_not_read_is_pressure() {
    let broker = Broker::start("");
    let patient = || Options {
        ping_interval_ms: 60_000,
        pending_max: 64 << 10,
        ..options(&broker.address())
    };
    let queue = BusConfig { queue_max: 1 << 20, ..BusConfig::default() };
    let (a, b) = (Site::start_with(patient(), queue), Site::up(patient()));
    a.wait_up();
    let member = b.member(&[b"blue"], &a);
    broker.signal("STOP");
    let mut expected = Vec::new();
    loop {
        let text = format!("{} {}", expected.len(), "x".repeat(10_000)).into_bytes();
        match a.publish(b"blue", &text) {
            Ok(()) => expected.push(text),
            Err(CallError::BusFull) => break,
            Err(error) => panic!("{error}"),
        }
        assert!(expected.len() < 10_000, "there is a bound");
    }
    broker.signal("CONT");
    member.hears(expected.last().unwrap());
    assert!(member.heard() == expected, "{} of {}", member.heard().len(), expected.len());
    until("room", || a.publish(b"blue", b"again").is_ok());
    member.hears(b"again");
    assert_eq!((a.stats().nats_connects, a.stats().bus_unsent), (1, 0));
}
