//! The algorithm, once for all vectors.

use super::implementation::rotate;

/// A vector register.
///
/// # Safety
/// For those who call its functions: the CPU has the instructions. For those who implement it:
/// `load` and `store` touch `LEN` bytes and nothing else.
pub(super) unsafe trait Vector: Copy {
    /// Its bytes, a power of two.
    const LEN: usize;
    /// The word in every lane, in the order of memory.
    unsafe fn splat(word: [u8; 4]) -> Self;
    /// Reads `LEN` bytes; no alignment is needed.
    unsafe fn load(from: *const u8) -> Self;
    /// Writes `LEN` bytes; no alignment is needed.
    unsafe fn store(self, to: *mut u8);
    /// Bit by bit.
    unsafe fn xor(self, other: Self) -> Self;
    /// Bit by bit.
    unsafe fn or(self, other: Self) -> Self;
    /// Whether no byte has its highest bit set.
    unsafe fn is_ascii(self) -> bool;
}

/// XORs `data` with `key` over and over, and returns whether the result is ASCII.
///
/// The last vector is computed first, wherever it lies, and stored last: where it overlaps another
/// one, the same bytes are stored twice. Long data are treated so at both ends, to have all vectors
/// between them aligned: payloads follow headers, so they hardly ever begin on a boundary, and a
/// store across two cache lines costs two. In short data one more overlap costs more than that,
/// because who reads it next waits for the stores.
///
/// # Safety
/// The CPU has `V`, and `data` has at least `V::LEN` bytes.
#[inline(always)]
pub(super) unsafe fn xor<V: Vector>(data: &mut [u8], key: [u8; 4]) -> bool {
    debug_assert!(data.len() >= V::LEN);
    let (start, len) = (data.as_mut_ptr(), data.len());
    let last_at = len - V::LEN;
    // SAFETY: the caller vouches for the CPU. All accesses here are of V::LEN bytes at 0 and at
    // `last_at`, which are inside `data`, as is the first boundary behind its start.
    unsafe {
        let last = V::load(start.add(last_at)).xor(V::splat(rotate(key, last_at)));
        let seen = if len < 8 * V::LEN {
            middle(start, 0, len, V::splat(key), last)
        } else {
            let first = V::load(start).xor(V::splat(key));
            let at = V::LEN - start.addr() % V::LEN;
            let seen = middle(start, at, len, V::splat(rotate(key, at)), first.or(last));
            first.store(start);
            seen
        };
        last.store(start.add(last_at));
        seen.is_ascii()
    }
}

/// Does all whole vectors from `at` on; returns `seen` and all results, ORed.
///
/// # Safety
/// The CPU has `V`, and `start` points to `len` bytes.
#[inline(always)]
unsafe fn middle<V: Vector>(start: *mut u8, mut at: usize, len: usize, key: V, mut seen: V) -> V {
    // SAFETY: the caller vouches for the CPU, and the loops check that their vectors end at `len`.
    unsafe {
        while at + 4 * V::LEN <= len {
            let to = start.add(at);
            let a = V::load(to).xor(key);
            let b = V::load(to.add(V::LEN)).xor(key);
            let c = V::load(to.add(2 * V::LEN)).xor(key);
            let d = V::load(to.add(3 * V::LEN)).xor(key);
            a.store(to);
            b.store(to.add(V::LEN));
            c.store(to.add(2 * V::LEN));
            d.store(to.add(3 * V::LEN));
            seen = seen.or(a.or(b)).or(c.or(d));
            at += 4 * V::LEN;
        }
        while at + V::LEN <= len {
            let a = V::load(start.add(at)).xor(key);
            a.store(start.add(at));
            seen = seen.or(a);
            at += V::LEN;
        }
    }
    seen
}

// SAFETY: an unaligned read or write moves 16 bytes, LEN. For machines without vectors we know.
#[cfg(any(test, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
unsafe impl Vector for u128 {
    const LEN: usize = 16;
    #[inline(always)]
    unsafe fn splat(word: [u8; 4]) -> Self {
        Self::from(u32::from_ne_bytes(word)) * 0x1_0000_0001_0000_0001_0000_0001
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { from.cast::<Self>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        self ^ other
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        self | other
    }
    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        self & (u128::MAX / 0xFF * 0x80) == 0
    }
}
