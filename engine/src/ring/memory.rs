//! The memory that the kernel receives into, and who holds which buffer of it.

use super::block::Block;
use super::lease::{Free, Lease};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The memory of all buffers of one ring, and the buffers that their last holders have given back.
/// Lives until the ring and the last holder are gone.
///
/// There are two groups: many small ones, numbered first, and few large ones behind them. A buffer
/// is at any time exactly one of: free (a `Free` exists), in the kernel's ring, leased (a
/// [`Lease`] exists, perhaps with holders beside it), held only (shared, its lease released), or
/// waiting in the return queue.
#[derive(Debug)]
pub struct Buffers {
    pub(super) small: Block,
    pub(super) large: Block,
    /// Per buffer: 0 when it is not shared, else its holders, the lease being one of them.
    pub(super) holders: Box<[AtomicU32]>,
    pub(super) returned: Mutex<Vec<u16>>,
    pub(super) any_returned: AtomicBool,
}

impl Buffers {
    /// `count` buffers for `size` bytes of payload each, and no large ones.
    #[cfg(test)]
    pub(crate) fn new(count: u16, size: u32) -> io::Result<(Arc<Self>, Vec<Free>)> {
        Self::with_large((count, size), (0, 0)).map(|(buffers, small, _)| (buffers, small))
    }

    /// As many `small` buffers for so many bytes of payload each, and as many `large` ones. All of
    /// them are free: the small ones, and the large ones.
    pub(crate) fn with_large(
        small: (u16, u32),
        large: (u16, u32),
    ) -> io::Result<(Arc<Self>, Vec<Free>, Vec<Free>)> {
        let count = small.0.checked_add(large.0).ok_or(io::ErrorKind::InvalidInput)?;
        let buffers = Self {
            small: Block::new(small.0, small.1)?,
            large: Block::new(large.0, large.1)?,
            holders: (0..count).map(|_| AtomicU32::new(0)).collect(),
            returned: Mutex::new(Vec::with_capacity(usize::from(count))),
            any_returned: AtomicBool::new(false),
        };
        // Reversed: taken from the end, so that the first ones are used first.
        let [smalls, larges] =
            [0..small.0, small.0..count].map(|ids| ids.rev().map(Free).collect());
        Ok((Arc::new(buffers), smalls, larges))
    }

    /// Number of small buffers.
    pub fn count(&self) -> u16 {
        self.small.count
    }

    /// Bytes that one small buffer takes: a little more than was asked for.
    pub fn capacity(&self) -> usize {
        self.small.capacity
    }

    /// Number of large buffers.
    pub(crate) fn large_count(&self) -> u16 {
        self.large.count
    }

    /// Bytes that one large buffer takes; 0 when there are none.
    #[inline]
    pub fn large_capacity(&self) -> usize {
        if self.large.count == 0 { 0 } else { self.large.capacity }
    }

    /// Whether a buffer is one of the large ones.
    #[inline]
    pub(crate) fn is_large(&self, id: u16) -> bool {
        id >= self.small.count
    }

    /// Buffers that are shared now, of either group.
    pub fn shared(&self) -> u32 {
        let [small, large] = [&self.small, &self.large];
        small.shared.load(Ordering::Relaxed) + large.shared.load(Ordering::Relaxed)
    }

    /// The group of a buffer, and its place in there.
    #[inline]
    pub(super) fn block(&self, id: u16) -> (&Block, u16) {
        match id.checked_sub(self.small.count) {
            None => (&self.small, id),
            Some(at) => (&self.large, at),
        }
    }

    #[inline]
    pub(super) fn start(&self, id: u16) -> *mut u8 {
        let (block, at) = self.block(id);
        block.start(at)
    }

    /// Bytes that buffer `id` takes.
    #[inline]
    pub(super) fn capacity_of(&self, id: u16) -> usize {
        self.block(id).0.capacity
    }

    /// Where the kernel is to write.
    pub(super) fn address(&self, free: &Free) -> u64 {
        self.start(free.0) as u64
    }

    /// Copies `bytes` (at most `capacity`) into a free buffer, which becomes leased: what the
    /// kernel does, for a kernel that is only simulated. `free` must be one of these buffers.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn fill(&self, free: Free, bytes: &[u8]) -> Lease {
        assert!(bytes.len() <= self.capacity_of(free.0), "more than a buffer takes");
        // SAFETY: `free` was the only right to this buffer, and is consumed; the length is checked.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start(free.0), bytes.len()) };
        Lease { id: free.0, len: bytes.len() as u32 }
    }

    /// Where the kernel may write behind what a lease holds, and for how many bytes there is room.
    pub(super) fn room_behind(&self, lease: &mut Lease) -> (*mut u8, usize) {
        let (len, capacity) = (lease.len(), self.capacity_of(lease.id));
        assert!(len <= capacity, "more than a buffer takes");
        // SAFETY: inside the buffer, or at its end.
        (unsafe { self.start(lease.id).add(len) }, capacity - len)
    }

    /// The bytes of a lease of these buffers. Those parts of it that were shared must not be
    /// written.
    pub(crate) fn bytes<'a>(&'a self, lease: &'a mut Lease) -> &'a mut [u8] {
        let len = lease.len();
        assert!(len <= self.capacity_of(lease.id), "more than a buffer takes");
        // SAFETY: a lease is the only right to write to its buffer, it is borrowed for as long as
        // the slice lives, and its length lies within the buffer. What was mapped is initialised.
        unsafe { std::slice::from_raw_parts_mut(self.start(lease.id), len) }
    }

    /// Ends a lease. The buffer is free unless it has holders; then it comes back through
    /// [`Buffers::take_returned`] when the last of them is gone.
    #[inline]
    pub(crate) fn release(&self, lease: Lease) -> Option<Free> {
        if self.holders(lease.id).load(Ordering::Acquire) == 0 {
            return Some(Free(lease.id));
        }
        self.drop_holder(lease.id);
        None
    }

    /// Appends the buffers whose last holder has gone since the last call.
    #[inline]
    pub(crate) fn take_returned(&self, free: &mut Vec<Free>) {
        if self.any_returned.load(Ordering::Acquire) {
            let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
            self.any_returned.store(false, Ordering::Relaxed);
            free.extend(returned.drain(..).map(Free));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::LINE;
    use super::*;
    use crate::memory::Shared;

    fn one(buffers: &Buffers, free: &mut Vec<Free>, bytes: &[u8]) -> Lease {
        buffers.fill(free.pop().expect("a free buffer"), bytes)
    }

    fn share(buffers: &Arc<Buffers>, lease: &mut Lease) -> Option<Shared> {
        buffers.share(lease.id(), buffers.bytes(lease), 0)
    }

    #[test]
    fn a_buffer_takes_the_size_and_a_header_and_strides_are_odd() {
        for size in [64, 100, 4096, 16_384] {
            let (buffers, mut free) = Buffers::new(4, size).expect("memory");
            assert_eq!(buffers.capacity(), size as usize + 64);
            assert_eq!(buffers.small.stride / LINE % 2, 1);
            assert_eq!(free.iter().map(Free::id).collect::<Vec<_>>(), [3, 2, 1, 0]);
            let whole = vec![7; buffers.capacity()];
            let mut leases: Vec<_> = (0..4).map(|_| one(&buffers, &mut free, &whole)).collect();
            assert!(leases.iter_mut().all(|lease| buffers.bytes(lease) == whole));
        }
    }

    #[test]
    fn released_is_free_at_once_and_shared_is_free_after_the_last_holder() {
        let (buffers, mut free) = Buffers::new(4, 64).expect("memory");
        let lease = one(&buffers, &mut free, b"plain");
        free.extend(buffers.release(lease));
        assert_eq!(free.len(), 4);

        let mut lease = one(&buffers, &mut free, b"hello world");
        let id = lease.id();
        let bytes = buffers.bytes(&mut lease);
        let hello = buffers.share(id, &bytes[..5], 0).expect("below the limit");
        let world = buffers.share(id, &bytes[6..], 0).expect("the same buffer again");
        let more = world.clone();
        assert_eq!((buffers.shared(), hello.bytes()), (1, &b"hello"[..]));
        drop((hello, more));
        assert_eq!(buffers.release(lease), None, "a part is still out");
        buffers.take_returned(&mut free);
        assert_eq!(free.len(), 3);
        std::thread::spawn(move || assert_eq!(world.bytes(), b"world")).join().expect("thread");
        buffers.take_returned(&mut free);
        assert_eq!((free.len(), buffers.shared()), (4, 0));
        buffers.take_returned(&mut free);
        assert_eq!(free.len(), 4, "returned once");
    }

    #[test]
    fn holders_may_go_while_the_lease_is_in_use() {
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let mut lease = one(&buffers, &mut free, b"x");
        drop(share(&buffers, &mut lease).expect("few"));
        buffers.take_returned(&mut free);
        assert_eq!(free.len(), 1, "the lease still holds it");
        drop(share(&buffers, &mut lease).expect("few"));
        assert_eq!(buffers.release(lease), None);
        buffers.take_returned(&mut free);
        assert_eq!(free.len(), 2);
    }

    #[test]
    fn half_of_the_buffers_may_be_shared() {
        let (buffers, mut free) = Buffers::new(4, 64).expect("memory");
        let mut leases: Vec<_> = (0..4).map(|_| one(&buffers, &mut free, b"x")).collect();
        let kept: Vec<_> = leases.iter_mut().map(|lease| share(&buffers, lease)).collect();
        assert_eq!(kept.iter().flatten().count(), 2);
        drop(kept);
        free.extend(leases.into_iter().filter_map(|lease| buffers.release(lease)));
        buffers.take_returned(&mut free);
        assert_eq!((free.len(), buffers.shared()), (4, 0));
    }

    #[test]
    fn shared_bytes_outlive_everything_else() {
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let mut lease = one(&buffers, &mut free, b"kept");
        let kept = share(&buffers, &mut lease).expect("below the limit");
        drop((buffers.release(lease), free, buffers));
        assert_eq!(kept.bytes(), b"kept");
    }

    #[test]
    fn a_part_may_be_shared_with_what_lies_before_it() {
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let mut lease = one(&buffers, &mut free, b"head payload");
        let id = lease.id();
        let frame = buffers.share(id, &buffers.bytes(&mut lease)[5..], 5).expect("few");
        assert!(buffers.share(id, &buffers.bytes(&mut lease)[5..], 6).is_none());
        assert_eq!(buffers.release(lease), None);
        assert_eq!(frame.bytes(), b"head payload");
        assert_eq!(frame.slice(5..12).expect("inside").bytes(), b"payload");
        drop(frame);
        buffers.take_returned(&mut free);
        assert_eq!((free.len(), buffers.shared()), (2, 0));
    }

    /// As a delivery goes: what is behind a message is written while the message is kept. Under
    /// Miri this shows what may be borrowed beside what.
    #[test]
    fn what_is_kept_may_be_read_while_the_rest_is_written() {
        fn deliver(buffers: &Arc<Buffers>, id: u16, bytes: &mut [u8]) -> Shared {
            let (message, rest) = bytes.split_at_mut(5);
            message.make_ascii_uppercase();
            let shared = buffers.share(id, message, 0).expect("below the limit");
            rest.make_ascii_uppercase();
            assert_eq!(
                (shared.bytes(), &message[..], &rest[..]),
                (&b"HELLO"[..], &b"HELLO"[..], &b" WORLD"[..])
            );
            shared
        }
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let mut lease = one(&buffers, &mut free, b"hello world");
        let id = lease.id();
        let shared = deliver(&buffers, id, buffers.bytes(&mut lease));
        assert_eq!(buffers.release(lease), None);
        let reader = std::thread::spawn(move || assert_eq!(shared.bytes(), b"HELLO"));
        reader.join().expect("unchanged");
        buffers.take_returned(&mut free);
        assert_eq!(free.len(), 2);
    }

    #[test]
    #[should_panic(expected = "more than a buffer takes")]
    fn a_length_beyond_the_buffer_is_refused() {
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let mut lease = one(&buffers, &mut free, b"x");
        lease.len = 129;
        buffers.bytes(&mut lease);
    }

    #[test]
    #[should_panic(expected = "not a part of this buffer")]
    fn a_part_of_another_buffer_is_refused() {
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let lease = one(&buffers, &mut free, b"a");
        let mut other = one(&buffers, &mut free, b"b");
        let _ = buffers.share(lease.id(), buffers.bytes(&mut other), 0);
        let _ = buffers.release(lease);
    }
}
