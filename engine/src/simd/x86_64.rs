//! AVX-512, AVX2 and SSE2.

use super::implementation::Implementation;
use super::vector::{self, Vector};
use core::arch::x86_64::*;

pub(super) static AVX512: Implementation = Implementation { name: "avx512", xor: avx512 };
pub(super) static AVX2: Implementation = Implementation { name: "avx2", xor: avx2 };
pub(super) static SSE2: Implementation = Implementation { name: "sse2", xor: sse2 };

/// What this CPU can run, best first.
pub(super) fn available() -> impl Iterator<Item = &'static Implementation> {
    // The first CPUs with AVX-512 lower their clock for it; those that also have VBMI2 do not.
    let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vbmi2");
    let avx2 = is_x86_feature_detected!("avx2");
    [(avx512 && avx2, &AVX512), (avx2, &AVX2), (true, &SSE2)]
        .into_iter()
        .filter_map(|(has, implementation)| has.then_some(implementation))
}

/// Below this many bytes AVX-512 gains nothing on AVX2: too few of them to begin at a boundary, so
/// each of its vectors lies across two cache lines, and of those of 32 bytes every other one.
const WIDE: usize = 512;

#[target_feature(enable = "avx512f,avx2")]
fn avx512(data: &mut [u8], key: [u8; 4]) -> bool {
    if data.len() < WIDE {
        return avx2(data, key);
    }
    // SAFETY: this function is called only where AVX-512F is; the length was checked.
    unsafe { vector::xor::<__m512i>(data, key) }
}

#[target_feature(enable = "avx2")]
fn avx2(data: &mut [u8], key: [u8; 4]) -> bool {
    if data.len() < __m256i::LEN {
        return sse2(data, key);
    }
    // SAFETY: this function is called only where AVX2 is; the length was checked.
    unsafe { vector::xor::<__m256i>(data, key) }
}

fn sse2(data: &mut [u8], key: [u8; 4]) -> bool {
    if data.len() < __m128i::LEN {
        return super::scalar::words(data, key);
    }
    // SAFETY: every x86-64 has SSE2; the length was checked.
    unsafe { vector::xor::<__m128i>(data, key) }
}

// SAFETY: the intrinsics move 64 bytes, LEN.
unsafe impl Vector for __m512i {
    const LEN: usize = 64;
    #[inline(always)]
    unsafe fn splat(word: [u8; 4]) -> Self {
        // SAFETY: the caller vouches for AVX-512F.
        unsafe { _mm512_set1_epi32(i32::from_ne_bytes(word)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller vouches for AVX-512F and for 64 bytes.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller vouches for AVX-512F and for 64 bytes.
        unsafe { _mm512_storeu_si512(to.cast(), self) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller vouches for AVX-512F.
        unsafe { _mm512_xor_si512(self, other) }
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: the caller vouches for AVX-512F.
        unsafe { _mm512_or_si512(self, other) }
    }
    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        // SAFETY: the caller vouches for AVX-512F.
        unsafe { _mm512_test_epi32_mask(self, _mm512_set1_epi32(0x8080_8080_u32 as i32)) == 0 }
    }
}

// SAFETY: the intrinsics move 32 bytes, LEN.
unsafe impl Vector for __m256i {
    const LEN: usize = 32;
    #[inline(always)]
    unsafe fn splat(word: [u8; 4]) -> Self {
        // SAFETY: the caller vouches for AVX2.
        unsafe { _mm256_set1_epi32(i32::from_ne_bytes(word)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller vouches for AVX2 and for 32 bytes.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller vouches for AVX2 and for 32 bytes.
        unsafe { _mm256_storeu_si256(to.cast(), self) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller vouches for AVX2.
        unsafe { _mm256_xor_si256(self, other) }
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: the caller vouches for AVX2.
        unsafe { _mm256_or_si256(self, other) }
    }
    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        // SAFETY: the caller vouches for AVX2.
        unsafe { _mm256_movemask_epi8(self) == 0 }
    }
}

// SAFETY: the intrinsics move 16 bytes, LEN.
unsafe impl Vector for __m128i {
    const LEN: usize = 16;
    #[inline(always)]
    unsafe fn splat(word: [u8; 4]) -> Self {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_set1_epi32(i32::from_ne_bytes(word)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { _mm_loadu_si128(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { _mm_storeu_si128(to.cast(), self) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_xor_si128(self, other) }
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_or_si128(self, other) }
    }
    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_movemask_epi8(self) == 0 }
    }
}
