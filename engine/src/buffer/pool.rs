//! Spare byte vectors, so that a warm reactor allocates nothing per message.

/// Capacity of a vector that [`Pool::get`] has to make: several small frames, one memory page.
const FRESH_CAPACITY: usize = 4 << 10;

/// Vectors above it are lent for large messages only, so that a short message that waits for a
/// slow peer never pins the memory of a long one.
const SMALL_MAX: usize = 64 << 10;

/// What [`Pool::default`] keeps at most.
const DEFAULT_BYTES_MAX: usize = 8 << 20;

/// Recycled vectors of one reactor, bounded by the bytes they hold. Last in, first out: what was
/// given back last is still in the cache.
#[derive(Debug)]
pub struct Pool {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    /// Capacity of all vectors in both.
    bytes: usize,
    /// Capacity of those in `large`: at most half, so that a few of them cannot drive out the
    /// small ones, which are needed more often.
    large_bytes: usize,
    bytes_max: usize,
}

impl Default for Pool {
    /// A pool that keeps at most 8 MiB of capacity.
    fn default() -> Self {
        Self::new(DEFAULT_BYTES_MAX)
    }
}

impl Pool {
    /// A pool that keeps at most `bytes_max` of capacity.
    pub fn new(bytes_max: usize) -> Self {
        Self { small: Vec::new(), large: Vec::new(), bytes: 0, large_bytes: 0, bytes_max }
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

    /// Makes room for `total` bytes in all, of which `bytes` holds the first: from a vector that
    /// was given back when there is one, else by growing to exactly `total`.
    pub fn grow(&mut self, bytes: &mut Vec<u8>, total: usize) {
        if total <= bytes.capacity() {
            return;
        }
        let recycled = if total > SMALL_MAX { &mut self.large } else { &mut self.small };
        let Some(mut larger) = recycled.pop_if(|top| top.capacity() >= total) else {
            return bytes.reserve_exact(total - bytes.len());
        };
        self.bytes -= larger.capacity();
        if total > SMALL_MAX {
            self.large_bytes -= larger.capacity();
        }
        larger.extend_from_slice(bytes);
        self.put(std::mem::replace(bytes, larger));
    }

    /// Takes a vector back; it is emptied, and freed when the pool is full.
    #[inline]
    pub fn put(&mut self, mut bytes: Vec<u8>) {
        let capacity = bytes.capacity();
        // Less than a fresh one is not worth a place: it would only grow again.
        if capacity < FRESH_CAPACITY || capacity > self.bytes_max - self.bytes {
            return;
        }
        bytes.clear();
        if capacity <= SMALL_MAX {
            self.small.push(bytes);
        } else if capacity <= self.bytes_max / 2 - self.large_bytes {
            self.large_bytes += capacity;
            self.large.push(bytes);
        } else {
            return;
        }
        self.bytes += capacity;
    }

    /// Capacity of all vectors kept, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
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
        assert_eq!(pool.bytes(), 3 * FRESH_CAPACITY);
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
        let mut pool = Pool::new(1 << 20);
        (0..20).for_each(|_| pool.put(Vec::with_capacity(128 << 10)));
        assert_eq!(pool.bytes(), 512 << 10);
        pool.put(Vec::with_capacity(FRESH_CAPACITY));
        assert_eq!(pool.bytes(), (512 << 10) + FRESH_CAPACITY);
        let mut bytes = Vec::new();
        (0..4).for_each(|_| pool.grow(&mut std::mem::take(&mut bytes), 128 << 10));
        assert_eq!((pool.bytes(), pool.large_bytes), (FRESH_CAPACITY, 0));
    }

    #[test]
    fn growing_moves_into_a_recycled_vector_when_there_is_one() {
        let mut pool = Pool::default();
        pool.put(Vec::with_capacity(1 << 20));
        let mut bytes = pool.get();
        bytes.extend_from_slice(b"kept");
        pool.grow(&mut bytes, SMALL_MAX + 1);
        assert_eq!((bytes.as_slice(), bytes.capacity()), (&b"kept"[..], 1 << 20));
        assert_eq!(pool.bytes(), FRESH_CAPACITY, "the outgrown one was kept");

        let mut fresh = Vec::new();
        pool.grow(&mut fresh, 100_000);
        assert_eq!(fresh.capacity(), 100_000);
    }

    #[test]
    fn vectors_without_worthwhile_capacity_are_freed() {
        let mut pool = Pool::default();
        pool.put(Vec::new());
        pool.put(vec![1, 2, 3]);
        assert_eq!(pool.bytes(), 0);
    }
}
