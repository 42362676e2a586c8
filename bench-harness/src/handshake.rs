//! The client's opening handshake, RFC 6455 §4.1.
//!
//! The nonce is the same for every connection, so the answer is known in advance and checking it
//! needs no SHA-1. A nonce has to be random to keep caches from answering; here the peer is a
//! server under test.

use crate::error::{Error, Result};
use crate::scenario::Deflate;
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
    offering(server, path, Deflate::Off)
}

/// The same with an offer of permessage-deflate.
pub fn offering(server: SocketAddr, path: &str, deflate: Deflate) -> Vec<u8> {
    let offer = deflate.offer().map(|offer| format!("Sec-WebSocket-Extensions: {offer}\r\n"));
    let offer = offer.unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
    )
    .into_bytes()
}

/// Reads one response head and checks that the server accepted. Bytes behind the head are an
/// error: the server has nothing to say before it was spoken to.
pub fn read_response(stream: &mut impl Read) -> Result<()> {
    read_answer(stream, Deflate::Off)
}

/// The same after an offer: the server has to have taken it.
pub fn read_answer(stream: &mut impl Read, deflate: Deflate) -> Result<()> {
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
            return check(&String::from_utf8_lossy(&head), deflate);
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
    check(&String::from_utf8_lossy(head), Deflate::Off)
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
fn check(head: &str, deflate: Deflate) -> Result<()> {
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
    match (value("sec-websocket-extensions"), deflate) {
        (None, Deflate::Off) => Ok(()),
        (Some(_), Deflate::Off) => Err(Error::Protocol("an extension that was not offered".into())),
        (None, _) => Err(Error::Protocol("the server does not take permessage-deflate".into())),
        (Some(taken), _) if takes(taken, deflate) => Ok(()),
        (Some(taken), _) => Err(Error::Protocol(format!("not what was offered: {taken}"))),
    }
}

/// Whether a server may answer an offer so (RFC 7692 §7.1): without context takeover where that was
/// asked for, and no limit for a client that did not say it takes one. The window that a server
/// limits itself to does not matter: what inflates has the largest.
fn takes(taken: &str, deflate: Deflate) -> bool {
    let mut parts = taken.split(';').map(str::trim);
    let known = |part: &str| {
        matches!(part, "client_no_context_takeover" | "server_no_context_takeover")
            || part.starts_with("server_max_window_bits=")
    };
    let alone = parts.clone().any(|part| part == "server_no_context_takeover");
    parts.next() == Some("permessage-deflate")
        && parts.all(known)
        && (alone || deflate == Deflate::Takeover)
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

    #[test]
    fn the_answer_to_an_offer_is_checked() {
        let answer = |taken: &str| {
            let taken = format!("\r\nSec-WebSocket-Extensions: {taken}\r\n\r\n");
            GOOD.replace("\r\n\r\n", &taken)
        };
        let alone = "permessage-deflate; server_no_context_takeover";
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let window = "permessage-deflate; server_max_window_bits=12";
        let limit = "permessage-deflate; client_max_window_bits=12";
        for (taken, shared, takeover) in [
            (alone, true, true),
            (both, true, true),
            (window, false, true),
            (limit, false, false),
            ("permessage-deflate", false, true),
            ("x-webkit-deflate-frame", false, false),
        ] {
            let answer = answer(taken);
            let read = |deflate| read_answer(&mut answer.as_bytes(), deflate).is_ok();
            assert_eq!((read(Deflate::Shared), read(Deflate::Takeover)), (shared, takeover));
            assert!(!read(Deflate::Off));
        }
        assert!(read_answer(&mut GOOD.as_bytes(), Deflate::Shared).is_err(), "it takes nothing");
    }
}
