//! fastwebsockets.

use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocket, unmask};
use ringws_bench::codec::{Case, Content, Input, Operation, Task};
use std::future::Future;
use std::hint::black_box;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const NAME: &str = "fastwebsockets";

/// Its ways to do `task`.
pub fn cases(task: Task) -> Vec<Case> {
    match task.operation {
        Operation::Unmask => vec![unmask_all(task)],
        Operation::UnmaskText => vec![unmask_text(task)],
        Operation::HeaderEncode => vec![header_encode(task)],
        Operation::StreamDecode => vec![stream_decode(task)],
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

fn unmask_all(task: Task) -> Case {
    let mut input = task.input();
    let (stride, key) = (input.stride(), task.content.key());
    Case::new(task, NAME, input.frames, move || {
        let mut done = 0;
        for frame in black_box(&mut input.wire).chunks_exact_mut(stride) {
            if let Some(payload) = frame.get_mut(input.header..) {
                unmask(payload, key);
                done += 1;
            }
        }
        done
    })
}

fn unmask_text(task: Task) -> Case {
    let mut input = task.input();
    let (stride, key) = (input.stride(), task.content.key());
    Case::new(task, NAME, input.frames, move || {
        let mut valid = 0;
        for frame in black_box(&mut input.wire).chunks_exact_mut(stride) {
            if let Some(payload) = frame.get_mut(input.header..) {
                unmask(payload, key);
                valid += usize::from(Frame::text(Payload::Borrowed(payload)).is_utf8());
            }
        }
        valid
    })
}

fn header_encode(task: Task) -> Case {
    let input = task.input();
    let Input { payload, frames, header, .. } = input;
    let (opcode, key) = (opcode(task.content), task.content.key());
    let mut out = vec![[0; 14]; frames];
    Case::new(task, NAME, frames, move || {
        let mut frame = Frame::new(true, opcode, Some(key), Payload::Borrowed(&payload));
        let written = black_box(&mut out).iter_mut().map(|out| {
            let n = black_box(&mut frame).fmt_head(out);
            usize::from(n == header)
        });
        written.sum()
    })
}

fn frame_encode(task: Task) -> Case {
    let input = task.input();
    let opcode = opcode(task.content);
    let len = input.stride() - 4;
    let mut out = Vec::with_capacity(len + 14);
    Case::new(task, NAME, input.frames, move || {
        let mut frame = Frame::new(true, opcode, None, Payload::Borrowed(&input.payload));
        let frames = (0..input.frames).map(|_| {
            // It writes to the start of the buffer: each frame over the last one.
            let bytes = black_box(&mut frame).write(&mut out);
            usize::from(black_box(bytes).len() == len)
        });
        frames.sum()
    })
}

fn stream_decode(task: Task) -> Case {
    let input = task.input();
    let frames = input.frames;
    let mut socket = WebSocket::after_handshake(Memory::new(input.wire), Role::Server);
    socket.set_max_message_size(16 << 20);
    Case::new(task, NAME, frames, move || {
        let mut found = 0;
        for _ in 0..frames {
            let Some(Ok(frame)) = now(socket.read_frame()) else { break };
            black_box(&*frame.payload);
            found += 1;
        }
        found
    })
}

/// What a future that is always ready returns.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A stream of the same bytes, over and over.
struct Memory {
    bytes: Vec<u8>,
    at: usize,
}

impl Memory {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let n = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..n).unwrap_or_default());
        self.at = if n == rest.len() { 0 } else { self.at + n };
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
