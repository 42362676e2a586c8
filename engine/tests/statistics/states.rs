//! Where connections stand, why others were never open, and the control frames of both sides.

use crate::service::{Echo, at, of, reactors, serve, start, stats, until};
use ringws_engine::config::Endpoint;
use ringws_engine::conn::Limits;
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::reactor::{Context, Drain, Handler, Upgrade};
use ringws_kit::{CLOSE, Client, PING, PONG, TEXT, ask, close, tcp};
use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

/// Waits until the connections stand so: handshaking, open, closing.
fn stand(engine: &Engine, states: [u64; 3]) {
    until(engine, &format!("{states:?}"), |now| now.connections_by_state == states);
    assert_eq!(stats(engine).connections, states.iter().sum::<u64>());
}

#[test]
fn connections_by_state() {
    let (engine, port) = serve(Limits::default(), Echo);
    let asking = tcp(port);
    stand(&engine, [1, 0, 0]);
    let mut client = Client::connect(port);
    stand(&engine, [1, 1, 0]);
    let mut other = Client::connect(port);
    stand(&engine, [1, 2, 0]);
    // It stays until we end TCP too.
    client.send(CLOSE, close(1000, ""));
    client.closed_with(1000);
    stand(&engine, [1, 1, 1]);
    other.write(&[0xFF; 14]);
    other.closed_with(1002);
    stand(&engine, [1, 0, 2]);
    drop((asking, client, other));
    stand(&engine, [0, 0, 0]);
    Client::connect(port).reset();
    until(&engine, "all three are over", |now| now.ends.iter().sum::<u64>() == 3);
    stand(&engine, [0, 0, 0]);
}

/// Refuses.
struct Refuses;

impl Handler for Refuses {
    fn on_upgrade(&self, _: &mut Context, _: &mut Upgrade<'_>) -> Result<(), Refusal> {
        Err(Refusal::new(404))
    }
}

fn refused(engine: &Engine, reason: &str) {
    until(engine, reason, |now| of(now, "refused_by_reason", reason) == 1);
    assert_eq!(stats(engine).refused_by_reason.iter().sum::<u64>(), 1, "{reason}");
}

#[test]
fn upgrades_refused_by_reason() {
    let limits = Limits { handshake_timeout_ms: 400, head_max: 512, ..Limits::default() };
    let serves = || start(reactors(1), Endpoint { limits, ..at(Refuses) });

    let (engine, port) = serves();
    ask(&mut tcp(port), "/", &[]).expect("an answer");
    refused(&engine, "handler");

    let (engine, port) = serves();
    ask(&mut tcp(port), "/", &[("Origin", "http://elsewhere.test")]).expect("an answer");
    refused(&engine, "origin");

    let (engine, port) = serves();
    tcp(port).write_all(b"no HTTP at all\r\n\r\n").expect("written");
    refused(&engine, "bad_request");

    let (engine, port) = serves();
    let long = "x".repeat(600);
    ask(&mut tcp(port), &format!("/{long}"), &[]).expect("an answer");
    refused(&engine, "too_large");

    let (engine, port) = serves();
    let silent = tcp(port);
    refused(&engine, "timeout");
    drop(silent);

    // Whoever was accepted before a drain is answered in it, while others are served on.
    let (engine, port) = serve(Limits::default(), Echo);
    let _open = Client::connect(port);
    let mut late = tcp(port);
    stand(&engine, [1, 1, 0]);
    engine.drain(Drain { serve: Duration::from_secs(10), ..Drain::default() }).expect("it runs");
    ringws_kit::until("the port is free", || TcpListener::bind(("127.0.0.1", port)).is_ok());
    let head = ask(&mut late, "/", &[]).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    refused(&engine, "stopping");
}

#[cfg(feature = "tls")]
#[test]
fn what_is_no_tls_is_refused() {
    use ringws_engine::tls;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let identity = tls::Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem());
    let settings = tls::ServerSettings { identities: vec![identity], ..Default::default() };
    let server = tls::Server::new(&settings).expect("settings");
    let (engine, port) = start(reactors(1), Endpoint { tls: Some(server), ..at(Echo) });
    tcp(port).write_all(b"GET / HTTP/1.1\r\n\r\n").expect("written");
    refused(&engine, "tls");
    assert_eq!(stats(&engine).tls_failed, 1);
}

#[test]
fn control_frames_by_opcode() {
    let limits = Limits { idle_timeout_ms: 400, ..Limits::default() };
    let (engine, port) = serve(limits, Echo);
    let mut client = Client::connect(port);
    client.echoes(TEXT, "data is no control frame");
    client.send(PING, "one");
    client.hears(PONG, "one");
    client.send(PONG, "unasked");
    // The engine asks after half of the idle time.
    let (opcode, asks) = client.receive();
    assert_eq!(opcode, PING);
    client.send(PONG, asks);
    client.send(CLOSE, close(1000, ""));
    client.closed_with(1000);
    drop(client);
    until(&engine, "it has ended", |now| now.connections == 0);
    let now = stats(&engine);
    assert_eq!((now.controls_in, now.controls_out), ([1, 1, 2], [1, 1, 1]));
}
