//! A provided buffer that the kernel has filled and we hold for a while.

/// A buffer that nobody uses: not in the kernel's ring, not leased, not shared.
///
/// There is exactly one of these per free buffer, made by `Buffers::new` and given back by
/// `Buffers::release` and `Buffers::take_returned`; who holds it may fill the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Free(pub(super) u16);

impl Free {
    /// The buffer's index.
    pub(crate) fn id(&self) -> u16 {
        self.0
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

    /// Bytes received into it.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none. The kernel never gives such a lease.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
