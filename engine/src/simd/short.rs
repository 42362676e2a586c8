//! Unmasking and copying payloads of a small frame, where every instruction shows: the ends of the
//! payload are done as two vectors that overlap, however long it is, and the middle in steps.
//!
//! A copy that follows its unmasking at once would wait: each of its loads spans two stores that
//! are still on their way. Frames are therefore unmasked a run at a time, before the first of them
//! is copied.

use super::vector::Vector;

#[cfg(target_arch = "aarch64")]
type Block = core::arch::aarch64::uint8x16_t;
#[cfg(target_arch = "x86_64")]
type Block = core::arch::x86_64::__m128i;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type Block = u128;

/// The bits that ASCII does not have.
const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

/// As [`super::xor`], inlined, for payloads of some dozens of bytes.
#[inline(always)]
pub fn unmask_short(data: &mut [u8], key: [u8; 4]) -> bool {
    unmask_with::<Block>(data, key)
}

#[inline(always)]
fn unmask_with<V: Vector>(data: &mut [u8], key: [u8; 4]) -> bool {
    let (start, len) = (data.as_mut_ptr(), data.len());
    // SAFETY: all accesses are inside `data`: the first of a kind begins at its start, the last one
    // ends at its end, and its length was compared with that of the kind. Every `Block` is part of
    // its architecture.
    unsafe {
        if len >= V::LEN {
            let splat = V::splat(key);
            let first = V::load(start).xor(splat);
            if len == V::LEN {
                first.store(start);
                return first.is_ascii();
            }
            let last_at = len - V::LEN;
            let last = V::load(start.add(last_at)).xor(V::splat(rotate(key, len)));
            let mut seen = first.or(last);
            if len > 2 * V::LEN {
                seen = seen.or(move_middle(start, start, last_at, splat));
            }
            first.store(start);
            last.store(start.add(last_at));
            return seen.is_ascii();
        }
        let mut seen = 0;
        if len >= 8 {
            let (first, last) = (start.cast::<u64>(), start.add(len - 8).cast::<u64>());
            let a = first.read_unaligned() ^ twice(key);
            let b = last.read_unaligned() ^ twice(rotate(key, len));
            first.write_unaligned(a);
            last.write_unaligned(b);
            seen = a | b;
        } else if len >= 4 {
            let (first, last) = (start.cast::<u32>(), start.add(len - 4).cast::<u32>());
            let a = first.read_unaligned() ^ u32::from_ne_bytes(key);
            let b = last.read_unaligned() ^ u32::from_ne_bytes(rotate(key, len));
            first.write_unaligned(a);
            last.write_unaligned(b);
            seen = u64::from(a | b);
        } else {
            for (byte, key) in data.iter_mut().zip(key) {
                *byte ^= key;
                seen |= u64::from(*byte);
            }
        }
        seen & NOT_ASCII == 0
    }
}

/// Moves the blocks between the first one and `last_at`, XORed with `key`, and returns all, ORed.
/// Apart: inlined, it takes the registers that the shortest payloads can do with.
///
/// # Safety
/// As [`copy_short`], or `from` and `to` are the same; there are `last_at` bytes and a block more.
#[inline(never)]
unsafe fn move_middle<V: Vector>(from: *const u8, to: *mut u8, last_at: usize, key: V) -> V {
    // SAFETY: the last block begins before `last_at`.
    unsafe {
        let mut seen = V::splat([0; 4]);
        let mut at = V::LEN;
        while at < last_at {
            let block = V::load(from.add(at)).xor(key);
            block.store(to.add(at));
            seen = seen.or(block);
            at += V::LEN;
        }
        seen
    }
}

/// The key for eight bytes.
#[inline(always)]
fn twice(key: [u8; 4]) -> u64 {
    u64::from(u32::from_ne_bytes(key)) * 0x1_0000_0001
}

/// As [`super::rotate`]. Of a rotation of what is also doubled, LLVM makes an instruction of many
/// parts (`shrd`); this is a shift.
#[inline(always)]
fn rotate(key: [u8; 4], len: usize) -> [u8; 4] {
    let twice = u64::from(u32::from_le_bytes(key)) * 0x1_0000_0001;
    ((twice >> (8 * (len % 4))) as u32).to_le_bytes()
}

/// Payloads from here on are moved in blocks of so many bytes.
pub const ONE_BLOCK: usize = Block::LEN;

/// The longest payload whose two ends are all of it: [`append`] then needs few registers.
pub const TWO_ENDS_MAX: usize = 32;

/// Appends a header and a small payload to `to`, without more memory. `false`, and nothing
/// appended, when there is no room for them, or when the payload must be ASCII and is not.
#[inline(always)]
pub fn append(to: &mut Vec<u8>, header: [u8; 2], payload: &[u8], ascii_only: bool) -> bool {
    let (begin, len) = (to.len(), header.len() + payload.len());
    if to.capacity() - begin < len {
        return false;
    }
    // SAFETY: there is room for `len` bytes behind the vector's end, and `len` are written if all
    // of them are. `payload` cannot overlap: `to` is borrowed for writing.
    unsafe {
        let start = to.as_mut_ptr().add(begin);
        start.cast::<[u8; 2]>().write_unaligned(header);
        let ascii = copy_short::<Block>(start.add(header.len()), payload);
        if ascii_only && !ascii {
            return false;
        }
        to.set_len(begin + len);
    }
    true
}

/// Copies a small payload, and returns whether it is ASCII.
///
/// # Safety
/// There is room for it at `to`, it does not overlap with that, and the CPU has `V`.
#[inline(always)]
unsafe fn copy_short<V: Vector>(to: *mut u8, payload: &[u8]) -> bool {
    let (from, len) = (payload.as_ptr(), payload.len());
    // SAFETY: as in `unmask_with`; what is read at an offset is written there.
    unsafe {
        if len >= V::LEN {
            let last_at = len - V::LEN;
            let first = V::load(from);
            let last = V::load(from.add(last_at));
            let mut seen = first.or(last);
            first.store(to);
            if len > 2 * V::LEN {
                seen = seen.or(move_middle(from, to, last_at, V::splat([0; 4])));
            }
            last.store(to.add(last_at));
            return seen.is_ascii();
        }
        let mut seen = 0;
        if len >= 8 {
            let a = from.cast::<u64>().read_unaligned();
            let b = from.add(len - 8).cast::<u64>().read_unaligned();
            to.cast::<u64>().write_unaligned(a);
            to.add(len - 8).cast::<u64>().write_unaligned(b);
            seen = a | b;
        } else if len >= 4 {
            let a = from.cast::<u32>().read_unaligned();
            let b = from.add(len - 4).cast::<u32>().read_unaligned();
            to.cast::<u32>().write_unaligned(a);
            to.add(len - 4).cast::<u32>().write_unaligned(b);
            seen = u64::from(a | b);
        } else {
            for (at, byte) in payload.iter().enumerate() {
                to.add(at).write(*byte);
                seen |= u64::from(*byte);
            }
        }
        seen & NOT_ASCII == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::scalar;

    /// Printable ASCII, with one other byte at `other`.
    fn text(len: usize, other: Option<usize>) -> Vec<u8> {
        let mut text: Vec<u8> = (0..len).map(|i| b' ' + (i * 7 % 90) as u8).collect();
        if let Some(byte) = other.and_then(|at| text.get_mut(at)) {
            *byte |= 0x80;
        }
        text
    }

    #[test]
    fn unmasking_is_that_of_the_oracle_at_every_length() {
        let key = [0x8F, 1, 0x72, 0xE3];
        for len in 0..200usize {
            for other in [None, Some(0), Some(len / 2), len.checked_sub(1)] {
                let mut plain = text(len, other);
                scalar::bytes(&mut plain, key);
                // Between guards that must stay.
                let mut around = [vec![0xAA; 3], plain.clone(), vec![0xAA; 16]].concat();
                let ascii = scalar::bytes(&mut plain, key);
                let expected = [vec![0xAA; 3], plain, vec![0xAA; 16]].concat();
                let mut words = around.clone();
                assert_eq!(unmask_short(&mut around[3..3 + len], key), ascii, "{len} {other:?}");
                assert_eq!(around, expected, "{len} {other:?}");
                assert_eq!(unmask_with::<u128>(&mut words[3..3 + len], key), ascii, "{len}");
                assert_eq!(words, expected, "{len} {other:?}");
            }
        }
    }

    #[test]
    fn a_frame_is_appended_whole_or_not_at_all() {
        for len in 0..126usize {
            for other in [None, Some(0), Some(len / 2), len.checked_sub(1)] {
                let payload = text(len, other);
                let frame = [&[0x81, len as u8][..], &payload].concat();
                let mut to = Vec::with_capacity(len + 5);
                to.extend_from_slice(b"abc");
                assert_eq!(append(&mut to, [0x81, len as u8], &payload, true), payload.is_ascii());
                assert_eq!(to.get(3..).is_some_and(|to| to == frame), payload.is_ascii(), "{len}");
                to.truncate(3);
                assert!(append(&mut to, [0x81, len as u8], &payload, false));
                assert_eq!(to, [b"abc", &frame[..]].concat());
                assert!(!append(&mut to, [0x81, len as u8], &payload, false), "no room");
            }
        }
    }
}
