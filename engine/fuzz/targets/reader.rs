//! Frames out of a stream: the same frames and the same violation, however the stream is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::proto::{FrameReader, Header, Input as Cursor, Role, Violation, mask};
use ringws_fuzz::{Input, pieces};

/// Frames, the last one perhaps unfinished, and what was wrong behind them.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    frames: Vec<(Header, Vec<u8>, bool)>,
    violation: Option<Violation>,
}

fn read(role: Role, how: u8, stream: &[u8]) -> Read {
    let mut reader = FrameReader::new(role);
    let mut read = Read { frames: Vec::new(), violation: None };
    for piece in pieces(how, stream) {
        let mut bytes = piece.to_vec();
        let mut cursor = Cursor::new(&mut bytes);
        loop {
            match reader.next(&mut cursor) {
                Ok(Some(piece)) => {
                    mask::unmask(piece.data, piece.key);
                    if piece.first {
                        read.frames.push((piece.header, Vec::new(), false));
                    }
                    let (header, payload, done) = read.frames.last_mut().expect("a first piece");
                    assert!(!*done && *header == piece.header);
                    payload.extend_from_slice(piece.data);
                    *done = piece.last;
                    assert_eq!(piece.last, payload.len() as u64 == header.len);
                }
                Ok(None) => break,
                Err(violation) => {
                    read.violation = Some(violation);
                    return read;
                }
            }
        }
        assert!(cursor.is_empty(), "bytes left over");
    }
    read
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte();
    let role = if input.byte() & 1 == 0 { Role::Server } else { Role::Client };
    let stream = input.rest();
    let whole = read(role, 0, stream);
    for other in [1, how.max(2)] {
        assert_eq!(read(role, other, stream), whole, "cut by {other}");
    }
});
