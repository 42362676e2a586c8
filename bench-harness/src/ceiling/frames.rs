//! The ceiling of frames: what a WebSocket echo costs when it does nothing but touch each frame.
//!
//! It answers the upgrade; from then on every whole frame of a received buffer is unmasked and
//! framed again where it lies, all of them contiguous, and the buffer is sent as it then is. A
//! frame that is split over buffers waits in memory of the connection and is answered from there.
//! No checks (a frame without a mask, a control frame, a fragment: each comes back as if it were a
//! message), no limits, no callbacks. It is no server. It exists to separate the cost of touching
//! frames, which every WebSocket echo on io_uring with a loop over frames has, from the cost of an
//! engine.

use super::Part;
use super::reframe::{Reframed, reframe};
use super::upgrade;
use crate::ring::{Buffer, Ring};
use std::collections::VecDeque;

/// What a connection remembers between two buffers.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// Whether the upgrade was answered.
    open: bool,
    /// The start of a request or of a frame whose rest has not come.
    tail: Vec<u8>,
}

impl Conversation {
    /// Takes what was received and queues the answer.
    pub(super) fn take(&mut self, ring: &mut Ring, mut buffer: Buffer, out: &mut VecDeque<Part>) {
        if !self.open || !self.tail.is_empty() {
            self.tail.extend_from_slice(ring.bytes(&buffer));
            ring.give_back(buffer);
            return self.answer_tail(out);
        }
        let bytes = ring.bytes_mut(&mut buffer);
        let Reframed { answer, taken } = reframe(bytes);
        self.tail.extend_from_slice(bytes.get(taken..).unwrap_or_default());
        buffer.len = answer as u32;
        match answer {
            0 => ring.give_back(buffer),
            _ => out.push_back(Part::Received(buffer)),
        }
    }

    /// Takes memory that was sent for the next tail: much of it costs page faults when it is new.
    pub(super) fn recycle(&mut self, mut memory: Vec<u8>) {
        if self.tail.is_empty() && self.tail.capacity() < memory.capacity() {
            memory.clear();
            self.tail = memory;
        }
    }

    fn answer_tail(&mut self, out: &mut VecDeque<Part>) {
        if !self.open {
            let Some(head) = upgrade::head(&self.tail) else { return };
            let request: Vec<u8> = self.tail.drain(..head).collect();
            out.push_back(Part::Owned(upgrade::response(&request)));
            self.open = true;
        }
        let Reframed { answer, taken } = reframe(&mut self.tail);
        if answer > 0 {
            let rest = self.tail.split_off(taken);
            let mut whole = std::mem::replace(&mut self.tail, rest);
            whole.truncate(answer);
            out.push_back(Part::Owned(whole));
        }
    }
}
