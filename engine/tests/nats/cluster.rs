//! Several servers that belong together.

use super::broker::Broker;
use super::site::{Site, options};
use ringws_engine::nats::Options;
use ringws_kit::{free_port, until};

/// Three, each of which knows the others.
fn cluster(more: &str) -> [Broker; 3] {
    let routes = [(); 3].map(|()| free_port());
    let all: Vec<String> =
        routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
    let brokers = routes.map(|port| {
        Broker::start(&format!(
            "server_name: s{port}\n{more}\n\
             cluster {{ name: c, listen: \"127.0.0.1:{port}\", routes: [{}] }}",
            all.join(", ")
        ))
    });
    for broker in &brokers {
        until("the routes", || broker.log().matches("Route connection created").count() >= 2);
    }
    brokers
}

#[test]
fn an_engine_moves_to_another_server_of_the_cluster() {
    let mut brokers = cluster("");
    // The first alone is told to it.
    let a = Site::up(options(&brokers[0].address()));
    let b = Site::up(options(&brokers[2].address()));
    let member = b.member(&[b"blue"], &a);
    until("the others are known", || a.logged("connected to") == 1);
    brokers[0].kill();
    a.wait_down();
    a.wait_up();
    member.reach(&a, b"blue");
    a.publish(b"blue", b"by another").unwrap();
    member.hears(b"by another");
    assert_eq!(a.stats().nats_connects, 2);
}

/// What a broker says of others is not believed where that is not wanted.
#[test]
fn only_those_that_were_given() {
    let mut brokers = cluster("");
    let first = brokers[0].address();
    let a = Site::up(Options { no_discovery: true, ..options(&first) });
    brokers[0].kill();
    a.wait_down();
    until("it is tried again", || a.logged("refused") > 0);
    assert_eq!(a.stats().nats_connects, 1);
    brokers[0].begin("");
    a.wait_up();
    assert_eq!(a.logged(&format!("connected to {first}")), 2);
}

/// A server that is about to stop says so, and cuts its clients off only later.
#[test]
fn a_server_that_is_about_to_stop_is_left_before() {
    let brokers = cluster("lame_duck_grace_period: \"10s\"\nlame_duck_duration: \"60s\"");
    let in_order = Options { in_order: true, ..options(&brokers[0].address()) };
    let a = Site::up(in_order);
    let b = Site::up(options(&brokers[1].address()));
    let member = b.member(&[b"blue"], &a);
    brokers[0].signal("USR2");
    a.wait_logged("is about to stop");
    until("another", || a.stats().nats_connects == 2);
    a.wait_up();
    assert_eq!(a.logged(&format!("connected to {}", brokers[0].address())), 1);
    member.reach(&a, b"blue");
}
