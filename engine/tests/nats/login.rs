//! Who we are, and what we may.

use super::broker::Broker;
use super::site::{Site, options};
use ringws_engine::nats::Options;
use std::thread::sleep;
use std::time::Duration;

/// Of the documentation of nats.io, "NKeys".
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_wrong_password_is_told_and_tried_again_slowly() {
    let broker = Broker::start("authorization { user: u, password: right }");
    let with = |password: &str| Options {
        user: some("u"),
        password: some(password),
        reconnect_max_ms: 1_000,
        ..options(&broker.address())
    };
    let wrong = Site::start(with("wrong"));
    wrong.wait_logged("check user, password");
    sleep(Duration::from_millis(1_500));
    let tries = broker.log().matches("authentication error").count();
    assert!((1..=2).contains(&tries), "{tries} in 1.5 s");
    assert_eq!(wrong.logged("check user, password"), 1, "told once");
    assert_eq!(wrong.logged("wrong"), 0, "no password in the log");
    assert!(!wrong.is_up() && wrong.stats().nats_connects == 0);
    Site::up(with("right"));
}

#[test]
fn a_token_or_a_key_pair_will_do() {
    let broker = Broker::start("authorization { token: secret }");
    Site::up(Options { token: some("secret"), ..options(&broker.address()) });
    let broker = Broker::start(&format!("authorization {{ users = [ {{ nkey: {PUBLIC} }} ] }}"));
    Site::up(Options { nkey_seed: some(SEED), ..options(&broker.address()) });
    let nobody = Site::start(options(&broker.address()));
    nobody.wait_logged("check user, password");
}

/// A subject that is not allowed is told once, and nothing else suffers.
#[test]
fn what_is_not_allowed_is_told_once_for_each_subject() {
    let broker = Broker::start(
        "authorization { users = [ { user: u, password: p, permissions: {
            publish: { allow: [\"ringws.all\", \"ringws.t.free.>\"] }
            subscribe: { allow: [\"ringws.all\", \"ringws.t.free.>\"] }
        } } ] }",
    );
    let of_u = || Options { user: some("u"), password: some("p"), ..options(&broker.address()) };
    let (a, b) = (Site::up(of_u()), Site::up(of_u()));
    let free = b.member(&[b"free.for.all"], &a);
    let _closed = a.member(&[b"closed"], &a);
    a.wait_logged("Permissions Violation for Subscription to \"ringws.t.closed\"");
    for _ in 0..10 {
        a.publish(b"closed", b"x").unwrap();
    }
    a.wait_logged("Permissions Violation for Publish to \"ringws.t.closed\"");
    a.publish(b"free.for.all", b"still").unwrap();
    free.hears(b"still");
    assert_eq!(a.logged("Permissions Violation"), 2);
    let stats = a.stats();
    assert!(stats.nats_refused >= 11 && stats.nats_connects == 1, "{stats:?}");
}
