//! Masking, RFC 6455 §5.3. The same operation masks and unmasks.

use crate::simd;
pub use crate::simd::rotate;

/// Unmasks (or masks) `data` in place, `key[0]` for `data[0]`. Returns whether the result is ASCII,
/// which is known then at no cost. Of short data the call would cost as much as the work: the
/// compiler's own choice depends on how many others call it.
#[inline(always)]
pub fn unmask(data: &mut [u8], key: [u8; 4]) -> bool {
    simd::xor(data, key)
}
