//! The algorithm, once for all vectors.

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
/// Both ends are computed first, wherever they lie, and stored last. Between them every vector is
/// aligned: payloads follow headers, so they hardly ever begin on a boundary, and a store across
/// two cache lines costs two. Where an end overlaps the middle, the same bytes are stored twice.
///
/// # Safety
/// The CPU has `V`, and `data` has at least `V::LEN` bytes.
#[inline(always)]
pub(super) unsafe fn xor<V: Vector>(data: &mut [u8], key: [u8; 4]) -> bool {
    debug_assert!(data.len() >= V::LEN);
    let (start, len) = (data.as_mut_ptr(), data.len());
    let last_at = len - V::LEN;
    let mut at = V::LEN - start.addr() % V::LEN;
    // SAFETY: the caller vouches for the CPU. Every access is of V::LEN bytes at most at
    // `last_at`, thus inside `data`: `at + V::LEN <= len` is what the loops check.
    unsafe {
        let first = V::load(start).xor(V::splat(key));
        let last = V::load(start.add(last_at)).xor(V::splat(rotate(key, last_at)));
        let key = V::splat(rotate(key, at));
        let mut seen = first.or(last);
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
        first.store(start);
        last.store(start.add(last_at));
        seen.is_ascii()
    }
}

/// The key for data that begins `offset` bytes later.
#[inline(always)]
fn rotate(key: [u8; 4], offset: usize) -> [u8; 4] {
    u32::from_le_bytes(key).rotate_right((offset % 4) as u32 * 8).to_le_bytes()
}
