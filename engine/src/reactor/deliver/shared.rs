//! Messages that outlive their callback, because parts of them are being sent or kept.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::buffer::{Loan, Outgoing, Pool};
use crate::conn::SendFlags;
use crate::proto::{Opcode, header};
use crate::reactor::api::handler::Context;
use crate::reactor::api::upgrade::Message;
use crate::reactor::core::name::Conn;
use crate::ring::Retained;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Messages from here on are lent in a way that they can be shared: below it a copy costs less.
pub(crate) const SHARE_MIN: usize = 32 << 10;

/// How many are waited for. The memory of those beyond is freed instead of used again.
const OUT_MAX: usize = 64;

/// Messages whole in their buffer from here on are echoed out of it: below it a copy costs less
/// than counting holders.
pub(crate) const ECHO_MIN: usize = 4 << 10;

/// Bytes of the header in front of such a message: see `header::strip_mask`.
const ECHO_HEADER: usize = 4;

/// The lease that a message under delivery lies in.
#[derive(Debug)]
pub(crate) struct Delivery {
    buffer: u16,
    memory: Range<usize>,
    retained: Option<Retained>,
    /// Whether what is sent holds it.
    lent: bool,
    /// The message under delivery when it can be echoed as it lies.
    whole: Option<Whole>,
}

/// A message whole in its buffer.
#[derive(Debug)]
struct Whole {
    opcode: Opcode,
    /// Where its payload lies.
    at: Range<usize>,
    /// Bytes in front of it which are the header of the frame that sends it; 0 when they are not.
    header: usize,
}

impl Delivery {
    /// Of buffer `buffer`, which lies at `memory`.
    pub(crate) fn new(buffer: u16, memory: Range<usize>) -> Self {
        Self { buffer, memory, retained: None, lent: false, whole: None }
    }

    /// Whether the lease has holders that outlive the delivery.
    pub(crate) fn is_kept(&self) -> bool {
        self.lent || self.retained.is_some()
    }
}

/// The assembled message under delivery.
#[derive(Debug)]
pub(crate) struct Lending {
    pub(crate) memory: Arc<Vec<u8>>,
    pub(crate) opcode: Opcode,
}

impl Lending {
    /// A part of the message as shared bytes, without a copy. `None` when it is none, or one that
    /// would pin much more memory than it has bytes.
    pub(crate) fn share(&self, part: &[u8]) -> Option<Bytes> {
        let from = (part.as_ptr() as usize).checked_sub(self.memory.as_ptr() as usize)?;
        let to = from.checked_add(part.len())?;
        if to > self.memory.len() || part.len() < SHARE_MIN.max(self.memory.capacity() / 2) {
            return None;
        }
        Some(Bytes::from_owner(Part { memory: Arc::clone(&self.memory), at: from..to }))
    }

    /// As [`Lending::share`], when the part may be sent as `opcode` without another look at it:
    /// a part of a text need not be text.
    pub(crate) fn share_as(&self, opcode: Opcode, part: &[u8]) -> Option<Bytes> {
        let whole = self.opcode == Opcode::Text && part.len() == self.memory.len();
        let plain = opcode == Opcode::Binary || opcode == Opcode::Text && whole;
        if plain { self.share(part) } else { None }
    }
}

/// What a shared `Bytes` owns.
struct Part {
    memory: Arc<Vec<u8>>,
    at: Range<usize>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(self.at.clone()).unwrap_or_default()
    }
}

/// The memory of messages that are still shared.
#[derive(Debug, Default)]
pub(crate) struct Lent(Vec<Arc<Vec<u8>>>);

impl Lent {
    /// Takes a message after its callback: its memory goes to the pool, now or when nobody shares
    /// it any more.
    pub(crate) fn put(&mut self, memory: Arc<Vec<u8>>, pool: &mut Pool) {
        match Arc::try_unwrap(memory) {
            Ok(bytes) => pool.put(bytes),
            Err(shared) if self.0.len() < OUT_MAX => self.0.push(shared),
            Err(_) => {}
        }
    }

    /// Gives the pool what nobody shares any more.
    #[inline]
    pub(crate) fn reclaim(&mut self, pool: &mut Pool) {
        if !self.0.is_empty() {
            for memory in self.0.extract_if(.., |memory| Arc::get_mut(memory).is_some()) {
                // Nobody can have taken another share since: ours was the only one.
                if let Ok(bytes) = Arc::try_unwrap(memory) {
                    pool.put(bytes);
                }
            }
        }
    }
}

impl Context {
    /// Keeps the message beyond its callback as an outgoing message with FIN. No copy when it lies
    /// whole in a receive buffer and not too many are kept: the buffer then goes back to the ring
    /// when the last clone is dropped, on whatever thread.
    pub fn retain(&mut self, message: &Message<'_>) -> Outgoing {
        let payload = match self.share(message.payload) {
            Some(shared) => {
                self.counters.retained.add(1);
                shared
            }
            None => {
                self.counters.retain_copied.add(1);
                Bytes::copy_from_slice(message.payload)
            }
        };
        Outgoing::new(message.opcode, payload)
    }

    /// Whether a whole message would be compressed, so that it cannot be sent as it lies.
    pub(crate) fn compresses(&mut self, conn: Conn, len: usize, flags: SendFlags) -> bool {
        !flags.plain && self.slab.live(conn).is_some_and(|slot| slot.conn.compresses(len))
    }

    /// A message that lies whole in its buffer is about to be delivered, `room` being where its
    /// header was, if that is there too.
    #[inline]
    pub(crate) fn offer_echo(&mut self, opcode: Opcode, room: &mut [u8], payload: &[u8]) {
        if payload.len() >= self.echo_min
            && let Some(delivery) = &mut self.delivery
        {
            let start = payload.as_ptr() as usize;
            let at = start..start + payload.len();
            // Else it was assembled, or lies where a pause has put it.
            if delivery.memory.start <= at.start && at.end <= delivery.memory.end {
                let header = if header::strip_mask(room) { ECHO_HEADER } else { 0 };
                delivery.whole = Some(Whole { opcode, at, header });
            }
        }
    }

    /// It has been delivered.
    #[inline]
    pub(crate) fn end_echo(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.whole = None;
        }
    }

    /// What sends the message under delivery back as it came, when `payload` is all of it and too
    /// many buffers are not out already: it, and the bytes in it that are the frame's header.
    pub(crate) fn echo(&mut self, opcode: Opcode, payload: &[u8]) -> Option<(Loan, usize)> {
        let delivery = self.delivery.as_mut()?;
        let whole = delivery.whole.as_ref()?;
        let same = whole.at.start == payload.as_ptr() as usize && whole.at.len() == payload.len();
        if whole.opcode != opcode || !same {
            return None;
        }
        let frame = self.buffers.lend(delivery.buffer, payload, whole.header)?;
        delivery.lent = true;
        #[cfg(feature = "sim")]
        (self.echoed += 1);
        Some((frame, whole.header))
    }

    /// The payload by reference, when the message under delivery may be kept.
    pub(crate) fn share(&mut self, payload: &[u8]) -> Option<Bytes> {
        if let Some(shared) = self.lending.as_ref().and_then(|lending| lending.share(payload)) {
            return Some(shared);
        }
        let delivery = self.delivery.as_mut()?;
        let start = payload.as_ptr() as usize;
        if start < delivery.memory.start || start + payload.len() > delivery.memory.end {
            return None;
        }
        if delivery.retained.is_none() {
            delivery.retained = self.buffers.retain(delivery.buffer);
        }
        delivery.retained.as_ref().map(|retained| retained.share(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lending(opcode: Opcode, len: usize) -> Lending {
        Lending { memory: Arc::new(vec![b'x'; len]), opcode }
    }

    #[test]
    fn memory_comes_back_when_the_last_share_is_gone() {
        let (mut lent, mut pool) = (Lent::default(), Pool::default());
        let lending = lending(Opcode::Binary, 100_000);
        let bytes = lending.share(&lending.memory[10..90_000]).expect("most of it");
        assert_eq!(bytes.len(), 89_990);
        lent.put(lending.memory, &mut pool);
        lent.reclaim(&mut pool);
        assert_eq!(pool.bytes(), 0, "still shared");
        std::thread::spawn(move || drop(bytes)).join().expect("thread");
        lent.reclaim(&mut pool);
        assert_eq!((pool.bytes(), lent.0.len()), (100_000, 0));
    }

    #[test]
    fn what_is_small_or_elsewhere_is_not_shared() {
        let lending = lending(Opcode::Binary, 100_000);
        assert!(lending.share(&lending.memory[..40_000]).is_none(), "pins more than it has");
        assert!(lending.share(&[0; 60_000]).is_none());
        let other = vec![0; 200_000];
        assert!(lending.share(&other).is_none());
    }

    #[test]
    fn a_part_of_a_text_is_not_sent_as_text_unseen() {
        let lending = lending(Opcode::Text, 100_000);
        let (whole, part) = (&lending.memory[..], &lending.memory[1..]);
        assert!(lending.share_as(Opcode::Text, whole).is_some());
        assert!(lending.share_as(Opcode::Text, part).is_none());
        assert!(lending.share_as(Opcode::Binary, part).is_some());
        assert!(lending.share_as(Opcode::Continuation, whole).is_none());
    }
}
