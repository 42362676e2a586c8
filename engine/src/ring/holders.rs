//! Who holds a part of a receive buffer beyond its lease.

use super::memory::Buffers;
use crate::memory::shared::{CountedBuffers, Holder, Shared};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};

impl Buffers {
    /// Whether `len` bytes are too few to keep a buffer for: a large one is kept for no less than
    /// a thirty-second of it, since there are few.
    #[inline]
    fn is_too_much_for(&self, id: u16, len: usize) -> bool {
        self.is_large(id) && len < self.large.capacity / 32
    }

    /// Makes a part of buffer `id` outlive its lease, with the `before` bytes in front of it;
    /// `None` when half of its group are shared, or when the buffer is too much for so short a
    /// part, and the caller must copy. May be called again
    /// for the same lease, which costs no more of the limit. Only while the lease exists, and on
    /// the thread that has it. The caller's side must not write to these bytes any more.
    ///
    /// What has bytes in front must not be read before the delivery is over: while it lasts they
    /// are borrowed mutably, apart from `part`, so that the two can only be read together from the
    /// mapping. A part alone is read from what the caller has of it.
    ///
    /// # Panics
    /// When the part does not lie inside the buffer.
    pub(crate) fn share(self: &Arc<Self>, id: u16, part: &[u8], before: usize) -> Option<Shared> {
        let at = self.locate(id, part);
        if self.is_too_much_for(id, part.len()) {
            return None;
        }
        let from = at.start.checked_sub(before)?;
        let start = match before {
            0 => part.as_ptr().cast_mut(),
            // SAFETY: `locate` has checked that `from` lies inside buffer `id`.
            _ => unsafe { self.start(id).add(from) },
        };
        let len = at.end - from;
        self.add_holder(id)
            .then(|| Shared::of_buffer(Holder::new(Arc::clone(self) as _, id, start, len)))
    }

    /// One holder more, unless half of the group's buffers are held already.
    fn add_holder(&self, id: u16) -> bool {
        let holders = self.holders(id);
        if holders.load(Ordering::Acquire) == 0 {
            // Only the thread with the lease counts up from zero, so the check cannot be overtaken.
            let block = self.block(id).0;
            if block.shared.load(Ordering::Relaxed) >= u32::from(block.count / 2) {
                return false;
            }
            block.shared.fetch_add(1, Ordering::Relaxed);
            // The lease itself, and the first of the others.
            holders.store(2, Ordering::Relaxed);
        } else {
            holders.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    /// Drops one holder of a shared buffer.
    pub(super) fn drop_holder(&self, id: u16) {
        // Release: what this holder read is read before the kernel writes again. Acquire: the
        // last holder has seen all the others end.
        if self.holders(id).fetch_sub(1, Ordering::AcqRel) == 1 {
            self.block(id).0.shared.fetch_sub(1, Ordering::Relaxed);
            let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
            returned.push(id);
            self.any_returned.store(true, Ordering::Release);
        }
    }

    pub(super) fn holders(&self, id: u16) -> &AtomicU32 {
        self.holders.get(usize::from(id)).expect("a buffer of this ring")
    }

    /// Where `part` lies in buffer `id`.
    fn locate(&self, id: u16, part: &[u8]) -> Range<usize> {
        let offset = (part.as_ptr() as usize).checked_sub(self.start(id) as usize);
        let end = offset.and_then(|from| from.checked_add(part.len()));
        match (offset, end) {
            (Some(from), Some(end)) if end <= self.capacity_of(id) => from..end,
            _ => panic!("not a part of this buffer"),
        }
    }
}

impl CountedBuffers for Buffers {
    fn bytes(&self, holder: &Holder) -> &[u8] {
        // SAFETY: `share`, which makes all holders of ours, has checked that they lie inside the
        // buffer, whose memory is there for as long as we are. While the holder exists nobody
        // writes to them: the kernel does not have the buffer, and the lease's side has promised
        // not to. That they are read beside a mutable borrow is ruled out in `share`, too.
        unsafe { std::slice::from_raw_parts(holder.start(), holder.len()) }
    }

    fn hold(&self, id: u16) {
        self.holders(id).fetch_add(1, Ordering::Relaxed);
    }

    fn unhold(&self, id: u16) {
        self.drop_holder(id);
    }
}
