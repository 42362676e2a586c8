//! The client's opening handshake, RFC 6455 §4.1.
//!
//! The nonce is the same for every connection, so the answer is known in advance and checking it
//! needs no SHA-1. A nonce has to be random to keep caches from answering; here the peer is a
//! server under test.

use crate::error::{Error, Result};
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;

/// The nonce of the example in RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The value a server must derive from [`KEY`], RFC 6455 §1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The longest response head that is read.
pub(crate) const HEAD_MAX: usize = 16 * 1024;

/// The request for the resource `path`.
pub fn request(server: SocketAddr, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// Reads one response head and checks that the server accepted. Bytes behind the head are an
/// error: the server has nothing to say before it was spoken to.
pub fn read_response(stream: &mut impl Read) -> Result<()> {
    let mut head = Vec::with_capacity(256);
    let mut piece = [0; 1024];
    loop {
        let n = read(stream, &mut piece).map_err(Error::io("reading the handshake response"))?;
        if n == 0 {
            return Err(Error::Protocol("the server closed during the handshake".into()));
        }
        head.extend_from_slice(piece.get(..n).unwrap_or_default());
        if let Some(len) = head_len(&head) {
            if head.len() != len {
                return Err(Error::Protocol("bytes behind the handshake response".into()));
            }
            return check_head(&head);
        }
        if head.len() > HEAD_MAX {
            return Err(Error::Protocol(format!("a response head of more than {HEAD_MAX} bytes")));
        }
    }
}

/// The length of the head at the start of `bytes`, if all of it is there.
pub(crate) fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4)
}

/// Checks that the server accepted.
pub(crate) fn check_head(head: &[u8]) -> Result<()> {
    check(&String::from_utf8_lossy(head))
}

/// Reads what there is. With a receive timeout set, the kernel interrupts a waiting read even for
/// its own work, such as the last of a former io_uring of this thread: that is no error.
pub(crate) fn read(stream: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match stream.read(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// RFC 6455 §4.1, what a client must check in the response.
fn check(head: &str) -> Result<()> {
    let status = head.lines().next().unwrap_or_default();
    let value = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let upgraded = status.split(' ').nth(1) == Some("101")
        && value("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
        && value("connection").is_some_and(|value| {
            value.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
        });
    if !upgraded {
        return Err(Error::Protocol(format!("the server did not upgrade: {status}")));
    }
    if value("sec-websocket-accept") != Some(ACCEPT) {
        return Err(Error::Protocol("a wrong Sec-WebSocket-Accept".into()));
    }
    if value("sec-websocket-extensions").is_some() {
        return Err(Error::Protocol("an extension that was not offered".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        \r\n";

    #[test]
    fn takes_a_good_response_and_no_other() {
        read_response(&mut GOOD.as_bytes()).expect("a good response");
        let bad = [
            GOOD.replace("101", "200"),
            GOOD.replace("s3pPL", "S3pPL"),
            GOOD.replace("keep-alive, Upgrade", "close"),
            GOOD.replace("Upgrade: websocket", "Upgrade: h2c"),
            GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
            format!("{GOOD}\u{1}"),
            GOOD[..GOOD.len() - 1].to_owned(),
        ];
        for response in bad {
            assert!(read_response(&mut response.as_bytes()).is_err(), "{response:?}");
        }
    }
}
