//! As much of a WebSocket server as a test needs.

use ringws_bench::frame;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Reads a request and accepts it, whatever it says.
pub(crate) fn upgrade(stream: &mut TcpStream) -> bool {
    const ACCEPT: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    head(stream).is_some() && stream.write_all(ACCEPT).is_ok()
}

/// Reads a request.
pub(crate) fn head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return None;
        }
        head.push(byte[0]);
        // A handshake of TLS, for one: it has no end that this would find.
        if head[0] != b'G' {
            return None;
        }
    }
    String::from_utf8(head).ok()
}

/// The first frame of `unread`, if it is whole: its opcode and its payload.
pub(crate) fn take_message(unread: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let header = frame::parse(unread).expect("legal frames")?;
    let size = header.size + header.len;
    if unread.len() < size {
        return None;
    }
    let key = header.mask.expect("clients mask");
    let frame: Vec<u8> = unread.drain(..size).collect();
    let unmask = frame[header.size..].iter().zip(key.iter().cycle());
    Some((header.opcode, unmask.map(|(byte, key)| byte ^ key).collect()))
}
