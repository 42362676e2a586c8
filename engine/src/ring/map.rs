//! Anonymous memory of the kernel's own: page aligned, touched only as it is used.

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
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
// SAFETY: a shared `Map` tells its range and nothing else: it reads and writes no byte of it.
unsafe impl Sync for Map {}

impl Map {
    /// Maps `len` bytes (not zero) without reserving swap for them.
    pub(super) fn new(len: usize) -> io::Result<Self> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: no address is asked for, so no existing mapping is replaced.
        let raw = unsafe { mmap_anonymous(std::ptr::null_mut(), len, prot, flags) }?;
        let base = NonNull::new(raw.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let map = Self { base, len };
        // SAFETY: the range is the one just mapped. DONTFORK changes nothing for this process.
        unsafe { madvise(raw, len, Advice::LinuxDontFork) }?;
        Ok(map)
    }

    /// The first byte.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new` and nobody else unmaps it. It can only fail for
        // a bad range, and there is nobody to tell.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}
