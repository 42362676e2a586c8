//! A client of plain bytes: writes what it is told and takes apart what comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// How long the server may take for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

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
            let (opcode, payload, behind) = frame(rest).expect("a whole frame");
            let payload = payload.to_vec();
            match opcode {
                1 | 2 => answer.messages.push(payload),
                8 => answer.close = Some(payload),
                9 => answer.pings += 1,
                10 => answer.pongs.push(payload),
                _ => panic!("opcode {opcode}"),
            }
            rest = behind;
        }
        answer
    }
}

/// The first frame: opcode, payload and what stands behind it. The echo service sends whole
/// messages and does not mask.
pub(crate) fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    assert_eq!(first & 0xF0, 0x80, "FIN alone");
    let (len, rest) = match second {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*len) as usize, rest)
        }
        len => (usize::from(len), rest),
    };
    let (payload, behind) = rest.split_at_checked(len)?;
    Some((first & 0x0F, payload, behind))
}

/// A connection on which everything is a matter of `PATIENCE`.
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
    stream
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

/// Reads to the end, or to a reset.
pub(crate) fn read_to_end(stream: &mut TcpStream, into: &mut Vec<u8>) {
    match stream.read_to_end(into) {
        Ok(_) => {}
        Err(error) if is_hang_up(error.kind()) => {}
        Err(error) => panic!("the connection does not end: {error}"),
    }
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

/// Ends our direction; a connection that is gone already has none.
pub(crate) fn end(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
}
