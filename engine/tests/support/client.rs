//! A client of blocking sockets: what it sends is what the test says, byte by byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const KEY: [u8; 4] = [7, 77, 177, 211];

/// An upgraded connection.
pub(crate) fn connect(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    stream
}

/// A masked frame with the first byte given.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len @ ..65_536 => {
            frame.push(0xFE);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0xFF);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ KEY[i % 4]));
    frame
}

/// The next frame: its first byte and its payload.
pub(crate) fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    let mut long = [0; 8];
    let len = match header[1] {
        126 => stream.read_exact(&mut long[6..]).map(|()| u64::from_be_bytes(long)).unwrap(),
        127 => stream.read_exact(&mut long).map(|()| u64::from_be_bytes(long)).unwrap(),
        len => u64::from(len),
    };
    let mut payload = vec![0; len as usize];
    stream.read_exact(&mut payload).unwrap();
    (header[0], payload)
}

/// Letters that differ by position and seed.
pub(crate) fn payload(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| b'a' + ((at * 31 + at / 251 + seed * 7) % 26) as u8).collect()
}
