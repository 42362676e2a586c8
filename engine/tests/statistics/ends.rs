//! How connections end, by cause, code and violation.

use crate::service::{serve, stats, until};
use ringws_engine::conn::Limits;
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::proto::{CloseCode, VIOLATIONS};
use ringws_engine::reactor::{Conn, Context, Handler, Message, ROWS, Stats, Upgrade};
use ringws_kit::{CLOSE, Client, TEXT, ask, close, tcp};
use std::time::Duration;

/// Does as it is told.
struct Told;

impl Handler for Told {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        if upgrade.request().target() == "/no" { Err(Refusal::new(403)) } else { Ok(()) }
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        match message.payload {
            b"abort" => ctx.abort(conn).expect("open"),
            code => {
                let code = std::str::from_utf8(code).expect("text").parse().expect("a code");
                ctx.close(conn, CloseCode(code), "").expect("open");
            }
        }
    }
}

fn quick() -> Limits {
    Limits { idle_timeout_ms: 300, close_timeout_ms: 300, ..Limits::default() }
}

/// The number of a row that has a label.
pub(crate) fn of(stats: &Stats, field: &str, value: &str) -> u64 {
    let row = ROWS.iter().find(|row| row.field == field).expect("a row");
    let at = row.label_values.iter().position(|v| *v == value).expect("a value");
    row.values(stats)[at]
}

/// Waits for an end, and looks at its cause and codes.
fn ended(engine: &Engine, cause: &str, received: &str, sent: &str) {
    until(engine, cause, |now| now.ends.iter().sum::<u64>() == 1);
    let now = stats(engine);
    assert_eq!(of(&now, "ends", cause), 1, "{cause}: {:?}", now.ends);
    assert_eq!(of(&now, "close_codes_received", received), 1, "{:?}", now.close_codes_received);
    assert_eq!(of(&now, "close_codes_sent", sent), 1, "{:?}", now.close_codes_sent);
    until(engine, "it is gone", |now| now.connections == 0);
    assert_eq!((now.accepted, now.upgraded), (1, 1));
}

#[test]
fn in_order_with_each_kind_of_code() {
    for (code, label) in [(1000, "1000"), (1012, "1012"), (3999, "3xxx"), (4000, "4xxx")] {
        let (engine, port) = serve(Limits::default(), Told);
        let mut client = Client::connect(port);
        client.send(CLOSE, close(code, ""));
        client.closed_with(code);
        drop(client);
        ended(&engine, "closed", label, label);
    }
    let (engine, port) = serve(Limits::default(), Told);
    let mut client = Client::connect(port);
    client.send(TEXT, "4321");
    client.closed_with(4321);
    client.send(CLOSE, close(1001, ""));
    drop(client);
    ended(&engine, "closed", "1001", "4xxx");
}

#[test]
fn otherwise() {
    let (engine, port) = serve(Limits::default(), Told);
    let mut client = Client::connect(port);
    client.send(TEXT, "abort");
    ended(&engine, "aborted", "1006", "none");

    let (engine, port) = serve(Limits::default(), Told);
    Client::connect(port).half_close();
    ended(&engine, "ended", "1006", "none");

    let (engine, port) = serve(Limits::default(), Told);
    Client::connect(port).reset();
    ended(&engine, "receiving", "1006", "none");

    let (engine, port) = serve(quick(), Told);
    let silent = Client::connect(port);
    ended(&engine, "silent", "1006", "none");
    assert_eq!(stats(&engine).timeouts, 1);
    drop(silent);

    let (engine, port) = serve(quick(), Told);
    let mut client = Client::connect(port);
    client.send(TEXT, "1000");
    ended(&engine, "not_closed", "1006", "1000");
    drop(client);

    let (engine, port) = serve(Limits::default(), Told);
    let client = Client::connect(port);
    engine.stop(Duration::ZERO);
    engine.wait().expect("a stop");
    assert_eq!(of(&stats(&engine), "ends", "stopped"), 1);
    drop(client);
}

#[test]
fn violations_by_kind() {
    let long = [0x89, 0xFE, 0, 126, 0, 0, 0, 0];
    for (bytes, kind, code) in [
        (&[0xC1, 0x80, 0, 0, 0, 0][..], "reserved_bits", "1002"),
        (&[0x83, 0x80, 0, 0, 0, 0], "reserved_opcode", "1002"),
        (&[0x81, 0x00], "unmasked", "1002"),
        (&long, "control_too_long", "1002"),
        (&[0x80, 0x80, 0, 0, 0, 0], "unexpected_continuation", "1002"),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xFF], "invalid_utf8", "1007"),
        (&[0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], "message_too_big", "1009"),
    ] {
        let (engine, port) = serve(Limits::default(), Told);
        let mut client = Client::connect(port);
        client.write(bytes);
        client.closed_with(code.parse().expect("a code"));
        drop(client);
        ended(&engine, "protocol", "1006", code);
        let now = stats(&engine);
        assert_eq!((now.violations, now.violations_by_kind.iter().sum::<u64>()), (1, 1));
        assert_eq!(of(&now, "violations_by_kind", kind), 1, "{kind}");
    }
    assert_eq!(VIOLATIONS.len(), stats(&serve(quick(), Told).0).violations_by_kind.len());
}

#[test]
fn a_refused_upgrade_is_no_end() {
    let (engine, port) = serve(Limits::default(), Told);
    let mut stream = tcp(port);
    let answer = ask(&mut stream, "/no", &[]).expect("an answer");
    assert!(answer.contains("403"), "{answer}");
    drop(stream);
    until(&engine, "it is refused", |now| now.refused == 1 && now.connections == 0);
    assert_eq!(stats(&engine).ends.iter().sum::<u64>(), 0);
}
