//! Memory that was freed, and that the allocator keeps.

/// Gives what the allocator keeps of freed memory back to the system. glibc returns by itself only
/// what lies at the end of a heap: one block in use at the end keeps gigabytes before it. Where
/// the process has another allocator this finds little to give and does no harm.
///
/// Takes time in proportion to what is given back: some 50 ms for a gigabyte.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it has no precondition, and may be called from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
