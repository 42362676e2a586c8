//! tungstenite.

use bytes::Bytes;
use ringws_bench::codec::{Case, Content, Operation, Task};
use std::hint::black_box;
use std::io::{self, Cursor, Read, Write};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

const NAME: &str = "tungstenite";

/// Its ways to do `task`.
pub fn cases(task: Task) -> Vec<Case> {
    match task.operation {
        Operation::HeaderDecode => vec![header_decode(task)],
        Operation::HeaderEncode => vec![header_encode(task)],
        Operation::StreamDecode => vec![stream_decode(task)],
        Operation::FrameEncode => vec![frame_encode(task)],
        Operation::Unmask | Operation::UnmaskText | Operation::FrameDecode => Vec::new(),
    }
}

fn header(content: Content, mask: Option<[u8; 4]>) -> FrameHeader {
    let opcode = match content {
        Content::Ascii | Content::Mixed => OpCode::Data(Data::Text),
        Content::Binary => OpCode::Data(Data::Binary),
    };
    FrameHeader { is_final: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask }
}

fn header_decode(task: Task) -> Case {
    let input = task.input();
    let headers = input.headers();
    let len = task.size as u64;
    Case::new(task, NAME, input.frames, move || {
        let mut cursor = Cursor::new(black_box(&headers[..]));
        let mut found = 0;
        while let Ok(Some((header, length))) = FrameHeader::parse(&mut cursor) {
            found += usize::from(length == len && header.mask.is_some());
        }
        found
    })
}

fn header_encode(task: Task) -> Case {
    let input = task.input();
    let header = header(task.content, Some(task.content.key()));
    let mut out = Vec::with_capacity(input.frames * input.header);
    Case::new(task, NAME, input.frames, move || {
        out.clear();
        for _ in 0..input.frames {
            if black_box(&header).format(black_box(task.size) as u64, &mut out).is_err() {
                return 0;
            }
        }
        black_box(&out).len() / input.header
    })
}

fn frame_encode(task: Task) -> Case {
    let input = task.input();
    let payload = Bytes::from(input.payload.clone());
    let total = input.frames * (input.stride() - 4);
    let mut out = Vec::with_capacity(total);
    Case::new(task, NAME, input.frames, move || {
        out.clear();
        for _ in 0..input.frames {
            let frame =
                Frame::from_payload(header(task.content, None), black_box(&payload).clone());
            if frame.format(&mut out).is_err() {
                return 0;
            }
        }
        if black_box(&out).len() == total { input.frames } else { 0 }
    })
}

fn stream_decode(task: Task) -> Case {
    let input = task.input();
    let frames = input.frames;
    let config = WebSocketConfig::default().read_buffer_size(input.wire.len());
    let stream = Memory { bytes: input.wire, at: 0 };
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, Some(config));
    Case::new(task, NAME, frames, move || {
        let mut found = 0;
        for _ in 0..frames {
            let Ok(message) = socket.read() else { break };
            black_box(message.len());
            found += 1;
        }
        found
    })
}

/// A stream of the same bytes, over and over.
struct Memory {
    bytes: Vec<u8>,
    at: usize,
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.get(self.at..).unwrap_or_default().read(buffer)?;
        self.at = if self.at + n == self.bytes.len() { 0 } else { self.at + n };
        Ok(n)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
