//! What is exchanged with peers that are driven from here: the conversation of a client, and a
//! server that echoes and does what it is asked.

use super::report::Report;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A connection of a peer; its own library moves the bytes and answers Pings and Closes.
pub(crate) trait Socket {
    /// Sends a frame.
    fn send(&mut self, fin: bool, opcode: u8, payload: &[u8]);

    /// The next message, whole, or Pong or Close.
    fn receive(&mut self) -> (u8, Vec<u8>);
}

/// The payload of a Close frame.
pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

fn echoes(socket: &mut dyn Socket, opcode: u8, payload: &[u8]) {
    socket.send(true, opcode, payload);
    let (got, echoed) = socket.receive();
    assert!(
        (got, echoed.as_slice()) == (opcode, payload),
        "{} bytes (opcode {opcode}) came back as {} (opcode {got})",
        payload.len(),
        echoed.len(),
    );
}

fn pongs(socket: &mut dyn Socket, payload: &[u8]) {
    socket.send(true, PING, payload);
    assert_eq!(socket.receive(), (PONG, payload.to_vec()));
}

/// Goes through everything as a client of an echo server, which `stop` ends with Close 1001.
pub(crate) fn converse(
    open: &mut dyn FnMut() -> Box<dyn Socket>,
    stop: &dyn Fn(),
    report: &mut Report,
) {
    let mut first = open();
    let socket = first.as_mut();
    for text in ["a", "Grüße", "日本語 \u{1f600}", "\0", "\u{10ffff}"] {
        echoes(socket, TEXT, text.as_bytes());
    }
    report.ok("text");
    let bytes: Vec<u8> = (0..=255).collect();
    echoes(socket, BINARY, &bytes);
    report.ok("binary");
    echoes(socket, TEXT, b"");
    echoes(socket, BINARY, b"");
    report.ok("empty");
    for (len, name) in [(1 << 20, "one_mebibyte"), (16 << 20, "sixteen_mebibytes")] {
        echoes(socket, BINARY, &bytes.repeat(len / 256));
        echoes(socket, TEXT, "é".repeat(len / 2).as_bytes());
        report.ok(name);
    }
    // Cut inside a character, with a Ping between the pieces (RFC 6455 §5.4).
    let text = "fragmenté".as_bytes();
    socket.send(false, TEXT, &text[..4]);
    socket.send(false, CONTINUATION, b"");
    pongs(socket, b"between");
    socket.send(false, CONTINUATION, &text[4..9]);
    socket.send(true, CONTINUATION, &text[9..]);
    assert_eq!(socket.receive(), (TEXT, text.to_vec()));
    report.ok("fragments");
    for payload in [&b""[..], b"a", &[0xff; 125]] {
        pongs(socket, payload);
    }
    report.ok("ping_and_pong");
    socket.send(true, CLOSE, &close(4001, "bye"));
    let (got, payload) = socket.receive();
    assert_eq!((got, &payload[..2]), (CLOSE, &close(4001, "")[..]));
    report.ok("close_by_client");
    drop(first);

    let mut second = open();
    echoes(second.as_mut(), TEXT, b"until the server goes");
    stop();
    assert_eq!(second.receive(), (CLOSE, close(1001, "")));
    report.ok("close_by_server");
}
/// Echoes until the end; the texts `close`, `ping` and `fragments` are requests.
pub(crate) fn serve(socket: &mut dyn Socket) {
    loop {
        match socket.receive() {
            (CLOSE, _) => return,
            (TEXT, text) if text == b"close" => socket.send(true, CLOSE, &close(4001, "bye")),
            (TEXT, text) if text == b"ping" => {
                pongs(socket, b"hello");
                socket.send(true, TEXT, b"ponged");
            }
            (TEXT, text) if text == b"fragments" => {
                for (n, part) in ["frag", "", "ment", "s"].iter().enumerate() {
                    let opcode = if n == 0 { TEXT } else { CONTINUATION };
                    socket.send(n == 3, opcode, part.as_bytes());
                }
            }
            (PONG, _) => {}
            (opcode, payload) => socket.send(true, opcode, &payload),
        }
    }
}
