//! Masking: which implementation, chosen once.

use super::implementation::Implementation;
use super::scalar;
use super::short::unmask_short;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Below this many bytes (most chat messages) the call costs more than the vectors save.
const SHORT: usize = 64;

/// Null until first used. Threads that race to set it set the same.
static CHOSEN: AtomicPtr<Implementation> = AtomicPtr::new(ptr::null_mut());

/// XORs `data` with `key` over and over, `key[0]` with `data[0]`, and returns whether the result is
/// ASCII. That costs nothing beside the stores, and saves those who unmask text a second walk.
#[inline(always)]
pub fn xor(data: &mut [u8], key: [u8; 4]) -> bool {
    if data.len() < SHORT { unmask_short(data, key) } else { long(data, key) }
}

/// Apart, so that the way of short data saves no registers for the choice.
#[inline(never)]
fn long(data: &mut [u8], key: [u8; 4]) -> bool {
    // SAFETY: only what `available` lists is chosen, and it lists only what the CPU can run.
    unsafe { (chosen().xor)(data, key) }
}

/// The implementation in use: `avx512`, `avx2`, `sse2`, `neon` or `scalar`.
pub fn implementation() -> &'static str {
    chosen().name
}

#[inline]
fn chosen() -> &'static Implementation {
    // Relaxed: what it points to is a static that was there before any thread.
    let chosen = CHOSEN.load(Ordering::Relaxed);
    // SAFETY: null, or from the `&'static` in `choose`.
    unsafe { chosen.as_ref() }.unwrap_or_else(choose)
}

#[cold]
fn choose() -> &'static Implementation {
    let best = available().next().unwrap_or(&scalar::SCALAR);
    CHOSEN.store(ptr::from_ref(best).cast_mut(), Ordering::Relaxed);
    best
}

/// What this CPU can run, best first.
pub(super) fn available() -> impl Iterator<Item = &'static Implementation> {
    #[cfg(target_arch = "x86_64")]
    let vectors = super::x86_64::available();
    #[cfg(target_arch = "aarch64")]
    let vectors = super::aarch64::available();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let vectors = [].into_iter();
    vectors.chain([&scalar::SCALAR])
}
