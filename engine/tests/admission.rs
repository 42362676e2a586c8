//! How many upgrades an endpoint takes in a second, whoever asks.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{AddressLimits, Admission, Endpoint};
use ringws_kit::{Client, TEXT, ask, field, read_head, tcp};
use service::{Echo, at, of, reactors, start, stats, until};
use std::io::Write;
use std::time::{Duration, Instant};

fn admitting(upgrades_per_second: u32, upgrades_burst: u32) -> Endpoint {
    Endpoint { admission: Admission { upgrades_per_second, upgrades_burst }, ..at(Echo) }
}

/// Those beyond are told to come in a second in which there is room, and do find it then; who is in
/// is served on.
#[test]
fn a_crowd_is_let_in_by_and_by_on_all_reactors_together() {
    let (engine, port) = start(reactors(3), admitting(4, 8));
    let begun = Instant::now();
    let (mut inside, mut told) = (Vec::new(), Vec::new());
    for _ in 0..24 {
        let mut stream = tcp(port);
        let head = ask(&mut stream, "/", &[]).expect("an answer");
        if head.starts_with("HTTP/1.1 101 ") {
            inside.push(stream);
            continue;
        }
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        let seconds = field(&head, "Retry-After").and_then(|it| it.parse().ok());
        told.push(seconds.unwrap_or(0u64));
    }
    let most = 8 + 4 * (begun.elapsed().as_secs() as usize + 1);
    assert!(inside.len() >= 8 && inside.len() <= most, "{} of {most}", inside.len());
    let last = told.last().copied().unwrap_or(0);
    assert!(told.is_sorted() && told[0] >= 1 && (2..=5).contains(&last), "{told:?}");
    let refused = told.len() as u64;
    until(&engine, "all are counted", |stats| {
        (of(stats, "refused_by_reason", "rate"), stats.refused) == (refused, refused)
    });
    assert_eq!(stats(&engine).address_refused, 0);
    std::thread::sleep(Duration::from_secs(last).saturating_sub(begun.elapsed()));
    Client::connect(port).echoes(TEXT, "when it was told to come");
}

/// Whoever asks too often by himself uses up nothing that is everybody's.
#[test]
fn an_address_over_its_limit_takes_nobodys_place() {
    let per_address =
        AddressLimits { upgrades_per_second: 1, upgrades_burst: 1, ..AddressLimits::default() };
    let endpoint = Endpoint { per_address, ..admitting(1, 2) };
    let (engine, port) = start(reactors(1), endpoint);
    let _one = Client::connect(port);
    for _ in 0..5 {
        let head = ask(&mut tcp(port), "/", &[]).expect("an answer");
        assert!(!head.starts_with("HTTP/1.1 503 "), "{head}");
    }
    assert_eq!(of(&stats(&engine), "refused_by_reason", "rate"), 0);
}

/// The time of an open connection costs nothing of it: only upgrades are counted.
#[test]
fn requests_and_open_connections_are_not_counted() {
    let mut endpoint = admitting(1, 1);
    endpoint.limits.requests = true;
    let (engine, port) = start(reactors(1), endpoint);
    let mut one = Client::connect(port);
    for _ in 0..3 {
        let plain = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut stream = tcp(port);
        stream.write_all(plain.as_bytes()).expect("it listens");
        let head = read_head(&mut stream).expect("an answer");
        assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
        one.echoes(TEXT, "served on");
    }
    let head = ask(&mut tcp(port), "/", &[]).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    until(&engine, "it is counted", |stats| of(stats, "refused_by_reason", "rate") == 1);
}
