//! The conversation that every echo server must pass.

use super::server::Server;
use ringws_kit::{BINARY, CLOSE, Client, PING, PONG, TEXT, close, payload, tcp};
use std::io::{Read, Write};
use std::time::Duration;

/// Text, binary, ping, a message over the limit and a close; then a stop with clients connected:
/// one that answers, one that only goes away. The server must have been started with a largest
/// message of `message_max` bytes.
pub(crate) fn converse(server: Server, message_max: usize, signal: &str, patience: Duration) {
    converse_over(tcp, server, message_max, signal, patience);
}

/// The same over whatever `connect` makes of a port.
pub(crate) fn converse_over<S: Read + Write>(
    connect: impl Fn(u16) -> S,
    server: Server,
    message_max: usize,
    signal: &str,
    patience: Duration,
) {
    let open = || Client::open(connect(server.port));
    let mut first = open();
    first.echoes(TEXT, "h\u{e9}llo".as_bytes());
    first.echoes(TEXT, b"");
    for len in [125, 126, 65_535, 65_536, message_max] {
        first.echoes(BINARY, payload(len, len));
    }
    first.send(PING, "are you there");
    first.hears(PONG, "are you there");
    first.close();
    // The server has ended its direction and waits for the end of ours.
    drop(first);

    let mut big = open();
    big.send(BINARY, vec![0; message_max + 1]);
    big.hears(CLOSE, close(1009, ""));
    drop(big);

    let (mut polite, mut rude) = (open(), open());
    polite.echoes(TEXT, b"still here");
    rude.echoes(TEXT, b"me too");
    server.signal(signal);
    polite.hears(CLOSE, close(1001, ""));
    rude.hears(CLOSE, close(1001, ""));
    polite.send(CLOSE, close(1001, ""));
    polite.ends();
    drop((polite, rude));
    assert_eq!(server.wait(patience).code(), Some(0));
}
