//! The opening handshake (RFC 6455 §4), as a client asks and as a server answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use std::fmt::Write as _;
use std::io::{Error, ErrorKind, Read, Result, Write};

/// The Sec-WebSocket-Key of all requests: that of the example in §1.3.
pub const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What a request must have, beside its first line (§4.1).
pub const FIELDS: [(&str, &str); 5] = [
    ("Host", "localhost"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", NONCE),
    ("Sec-WebSocket-Version", "13"),
];

/// No head of these tests is longer.
const HEAD_MAX: usize = 64 << 10;

/// A request that must be accepted, with more fields.
pub fn request(target: &str, more: &[(&str, &str)]) -> String {
    head(&format!("GET {target} HTTP/1.1"), FIELDS.iter().chain(more))
}

fn head<'a>(first: &str, fields: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> String {
    let mut head = format!("{first}\r\n");
    for (name, value) in fields {
        write!(head, "{name}: {value}\r\n").expect("a string has room");
    }
    head + "\r\n"
}

/// The value of a field in a head; the first, if there are several.
pub fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.find(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The Sec-WebSocket-Accept that proves that a key was read (§4.2.2).
pub(crate) fn accept_of(key: &str) -> String {
    let digest = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest.finalize())
}

/// The answer to this key that opens the connection, with more fields.
pub fn answer(key: &str, more: &[(&str, &str)]) -> String {
    let accept = accept_of(key);
    let fields =
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", &accept)];
    head("HTTP/1.1 101 Switching Protocols", fields.iter().chain(more))
}

/// Reads up to the empty line of a head, and not a byte further.
pub fn read_head(stream: &mut impl Read) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
        assert!(head.len() < HEAD_MAX, "a head without end");
    }
    String::from_utf8(head).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

/// A server's part of the handshake: the head of the request, which was answered.
pub fn accept(stream: &mut (impl Read + Write)) -> String {
    let head = read_head(stream).expect("a request");
    let key = field(&head, "Sec-WebSocket-Key").expect("a key");
    stream.write_all(answer(key, &[]).as_bytes()).expect("a client that waits for the answer");
    stream.flush().expect("a client that waits for the answer");
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        assert_eq!(accept_of(NONCE), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let request = request("/chat", &[("X-More", "1")]);
        assert!(request.starts_with("GET /chat HTTP/1.1\r\nHost: localhost\r\n"));
        assert!(request.ends_with("\r\nX-More: 1\r\n\r\n"));
        assert_eq!(field(&request, "sec-websocket-key"), Some(NONCE));
        assert_eq!(field(&request, "Sec-WebSocket"), None);
        let head = read_head(&mut format!("{request}behind").as_bytes()).unwrap();
        assert_eq!(head, request);
        assert!(answer(NONCE, &[]).contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
}
