//! What one send owns while the kernel holds it.

use super::copied::Copied;
use super::pieces::{Piece, Pieces};
use super::pool::Pool;
use super::shared::Shared;
use std::io::IoSlice;
use std::sync::Arc;

/// Bytes that wait to be sent in order: copied ones and shared ones.
///
/// The copied bytes of all frames lie in one vector, whatever shared pieces stand between them, so
/// a queue without shared pieces is a vector and nothing else. One that is a small frame made for
/// many, and nothing else, is that frame: a thousand receivers of it take no memory each, and the
/// kernel reads the same lines for all of them.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    copied: Copied,
    pieces: Option<Box<Pieces>>,
}

impl Queue {
    /// Appends a copy.
    #[inline]
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        self.copied.own().extend_from_slice(bytes);
    }

    /// Refers to a frame, if nothing was queued and no memory taken yet: `false` when there was.
    #[inline]
    pub(crate) fn refer(&mut self, frame: &Arc<[u8]>) -> bool {
        let vacant =
            self.pieces.is_none() && self.capacity() == 0 && self.copied.bytes().is_empty();
        if vacant {
            self.copied = Copied::Frame(Arc::clone(frame));
        }
        vacant
    }

    /// Appends a copy, masked with `key` (RFC 6455 §5.3).
    pub(crate) fn copy_masked(&mut self, bytes: &[u8], key: [u8; 4]) {
        let copied = self.copied.own();
        let at = copied.len();
        copied.extend_from_slice(bytes);
        crate::simd::xor(copied.get_mut(at..).unwrap_or_default(), key);
    }

    /// Takes the copied bytes out, to append to them. Until [`Queue::attach`] there is no queue.
    pub(crate) fn detach(&mut self) -> Vec<u8> {
        std::mem::take(self.copied.own())
    }

    /// Puts the copied bytes in again, or memory for them where there was none.
    pub(crate) fn attach(&mut self, copied: Vec<u8>) {
        match self.copied {
            Copied::Own(_) => self.copied = Copied::Own(copied),
            Copied::Frame(_) => self.copied.unshare(copied),
        }
    }

    /// Appends by reference. Allocates nothing once the pool is warm.
    pub(crate) fn share(&mut self, memory: Shared, pool: &mut Pool) {
        if !memory.is_empty() {
            let piece = Piece { at: self.copied.bytes().len(), memory };
            self.pieces.get_or_insert_with(|| pool.get_pieces()).push(piece);
        }
    }

    /// Makes room for `additional` bytes that will be copied, with the pool's spare memory.
    #[inline]
    pub(crate) fn reserve(&mut self, additional: usize, pool: &mut Pool) {
        let copied = self.copied.own();
        let total = copied.len() + additional;
        let capacity = copied.capacity();
        if total > capacity {
            // Doubling keeps the cost of many small appends linear.
            pool.grow(copied, total.max(2 * capacity));
        }
    }

    /// Bytes that can be copied without more memory.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        match &self.copied {
            Copied::Own(bytes) => bytes.capacity() - bytes.len(),
            Copied::Frame(_) => 0,
        }
    }

    /// Bytes of memory for copies, used or not; 0 when the queue owns none.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        match &self.copied {
            Copied::Own(bytes) => bytes.capacity(),
            Copied::Frame(_) => 0,
        }
    }

    /// Bytes that wait. Counts the shared pieces: not for a hot path.
    pub(crate) fn len(&self) -> usize {
        let pieces = self.pieces.iter().flat_map(|pieces| pieces.iter());
        self.copied.bytes().len() + pieces.map(|piece| piece.memory.len()).sum::<usize>()
    }

    /// Whether nothing waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.copied.bytes().is_empty() && self.has_no_pieces()
    }

    #[inline]
    fn has_no_pieces(&self) -> bool {
        self.pieces.as_ref().is_none_or(|pieces| pieces.next.is_none())
    }

    /// Gives the memory back for reuse; what was referred to is released.
    #[inline]
    pub(crate) fn recycle(self, pool: &mut Pool) {
        if let Copied::Own(bytes) = self.copied {
            pool.put(bytes);
        }
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
        Queue { copied: Copied::Own(bytes), pieces: None }.into()
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

    /// Bytes not yet sent. Counts the shared pieces: not for a hot path.
    pub fn len(&self) -> usize {
        self.queue.len() - self.sent
    }

    /// Whether all is sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sent == self.queue.copied.bytes().len() && self.queue.has_no_pieces()
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
        self.sent += n.min(self.queue.copied.bytes().len() - self.sent);
    }

    /// All that is not yet sent, when it lies in one piece.
    #[inline]
    pub fn contiguous(&self) -> Option<&[u8]> {
        let copied = self.queue.copied.bytes().get(self.sent..)?;
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
            let before = self.queue.copied.bytes().get(from..piece.at).unwrap_or_default();
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
        let tail = self.queue.copied.bytes().get(from..).unwrap_or_default();
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
        let memory = batch.queue.copied.bytes().as_ptr();
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
    fn a_frame_is_referred_to_until_something_is_copied_behind_it() {
        let frame: Arc<[u8]> = b"frame".as_slice().into();
        let mut pool = Pool::default();
        let mut queue = Queue::default();
        assert!(queue.refer(&frame) && !queue.refer(&frame), "only where nothing is");
        assert_eq!((queue.len(), queue.room(), queue.capacity()), (5, 0, 0));
        queue.share(Bytes::from_static(b" and more").into(), &mut pool);
        assert_eq!(Arc::strong_count(&frame), 2);
        queue.attach(pool.get());
        assert_eq!(Arc::strong_count(&frame), 1);
        queue.copy(b", copied");
        assert_eq!(drain(queue.into(), 3, 2), b"frame and more, copied");

        let mut queue = Queue::default();
        assert!(queue.refer(&frame));
        let batch = Batch::from(queue);
        assert_eq!(batch.contiguous().map(<[u8]>::as_ptr), Some(frame.as_ptr()));
        assert_eq!(drain(batch, 1, 2), b"frame");
        let mut queue = Queue::default();
        assert!(queue.refer(&frame));
        queue.copy(b"d");
        assert_eq!(drain(queue.into(), 1, 9), b"framed", "without memory for it, too");
        let mut queue = Queue::default();
        assert!(queue.refer(&frame));
        queue.recycle(&mut pool);
        assert_eq!(Arc::strong_count(&frame), 1, "nothing to be kept");
        let mut queue = Queue::default();
        queue.attach(pool.get());
        assert!(!queue.refer(&frame), "it has memory already");
    }

    #[test]
    fn a_batch_is_less_than_a_cache_line() {
        assert_eq!((size_of::<Batch>(), size_of::<Queue>()), (40, 32), "idle connections have one");
    }
}
