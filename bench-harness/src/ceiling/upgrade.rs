//! The server's side of the opening handshake (RFC 6455 §4.2.2), as little of it as a client asks.

use sha1::{Digest, Sha1};

/// What RFC 6455 §1.3 appends to the client's key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

/// Bytes of the request's head at the start of `bytes`, if all of it is there.
pub(super) fn head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The response to a request's head: an upgrade to whoever names a key, `400` to others.
pub(super) fn response(head: &[u8]) -> Vec<u8> {
    let head = String::from_utf8_lossy(head);
    let key = head.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let Some(key) = key else { return REFUSAL.to_vec() };
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        base64(&digest)
    )
    .into_bytes()
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            (0..3).fold(0, |bits, at| bits << 8 | three.get(at).map_or(0, |&b| u32::from(b)));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if digit <= three.len() { ALPHABET[index].into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake;
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn the_client_takes_the_response() {
        let mut request = handshake::request(SocketAddr::from((Ipv4Addr::LOCALHOST, 80)), "/");
        let end = request.len();
        for cut in 0..end {
            assert_eq!(head(&request[..cut]), None, "cut at {cut}");
        }
        request.extend_from_slice(b"\x81\x80");
        assert_eq!(head(&request), Some(end));
        let response = response(&request[..end]);
        // It compares the Accept value with that of the example in RFC 6455 §1.3.
        handshake::read_response(&mut response.as_slice()).expect("an upgrade");
    }

    #[test]
    fn no_key_no_upgrade() {
        let response = response(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(handshake::read_response(&mut response.as_slice()).is_err());
    }

    #[test]
    fn base64_as_in_rfc_4648_section_10() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
