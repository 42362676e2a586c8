//! What an implementation is, and what all have in common.

/// One way to do it.
#[derive(Debug)]
pub(super) struct Implementation {
    /// As reported by [`implementation`](super::xor::implementation).
    pub(super) name: &'static str,
    /// See [`xor`](super::xor::xor). Unsafe because the CPU must have its instructions.
    pub(super) xor: unsafe fn(&mut [u8], [u8; 4]) -> bool,
}

/// The key for data that begins `offset` bytes behind the byte that `key[0]` belongs to.
#[inline]
pub const fn rotate(key: [u8; 4], offset: usize) -> [u8; 4] {
    // As a little-endian number key[0] is the low byte, whatever the machine is.
    u32::from_le_bytes(key).rotate_right((offset % 4) as u32 * 8).to_le_bytes()
}
