//! Appending by copy, kept open for the answers of the callback at work: short frames go straight
//! to the end of the queue, which is in a writer for as long as nothing else touches the
//! connection. What would have to be asked of connection and limits for each of them is asked once,
//! when it is opened.

use super::outbox::Outbox;
use crate::memory::Pool;
use crate::proto::Opcode;
use crate::proto::header::{CONTROL_MAX, FIN};
use crate::simd;

/// Stands for a frame in the sum of those that were appended. One sum for all of them and for the
/// Binary ones among them takes a frame an instruction more than a count, not a second one. They
/// fit: a frame has two bytes or more, and the queue, by `Limits::send_queue_max`, less than 2 to
/// the 32nd.
const FRAME: u64 = 1 << 31;

/// The end of a connection's queue. The default has room for nothing.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// The queue's copied bytes. Its capacity is within the limit of the queue.
    queue: Vec<u8>,
    /// Bytes in it when it was opened.
    begun: usize,
    /// Frames appended: [`FRAME`] for each, and 1 more for a Binary one.
    frames: u64,
}

impl Writer {
    fn new(queue: Vec<u8>) -> Self {
        let begun = queue.len();
        Self { queue, begun, frames: 0 }
    }

    /// Queues a whole message of at most 125 bytes, Binary or ASCII text, if there is room. `false`
    /// means nothing but that it is for `Connection::send`.
    #[inline(always)]
    pub(crate) fn push(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        if payload.len() > CONTROL_MAX || opcode != Opcode::Text && opcode != Opcode::Binary {
            return false;
        }
        let header = [FIN | opcode as u8, payload.len() as u8];
        let pushed = simd::append(&mut self.queue, header, payload, opcode == Opcode::Text);
        if pushed {
            self.frames += FRAME - Opcode::Text as u64 + opcode as u64;
        }
        pushed
    }

    /// Bytes appended.
    pub(crate) fn len(&self) -> usize {
        self.queue.len() - self.begun
    }

    /// Frames appended, Text and Binary.
    #[inline(always)]
    pub(crate) fn frames(&self) -> (u64, u64) {
        let binaries = self.frames % FRAME;
        (self.frames / FRAME - binaries, binaries)
    }
}

impl Outbox {
    /// A writer for whole messages, for as long as they need no more memory: none while a message
    /// is sent in fragments, and none when the memory exceeds `max`. Not for frames that are
    /// masked.
    #[inline]
    pub(super) fn open_writer(&mut self, max: usize, pool: &mut Pool) -> Option<Writer> {
        if self.masks() {
            return None;
        }
        if self.queue.capacity() == 0 {
            // Not a fresh batch: this one may refer to memory.
            self.queue.attach(pool.get());
        }
        let opens = self.message.is_none() && self.buffered + self.queue.room() <= max;
        if !opens && self.queue.is_empty() {
            std::mem::take(&mut self.queue).recycle(pool);
        }
        opens.then(|| Writer::new(self.queue.detach()))
    }

    /// Ends it.
    #[inline]
    pub(super) fn close_writer(&mut self, writer: Writer, pool: &mut Pool) {
        self.buffered += writer.len();
        self.queue.attach(writer.queue);
        if self.queue.is_empty() {
            std::mem::take(&mut self.queue).recycle(pool);
        }
    }
}
