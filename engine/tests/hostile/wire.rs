//! Writes what it is told however that is taken, and takes apart what comes back.

use ringws_kit::{BINARY, CLOSE, PATIENCE, PING, PONG, TEXT, split};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How a row is cut into writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Head and frames in one write.
    Whole,
    /// The frames after the answer to the head.
    Answered,
    /// Byte by byte.
    Bytes,
}

/// All that a server has sent.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The head, or everything when it is no 101.
    pub(crate) head: String,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) pings: usize,
    pub(crate) pongs: Vec<Vec<u8>>,
    /// The payload of the Close frame.
    pub(crate) close: Option<Vec<u8>>,
    /// When the stream ended.
    pub(crate) ended: Duration,
}

impl Answer {
    /// Takes apart what came on a connection, which must make sense to the last byte.
    pub(crate) fn parse(bytes: &[u8], ended: Duration) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let upgraded = bytes.starts_with(b"HTTP/1.1 101 ");
        let head_len = if upgraded { end.map_or(0, |at| at + 4) } else { bytes.len() };
        let (head, mut rest) = bytes.split_at(head_len);
        let head = String::from_utf8(head.to_vec()).expect("a head in ASCII");
        let mut answer = Self { head, ended, ..Self::default() };
        while !rest.is_empty() {
            assert!(answer.close.is_none(), "bytes behind the Close frame");
            let (first, payload, behind) = split(rest).expect("a whole frame");
            let payload = payload.to_vec();
            match first {
                TEXT | BINARY => answer.messages.push(payload),
                CLOSE => answer.close = Some(payload),
                PING => answer.pings += 1,
                PONG => answer.pongs.push(payload),
                _ => panic!("the echo service sends no {first:#04x}"),
            }
            rest = behind;
        }
        answer
    }
}

/// Writes; a server that has hung up is no error here, one that does not read is.
pub(crate) fn write(stream: &mut TcpStream, bytes: &[u8], cut: usize, pause: Duration) {
    for part in bytes.chunks(cut.max(1)) {
        match stream.write_all(part) {
            Ok(()) => {}
            Err(error) if is_hang_up(error.kind()) => return,
            Err(error) => panic!("write: {error}"),
        }
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }
}

fn is_hang_up(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected)
}

/// Reads up to the empty line of the answer's head, or to the end of the stream.
pub(crate) fn read_head(stream: &mut TcpStream, into: &mut Vec<u8>) {
    let mut byte = [0];
    while !into.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => into.push(byte[0]),
            Ok(_) => return,
            Err(error) if is_hang_up(error.kind()) => return,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}

/// How long after `since` the server has given the connection up: writes fail then.
pub(crate) fn outlast(stream: &mut TcpStream, since: Instant) -> Duration {
    while since.elapsed() < PATIENCE {
        if stream.write_all(b"x").is_err() {
            return since.elapsed();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the server never gave the connection up");
}
