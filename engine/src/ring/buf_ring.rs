//! A provided buffer ring: the kernel's supply of buffers of one group to receive into.

use super::diagnosis::{MMAP, Refused};
use super::lease::Free;
use super::map::Map;
use super::memory::Buffers;
use super::setup::{patiently, refused};
use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use std::sync::atomic::{AtomicU16, Ordering};

/// The ring of descriptors that the kernel takes buffers from, and those kept back from it.
#[derive(Debug)]
pub(super) struct BufRing {
    /// `count` entries of 16 bytes; the kernel reads them. The tail lies inside the first.
    entries: Map,
    count: u16,
    tail: u16,
    /// Buffers in the ring, not yet taken by the kernel as far as we have seen.
    supplied: u16,
    /// Last in, first out: what was used last is still in the cache.
    free: Vec<Free>,
}

impl BufRing {
    /// Registers a ring as buffer group `group` for the buffers in `free` (a power of two of them,
    /// up to 32,768), none of them in it yet.
    pub(super) fn register(ring: &IoUring, group: u16, free: Vec<Free>) -> Result<Self, Refused> {
        let count = free.len() as u16;
        let mapped = |error: std::io::Error| refused(MMAP, &error);
        let entries = Map::new(usize::from(count) * size_of::<BufRingEntry>()).map_err(mapped)?;
        let address = entries.base().as_ptr() as u64;
        patiently(|| {
            // SAFETY: the mapping is page aligned and holds `count` entries. `Uring` drops it only
            // when the group is unregistered and no operation is left.
            unsafe { ring.submitter().register_buf_ring_with_flags(address, count, group, 0) }
                .map_err(|error| refused("io_uring_register(PBUF_RING)", &error))
        })?;
        Ok(Self { entries, count, tail: 0, supplied: 0, free })
    }

    /// Buffers that the kernel has.
    #[inline]
    pub(super) fn supplied(&self) -> u16 {
        self.supplied
    }

    /// Buffers that somebody has: they are neither free nor in the kernel's ring.
    pub(super) fn out(&self) -> usize {
        usize::from(self.count) - self.free.len() - usize::from(self.supplied)
    }

    /// Gives the kernel buffers until it has `target`, if there are as many.
    pub(super) fn replenish(&mut self, buffers: &Buffers, target: u16) {
        let before = self.tail;
        while self.supplied < target
            && let Some(free) = self.free.pop()
        {
            self.supply(buffers, &free);
        }
        if self.tail != before {
            self.publish();
        }
    }

    fn supply(&mut self, buffers: &Buffers, free: &Free) {
        let at = usize::from(self.tail & (self.count - 1));
        // SAFETY: `at < count`, inside the mapping. The kernel reads entries only below the
        // published tail, and at most `count` buffers exist, so this one has been consumed.
        // The first entry is written field by field, which leaves the tail in it alone.
        unsafe {
            let entry = self.entries.base().as_ptr().cast::<BufRingEntry>().add(at);
            (*entry).set_addr(buffers.address(free));
            (*entry).set_len(buffers.capacity_of(free.id()) as u32);
            (*entry).set_bid(free.id());
        }
        self.tail = self.tail.wrapping_add(1);
        self.supplied += 1;
    }

    fn publish(&self) {
        // SAFETY: the tail is an aligned u16 inside the mapping, which only we write.
        let tail = unsafe {
            let base = self.entries.base().as_ptr().cast_const().cast::<BufRingEntry>();
            AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut())
        };
        // Release: the entries are written before the kernel sees the tail.
        tail.store(self.tail, Ordering::Release);
    }

    /// The kernel has taken a buffer.
    #[inline]
    pub(super) fn taken(&mut self) {
        self.supplied -= 1;
    }

    /// A buffer is free again.
    #[inline]
    pub(super) fn put(&mut self, free: Free) {
        self.free.push(free);
    }
}
