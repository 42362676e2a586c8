//! Who is to be tried, and the buffers for that.

use crate::ring::diagnosis::{MMAP, Refused};
use crate::ring::lease::{Free, Lease};
use crate::ring::memory::Buffers;
use crate::ring::setup::refused;
use std::collections::VecDeque;
use std::sync::Arc;

/// The lines in which sockets stand, and the free buffers.
pub(super) struct Lines {
    pub(super) buffers: Arc<Buffers>,
    /// Small ones and large ones; the last that came back is the next: it is in the cache.
    free: [Vec<Free>; 2],
    /// Those that have just come back from their holders.
    returned: Vec<Free>,
    /// Sockets that may have something.
    due: VecDeque<i32>,
    /// Those that have found no buffer, small and large.
    starved: [VecDeque<i32>; 2],
}

impl Lines {
    pub(super) fn new(small: (u16, u32), large: (u16, u32)) -> Result<Self, Refused> {
        let (buffers, smalls, larges) =
            Buffers::with_large(small, large).map_err(|error| refused(MMAP, &error))?;
        let free = [smalls, larges];
        let starved = Default::default();
        Ok(Self { buffers, free, returned: Vec::new(), due: VecDeque::new(), starved })
    }

    /// The last in line.
    #[inline]
    pub(super) fn push(&mut self, fd: i32) {
        self.due.push_back(fd);
    }

    /// The first in line.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<i32> {
        self.due.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    /// It waits for a buffer.
    pub(super) fn starve(&mut self, fd: i32, large: bool) {
        self.starved[usize::from(large)].push_back(fd);
    }

    /// As many of those that wait for a buffer as there are some for go before all others.
    pub(super) fn feed(&mut self) {
        self.buffers.take_returned(&mut self.returned);
        for free in self.returned.drain(..) {
            self.free[usize::from(self.buffers.is_large(free.id()))].push(free);
        }
        for (starved, free) in self.starved.iter_mut().zip(&self.free) {
            let fed = starved.len().min(free.len());
            starved.drain(..fed).rev().for_each(|fd| self.due.push_front(fd));
        }
    }

    /// Whether somebody waits for a buffer.
    pub(super) fn starve_some(&self) -> bool {
        self.starved.iter().any(|starved| !starved.is_empty())
    }

    #[inline]
    pub(super) fn take(&mut self, large: bool) -> Option<Lease> {
        self.free[usize::from(large)].pop().map(|free| Lease { id: free.id(), len: 0 })
    }

    /// A lease ends.
    #[inline]
    pub(super) fn release(&mut self, lease: Lease) {
        if let Some(free) = self.buffers.release(lease) {
            self.free[usize::from(self.buffers.is_large(free.id()))].push(free);
        }
    }
}
