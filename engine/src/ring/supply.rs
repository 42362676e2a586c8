//! The buffers that the kernel receives into: many small ones, and few large ones that are hot.

use super::buf_ring::BufRing;
use super::cache;
use super::diagnosis::{MMAP, Refused};
use super::lease::{Free, Lease};
use super::memory::Buffers;
use super::setup::refused;
use super::window::{Hot, Window};
use io_uring::IoUring;
use std::sync::Arc;

/// Large buffers, and bytes of payload in each. Twice 256 KiB: of the sizes of messages only the
/// power of two is known, so that those of 256 KiB may be as long. What is not touched takes no
/// memory: that of a message's own size for each that a turn fills, and for each that is held by a
/// peer that reads slowly.
pub(super) const LARGE: (u16, u32) = (16, 512 << 10);

/// A buffer group, as the kernel numbers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Group {
    /// For most.
    #[default]
    Small = 0,
    /// For those who send large messages.
    Large = 1,
}

impl Group {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::Small, Self::Large];
}

/// Both groups.
#[derive(Debug)]
pub(super) struct Supply {
    buffers: Arc<Buffers>,
    small: BufRing,
    window: Window,
    large: BufRing,
    hot: Hot,
    /// Those that have just come back from their holders.
    returned: Vec<Free>,
}

impl Supply {
    /// Registers a ring for as many `small` buffers (a power of two) for so many bytes each, and
    /// one for the `large` ones.
    pub(super) fn register(
        ring: &IoUring,
        small: (u16, u32),
        large: (u16, u32),
    ) -> Result<Self, Refused> {
        let (buffers, smalls, larges) =
            Buffers::with_large(small, large).map_err(|error| refused(MMAP, &error))?;
        let small_ring = BufRing::register(ring, Group::Small as u16, smalls)?;
        let large_ring =
            BufRing::register(ring, Group::Large as u16, larges).inspect_err(|_| {
                // The memory of the first one goes with it.
                let _ = ring.submitter().unregister_buf_ring(Group::Small as u16);
            })?;
        Ok(Self {
            buffers,
            small: small_ring,
            window: Window::new(small.0),
            large: large_ring,
            hot: Hot::new(cache::second_level(), large.0),
            returned: Vec::new(),
        })
    }

    /// The memory behind it.
    pub(super) fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    /// Buffers of a group that the kernel has.
    #[inline]
    pub(super) fn supplied(&self, group: Group) -> u16 {
        match group {
            Group::Small => self.small.supplied(),
            Group::Large => self.large.supplied(),
        }
    }

    /// Small buffers that the kernel should have.
    pub(super) fn window(&self) -> u16 {
        self.window.target()
    }

    /// Bytes that this turn has brought in small buffers.
    #[inline]
    pub(super) fn small_bytes(&self) -> usize {
        self.window.bytes()
    }

    /// A large buffer has come to hold more.
    pub(super) fn grown(&mut self, lease: &Lease) {
        self.hot.filled(lease.len());
    }

    /// Gives the kernel as many buffers as the windows say, if there are as many. Once per turn,
    /// before submitting, while so many large ones are being `filled` further.
    pub(super) fn replenish(&mut self, filled: usize) {
        self.window.turn();
        self.buffers.take_returned(&mut self.returned);
        for free in self.returned.drain(..) {
            let group =
                if self.buffers.is_large(free.id()) { &mut self.large } else { &mut self.small };
            group.put(free);
        }
        self.small.replenish(&self.buffers, self.window.target());
        let target = self.hot.turn(self.large.out() - filled, filled);
        self.large.replenish(&self.buffers, target);
    }

    /// The kernel has filled `len` bytes of buffer `id`.
    #[inline]
    pub(super) fn take(&mut self, id: u16, len: u32) -> Lease {
        if self.buffers.is_large(id) {
            self.large.taken();
            self.hot.filled(len as usize);
        } else {
            self.small.taken();
            self.window.filled(len as usize);
        }
        Lease { id, len }
    }

    /// The kernel took buffer `id` and gave it back empty.
    pub(super) fn reject(&mut self, id: u16) {
        let group = if self.buffers.is_large(id) { &mut self.large } else { &mut self.small };
        group.taken();
        group.put(Free(id));
    }

    /// A receive found no buffer.
    pub(super) fn exhausted(&mut self, group: Group) {
        if group == Group::Small {
            self.window.exhausted();
        }
    }

    /// A lease ends.
    #[inline]
    pub(super) fn release(&mut self, lease: Lease) {
        if let Some(free) = self.buffers.release(lease) {
            let group =
                if self.buffers.is_large(free.id()) { &mut self.large } else { &mut self.small };
            group.put(free);
        }
    }
}
