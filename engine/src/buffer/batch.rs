//! What one send owns while the kernel holds it.

use super::Pool;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;

/// A piece sent by reference.
#[derive(Debug)]
struct Piece {
    /// How many copied bytes go before it.
    at: usize,
    /// What of it is not yet sent; never empty.
    bytes: Bytes,
}

/// The pieces by reference that are not sent yet: at least one.
#[derive(Debug)]
struct Shared {
    next: Piece,
    more: VecDeque<Piece>,
}

impl Shared {
    fn iter(&self) -> impl Iterator<Item = &Piece> {
        std::iter::once(&self.next).chain(&self.more)
    }
}

/// Bytes to be sent in order: copied ones and shared ones. Owned by the operation in flight.
///
/// The copied bytes of all frames lie in one vector, whatever shared pieces stand between them, so
/// a batch without shared pieces is a vector and nothing else.
#[derive(Debug, Default)]
pub struct Batch {
    copied: Vec<u8>,
    /// Copied bytes that are sent.
    sent: usize,
    shared: Option<Box<Shared>>,
}

impl Batch {
    /// A batch that appends to `bytes` (usually empty, from a pool).
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { copied: bytes, sent: 0, shared: None }
    }

    /// Appends a copy.
    #[inline]
    pub fn copy(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
    }

    /// Lends the copied bytes, to append to them. Until [`Batch::give_back`] there is no batch.
    pub(crate) fn lend(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.copied)
    }

    /// Takes the copied bytes back.
    pub(crate) fn give_back(&mut self, copied: Vec<u8>) {
        self.copied = copied;
    }

    /// Appends by reference.
    pub fn share(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let piece = Piece { at: self.copied.len(), bytes };
        match &mut self.shared {
            Some(shared) => shared.more.push_back(piece),
            None => self.shared = Some(Box::new(Shared { next: piece, more: VecDeque::new() })),
        }
    }

    /// Makes room for `additional` bytes that will be copied, with the pool's spare memory.
    #[inline]
    pub fn reserve(&mut self, additional: usize, pool: &mut Pool) {
        let total = self.copied.len() + additional;
        let capacity = self.copied.capacity();
        if total > capacity {
            // Doubling keeps the cost of many small appends linear.
            pool.grow(&mut self.copied, total.max(2 * capacity));
        }
    }

    /// Bytes that can be copied without more memory.
    #[inline]
    pub fn room(&self) -> usize {
        self.copied.capacity() - self.copied.len()
    }

    /// Bytes of memory for copies, used or not; 0 when the batch owns none.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.copied.capacity()
    }

    /// Bytes not yet sent. Counts the shared pieces: not for a hot path.
    pub fn len(&self) -> usize {
        let shared = self.shared.iter().flat_map(|shared| shared.iter());
        self.copied.len() - self.sent + shared.map(|piece| piece.bytes.len()).sum::<usize>()
    }

    /// Whether all is sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sent == self.copied.len() && self.shared.is_none()
    }

    /// Marks the next `n` bytes as sent, all of them when there are fewer. Shared pieces that are
    /// sent whole are released.
    pub fn advance(&mut self, mut n: usize) {
        while let Some(shared) = &mut self.shared {
            let before = n.min(shared.next.at - self.sent);
            self.sent += before;
            n -= before;
            // Not empty, so this is also where it ends when `n` has run out.
            let piece = &mut shared.next.bytes;
            if n < piece.len() {
                return piece.advance(n);
            }
            n -= piece.len();
            match shared.more.pop_front() {
                Some(next) => shared.next = next,
                None => self.shared = None,
            }
        }
        self.sent += n.min(self.copied.len() - self.sent);
    }

    /// All that is not yet sent, when it lies in one piece.
    #[inline]
    pub fn contiguous(&self) -> Option<&[u8]> {
        let copied = self.copied.get(self.sent..)?;
        match &self.shared {
            None => Some(copied),
            Some(shared) if copied.is_empty() && shared.more.is_empty() => Some(&shared.next.bytes),
            Some(_) => None,
        }
    }

    /// The first pieces not yet sent, in order; returns how many were written to `out`.
    pub fn slices<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let mut room = out.iter_mut();
        let mut written = 0;
        let mut from = self.sent;
        for piece in self.shared.iter().flat_map(|shared| shared.iter()) {
            let before = self.copied.get(from..piece.at).unwrap_or_default();
            from = piece.at;
            for bytes in [before, &piece.bytes] {
                if bytes.is_empty() {
                    continue;
                }
                let Some(slot) = room.next() else { return written };
                *slot = IoSlice::new(bytes);
                written += 1;
            }
        }
        let tail = self.copied.get(from..).unwrap_or_default();
        if let (false, Some(slot)) = (tail.is_empty(), room.next()) {
            *slot = IoSlice::new(tail);
            written += 1;
        }
        written
    }

    /// Gives the vector back for reuse; shared pieces are released.
    #[inline]
    pub fn recycle(self) -> Vec<u8> {
        let mut bytes = self.copied;
        bytes.clear();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut batch = Batch::new(Vec::new());
        batch.share(Bytes::from_static(b"first "));
        batch.copy(b"then ");
        batch.copy(b"two ");
        batch.share(Bytes::from_static(b"shared "));
        batch.share(Bytes::new());
        batch.share(Bytes::from_static(b"in a row "));
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
        let mut batch = Batch::new(Vec::with_capacity(64));
        let memory = batch.copied.as_ptr();
        batch.copy(b"ab");
        batch.copy(b"cdef");
        assert_eq!(batch.contiguous(), Some(&b"abcdef"[..]));
        batch.advance(2);
        assert_eq!(batch.contiguous(), Some(&b"cdef"[..]));
        assert!(batch.shared.is_none());
        batch.advance(100);
        assert!(batch.is_empty());
        let bytes = batch.recycle();
        assert_eq!((bytes.as_ptr(), bytes.len(), bytes.capacity()), (memory, 0, 64));
    }

    #[test]
    fn a_shared_piece_alone_is_contiguous_and_released_when_sent() {
        let payload = Bytes::from(vec![7; 100]);
        let mut batch = Batch::new(Vec::new());
        batch.copy(b"hd");
        batch.share(payload.clone());
        assert_eq!(batch.contiguous(), None);
        batch.advance(12);
        assert_eq!(batch.contiguous(), Some(&[7; 90][..]));
        assert!(!payload.is_unique());
        batch.advance(90);
        assert!(payload.is_unique() && batch.is_empty());
    }

    #[test]
    fn a_batch_is_less_than_a_cache_line() {
        assert!(size_of::<Batch>() <= 40, "{}", size_of::<Batch>());
    }
}
