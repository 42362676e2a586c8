//! A blocking WebSocket client that knows what an echo server sends.

use crate::{Result, frame};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The close code for a purpose fulfilled, RFC 6455 §7.4.1.
pub(crate) const NORMAL_CLOSURE: u16 = 1000;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The nonce of the example in RFC 6455 §1.3, and what a server must make of it. A random one keeps
/// caches from answering; here is none between.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An open connection.
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    sent: u32,
}

impl Client {
    /// Connects and goes through the opening handshake (RFC 6455 §4.1).
    pub(crate) fn connect(server: SocketAddr) -> Result<Self> {
        Self::open(server, "/")
    }

    /// As `connect`, to a path.
    pub(crate) fn open(server: SocketAddr, target: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {server}\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let end = loop {
            read_more(&mut stream, &mut head)?;
            if let Some(at) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let unread = head.split_off(end);
        let head = String::from_utf8_lossy(&head).into_owned();
        let accepted =
            head.lines().filter_map(|line| line.split_once(": ")).any(|(name, value)| {
                name.eq_ignore_ascii_case("sec-websocket-accept") && value == ACCEPT
            });
        if !head.starts_with("HTTP/1.1 101 ") || !accepted {
            return Err(format!("the server did not upgrade:\n{head}").into());
        }
        Ok(Self { stream, unread, sent: 0 })
    }

    /// A key for the next frame. Not unpredictable, as RFC 6455 §10.3 asks of clients that run
    /// scripts of strangers.
    fn key(&mut self) -> [u8; 4] {
        self.sent = self.sent.wrapping_add(0x9e37_79b9);
        self.sent.to_be_bytes()
    }

    /// Sends a message or a control frame.
    pub(crate) fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        let mut wire = Vec::with_capacity(payload.len() + 14);
        frame::append(&mut wire, opcode, payload, self.key());
        self.send_wire(&wire)
    }

    /// Sends frames that are made already.
    pub(crate) fn send_wire(&mut self, wire: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(wire)?)
    }

    /// Waits for the next message or control frame.
    pub(crate) fn receive(&mut self) -> Result<(u8, Vec<u8>)> {
        loop {
            if let Some((opcode, payload)) = frame::parse(&self.unread)? {
                let payload = payload.to_vec();
                self.unread.drain(..frame::header_size(payload.len()) + payload.len());
                return Ok((opcode, payload));
            }
            read_more(&mut self.stream, &mut self.unread)?;
        }
    }

    /// Waits for as many messages, each of which must be this one.
    pub(crate) fn expect(&mut self, mut count: usize, opcode: u8, payload: &[u8]) -> Result<()> {
        let size = frame::header_size(payload.len()) + payload.len();
        loop {
            let mut at = 0;
            while let Some(got) = frame::parse(self.unread.get(at..).unwrap_or_default())? {
                if got != (opcode, payload) || count == 0 {
                    return Err("an echo is not what was sent".into());
                }
                (at, count) = (at + size, count - 1);
            }
            self.unread.drain(..at);
            if count == 0 && self.unread.is_empty() {
                return Ok(());
            }
            read_more(&mut self.stream, &mut self.unread)?;
        }
    }

    /// The closing handshake of RFC 6455 §7.1.2: the code that the server answers with. It must
    /// then end the connection (§7.1.1).
    pub(crate) fn close(mut self, code: u16, reason: &str) -> Result<u16> {
        let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
        let answer = exchange_any(&mut self, frame::CLOSE, frame::CLOSE, &payload)?;
        let Some(answered) = answer.first_chunk::<2>().map(|code| u16::from_be_bytes(*code)) else {
            return Err("the Close frame was answered without a code".into());
        };
        if answered != code {
            return Err(format!("the Close frame was answered with {answered}").into());
        }
        match self.stream.read(&mut [0])? {
            0 => Ok(answered),
            _ => Err("bytes after the Close frame".into()),
        }
    }
}

/// Sends and returns the answer, which must have the same payload.
pub(crate) fn exchange(
    client: &mut Client,
    send: u8,
    expect: u8,
    payload: &[u8],
) -> Result<Vec<u8>> {
    let echo = exchange_any(client, send, expect, payload)?;
    if echo != payload {
        let (sent, got) = (payload.len(), echo.len());
        return Err(format!("{sent} bytes were answered with {got} bytes, not the same").into());
    }
    Ok(echo)
}

fn exchange_any(client: &mut Client, send: u8, expect: u8, payload: &[u8]) -> Result<Vec<u8>> {
    client.send(send, payload)?;
    match client.receive()? {
        (opcode, answer) if opcode == expect => Ok(answer),
        (opcode, _) => Err(format!("opcode {send:#x} was answered with opcode {opcode:#x}").into()),
    }
}

fn read_more(stream: &mut TcpStream, into: &mut Vec<u8>) -> Result<()> {
    let mut piece = [0; 64 * 1024];
    match stream.read(&mut piece)? {
        0 => Err("the server ended the connection".into()),
        n => {
            into.extend_from_slice(piece.get(..n).unwrap_or_default());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that upgrades and then sends these bytes whatever it gets.
    fn answering(bytes: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the client connects");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                read_more(&mut stream, &mut request).expect("a request");
            }
            let head = format!("HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("the client reads");
            read_more(&mut stream, &mut Vec::new()).expect("a message");
            stream.write_all(bytes).expect("the client reads");
        });
        address
    }

    #[test]
    fn only_the_right_answer_is_taken() {
        let ask = |bytes| {
            let mut client = Client::connect(answering(bytes)).expect("upgraded");
            exchange(&mut client, frame::TEXT, frame::TEXT, b"ab")
                .map_err(|error| error.to_string())
        };
        assert_eq!(ask(b"\x81\x02ab"), Ok(b"ab".to_vec()));
        let refused = |bytes, why: &str| ask(bytes).is_err_and(|error| error.contains(why));
        assert!(refused(b"\x81\x02ba", "not the same"));
        assert!(refused(b"\x82\x02ab", "opcode 0x2"));
        assert!(refused(b"\x81\x82abcdef", "unexpected frame"));
        assert!(refused(b"\x81\x02a", "ended the connection"));
    }

    #[test]
    fn a_batch_is_compared_echo_by_echo() {
        let ask = |bytes, count| {
            let mut client = Client::connect(answering(bytes)).expect("upgraded");
            client.send(frame::TEXT, b"a").expect("open");
            client.expect(count, frame::TEXT, b"a").map_err(|error| error.to_string())
        };
        assert_eq!(ask(b"\x81\x01a\x81\x01a", 2), Ok(()));
        for wrong in [&b"\x81\x01a\x81\x01b"[..], b"\x81\x01a\x81\x01a\x81\x01a", b"\x81\x01a"] {
            assert!(ask(wrong, 2).is_err(), "{wrong:?}");
        }
    }
}
