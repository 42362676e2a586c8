//! What one send owns while the kernel holds it.

use super::pieces::{Piece, Pieces};
use super::pool::Pool;
use super::shared::Shared;
use std::io::IoSlice;

/// Bytes that wait to be sent in order: copied ones and shared ones.
///
/// The copied bytes of all frames lie in one vector, whatever shared pieces stand between them, so
/// a queue without shared pieces is a vector and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    copied: Vec<u8>,
    pieces: Option<Box<Pieces>>,
}

impl Queue {
    /// Appends a copy.
    #[inline]
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
    }

    /// Whether nothing was queued and no memory taken yet.
    #[inline]
    pub(crate) fn is_vacant(&self) -> bool {
        self.pieces.is_none() && self.copied.capacity() == 0
    }

    /// The copied bytes, to append to them.
    #[inline(always)]
    pub(crate) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.copied
    }

    /// Appends a copy, masked with `key` (RFC 6455 §5.3).
    pub(crate) fn copy_masked(&mut self, bytes: &[u8], key: [u8; 4]) {
        let at = self.copied.len();
        self.copied.extend_from_slice(bytes);
        crate::simd::xor(self.copied.get_mut(at..).unwrap_or_default(), key);
    }

    /// Takes the copied bytes out, to append to them. Until [`Queue::attach`] there is no queue.
    pub(crate) fn detach(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.copied)
    }

    /// Puts the copied bytes in again, or memory for them.
    pub(crate) fn attach(&mut self, copied: Vec<u8>) {
        self.copied = copied;
    }

    /// Appends by reference. Allocates nothing once the pool is warm.
    pub(crate) fn share(&mut self, memory: Shared, pool: &mut Pool) {
        if !memory.is_empty() {
            let piece = Piece { at: self.copied.len(), memory };
            self.pieces.get_or_insert_with(|| pool.get_pieces()).push(piece);
        }
    }

    /// Makes room for `additional` bytes that will be copied, with the pool's spare memory.
    #[inline]
    pub(crate) fn reserve(&mut self, additional: usize, pool: &mut Pool) {
        let total = self.copied.len() + additional;
        let capacity = self.copied.capacity();
        if total > capacity {
            // Doubling keeps the cost of many small appends linear.
            pool.grow(&mut self.copied, total.max(2 * capacity));
        }
    }

    /// Bytes that can be copied without more memory.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.copied.capacity() - self.copied.len()
    }

    /// Bytes of memory for copies, used or not; 0 when the queue owns none.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.copied.capacity()
    }

    /// The memory of it, used or not; of what it refers to its share. Looks at the shared pieces:
    /// not for a hot path.
    pub(crate) fn weight(&self) -> usize {
        let pieces = self.pieces.iter().flat_map(|pieces| pieces.iter());
        self.copied.capacity() + pieces.map(|piece| piece.memory.weight()).sum::<usize>()
    }

    /// Bytes that wait. Counts the shared pieces: not for a hot path.
    pub(crate) fn len(&self) -> usize {
        let pieces = self.pieces.iter().flat_map(|pieces| pieces.iter());
        self.copied.len() + pieces.map(|piece| piece.memory.len()).sum::<usize>()
    }

    /// Whether nothing waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.copied.is_empty() && self.has_no_pieces()
    }

    #[inline]
    fn has_no_pieces(&self) -> bool {
        self.pieces.as_ref().is_none_or(|pieces| pieces.next.is_none())
    }

    /// Gives the memory back for reuse; what was referred to is released.
    #[inline]
    pub(crate) fn recycle(self, pool: &mut Pool) {
        pool.put(self.copied);
        if let Some(mut pieces) = self.pieces {
            pieces.clear();
            pool.put_pieces(pieces);
        }
    }
}

/// What of a queue is being sent. Owned by the operation in flight.
#[derive(Debug, Default)]
pub struct Batch {
    queue: Queue,
    /// Copied bytes that are sent.
    sent: usize,
}

impl From<Queue> for Batch {
    #[inline]
    fn from(queue: Queue) -> Self {
        Self { queue, sent: 0 }
    }
}

impl Batch {
    /// A batch that appends to `bytes` (usually empty, from a pool).
    pub fn new(bytes: Vec<u8>) -> Self {
        Queue { copied: bytes, pieces: None }.into()
    }

    /// Appends a copy.
    pub fn copy(&mut self, bytes: &[u8]) {
        self.queue.copy(bytes);
    }

    /// Appends by reference. Allocates nothing once the pool is warm.
    pub fn share(&mut self, memory: impl Into<Shared>, pool: &mut Pool) {
        self.queue.share(memory.into(), pool);
    }

    /// Bytes of memory for copies, used or not; 0 when the batch owns none.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    /// The memory of it, as that of a queue.
    pub(crate) fn weight(&self) -> usize {
        self.queue.weight()
    }

    /// Bytes not yet sent. Counts the shared pieces: not for a hot path.
    pub fn len(&self) -> usize {
        self.queue.len() - self.sent
    }

    /// Whether all is sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sent == self.queue.copied.len() && self.queue.has_no_pieces()
    }

    /// Marks the next `n` bytes as sent, all of them when there are fewer. Shared pieces that are
    /// sent whole are released.
    pub fn advance(&mut self, mut n: usize) {
        if let Some(pieces) = &mut self.queue.pieces {
            while let Some(next) = &mut pieces.next {
                let before = n.min(next.at - self.sent);
                self.sent += before;
                n -= before;
                // Not empty, so this is also where it ends when `n` has run out.
                if n < next.memory.len() {
                    return next.memory.advance(n);
                }
                n -= next.memory.len();
                pieces.next = pieces.more.pop_front();
            }
        }
        self.sent += n.min(self.queue.copied.len() - self.sent);
    }

    /// All that is not yet sent, when it lies in one piece.
    #[inline]
    pub fn contiguous(&self) -> Option<&[u8]> {
        let copied = self.queue.copied.get(self.sent..)?;
        let Some(pieces) = &self.queue.pieces else { return Some(copied) };
        match &pieces.next {
            None => Some(copied),
            Some(next) if copied.is_empty() && pieces.more.is_empty() => Some(next.memory.bytes()),
            Some(_) => None,
        }
    }

    /// The first pieces not yet sent, in order; returns how many were written to `out`.
    pub fn slices<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let mut room = out.iter_mut();
        let mut written = 0;
        let mut from = self.sent;
        for piece in self.queue.pieces.iter().flat_map(|pieces| pieces.iter()) {
            let before = self.queue.copied.get(from..piece.at).unwrap_or_default();
            from = piece.at;
            for bytes in [before, piece.memory.bytes()] {
                if bytes.is_empty() {
                    continue;
                }
                let Some(slot) = room.next() else { return written };
                *slot = IoSlice::new(bytes);
                written += 1;
            }
        }
        let tail = self.queue.copied.get(from..).unwrap_or_default();
        if let (false, Some(slot)) = (tail.is_empty(), room.next()) {
            *slot = IoSlice::new(tail);
            written += 1;
        }
        written
    }

    /// Gives the memory back for reuse; what was referred to is released.
    #[inline]
    pub fn recycle(self, pool: &mut Pool) {
        self.queue.recycle(pool);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::shared::Digits;
    use bytes::Bytes;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    /// What `slices` yields, with `room` pieces per call, when a transport takes `step` bytes.
    fn drain(mut batch: Batch, room: usize, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !batch.is_empty() {
            let mut out = vec![IoSlice::new(&[]); room];
            let written = batch.slices(&mut out);
            assert!(written > 0 && written <= room);
            let seen: Vec<u8> = out[..written].iter().flat_map(|s| s.iter().copied()).collect();
            if let Some(one) = batch.contiguous() {
                assert_eq!(one, seen, "one piece");
            }
            let n = step.min(seen.len());
            all.extend_from_slice(&seen[..n]);
            let before = batch.len();
            batch.advance(n);
            assert_eq!(batch.len(), before - n);
        }
        all
    }

    fn mixed() -> (Batch, Vec<u8>) {
        let mut pool = Pool::default();
        let mut batch = Batch::new(Vec::new());
        batch.share(Bytes::from_static(b"first "), &mut pool);
        batch.copy(b"then ");
        batch.copy(b"two ");
        batch.share(Bytes::from_static(b"shared "), &mut pool);
        batch.share(Bytes::new(), &mut pool);
        batch.share(Bytes::from_static(b"in a row "), &mut pool);
        batch.copy(b"and a tail");
        (batch, b"first then two shared in a row and a tail".to_vec())
    }

    #[test]
    fn order_is_kept_for_every_step_and_room() {
        let total = mixed().1.len();
        for step in 1..=total {
            for room in 1..7 {
                let (batch, expected) = mixed();
                assert_eq!(drain(batch, room, step), expected, "step {step} room {room}");
            }
        }
    }

    #[test]
    fn copies_alone_are_one_piece_and_one_vector() {
        let mut batch = Batch::new(Vec::with_capacity(4_096));
        let memory = batch.queue.copied.as_ptr();
        batch.copy(b"ab");
        batch.copy(b"cdef");
        assert_eq!(batch.contiguous(), Some(&b"abcdef"[..]));
        batch.advance(2);
        assert_eq!(batch.contiguous(), Some(&b"cdef"[..]));
        assert!(batch.queue.pieces.is_none());
        batch.advance(100);
        assert!(batch.is_empty());
        let mut pool = Pool::default();
        batch.recycle(&mut pool);
        let bytes = pool.get();
        assert_eq!((bytes.as_ptr(), bytes.len(), bytes.capacity()), (memory, 0, 4_096));
    }

    #[test]
    fn a_shared_piece_alone_is_contiguous_and_released_when_sent() {
        let payload = Bytes::from(vec![7; 100]);
        let mut pool = Pool::default();
        let mut batch = Batch::new(Vec::new());
        batch.copy(b"hd");
        batch.share(payload.clone(), &mut pool);
        assert_eq!(batch.contiguous(), None);
        batch.advance(12);
        assert_eq!(batch.contiguous(), Some(&[7; 90][..]));
        assert!(!payload.is_unique());
        batch.advance(90);
        assert!(payload.is_unique() && batch.is_empty());
    }

    #[test]
    fn a_buffer_is_given_back_when_it_is_sent_and_the_place_is_used_again() {
        let digits = Arc::new(Digits::default());
        let holders = || digits.holders.load(Ordering::Relaxed);
        let mut pool = Pool::default();
        let mut batch = Batch::default();
        batch.share(digits.share(2..8), &mut pool);
        assert_eq!((batch.contiguous(), batch.len()), (Some(&b"234567"[..]), 6));
        batch.advance(4);
        assert_eq!((batch.contiguous(), holders()), (Some(&b"67"[..]), 1));
        batch.copy(b"tail");
        batch.share(digits.share(0..1), &mut pool);
        assert_eq!(drain(batch, 3, 3), b"67tail0");
        assert_eq!(holders(), 0);
        let mut batch = Batch::default();
        batch.share(digits.share(0..3), &mut pool);
        let place: *const Pieces = &raw const **batch.queue.pieces.as_ref().expect("boxed");
        batch.recycle(&mut pool);
        assert_eq!(holders(), 0, "released unsent");
        assert_eq!(place, &raw const *pool.get_pieces());
    }

    #[test]
    fn a_batch_is_less_than_a_cache_line() {
        assert_eq!((size_of::<Batch>(), size_of::<Queue>()), (40, 32), "idle connections have one");
    }
}
