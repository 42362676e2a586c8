//! TLS.

use super::broker::{Broker, Directory};
use super::certs::{Authority, Certified};
use super::site::{Site, options};
use ringws_engine::nats::Options;
use ringws_engine::tls::{Client, ClientSettings};

/// The lines of a broker with this certificate; with `verify` it asks for ours.
fn tls(directory: &Directory, authority: &Authority, own: &Certified, verify: bool) -> String {
    let [cert, key, ca] = [("cert", &own.chain), ("key", &own.key), ("ca", &authority.pem())]
        .map(|(name, text)| directory.file(name, text).display().to_string());
    format!(
        "tls {{ cert_file: \"{cert}\", key_file: \"{key}\", ca_file: \"{ca}\", verify: {verify} }}"
    )
}

fn client(authority: &Authority, identity: Option<&Certified>) -> Option<Client> {
    let identity = identity.map(Certified::identity);
    let settings =
        ClientSettings { roots: Some(authority.roots()), identity, ..ClientSettings::default() };
    Some(Client::new(&settings).expect("settings"))
}

#[test]
fn certificates_are_shown_and_verified_both_ways() {
    let (directory, authority) = (Directory::new(), Authority::new("a test"));
    let own = authority.issue(&["nats.example"]);
    let broker = Broker::start(&tls(&directory, &authority, &own, true));
    let ours = authority.issue(&["us"]);
    let with = |tls, name: &str| Options {
        tls,
        tls_name: Some(name.to_owned()),
        ..options(&broker.address())
    };
    let good = || with(client(&authority, Some(&ours)), "nats.example");
    let (a, b) = (Site::up(good()), Site::up(good()));
    let member = b.member(&[b"blue"], &a);
    let large = vec![b'x'; 900_000];
    a.publish(b"blue", &large).unwrap();
    member.hears(&large);

    let no_certificate = Site::start(with(client(&authority, None), "nats.example"));
    no_certificate.wait_logged("nats: 127.0.0.1");
    let other_name = Site::start(with(client(&authority, Some(&ours)), "other.example"));
    other_name.wait_logged("not valid for name");
    let stranger = Authority::new("another");
    let not_trusted = Site::start(with(client(&stranger, Some(&ours)), "nats.example"));
    not_trusted.wait_logged("UnknownIssuer");
    for site in [no_certificate, other_name, not_trusted] {
        assert!(!site.is_up() && site.stats().nats_connects == 0);
    }
}

/// The broker asks for TLS, and we are told nothing of it: whom the system trusts is trusted, and
/// that is not the test's authority.
#[test]
fn a_broker_may_ask_for_tls() {
    let (directory, authority) = (Directory::new(), Authority::new("a test"));
    let own = authority.issue(&["localhost"]);
    let broker = Broker::start(&tls(&directory, &authority, &own, false));
    let site = Site::start(options(&format!("localhost:{}", broker.port)));
    site.wait_logged("nats: localhost");
    assert!(site.logged("TLS") + site.logged("root certificates") > 0 && !site.is_up());
}

#[test]
fn nothing_is_said_without_tls_where_it_is_wanted() {
    let broker = Broker::start("");
    let authority = Authority::new("a test");
    let by_settings = Options { tls: client(&authority, None), ..options(&broker.address()) };
    let by_scheme = options(&format!("tls://{}", broker.address()));
    for options in [by_settings, by_scheme] {
        let site = Site::start(options);
        site.wait_logged("it has no TLS, without which nothing is said");
        assert_eq!(site.stats().nats_connects, 0);
    }
}
