//! What messages move.

use crate::service::{Echo, serve, stats, until};
use ringws_engine::conn::Limits;
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use ringws_kit::{BINARY, Client, TEXT};

#[test]
fn messages_and_bytes_are_counted_both_ways() {
    let (engine, port) = serve(Limits::default(), Echo);
    let mut client = Client::connect(port);
    until(&engine, "the answer has left", |now| now.bytes_out > 0);
    let before = stats(&engine);
    client.echoes(TEXT, "four");
    client.echoes(BINARY, [7; 1_000]);
    // With a header of 2 and one of 4 bytes.
    until(&engine, "both are sent", |now| now.bytes_out - before.bytes_out == 4 + 2 + 1_000 + 4);
    let after = stats(&engine);
    assert_eq!(after.messages_in - before.messages_in, 2);
    assert_eq!(after.bytes_in - before.bytes_in, 1_004);
    assert_eq!(after.messages_out - before.messages_out, 2);
    assert!(after.turns > before.turns);
}

/// Keeps what comes.
struct Keeps;

impl Handler for Keeps {
    fn on_message(&self, ctx: &mut Context, _: Conn, message: Message<'_>) {
        let kept = ctx.retain(&message);
        assert_eq!(kept.payload(), message.payload);
    }
}

/// One that did not lie whole in its buffer, and is too short for memory of its own.
#[test]
fn a_message_that_is_copied_to_be_kept_is_counted() {
    let (engine, port) = serve(Limits::default(), Keeps);
    let mut client = Client::connect(port);
    client.send(TEXT & 0x0F, "in two ");
    client.send(0x80, "parts");
    until(&engine, "it is kept", |now| now.retain_copied == 1);
}
