//! Anonymous memory of the kernel's own: page aligned, touched only as it is used.

use std::io;
use std::ptr::NonNull;

/// A private mapping, zeroed, unmapped on drop and not inherited over `fork`: a child that wrote
/// to it, or a copy made for the parent, would part the kernel's view from ours.
#[derive(Debug)]
pub(super) struct Map {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: `Map` is only an address range that it owns; whoever hands out references into it keeps
// them disjoint.
unsafe impl Send for Map {}
// SAFETY: a shared `Map` gives out its address only; it reads and writes nothing itself.
unsafe impl Sync for Map {}

impl Map {
    /// Maps `len` bytes (not zero) without reserving swap for them.
    pub(super) fn new(len: usize) -> io::Result<Self> {
        Ok(Self { base: memory::take(len)?, len })
    }

    /// The first byte.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: `new` took exactly this range, and nothing refers into it any more: who does so
        // keeps the `Map`.
        unsafe { memory::give_back(self.base, self.len) };
    }
}

#[cfg(not(miri))]
mod memory {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
    use std::io;
    use std::ptr::{NonNull, null_mut};

    pub(super) fn take(len: usize) -> io::Result<NonNull<u8>> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: no address is asked for, so no existing mapping is replaced.
        let raw = unsafe { mmap_anonymous(null_mut(), len, prot, flags) }?;
        // SAFETY: the range is the one just mapped. DONTFORK changes nothing for this process.
        if let Err(errno) = unsafe { madvise(raw, len, Advice::LinuxDontFork) } {
            // SAFETY: just mapped, and nobody has seen it.
            let _ = unsafe { munmap(raw, len) };
            return Err(errno.into());
        }
        NonNull::new(raw.cast()).ok_or(io::ErrorKind::OutOfMemory.into())
    }

    /// # Safety
    /// `take` gave these `len` bytes, and nothing refers to them any more.
    pub(super) unsafe fn give_back(base: NonNull<u8>, len: usize) {
        // SAFETY: the caller's promise. It can only fail for a bad range, and there is nobody to
        // tell.
        let _ = unsafe { munmap(base.as_ptr().cast(), len) };
    }
}

/// From the allocator, for an interpreter that knows no mappings and watches all accesses.
#[cfg(miri)]
mod memory {
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::io;
    use std::ptr::NonNull;

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len, 4096).expect("a size that could be mapped")
    }

    pub(super) fn take(len: usize) -> io::Result<NonNull<u8>> {
        assert!(len > 0, "a mapping of nothing");
        // SAFETY: the size is not zero.
        let raw = unsafe { alloc_zeroed(layout(len)) };
        NonNull::new(raw).ok_or(io::ErrorKind::OutOfMemory.into())
    }

    /// # Safety
    /// `take` gave these `len` bytes, and nothing refers to them any more.
    pub(super) unsafe fn give_back(base: NonNull<u8>, len: usize) {
        // SAFETY: the caller's promise: of the allocator, by the same layout.
        unsafe { dealloc(base.as_ptr(), layout(len)) };
    }
}
