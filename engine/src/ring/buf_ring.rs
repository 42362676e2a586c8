//! The provided buffer ring: the kernel's supply of buffers to receive into.

use super::diagnosis::{MMAP, Refused};
use super::lease::{Buffers, Free, Lease};
use super::map::Map;
use super::setup::{patiently, refused};
use super::window::Window;
use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// The buffer group of multishot receives.
pub(super) const GROUP: u16 = 0;

/// The ring of descriptors that the kernel takes buffers from, and those kept back from it.
#[derive(Debug)]
pub(super) struct BufRing {
    buffers: Arc<Buffers>,
    /// `count` entries of 16 bytes; the kernel reads them. The tail lies inside the first.
    entries: Map,
    count: u16,
    tail: u16,
    /// Buffers in the ring, not yet taken by the kernel as far as we have seen.
    supplied: u16,
    /// Last in, first out: what was used last is still in the cache.
    free: Vec<Free>,
    window: Window,
}

impl BufRing {
    /// Registers a ring for `count` buffers (a power of two up to 32,768), none of them in it yet.
    pub(super) fn register(ring: &IoUring, count: u16, size: u32) -> Result<Self, Refused> {
        let mapped = |error: std::io::Error| refused(MMAP, &error);
        let (buffers, free) = Buffers::new(count, size).map_err(mapped)?;
        let entries = Map::new(usize::from(count) * size_of::<BufRingEntry>()).map_err(mapped)?;
        let address = entries.base().as_ptr() as u64;
        patiently(|| {
            // SAFETY: the mapping is page aligned and holds `count` entries. `Uring` drops it only
            // when the group is unregistered and no operation is left.
            unsafe { ring.submitter().register_buf_ring_with_flags(address, count, GROUP, 0) }
                .map_err(|error| refused("io_uring_register(PBUF_RING)", &error))
        })?;
        Ok(Self { buffers, entries, count, tail: 0, supplied: 0, free, window: Window::new(count) })
    }

    /// The memory behind it.
    pub(super) fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    /// Buffers that the kernel has.
    pub(super) fn supplied(&self) -> u16 {
        self.supplied
    }

    /// Buffers that it should have.
    pub(super) fn window(&self) -> u16 {
        self.window.target()
    }

    /// Gives the kernel as many buffers as the window says, if there are as many. Once per turn,
    /// before submitting.
    pub(super) fn replenish(&mut self) {
        self.window.turn();
        self.buffers.take_returned(&mut self.free);
        let target = self.window.target();
        let before = self.tail;
        while self.supplied < target
            && let Some(free) = self.free.pop()
        {
            self.supply(&free);
        }
        if self.tail != before {
            self.publish();
        }
    }

    fn supply(&mut self, free: &Free) {
        let at = usize::from(self.tail & (self.count - 1));
        // SAFETY: `at < count`, inside the mapping. The kernel reads entries only below the
        // published tail, and at most `count` buffers exist, so this one has been consumed.
        // The first entry is written field by field, which leaves the tail in it alone.
        unsafe {
            let entry = self.entries.base().as_ptr().cast::<BufRingEntry>().add(at);
            (*entry).set_addr(self.buffers.address(free));
            (*entry).set_len(self.buffers.capacity() as u32);
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

    /// The kernel has filled `len` bytes of buffer `id`.
    #[inline]
    pub(super) fn take(&mut self, id: u16, len: u32) -> Lease {
        self.supplied -= 1;
        self.window.filled(len as usize);
        Lease { id, len }
    }

    /// The kernel took buffer `id` and gave it back empty.
    pub(super) fn reject(&mut self, id: u16) {
        self.supplied -= 1;
        self.free.push(Free(id));
    }

    /// A receive found no buffer.
    pub(super) fn exhausted(&mut self) {
        self.window.exhausted();
    }

    /// A lease ends.
    #[inline]
    pub(super) fn release(&mut self, lease: Lease) {
        self.free.extend(self.buffers.release(lease));
    }
}
