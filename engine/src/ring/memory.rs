//! The memory that the kernel receives into, and who holds which buffer of it.

use super::lease::{Free, Lease, Retained};
use super::map::Map;
use crate::buffer::{Lender, Loan};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a buffer beyond the payload size asked for: a frame header and a little more, so that
/// a message of exactly that size still lies whole in one buffer.
const HEADROOM: usize = 64;
/// A cache line. Buffers start on one.
const LINE: usize = 64;

/// The memory of all buffers of one ring, and the buffers that retained leases have given back.
/// Lives until the ring and the last retained lease are gone.
///
/// A buffer is at any time exactly one of: free (a `Free` exists), in the kernel's ring, leased (a
/// [`Lease`] exists, perhaps with holders beside it), held only (retained and forgotten), or
/// waiting in the return queue.
#[derive(Debug)]
pub struct Buffers {
    map: Map,
    count: u16,
    capacity: usize,
    stride: usize,
    /// Per buffer: 0 when it is not retained, else its holders, the lease being one of them.
    holders: Box<[AtomicU32]>,
    retained: AtomicU32,
    returned: Mutex<Vec<u16>>,
    any_returned: AtomicBool,
}

impl Buffers {
    /// `count` buffers for `size` bytes of payload each. Memory becomes resident as it is touched.
    pub(crate) fn new(count: u16, size: u32) -> io::Result<(Arc<Self>, Vec<Free>)> {
        let lines = (size as usize + HEADROOM).div_ceil(LINE);
        // An odd number of lines: the first lines of all buffers, the ones that small messages
        // touch, then fall into different sets of the cache instead of fighting for a few.
        let stride = (lines | 1) * LINE;
        let map = Map::new((stride * usize::from(count)).max(LINE))?;
        let buffers = Self {
            map,
            count,
            capacity: size as usize + HEADROOM,
            stride,
            holders: (0..count).map(|_| AtomicU32::new(0)).collect(),
            retained: AtomicU32::new(0),
            returned: Mutex::new(Vec::with_capacity(usize::from(count))),
            any_returned: AtomicBool::new(false),
        };
        // Reversed: taken from the end, so that the first ones are used first.
        Ok((Arc::new(buffers), (0..count).rev().map(Free).collect()))
    }

    /// Number of buffers.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Bytes that one buffer takes: a little more than was asked for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Buffers that are retained now.
    pub fn retained(&self) -> u32 {
        self.retained.load(Ordering::Relaxed)
    }

    fn start(&self, id: u16) -> *mut u8 {
        assert!(id < self.count, "no such buffer");
        // SAFETY: `id < count`, so the offset lies inside the mapping of `count * stride` bytes.
        unsafe { self.map.base().as_ptr().add(usize::from(id) * self.stride) }
    }

    /// Where the kernel is to write.
    pub(super) fn address(&self, free: &Free) -> u64 {
        self.start(free.0) as u64
    }

    /// Copies `bytes` (at most `capacity`) into a free buffer, which becomes leased: what the
    /// kernel does, for a kernel that is only simulated. `free` must be one of these buffers.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn fill(&self, free: Free, bytes: &[u8]) -> Lease {
        assert!(bytes.len() <= self.capacity, "more than a buffer takes");
        // SAFETY: `free` was the only right to this buffer, and is consumed; the length is checked.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start(free.0), bytes.len()) };
        Lease { id: free.0, len: bytes.len() as u32 }
    }

    /// The bytes of a lease of these buffers. Those parts of it that were shared must not be
    /// written.
    pub(crate) fn bytes<'a>(&'a self, lease: &'a mut Lease) -> &'a mut [u8] {
        let len = lease.len();
        assert!(len <= self.capacity, "more than a buffer takes");
        // SAFETY: a lease is the only right to write to its buffer, it is borrowed for as long as
        // the slice lives, and its length lies within the buffer. What was mapped is initialised.
        unsafe { std::slice::from_raw_parts_mut(self.start(lease.id), len) }
    }

    /// Ends a lease. The buffer is free unless it is retained; then it comes back through
    /// [`Buffers::take_returned`] after its last holder is gone.
    #[inline]
    pub(crate) fn release(&self, lease: Lease) -> Option<Free> {
        if self.holder(lease.id).load(Ordering::Acquire) == 0 {
            return Some(Free(lease.id));
        }
        self.unhold(lease.id);
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

    /// Makes the lease of buffer `id` outlive the turn; `None` when half of the buffers are out,
    /// and the caller must copy. May be called again for the same lease, which costs no more of
    /// the limit. Only while the lease exists, and on the thread that has it.
    pub(crate) fn retain(self: &Arc<Self>, id: u16) -> Option<Retained> {
        self.hold(id).then(|| Retained::new(Arc::clone(self), id))
    }

    /// As [`Buffers::retain`], for as long as `part` of the buffer and the `before` bytes in front
    /// of it are being sent. The caller's side must not write to them any more.
    pub(crate) fn lend(self: &Arc<Self>, id: u16, part: &[u8], before: usize) -> Option<Loan> {
        let at = self.locate(id, part);
        let start = at.start.checked_sub(before)?;
        self.hold(id).then(|| Loan::new(Arc::clone(self) as _, id, start..at.end))
    }

    /// One holder more, unless half of the buffers are held already.
    fn hold(&self, id: u16) -> bool {
        let holders = self.holder(id);
        if holders.load(Ordering::Acquire) == 0 {
            // Only the thread with the lease counts up from zero, so the check cannot be overtaken.
            if self.retained.load(Ordering::Relaxed) >= u32::from(self.count / 2) {
                return false;
            }
            self.retained.fetch_add(1, Ordering::Relaxed);
            // The lease itself, and the first of the others.
            holders.store(2, Ordering::Relaxed);
        } else {
            holders.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    /// Drops one holder of a retained buffer.
    pub(super) fn unhold(&self, id: u16) {
        // Release: what this holder read is read before the kernel writes again. Acquire: the
        // last holder has seen all the others end.
        if self.holder(id).fetch_sub(1, Ordering::AcqRel) == 1 {
            self.retained.fetch_sub(1, Ordering::Relaxed);
            let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
            returned.push(id);
            self.any_returned.store(true, Ordering::Release);
        }
    }

    fn holder(&self, id: u16) -> &AtomicU32 {
        self.holders.get(usize::from(id)).expect("a buffer of this ring")
    }

    /// Where `part` lies in buffer `id`.
    pub(super) fn locate(&self, id: u16, part: &[u8]) -> Range<usize> {
        let offset = (part.as_ptr() as usize).checked_sub(self.start(id) as usize);
        let end = offset.and_then(|from| from.checked_add(part.len()));
        match (offset, end) {
            (Some(from), Some(end)) if end <= self.capacity => from..end,
            _ => panic!("not a part of the retained buffer"),
        }
    }
}

impl Lender for Buffers {
    /// A part of a buffer that the caller keeps retained, once its delivery is over: it is made
    /// from the mapping, and so must not be read beside a mutable borrow.
    fn part(&self, id: u16, at: Range<usize>) -> &[u8] {
        assert!(at.start <= at.end && at.end <= self.capacity);
        // SAFETY: inside buffer `id`. While it is retained nobody writes to it: the kernel does
        // not have it, and the lease's side has promised not to write to shared parts.
        unsafe { std::slice::from_raw_parts(self.start(id).add(at.start), at.len()) }
    }

    fn give_back(&self, id: u16) {
        self.unhold(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn one(buffers: &Buffers, free: &mut Vec<Free>, bytes: &[u8]) -> Lease {
        buffers.fill(free.pop().expect("a free buffer"), bytes)
    }

    #[test]
    fn a_buffer_takes_the_size_and_a_header_and_strides_are_odd() {
        for size in [64, 100, 4096, 16_384] {
            let (buffers, mut free) = Buffers::new(4, size).expect("memory");
            assert_eq!(buffers.capacity(), size as usize + 64);
            assert_eq!(buffers.stride / LINE % 2, 1);
            assert_eq!(free.iter().map(Free::id).collect::<Vec<_>>(), [3, 2, 1, 0]);
            let whole = vec![7; buffers.capacity()];
            let mut leases: Vec<_> = (0..4).map(|_| one(&buffers, &mut free, &whole)).collect();
            assert!(leases.iter_mut().all(|lease| buffers.bytes(lease) == whole));
        }
    }

    #[test]
    fn released_is_free_at_once_and_retained_is_free_after_the_last_holder() {
        let (buffers, mut free) = Buffers::new(4, 64).expect("memory");
        let lease = one(&buffers, &mut free, b"plain");
        free.extend(buffers.release(lease));
        assert_eq!(free.len(), 4);

        let mut lease = one(&buffers, &mut free, b"hello world");
        let first = buffers.retain(lease.id()).expect("below the limit");
        let second = buffers.retain(lease.id()).expect("the same buffer again");
        assert_eq!(buffers.retained(), 1);
        let bytes = buffers.bytes(&mut lease);
        let (hello, world) = (first.share(&bytes[..5]), second.share(&bytes[6..]));
        drop((first, second, hello));
        assert_eq!(buffers.release(lease), None, "a part is still out");
        buffers.take_returned(&mut free);
        assert_eq!(free.len(), 3);
        std::thread::spawn(move || assert_eq!(world, b"world"[..])).join().expect("thread");
        buffers.take_returned(&mut free);
        assert_eq!((free.len(), buffers.retained()), (4, 0));
        buffers.take_returned(&mut free);
        assert_eq!(free.len(), 4, "returned once");
    }

    #[test]
    fn holders_may_go_while_the_lease_is_in_use() {
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let lease = one(&buffers, &mut free, b"x");
        drop(buffers.retain(lease.id()));
        buffers.take_returned(&mut free);
        assert_eq!(free.len(), 1, "the lease still holds it");
        drop(buffers.retain(lease.id()));
        assert_eq!(buffers.release(lease), None);
        buffers.take_returned(&mut free);
        assert_eq!(free.len(), 2);
    }

    #[test]
    fn half_of_the_buffers_may_be_retained() {
        let (buffers, mut free) = Buffers::new(4, 64).expect("memory");
        let leases: Vec<_> = (0..4).map(|_| one(&buffers, &mut free, b"x")).collect();
        let kept: Vec<_> = leases.iter().map(|lease| buffers.retain(lease.id())).collect();
        assert_eq!(kept.iter().flatten().count(), 2);
        drop(kept);
        free.extend(leases.into_iter().filter_map(|lease| buffers.release(lease)));
        buffers.take_returned(&mut free);
        assert_eq!((free.len(), buffers.retained()), (4, 0));
    }

    #[test]
    fn shared_bytes_outlive_everything_else() {
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let mut lease = one(&buffers, &mut free, b"kept");
        let kept = buffers.retain(lease.id()).expect("below the limit");
        let bytes = kept.share(buffers.bytes(&mut lease));
        drop((kept, buffers.release(lease), free, buffers));
        assert_eq!(bytes, b"kept"[..]);
    }

    #[test]
    fn what_is_lent_comes_back_and_has_what_lies_before_it() {
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let mut lease = one(&buffers, &mut free, b"head payload");
        let loan = buffers.lend(lease.id(), &buffers.bytes(&mut lease)[5..], 5).expect("few");
        assert!(buffers.lend(lease.id(), &buffers.bytes(&mut lease)[5..], 6).is_none());
        assert_eq!(loan.bytes(), b"head payload");
        assert_eq!(buffers.release(lease), None);
        drop(loan);
        buffers.take_returned(&mut free);
        assert_eq!((free.len(), buffers.retained()), (2, 0));
    }

    /// As a delivery goes: what is behind a message is written while the message is kept. Under
    /// Miri this shows what may be borrowed beside what.
    #[test]
    fn what_is_kept_may_be_read_while_the_rest_is_written() {
        fn deliver(buffers: &Arc<Buffers>, id: u16, bytes: &mut [u8]) -> (Retained, Bytes) {
            let (message, rest) = bytes.split_at_mut(5);
            message.make_ascii_uppercase();
            let kept = buffers.retain(id).expect("below the limit");
            let shared = kept.share(message);
            rest.make_ascii_uppercase();
            assert_eq!(
                (&shared[..], &message[..], &rest[..]),
                (&b"HELLO"[..], &b"HELLO"[..], &b" WORLD"[..])
            );
            (kept, shared)
        }
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let mut lease = one(&buffers, &mut free, b"hello world");
        let id = lease.id();
        let (kept, shared) = deliver(&buffers, id, buffers.bytes(&mut lease));
        assert_eq!(buffers.release(lease), None);
        let reader = std::thread::spawn(move || assert_eq!(shared, b"HELLO"[..]));
        reader.join().expect("unchanged");
        drop(kept);
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
    #[should_panic(expected = "not a part of the retained buffer")]
    fn a_part_of_another_buffer_is_refused() {
        let (buffers, mut free) = Buffers::new(2, 64).expect("memory");
        let lease = one(&buffers, &mut free, b"a");
        let mut other = one(&buffers, &mut free, b"b");
        let kept = buffers.retain(lease.id()).expect("below the limit");
        let _ = (kept.share(buffers.bytes(&mut other)), buffers.release(lease));
    }
}
