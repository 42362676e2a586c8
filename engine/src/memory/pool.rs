//! Spare byte vectors, so that a warm reactor allocates nothing per message.

use super::pieces::Pieces;
use super::shared::{Returned, Shared};
use std::sync::Arc;

/// Capacity of a vector that [`Pool::get`] has to make: several small frames, one memory page.
const FRESH_CAPACITY: usize = 4 << 10;

/// Vectors above it are used for large messages only, so that a short message that waits for a
/// slow peer never pins the memory of a long one.
const SMALL_MAX: usize = 64 << 10;

/// Fresh large vectors have a capacity that is a multiple of it, so that they serve messages of
/// about the same size.
const LARGE_STEP: usize = 64 << 10;

/// How many times the bound of small vectors the large ones may take. Those that are not needed
/// for a while are freed ([`Pool::trim`]), so this is for traffic, not for rest: a large vector
/// made anew costs a page fault per 4 KiB, more than receiving into it.
const LARGE_FACTOR: usize = 8;

/// How many large vectors are looked at for one that fits.
const LOOK_MAX: usize = 16;

/// How many boxes for pieces by reference are kept: one per send in flight.
const PIECES_MAX: usize = 1_024;

/// So long a control frame may have to wait for the batch before it, unless one frame is longer.
/// Measured with 500 messages of 1 KB in flight: a fourth of it costs 8 %, four times as much gains
/// nothing.
const BATCH_MAX: usize = 256 << 10;

/// Bytes that were freed before it is worth asking the allocator for them.
const FREED_MIN: usize = 32 << 20;

/// Traffic that frees more than this in a second takes as much anew: what the allocator keeps is
/// in use then.
const BUSY_MIN: usize = 8 << 20;

/// Capacity of small vectors that is kept when memory is short.
const TIGHT_MAX: usize = 256 << 10;

/// What [`Pool::default`] keeps at most.
const DEFAULT_BYTES_MAX: usize = 8 << 20;

/// Recycled vectors of one reactor, bounded by the bytes they hold. Last in, first out: what was
/// given back last is still in the cache.
#[derive(Debug)]
pub struct Pool {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    /// Capacity of those in `small`, and what it may be.
    bytes: usize,
    bytes_max: usize,
    /// Capacity of those in `large`: counted apart, so that a few of them cannot drive out the
    /// small ones, which are needed more often.
    large_bytes: usize,
    /// The fewest that there were in `large` since the last trim: so many were not needed.
    idle: usize,
    /// See [`Pool::batch_max`].
    batch_max: usize,
    /// Capacity that was freed since the allocator was last asked for it, and the part of it that
    /// had been at the last look.
    freed: usize,
    freed_seen: usize,
    /// For batches that refer to memory: empty ones.
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    pieces: Vec<Box<Pieces>>,
    /// Vectors that were shared, and are no more.
    returned: Arc<Returned>,
    /// Memory is short.
    tight: bool,
}

impl Default for Pool {
    /// A pool that keeps at most 8 MiB of small vectors.
    fn default() -> Self {
        Self::new(DEFAULT_BYTES_MAX)
    }
}

impl Pool {
    /// A pool that keeps at most `bytes_max` of capacity in vectors up to 64 KiB, and eight times
    /// that in larger ones until they are trimmed.
    pub fn new(bytes_max: usize) -> Self {
        let (small, large, pieces) = (Vec::new(), Vec::new(), Vec::new());
        let (bytes, large_bytes, idle, freed, freed_seen) = (0, 0, 0, 0, 0);
        Self {
            small,
            large,
            bytes,
            bytes_max,
            large_bytes,
            idle,
            batch_max: BATCH_MAX,
            freed,
            freed_seen,
            pieces,
            returned: Arc::default(),
            tight: false,
        }
    }

    /// From this size on a queue is sent before what is queued behind it is added to it.
    pub(crate) fn batch_max(&self) -> usize {
        self.batch_max
    }

    /// Another size than the default, for tests.
    #[cfg(feature = "sim")]
    pub(crate) fn set_batch_max(&mut self, bytes: usize) {
        self.batch_max = bytes;
    }

    /// An empty vector with some capacity: 4 KiB or more.
    #[inline]
    pub fn get(&mut self) -> Vec<u8> {
        match self.small.pop() {
            Some(bytes) => {
                self.bytes -= bytes.capacity();
                bytes
            }
            None => Vec::with_capacity(FRESH_CAPACITY),
        }
    }

    /// An empty place for pieces by reference.
    pub(super) fn get_pieces(&mut self) -> Box<Pieces> {
        self.pieces.pop().unwrap_or_default()
    }

    /// Takes one back.
    pub(super) fn put_pieces(&mut self, pieces: Box<Pieces>) {
        if self.pieces.len() < PIECES_MAX {
            self.pieces.push(pieces);
        }
    }

    /// Makes a message shared. Its vector comes back when the last holder is gone.
    pub(crate) fn share(&self, bytes: Vec<u8>) -> Shared {
        Shared::of_vector(bytes, Arc::clone(&self.returned))
    }

    /// Takes back what was shared and is no more.
    #[inline]
    pub(crate) fn reclaim(&mut self) {
        while let Some(bytes) = self.returned.take() {
            self.put(bytes);
        }
    }

    /// Makes room for `total` bytes in all, of which `bytes` holds the first: from a vector that
    /// was given back when there is one that fits, else by growing to `total` or little more.
    pub fn grow(&mut self, bytes: &mut Vec<u8>, total: usize) {
        if total <= bytes.capacity() {
            return;
        }
        let recycled = match total > SMALL_MAX {
            true => self.take_large(total),
            false => self.small.pop_if(|top| top.capacity() >= total).inspect(|top| {
                self.bytes -= top.capacity();
            }),
        };
        let Some(mut larger) = recycled else {
            let step = if total > SMALL_MAX { LARGE_STEP } else { 1 };
            let total = total.checked_next_multiple_of(step).unwrap_or(total);
            return bytes.reserve_exact(total - bytes.len());
        };
        larger.extend_from_slice(bytes);
        self.put(std::mem::replace(bytes, larger));
    }

    /// The large vector used last that has `total` bytes of capacity and not several times that:
    /// a small need must not pin what was made for a great one.
    fn take_large(&mut self, total: usize) -> Option<Vec<u8>> {
        self.reclaim();
        let fits = |bytes: &Vec<u8>| bytes.capacity() >= total && bytes.capacity() / 4 <= total;
        let behind = self.large.iter().rev().take(LOOK_MAX).position(fits)?;
        let found = self.large.remove(self.large.len() - 1 - behind);
        self.large_bytes -= found.capacity();
        self.idle = self.idle.min(self.large.len());
        Some(found)
    }

    /// Frees the large vectors that were not needed since the last call. Whether some are left.
    pub fn trim(&mut self) -> bool {
        // Those used last lie behind.
        for bytes in self.large.drain(..self.idle) {
            self.large_bytes -= bytes.capacity();
            self.freed += bytes.capacity();
        }
        self.idle = self.large.len();
        self.idle > 0
    }

    /// Memory is short, or not any more: then nothing is kept but a few small vectors.
    pub(crate) fn set_tight(&mut self, tight: bool) {
        self.tight = tight;
        if tight {
            self.freed += self.bytes();
            (self.small, self.large) = (Vec::new(), Vec::new());
            (self.bytes, self.large_bytes, self.idle) = (0, 0, 0);
        }
    }

    /// Something is being freed that the pool had nothing to do with.
    pub fn count_freed(&mut self, bytes: usize) {
        self.freed += bytes;
    }

    /// Whether so much was freed, and so little of it since the last call, that the allocator
    /// should give it back to the system. Says so once. To be asked once a second.
    pub fn has_shrunk(&mut self) -> bool {
        let fresh = self.freed - self.freed_seen;
        self.freed_seen = self.freed;
        let shrunk = self.freed >= FREED_MIN && fresh < BUSY_MIN;
        if shrunk {
            (self.freed, self.freed_seen) = (0, 0);
        }
        shrunk
    }

    /// Whether there is something to be looked after in a while: large vectors that may not be
    /// needed any more, or much that was freed.
    #[inline]
    pub fn wants_care(&self) -> bool {
        !self.large.is_empty() || self.freed >= FREED_MIN
    }

    /// Takes a vector back; it is emptied, and freed when the pool is full.
    #[inline]
    pub fn put(&mut self, mut bytes: Vec<u8>) {
        let capacity = bytes.capacity();
        // Less than a fresh one is not worth a place: it would only grow again.
        if capacity < FRESH_CAPACITY {
            return;
        }
        bytes.clear();
        if capacity > SMALL_MAX {
            self.put_large(bytes);
        } else if capacity <= self.room() {
            self.bytes += capacity;
            self.small.push(bytes);
        } else {
            self.freed += capacity;
        }
    }

    /// Capacity of small vectors that may still be kept.
    #[inline]
    fn room(&self) -> usize {
        let max = if self.tight { self.bytes_max.min(TIGHT_MAX) } else { self.bytes_max };
        max.saturating_sub(self.bytes)
    }

    #[inline(never)]
    fn put_large(&mut self, bytes: Vec<u8>) {
        let max = self.bytes_max.saturating_mul(LARGE_FACTOR);
        if !self.tight && bytes.capacity() <= max - self.large_bytes {
            self.large_bytes += bytes.capacity();
            self.large.push(bytes);
        } else {
            self.freed += bytes.capacity();
        }
    }

    /// Capacity of all vectors kept, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.large_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_the_last_one_put_emptied() {
        let mut pool = Pool::default();
        let (a, mut b) = (pool.get(), pool.get());
        b.extend_from_slice(b"left over");
        let memory = b.as_ptr();
        pool.put(a);
        pool.put(b);
        assert_eq!(pool.bytes(), 2 * FRESH_CAPACITY);
        let again = pool.get();
        assert_eq!((again.as_ptr(), again.len()), (memory, 0));
        assert_eq!(pool.bytes(), FRESH_CAPACITY);
    }

    #[test]
    fn keeps_no_more_than_its_bound() {
        let mut pool = Pool::new(3 * FRESH_CAPACITY);
        let all: Vec<_> = (0..10).map(|_| pool.get()).collect();
        all.into_iter().for_each(|bytes| pool.put(bytes));
        assert_eq!(pool.bytes(), 3 * FRESH_CAPACITY);
        pool.put(Vec::with_capacity(1 << 20));
        assert_eq!(pool.bytes(), 3 * FRESH_CAPACITY, "more than eight times the bound");
    }

    #[test]
    fn keeps_little_while_memory_is_short() {
        let mut pool = Pool::default();
        pool.put(Vec::with_capacity(1 << 20));
        (0..100).for_each(|_| pool.put(Vec::with_capacity(64 << 10)));
        pool.set_tight(true);
        assert_eq!((pool.bytes(), pool.has_shrunk()), (0, false));
        pool.put(Vec::with_capacity(1 << 20));
        (0..100).for_each(|_| pool.put(Vec::with_capacity(64 << 10)));
        assert_eq!(pool.bytes(), TIGHT_MAX);
    }

    #[test]
    fn a_small_request_never_takes_a_large_vector() {
        let mut pool = Pool::default();
        pool.put(Vec::with_capacity(1 << 20));
        assert_eq!(pool.get().capacity(), FRESH_CAPACITY);
        assert_eq!(pool.bytes(), 1 << 20);
    }

    #[test]
    fn large_vectors_leave_room_for_small_ones() {
        let mut pool = Pool::new(64 << 10);
        (0..20).for_each(|_| pool.put(Vec::with_capacity(128 << 10)));
        assert_eq!(pool.bytes(), 512 << 10);
        pool.put(Vec::with_capacity(FRESH_CAPACITY));
        assert_eq!(pool.bytes(), (512 << 10) + FRESH_CAPACITY);
        (0..4).for_each(|_| pool.grow(&mut Vec::new(), 128 << 10));
        assert_eq!((pool.bytes(), pool.large_bytes), (FRESH_CAPACITY, 0));
    }

    #[test]
    fn what_fits_is_found_behind_what_does_not() {
        let mut pool = Pool::default();
        for size in [1 << 20, 128 << 10, 16 << 20] {
            pool.put(Vec::with_capacity(size));
        }
        let mut bytes = Vec::new();
        pool.grow(&mut bytes, 1_000_000);
        assert_eq!(bytes.capacity(), 1 << 20, "neither too small nor far too large");
        let mut other = Vec::new();
        pool.grow(&mut other, 1_000_000);
        assert_eq!((other.capacity(), pool.large.len()), (1 << 20, 2), "a fresh one");
    }

    #[test]
    fn trimming_frees_what_was_not_needed_and_in_the_end_all() {
        let mut pool = Pool::default();
        (0..4).for_each(|_| pool.put(Vec::with_capacity(1 << 20)));
        assert!(pool.trim(), "they have only just come");
        let mut bytes = Vec::new();
        pool.grow(&mut bytes, 1 << 20);
        pool.put(bytes);
        assert!(pool.trim());
        assert_eq!(pool.bytes(), 1 << 20, "one was in use");
        assert!(!pool.trim());
        assert_eq!((pool.bytes(), pool.wants_care()), (0, false));
    }

    #[test]
    fn growing_moves_into_a_recycled_vector_when_there_is_one() {
        let mut pool = Pool::default();
        pool.put(Vec::with_capacity(1 << 20));
        let mut bytes = pool.get();
        bytes.extend_from_slice(b"kept");
        pool.grow(&mut bytes, 1_000_000);
        assert_eq!((bytes.as_slice(), bytes.capacity()), (&b"kept"[..], 1 << 20));
        assert_eq!(pool.bytes(), FRESH_CAPACITY, "the outgrown one was kept");

        let mut fresh = Vec::new();
        pool.grow(&mut fresh, 100_000);
        assert_eq!(fresh.capacity(), 128 << 10, "in steps");
    }

    #[test]
    fn vectors_without_worthwhile_capacity_are_freed() {
        let mut pool = Pool::default();
        pool.put(Vec::new());
        pool.put(vec![1, 2, 3]);
        assert_eq!(pool.bytes(), 0);
    }

    #[test]
    fn what_was_freed_is_given_back_once_and_not_while_more_is() {
        let mut pool = Pool::new(64 << 10);
        let free = |pool: &mut Pool, bytes: usize| {
            // More than the pool keeps.
            (0..bytes >> 20).for_each(|_| pool.put(Vec::with_capacity(1 << 20)));
        };
        free(&mut pool, 24 << 20);
        assert!(!pool.wants_care() && !pool.has_shrunk(), "too little");
        free(&mut pool, 24 << 20);
        assert!(pool.wants_care());
        assert!(!pool.has_shrunk(), "more is being freed");
        free(&mut pool, 4 << 20);
        assert!(pool.has_shrunk());
        assert!(!pool.has_shrunk() && !pool.wants_care(), "once");
    }
}
