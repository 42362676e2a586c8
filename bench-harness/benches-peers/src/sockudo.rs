//! sockudo-ws.

use bytes::{Buf, BytesMut};
use ringws_bench::codec::{Case, Content, Operation, Task};
use sockudo_ws::frame::{FrameParser, encode_frame, encode_frame_header};
use sockudo_ws::simd::apply_mask;
use sockudo_ws::utf8::validate_utf8;
use sockudo_ws::{Message, OpCode, Role};
use std::hint::black_box;

const NAME: &str = "sockudo-ws";

/// More than any message here.
const MAX: usize = 16 << 20;

/// Its ways to do `task`.
pub fn cases(task: Task) -> Vec<Case> {
    match task.operation {
        Operation::Unmask => vec![unmask(task, false)],
        Operation::UnmaskText => vec![unmask(task, true)],
        Operation::HeaderEncode => vec![header_encode(task)],
        Operation::StreamDecode if task.content == Content::Binary => {
            vec![protocol(task), parser(task)]
        }
        Operation::StreamDecode => vec![protocol(task)],
        Operation::FrameEncode => vec![frame_encode(task)],
        Operation::HeaderDecode | Operation::FrameDecode => Vec::new(),
    }
}

fn opcode(content: Content) -> OpCode {
    match content {
        Content::Ascii | Content::Mixed => OpCode::Text,
        Content::Binary => OpCode::Binary,
    }
}

fn unmask(task: Task, check: bool) -> Case {
    let mut input = task.input();
    let (stride, key) = (input.stride(), task.content.key());
    Case::new(task, NAME, input.frames, move || {
        let mut done = 0;
        for frame in black_box(&mut input.wire).chunks_exact_mut(stride) {
            if let Some(payload) = frame.get_mut(input.header..) {
                apply_mask(payload, key);
                done += usize::from(!check || validate_utf8(payload));
            }
        }
        done
    })
}

fn header_encode(task: Task) -> Case {
    let input = task.input();
    let (frames, opcode, key) = (input.frames, opcode(task.content), task.content.key());
    let mut out = BytesMut::with_capacity(frames * input.header);
    Case::new(task, NAME, frames, move || {
        out.clear();
        for _ in 0..frames {
            encode_frame_header(&mut out, opcode, black_box(task.size), true, Some(key));
        }
        black_box(&out).len() / input.header
    })
}

fn protocol(task: Task) -> Case {
    let input = task.input();
    let mut protocol = sockudo_ws::protocol::Protocol::new(Role::Server, MAX, MAX);
    let mut received = BytesMut::with_capacity(input.wire.len());
    let mut messages: Vec<Message> = Vec::with_capacity(input.frames);
    Case::new(task, NAME, input.frames, move || {
        messages.clear();
        received.extend_from_slice(black_box(&input.wire));
        let result = protocol.process_into(&mut received, &mut messages);
        if result.is_ok() { black_box(&messages).len() } else { 0 }
    })
}

fn parser(task: Task) -> Case {
    let input = task.input();
    let mut parser = FrameParser::new(MAX, true);
    let mut received = BytesMut::with_capacity(input.wire.len());
    Case::new(task, "sockudo-ws FrameParser", input.frames, move || {
        received.extend_from_slice(black_box(&input.wire));
        let mut found = 0;
        while received.has_remaining() {
            let Ok(Some(frame)) = parser.parse(&mut received) else { break };
            black_box(&frame.payload);
            found += 1;
        }
        found
    })
}

fn frame_encode(task: Task) -> Case {
    let input = task.input();
    let (frames, opcode) = (input.frames, opcode(task.content));
    // Without a key, a header is four bytes shorter than the client's.
    let total = frames * (input.stride() - 4);
    let mut out = BytesMut::with_capacity(total);
    Case::new(task, NAME, frames, move || {
        out.clear();
        for _ in 0..frames {
            encode_frame(&mut out, opcode, black_box(&input.payload), true, None);
        }
        if black_box(&out).len() == total { frames } else { 0 }
    })
}
