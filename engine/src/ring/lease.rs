//! A provided buffer that the kernel has filled and we hold for a while.

pub use super::memory::Buffers;
use bytes::Bytes;
use std::ptr::NonNull;
use std::sync::Arc;

/// A buffer that nobody uses: not in the kernel's ring, not leased, not retained.
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

/// A lease kept by the application beyond its callback. The buffer goes back to the ring when the
/// last clone and the last shared part are dropped, on whatever thread, and the lease that it was
/// retained from has been forgotten.
#[derive(Clone, Debug)]
pub struct Retained(Arc<Hold>);

/// One holder of a retained buffer.
#[derive(Debug)]
struct Hold {
    buffers: Arc<Buffers>,
    id: u16,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.buffers.unhold(self.id);
    }
}

impl Retained {
    pub(super) fn new(buffers: Arc<Buffers>, id: u16) -> Self {
        Self(Arc::new(Hold { buffers, id }))
    }

    /// The buffer's index in its ring.
    pub fn id(&self) -> u16 {
        self.0.id
    }

    /// A part of the retained buffer as shared bytes, without a copy. `part` must not be written
    /// any more by the caller's side.
    ///
    /// # Panics
    /// When `part` does not lie inside the buffer.
    pub(crate) fn share(&self, part: &[u8]) -> Bytes {
        if part.is_empty() {
            return Bytes::new();
        }
        self.0.buffers.locate(self.0.id, part);
        Bytes::from_owner(Part { _hold: Arc::clone(&self.0), bytes: NonNull::from(part) })
    }
}

/// What a shared `Bytes` owns.
struct Part {
    /// Keeps the buffer retained.
    _hold: Arc<Hold>,
    /// Made from what the caller had of the buffer, not from the buffer: while a message is being
    /// delivered its bytes are borrowed mutably, and only what is made from that borrow may read
    /// them beside it.
    bytes: NonNull<[u8]>,
}

// SAFETY: nobody writes to the bytes while the buffer is retained, so any thread may read them;
// what keeps it retained may go to any thread itself.
unsafe impl Send for Part {}
// SAFETY: a shared `Part` gives out shared bytes only, to which nobody writes.
unsafe impl Sync for Part {}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `share` has checked that they lie inside the buffer, whose memory `_hold` keeps.
        // While it is retained nobody writes to them: the kernel does not have it, and the lease's
        // side has promised not to.
        unsafe { self.bytes.as_ref() }
    }
}
