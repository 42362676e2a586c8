//! NEON.

use super::implementation::Implementation;
use super::vector::{self, Vector};
use core::arch::aarch64::*;

pub(super) static NEON: Implementation = Implementation { name: "neon", xor: neon };

/// What this CPU can run: every aarch64 of the targets that have `std` has NEON.
pub(super) fn available() -> impl Iterator<Item = &'static Implementation> {
    [&NEON].into_iter()
}

fn neon(data: &mut [u8], key: [u8; 4]) -> bool {
    if data.len() < uint8x16_t::LEN {
        return super::scalar::words(data, key);
    }
    // SAFETY: every aarch64 that has `std` has NEON; there are LEN bytes.
    unsafe { vector::xor::<uint8x16_t>(data, key) }
}

// SAFETY: the intrinsics move 16 bytes, LEN.
unsafe impl Vector for uint8x16_t {
    const LEN: usize = 16;
    #[inline(always)]
    unsafe fn splat(word: [u8; 4]) -> Self {
        // SAFETY: NEON is there.
        unsafe { vreinterpretq_u8_u32(vdupq_n_u32(u32::from_ne_bytes(word))) }
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { vld1q_u8(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { vst1q_u8(to, self) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: NEON is there.
        unsafe { veorq_u8(self, other) }
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: NEON is there.
        unsafe { vorrq_u8(self, other) }
    }
    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        // SAFETY: NEON is there.
        unsafe { vmaxvq_u8(self) < 0x80 }
    }
}
