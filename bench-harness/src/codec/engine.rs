//! The protocol floor of the engine, through its public API.

use super::input::{Input, client_header, server_header};
use super::{Case, Operation, Task};
use ringws_engine::proto::header::{self, Decoded, HEADER_MAX};
use ringws_engine::proto::sequence::Sequence;
use ringws_engine::proto::{self, FrameReader, Opcode, Role, Violation, WholeFrame, mask, utf8};
use std::hint::black_box;

/// The name of the engine's floor 0 in tables.
pub const PROTO: &str = "ringws proto";

/// The way of the protocol floor to do `task`.
pub fn cases(task: Task) -> Vec<Case> {
    vec![match task.operation {
        Operation::Unmask => unmask(task),
        Operation::UnmaskText => unmask_text(task),
        Operation::HeaderDecode => header_decode(task),
        Operation::HeaderEncode => header_encode(task),
        Operation::FrameDecode => frame_decode(task),
        Operation::StreamDecode => stream_decode(task),
        Operation::FrameEncode => frame_encode(task),
    }]
}

fn unmask(task: Task) -> Case {
    let mut input = task.input();
    let (stride, key, frames) = (input.stride(), input.content.key(), input.frames);
    Case::new(task, PROTO, frames, move || {
        let mut done = 0;
        for frame in black_box(&mut input.wire).chunks_exact_mut(stride) {
            if let Some(payload) = frame.get_mut(input.header..) {
                mask::unmask(payload, key);
                done += 1;
            }
        }
        done
    })
}

fn unmask_text(task: Task) -> Case {
    let mut input = task.input();
    let (stride, key, frames) = (input.stride(), input.content.key(), input.frames);
    Case::new(task, PROTO, frames, move || {
        let mut valid = 0;
        for frame in black_box(&mut input.wire).chunks_exact_mut(stride) {
            if let Some(payload) = frame.get_mut(input.header..) {
                valid += usize::from(utf8::unmask_and_check(payload, key).is_ok());
            }
        }
        valid
    })
}

fn header_decode(task: Task) -> Case {
    let input = task.input();
    let headers = input.headers();
    let len = task.size as u64;
    Case::new(task, PROTO, input.frames, move || {
        let mut bytes = black_box(&headers[..]);
        let mut found = 0;
        while let Ok(Decoded::Complete(header, n)) = header::decode(bytes, Role::Server, false) {
            found += usize::from(header.len == len && header.mask.is_some());
            bytes = bytes.get(n..).unwrap_or_default();
        }
        found
    })
}

fn header_encode(task: Task) -> Case {
    let frames = task.input().frames;
    let header = client_header(task.content, task.size);
    let len = super::input::header_len(task.size);
    let mut out = vec![[0; HEADER_MAX]; frames];
    Case::new(task, PROTO, frames, move || {
        let written = black_box(&mut out).iter_mut().map(|out| {
            let n = header::encode(black_box(&header), out);
            usize::from(n == len)
        });
        written.sum()
    })
}

fn frame_decode(task: Task) -> Case {
    let mut input = task.input();
    Case::new(task, PROTO, input.frames, move || {
        decode(black_box(&mut input.wire)).unwrap_or_default()
    })
}

fn stream_decode(task: Task) -> Case {
    let input = task.input();
    let mut received = vec![0; input.wire.len()];
    Case::new(task, PROTO, input.frames, move || {
        received.copy_from_slice(black_box(&input.wire));
        decode(&mut received).unwrap_or_default()
    })
}

/// The least that a server may do with frames of whole messages: small ones by the short way, if
/// no other message has begun.
fn decode(wire: &mut [u8]) -> Result<usize, Violation> {
    let mut input = proto::Input::new(wire);
    let (mut reader, mut sequence) = (FrameReader::new(Role::Server), Sequence::new());
    let mut found = 0;
    loop {
        if sequence.message().is_none()
            && let Some(WholeFrame { header, data, key, .. }) =
                reader.next_whole(&mut input, u32::MAX)
        {
            unmask_and_check(header.opcode, data, key)?;
            found += 1;
            continue;
        }
        let Some(piece) = reader.next(&mut input)? else { return Ok(found) };
        let place = sequence.take(&piece.header, 1 << 20, 1 << 14)?;
        unmask_and_check(place.opcode, piece.data, piece.key)?;
        found += usize::from(place.last && piece.last);
    }
}

#[inline(always)]
fn unmask_and_check(opcode: Opcode, data: &mut [u8], key: [u8; 4]) -> Result<(), Violation> {
    if opcode == Opcode::Text {
        return utf8::unmask_and_check(data, key);
    }
    mask::unmask(data, key);
    Ok(())
}

fn frame_encode(task: Task) -> Case {
    let Input { payload, frames, .. } = task.input();
    let header = server_header(task.content, task.size);
    // Without a key, a header is four bytes shorter than the client's.
    let total = frames * (payload.len() + super::input::header_len(payload.len()) - 4);
    let mut out = Vec::with_capacity(total);
    Case::new(task, PROTO, frames, move || {
        out.clear();
        let payload = black_box(&payload);
        for _ in 0..frames {
            header::append(black_box(&header), &mut out);
            out.extend_from_slice(payload);
        }
        if black_box(&out).len() == total { frames } else { 0 }
    })
}
