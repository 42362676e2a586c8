//! Buffers that come back: poisoned, so that a use after that shows.

use super::Sim;
use crate::ring::Lease;
use crate::ring::lease::Free;

/// What is written over a buffer that was given back, so that a use after that shows.
const POISON: u8 = 0xDD;

impl Sim {
    pub(super) fn take_returned(&mut self) {
        let mut returned = Vec::new();
        self.buffers.take_returned(&mut returned);
        returned.into_iter().for_each(|free| self.put(free));
    }

    fn put(&mut self, free: Free) {
        let group = usize::from(self.buffers.is_large(free.id()));
        let clean = self.poison(free);
        self.free[group].push(clean);
    }

    fn poison(&self, free: Free) -> Free {
        let filled = self.filled[usize::from(free.id())];
        let lease = self.buffers.fill(free, &vec![POISON; filled]);
        self.buffers.release(lease).expect("a buffer that nobody retains")
    }

    /// Copies bytes behind what a lease holds.
    pub(super) fn fill_behind(&mut self, lease: &mut Lease, bytes: &[u8]) {
        let before = lease.len();
        lease.len += bytes.len() as u32;
        self.filled[usize::from(lease.id())] = lease.len();
        self.buffers.bytes(lease)[before..].copy_from_slice(bytes);
    }

    pub(super) fn end_lease(&mut self, lease: Lease) {
        let out = &mut self.leased[usize::from(lease.id())];
        assert!(*out, "a lease was ended twice");
        *out = false;
        if let Some(free) = self.buffers.release(lease) {
            self.put(free);
        }
    }
}
