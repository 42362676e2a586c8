//! Bytes by reference, which outlive the callback that has seen them: sent to any number of
//! connections, or kept by the application.

use bytes::Bytes;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many vectors may wait for their pool to take them back. What comes beyond is freed.
const RETURNED_MAX: usize = 64;

/// A part of somebody's memory, which stays as it is until the last holder is gone, on whatever
/// thread. Each clone is a holder.
#[derive(Clone, Debug)]
pub struct Shared {
    owner: Owner,
    /// What of the owner's bytes it is.
    range: Range<usize>,
}

#[derive(Clone, Debug)]
enum Owner {
    Buffer(Holder),
    Vector(Arc<Vector>),
    /// A whole frame in one piece, of which the range is the payload.
    Frame(Arc<[u8]>),
    /// What the application holds, or nobody must. In an `Arc`, so that holders can be counted.
    Bytes(Arc<Bytes>),
}

impl Owner {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Buffer(holder) => holder.buffers.bytes(holder),
            Self::Vector(vector) => &vector.bytes,
            Self::Frame(frame) => frame,
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl Shared {
    fn all_of(owner: Owner, len: usize) -> Self {
        Self { owner, range: 0..len }
    }

    /// What one holder of a receive buffer holds.
    pub(crate) fn of_buffer(holder: Holder) -> Self {
        let len = holder.len;
        Self::all_of(Owner::Buffer(holder), len)
    }

    /// A message in a vector of its own, which goes home in the end.
    pub(super) fn of_vector(bytes: Vec<u8>, home: Arc<Returned>) -> Self {
        let len = bytes.len();
        Self::all_of(Owner::Vector(Arc::new(Vector { bytes, home })), len)
    }

    /// The payload of a frame, which begins behind `headed` bytes.
    pub(super) fn of_frame(frame: Arc<[u8]>, headed: usize) -> Self {
        let range = headed.min(frame.len())..frame.len();
        Self { owner: Owner::Frame(frame), range }
    }

    /// The frame that it is the payload of, when that lies in one piece.
    #[inline]
    pub(super) fn frame(&self) -> Option<Self> {
        match &self.owner {
            Owner::Frame(frame) => Some(Self { owner: self.owner.clone(), range: 0..frame.len() }),
            _ => None,
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.owner.bytes().get(self.range.clone()).unwrap_or_default()
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// What this holder has to answer for: the memory, divided by those who hold it now. Nothing of
    /// a receive buffer, since there are only so many of them.
    pub(crate) fn weight(&self) -> usize {
        let (bytes, holders) = match &self.owner {
            Owner::Buffer(_) => return 0,
            Owner::Vector(vector) => (vector.bytes.capacity(), Arc::strong_count(vector)),
            Owner::Frame(frame) => (frame.len(), Arc::strong_count(frame)),
            Owner::Bytes(bytes) => (bytes.len(), Arc::strong_count(bytes)),
        };
        bytes / holders.max(1)
    }

    /// Whether it lies in a receive buffer, of which there are only so many.
    pub(crate) fn is_lent(&self) -> bool {
        matches!(self.owner, Owner::Buffer(_))
    }

    /// Gives up the first `n` bytes, or all of them when there are fewer.
    pub(crate) fn advance(&mut self, n: usize) {
        self.range.start += n.min(self.len());
    }

    /// The same bytes from `range.start` to `range.end`; `None` when they do not have those.
    pub(crate) fn slice(&self, range: Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        let range = self.range.start + range.start..self.range.start + range.end;
        Some(Self { owner: self.owner.clone(), range })
    }

    /// As [`Shared::slice`], of a part of [`Shared::bytes`].
    pub(crate) fn part(&self, part: &[u8]) -> Option<Self> {
        let from = (part.as_ptr() as usize).checked_sub(self.bytes().as_ptr() as usize)?;
        self.slice(from..from.checked_add(part.len())?)
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl From<Bytes> for Shared {
    fn from(bytes: Bytes) -> Self {
        let len = bytes.len();
        Self::all_of(Owner::Bytes(Arc::new(bytes)), len)
    }
}

/// Who counts the holders of its buffers by their numbers, so that one more of them costs no
/// allocation: the receive buffers of a ring.
pub(crate) trait CountedBuffers: Debug + Send + Sync {
    /// What the holder may read.
    fn bytes(&self, holder: &Holder) -> &[u8];
    /// One holder more of a buffer that has one.
    fn hold(&self, id: u16);
    /// One holder less.
    fn unhold(&self, id: u16);
}

/// One holder of a part of a receive buffer.
#[derive(Debug)]
pub(crate) struct Holder {
    buffers: Arc<dyn CountedBuffers>,
    /// Where the part lies. It never changes: it is atomic because a plain pointer would have to
    /// stay on its thread. Only `buffers` reads what is there.
    start: AtomicPtr<u8>,
    len: usize,
    id: u16,
}

impl Holder {
    /// Takes over one holder of buffer `id`, which the caller has counted.
    pub(crate) fn new(
        buffers: Arc<dyn CountedBuffers>,
        id: u16,
        start: *mut u8,
        len: usize,
    ) -> Self {
        Self { buffers, start: AtomicPtr::new(start), len, id }
    }

    /// Where its part begins.
    pub(crate) fn start(&self) -> *const u8 {
        self.start.load(Ordering::Relaxed)
    }

    /// The length of its part.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Clone for Holder {
    fn clone(&self) -> Self {
        self.buffers.hold(self.id);
        Self::new(Arc::clone(&self.buffers), self.id, self.start.load(Ordering::Relaxed), self.len)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.buffers.unhold(self.id);
    }
}

/// A vector that a pool has made shared.
#[derive(Debug)]
struct Vector {
    bytes: Vec<u8>,
    home: Arc<Returned>,
}

impl Drop for Vector {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.bytes));
    }
}

/// The vectors that nobody shares any more, on their way back to the pool.
#[derive(Debug, Default)]
pub(super) struct Returned {
    vectors: Mutex<Vec<Vec<u8>>>,
    any: AtomicBool,
}

impl Returned {
    fn put(&self, bytes: Vec<u8>) {
        let mut vectors = self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        if vectors.len() < RETURNED_MAX {
            vectors.push(bytes);
            self.any.store(true, Ordering::Release);
        }
    }

    /// Takes one out.
    #[inline]
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        if self.any.load(Ordering::Acquire) { self.take_any() } else { None }
    }

    #[inline(never)]
    fn take_any(&self) -> Option<Vec<u8>> {
        let mut vectors = self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = vectors.pop();
        self.any.store(!vectors.is_empty(), Ordering::Relaxed);
        taken
    }
}

/// A buffer for tests, of ten bytes, that counts its holders.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Digits {
    pub(crate) holders: std::sync::atomic::AtomicUsize,
}

#[cfg(test)]
impl Digits {
    const ID: u16 = 7;

    pub(crate) fn share(self: &Arc<Self>, range: Range<usize>) -> Shared {
        self.hold(Self::ID);
        // Not to be read: it stands for its place.
        let start = std::ptr::without_provenance_mut(range.start);
        Shared::of_buffer(Holder::new(Arc::clone(self) as _, Self::ID, start, range.len()))
    }
}

#[cfg(test)]
impl CountedBuffers for Digits {
    fn bytes(&self, holder: &Holder) -> &[u8] {
        let start = holder.start().addr();
        &b"0123456789"[start..start + holder.len()]
    }
    fn hold(&self, id: u16) {
        assert_eq!(id, Self::ID);
        self.holders.fetch_add(1, Ordering::Relaxed);
    }
    fn unhold(&self, id: u16) {
        assert_eq!(id, Self::ID);
        self.holders.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Pool;

    #[test]
    fn a_part_is_where_it_says_whoever_owns_it() {
        let digits = Arc::new(Digits::default());
        let pool = Pool::default();
        let bytes = Bytes::from_static(b"0123456789");
        let vector = pool.share(bytes.to_vec());
        for mut all in [digits.share(0..10), vector, bytes.into()] {
            all.advance(2);
            assert_eq!((all.bytes(), all.len()), (&b"23456789"[..], 8));
            let part = all.slice(1..4).expect("inside");
            assert_eq!(part.bytes(), b"345");
            let found = all.part(&all.bytes()[3..]).expect("a part");
            assert_eq!(found.bytes(), b"56789");
            assert_eq!(found.slice(0..2).expect("inside").bytes(), b"56");
            assert!(all.slice(4..9).is_none() && all.part(b"elsewhere").is_none());
            all.advance(100);
            assert!(all.is_empty() && all.bytes().is_empty());
        }
    }

    #[test]
    fn each_clone_is_a_holder() {
        let digits = Arc::new(Digits::default());
        let count = || digits.holders.load(Ordering::Relaxed);
        let shared = digits.share(0..10);
        let (other, part) = (shared.clone(), shared.slice(3..5));
        assert_eq!(count(), 3);
        drop((shared, part));
        assert_eq!((count(), other.bytes()), (1, &b"0123456789"[..]));
        std::thread::spawn(move || drop(other)).join().expect("thread");
        assert_eq!(count(), 0);
    }

    #[test]
    fn holders_share_the_weight() {
        let (digits, pool) = (Arc::new(Digits::default()), Pool::default());
        assert_eq!(digits.share(0..10).weight(), 0, "a receive buffer is there anyway");
        let vector = pool.share(Vec::with_capacity(1_000));
        let bytes = Shared::from(Bytes::from(vec![0; 1_000]));
        let frame = Shared::of_frame(vec![0; 1_000].into(), 10);
        for one in [vector, bytes, frame] {
            assert_eq!(one.weight(), 1_000);
            let parts: Vec<_> = (0..3).map(|_| one.clone()).collect();
            assert_eq!((one.weight(), parts[0].weight()), (250, 250));
            drop(parts);
            assert_eq!(one.weight(), 1_000);
        }
    }

    #[test]
    fn a_vector_comes_back_when_the_last_holder_is_gone() {
        let mut pool = Pool::default();
        let shared = pool.share(vec![b'x'; 100_000]);
        let part = shared.slice(10..90_000).expect("most of it");
        drop(shared);
        pool.reclaim();
        assert_eq!((pool.bytes(), part.len()), (0, 89_990), "still shared");
        std::thread::spawn(move || drop(part)).join().expect("thread");
        pool.reclaim();
        assert_eq!(pool.bytes(), 100_000);
    }

    #[test]
    fn no_more_come_back_than_may_wait_and_none_to_a_pool_that_is_gone() {
        let mut pool = Pool::default();
        let shared: Vec<_> = (0..100).map(|_| pool.share(vec![0; 5_000])).collect();
        drop(shared);
        pool.reclaim();
        assert_eq!(pool.bytes(), RETURNED_MAX * 5_000);
        let shared = pool.share(vec![1; 5_000]);
        drop(pool);
        assert_eq!(shared.bytes(), [1; 5_000]);
    }
}
