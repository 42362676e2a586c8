//! UTF-8 of text messages, RFC 6455 §8.1, checked as it comes.

use super::{Violation, mask};

/// The block of the vectors.
const SHORT: usize = 64;

/// Below this many bytes the plain check of `std` is faster than a block of vectors; at 63 bytes it
/// takes twice as long.
const TINY: usize = 24;

/// Unmasking and checking walk memory together, in blocks that stay in the first-level cache.
///
/// Unmasking tells ASCII from other text, and ASCII needs no check. Against one walk that unmasks
/// and another that checks, ASCII takes 0.55 of the time at 64 KiB and at 1 MiB. Other text takes
/// as long as before (the check alone is five sixths of it) while it fits a cache; the blocks are
/// for what does not.
const BLOCK: usize = 8 << 10;

/// Checks text that comes in parts, cut anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    /// A character cut by the end of the last part: valid so far as it has come.
    carry: [u8; 4],
    carried: u8,
}

impl Utf8 {
    /// At the start of a message.
    pub const fn new() -> Self {
        Self { carry: [0; 4], carried: 0 }
    }

    /// Takes the next part. Fails in the part that has the first byte which no valid text could
    /// have there, even when the character it belongs to is not complete.
    #[inline]
    pub fn push(&mut self, mut data: &[u8]) -> Result<(), Violation> {
        if self.carried != 0 {
            data = self.complete(data)?;
        }
        let (whole, cut) = data.split_at(data.len() - cut_len(data));
        check(whole)?;
        if !cut.is_empty() {
            self.keep(cut)?;
        }
        Ok(())
    }

    /// Unmasks the next part in place and takes it.
    #[inline]
    pub fn unmask_and_push(&mut self, data: &mut [u8], key: [u8; 4]) -> Result<(), Violation> {
        // The key need not be rotated: a block is a multiple of four.
        for block in data.chunks_mut(BLOCK) {
            let ascii = mask::unmask(block, key);
            if !ascii || self.carried != 0 {
                self.push(block)?;
            }
        }
        Ok(())
    }

    /// Ends the message: the text must not end inside a character. Ready for the next message.
    #[inline]
    pub fn finish(&mut self) -> Result<(), Violation> {
        let complete = self.carried == 0;
        self.reset();
        if complete { Ok(()) } else { Err(Violation::InvalidUtf8) }
    }

    /// Forgets what was begun.
    #[inline]
    pub fn reset(&mut self) {
        self.carried = 0;
    }

    /// Completes the carried character from `data` and returns the rest.
    fn complete<'a>(&mut self, data: &'a [u8]) -> Result<&'a [u8], Violation> {
        let carried = usize::from(self.carried);
        let missing = sequence_len(self.carry[0]).saturating_sub(carried);
        let (more, rest) = data.split_at(missing.min(data.len()));
        let mut cut = self.carry;
        for (to, from) in cut.iter_mut().skip(carried).zip(more) {
            *to = *from;
        }
        let cut = cut.get(..carried + more.len()).unwrap_or_default();
        if more.len() < missing {
            self.keep(cut)?;
        } else {
            std::str::from_utf8(cut).map_err(|_| Violation::InvalidUtf8)?;
            self.carried = 0;
        }
        Ok(rest)
    }

    /// Carries the beginning of a character, if it is one.
    fn keep(&mut self, cut: &[u8]) -> Result<(), Violation> {
        match std::str::from_utf8(cut) {
            // No length: the error is that the input ends, and nothing else.
            Err(e) if e.valid_up_to() == 0 && e.error_len().is_none() => {
                for (to, from) in self.carry.iter_mut().zip(cut) {
                    *to = *from;
                }
                self.carried = cut.len() as u8;
                Ok(())
            }
            _ => Err(Violation::InvalidUtf8),
        }
    }
}

/// Checks a text that is there as a whole.
#[inline]
pub fn check(data: &[u8]) -> Result<(), Violation> {
    let valid = if data.len() < SHORT {
        is_ascii_short(data) || is_utf8_short(data)
    } else {
        simdutf8::basic::from_utf8(data).is_ok()
    };
    if valid { Ok(()) } else { Err(Violation::InvalidUtf8) }
}

/// Unmasks in place a text that is there as a whole, and checks it.
#[inline]
pub fn unmask_and_check(data: &mut [u8], key: [u8; 4]) -> Result<(), Violation> {
    if data.len() <= BLOCK {
        return if mask::unmask(data, key) { Ok(()) } else { check(data) };
    }
    let mut text = Utf8::new();
    text.unmask_and_push(data, key)?;
    text.finish()
}

/// In steps of 8, 4 and 1 bytes: what was just unmasked was stored in no smaller ones.
#[inline(always)]
pub(crate) fn is_ascii_short(data: &[u8]) -> bool {
    let (words, rest) = data.as_chunks::<8>();
    let (halves, rest) = rest.as_chunks::<4>();
    let mut seen = words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word));
    seen = halves.iter().fold(seen, |all, half| all | u64::from(u32::from_ne_bytes(*half)));
    seen = rest.iter().fold(seen, |all, byte| all | u64::from(*byte));
    seen & 0x8080_8080_8080_8080 == 0
}

/// The vectors work on blocks of 64 bytes only: NULs behind the text make it one. They change no
/// verdict, and a character that the end cuts is still not followed by what it needs.
#[inline]
fn is_utf8_short(data: &[u8]) -> bool {
    let mut block = [0; SHORT];
    match block.get_mut(..data.len()) {
        Some(room) if data.len() >= TINY => {
            room.copy_from_slice(data);
            simdutf8::basic::from_utf8(&block).is_ok()
        }
        _ => std::str::from_utf8(data).is_ok(),
    }
}

/// The length of the sequence that `lead` begins; 1 for a byte that begins none.
const fn sequence_len(lead: u8) -> usize {
    match lead {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    }
}

/// How many bytes at the end of `data` begin a character that is not complete.
#[inline]
fn cut_len(data: &[u8]) -> usize {
    for (i, byte) in data.iter().rev().take(3).enumerate() {
        if byte & 0xC0 != 0x80 {
            return if sequence_len(*byte) > i + 1 { i + 1 } else { 0 };
        }
    }
    0
}
