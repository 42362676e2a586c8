//! A provided buffer that the kernel has filled and we hold for a while.

use bytes::Bytes;
use std::sync::Arc;

/// The memory of all buffers of one ring, and the buffers that retained leases have given back.
/// Lives until the ring and the last retained lease are gone.
#[derive(Debug)]
pub struct Buffers {}

impl Buffers {
    /// Makes the lease of buffer `id` outlive the turn; `None` when too many are out, and the
    /// caller must copy. The lease must then be forgotten, not released.
    pub(crate) fn retain(self: &Arc<Self>, _id: u16) -> Option<Retained> {
        unimplemented!()
    }
}

/// A filled buffer of the ring. Give it back with `Kernel::release`; dropping it loses the buffer.
#[derive(Debug)]
#[must_use = "a lease that is not released is a buffer lost"]
pub struct Lease {
    pub(super) id: u16,
    pub(super) len: u32,
}

impl Lease {
    /// The buffer's index in its ring.
    pub fn id(&self) -> u16 {
        self.id
    }
}

/// A lease kept by the application beyond its callback. The buffer goes back to the ring when the
/// last clone is dropped, on whatever thread.
#[derive(Clone, Debug)]
pub struct Retained {
    // Arc<guard that pushes the id to the return queue of `Buffers` on drop>
    _guard: Arc<()>,
}

impl Retained {
    /// A part of the retained buffer as shared bytes, without a copy. `part` must lie inside the
    /// buffer (checked) and must not be written any more by the caller's side.
    pub(crate) fn share(&self, _part: &[u8]) -> Bytes {
        unimplemented!()
    }
}
