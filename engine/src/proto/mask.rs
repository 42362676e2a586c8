//! Masking, RFC 6455 §5.3. The same operation masks and unmasks.

use crate::simd;

/// Unmasks (or masks) `data` in place, `key[0]` for `data[0]`. Returns whether the result is ASCII,
/// which is known then at no cost.
#[inline]
pub fn unmask(data: &mut [u8], key: [u8; 4]) -> bool {
    simd::xor(data, key)
}

/// The key for data that begins `offset` bytes behind the byte that `key[0]` belongs to.
#[inline]
pub const fn rotate(key: [u8; 4], offset: usize) -> [u8; 4] {
    // As a little-endian number key[0] is the low byte, whatever the machine is.
    u32::from_le_bytes(key).rotate_right((offset % 4) as u32 * 8).to_le_bytes()
}
