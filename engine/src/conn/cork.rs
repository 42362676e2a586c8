//! Answers of the callback at work: short frames go straight to the end of the queue, which is lent
//! for as long as nothing else touches the connection. What would have to be asked of connection
//! and limits for each of them is asked once, when it is lent.

use super::outbound::Outbox;
use crate::buffer::Pool;
use crate::proto::Opcode;
use crate::proto::header::{CONTROL_MAX, FIN};
use crate::simd;

/// The end of a connection's queue, lent. The default has room for nothing.
#[derive(Debug, Default)]
pub(crate) struct Cork {
    /// The queue's copied bytes. Its capacity is within the limit of the queue.
    pub(super) queue: Vec<u8>,
    /// Bytes in it when it was lent.
    pub(super) begun: usize,
    /// Frames appended.
    frames: u64,
}

impl Cork {
    pub(super) fn new(queue: Vec<u8>) -> Self {
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
        self.frames += u64::from(pushed);
        pushed
    }

    /// Bytes appended.
    pub(crate) fn len(&self) -> usize {
        self.queue.len() - self.begun
    }

    /// Frames appended.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }
}

impl Outbox {
    /// Lends the end of the queue for whole messages, as long as they need no more memory: none
    /// while a message is sent in fragments, and none when the memory exceeds `max`. Not for
    /// frames that are masked.
    #[inline]
    pub(super) fn cork(&mut self, max: usize, pool: &mut Pool) -> Option<Cork> {
        if self.masks {
            return None;
        }
        if self.queue.capacity() == 0 {
            // Not a fresh batch: this one may refer to memory.
            self.queue.give_back(pool.get());
        }
        let lend = self.message.is_none() && self.buffered + self.queue.room() <= max;
        if !lend && self.queue.is_empty() {
            std::mem::take(&mut self.queue).recycle(pool);
        }
        lend.then(|| Cork::new(self.queue.lend()))
    }

    /// Takes it back.
    #[inline]
    pub(super) fn uncork(&mut self, cork: Cork, pool: &mut Pool) {
        self.buffered += cork.len();
        self.queue.give_back(cork.queue);
        if self.queue.is_empty() {
            std::mem::take(&mut self.queue).recycle(pool);
        }
    }
}
