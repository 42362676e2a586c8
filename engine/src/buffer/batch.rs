//! What one send owns while the kernel holds it.

use super::Pool;
use bytes::{Buf, Bytes};
use std::io::IoSlice;

/// A piece sent by reference.
#[derive(Debug)]
struct Shared {
    /// How many copied bytes go before it.
    at: usize,
    /// What of it is not yet sent; never empty.
    bytes: Bytes,
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
    /// In order; those that are sent are gone.
    shared: Vec<Shared>,
}

impl Batch {
    /// A batch that appends to `bytes` (usually empty, from a pool).
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { copied: bytes, sent: 0, shared: Vec::new() }
    }

    /// Appends a copy.
    #[inline]
    pub fn copy(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
    }

    /// Appends by reference.
    pub fn share(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.shared.push(Shared { at: self.copied.len(), bytes });
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

    /// Bytes of memory for copies, used or not; 0 when the batch owns none.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.copied.capacity()
    }

    /// Bytes not yet sent. Counts the shared pieces: not for a hot path.
    pub fn len(&self) -> usize {
        let shared: usize = self.shared.iter().map(|piece| piece.bytes.len()).sum();
        self.copied.len() - self.sent + shared
    }

    /// Whether all is sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sent == self.copied.len() && self.shared.is_empty()
    }

    /// Marks the next `n` bytes as sent, all of them when there are fewer. Shared pieces that are
    /// sent whole are released.
    pub fn advance(&mut self, mut n: usize) {
        let mut gone = 0;
        for piece in &mut self.shared {
            let before = n.min(piece.at - self.sent);
            self.sent += before;
            n -= before;
            if n < piece.bytes.len() {
                // When `n` ran out before the piece, it is 0 here.
                piece.bytes.advance(n);
                n = 0;
                break;
            }
            n -= piece.bytes.len();
            gone += 1;
        }
        self.shared.drain(..gone);
        if self.shared.is_empty() {
            self.sent += n.min(self.copied.len() - self.sent);
        }
    }

    /// All that is not yet sent, when it lies in one piece.
    #[inline]
    pub fn contiguous(&self) -> Option<&[u8]> {
        let copied = self.copied.get(self.sent..)?;
        match self.shared.as_slice() {
            [] => Some(copied),
            [only] if copied.is_empty() => Some(&only.bytes),
            _ => None,
        }
    }

    /// The first pieces not yet sent, in order; returns how many were written to `out`.
    pub fn slices<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let mut room = out.iter_mut();
        let mut written = 0;
        let mut from = self.sent;
        for piece in &self.shared {
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
        assert_eq!(batch.shared.capacity(), 0);
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
        assert!(size_of::<Batch>() <= 64, "{}", size_of::<Batch>());
    }
}
