//! UTF-8 of text messages, RFC 6455 §8.1, checked as it comes.

use super::mask;
use super::violation::Violation;
use crate::simd::TWO_ENDS_MAX;

/// The block of the vectors.
const SHORT: usize = 64;

/// Below this many bytes the plain check of `std` is faster than a block of vectors; at 63 bytes it
/// takes twice as long.
const TINY: usize = 24;

/// Unmasking and checking walk memory together, in blocks that stay in a near cache.
///
/// Unmasking tells ASCII from other text, and ASCII needs no check: a block of it is walked once.
/// Against one walk that unmasks and another that checks, ASCII takes 0.55 of the time at 64 KiB
/// and at 1 MiB.
const BLOCK: usize = 16 << 10;

/// Blocks of other text are checked together, up to so many bytes: to cut the text and begin again
/// with each block costs 4 to 8 % of the check, which takes five times as long as the unmasking.
const RUN: usize = 128 << 10;

/// Checks text that comes in parts, cut anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    /// A character cut by the end of the last part: valid so far as it has come.
    carry: [u8; 3],
    carried: u8,
}

impl Utf8 {
    /// At the start of a message.
    pub const fn new() -> Self {
        Self { carry: [0; 3], carried: 0 }
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
        let len = data.len();
        // What lies between is unmasked, and waits to be checked.
        let (mut from, mut to) = (0, 0);
        while let Some(rest) = data.get_mut(to..)
            && !rest.is_empty()
        {
            // The key need not be rotated: a block is a multiple of four.
            let block = rest.len().min(BLOCK);
            let ascii = rest.get_mut(..block).is_none_or(|block| mask::unmask(block, key));
            let waiting = from != to || self.carried != 0;
            to += block;
            if ascii && !waiting {
                from = to;
            } else if ascii || to - from >= RUN || to == len {
                self.push(data.get(from..to).unwrap_or_default())?;
                from = to;
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
        let [first, second, third] = self.carry;
        let missing = sequence_len(first).saturating_sub(carried);
        let (more, rest) = data.split_at(missing.min(data.len()));
        let mut cut = [first, second, third, 0];
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
    if data.len() < SHORT && is_ascii_short(data) {
        return Ok(());
    }
    check_other(data)
}

/// The same, for a text that is probably not ASCII. Apart, so that the way of ASCII needs few
/// registers.
#[inline(never)]
fn check_other(data: &[u8]) -> Result<(), Violation> {
    let valid = match data.len() < SHORT {
        true => is_utf8_short(data),
        false => simdutf8::basic::from_utf8(data).is_ok(),
    };
    if valid { Ok(()) } else { Err(Violation::InvalidUtf8) }
}

/// Unmasks in place a text that is there as a whole, and checks it.
#[inline]
pub fn unmask_and_check(data: &mut [u8], key: [u8; 4]) -> Result<(), Violation> {
    if data.len() > TWO_ENDS_MAX {
        return unmask_and_check_long(data, key);
    }
    if mask::unmask(data, key) { Ok(()) } else { check_other(data) }
}

/// Apart, so that the way of short text needs few registers.
#[inline(never)]
fn unmask_and_check_long(data: &mut [u8], key: [u8; 4]) -> Result<(), Violation> {
    if data.len() > BLOCK {
        return unmask_and_check_blocks(data, key);
    }
    if mask::unmask(data, key) { Ok(()) } else { check_other(data) }
}

fn unmask_and_check_blocks(data: &mut [u8], key: [u8; 4]) -> Result<(), Violation> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

    fn verdict(text: &[u8]) -> Result<(), Violation> {
        let mut masked = text.to_vec();
        mask::unmask(&mut masked, KEY);
        let mut same = masked.clone();
        let verdict = unmask_and_check(&mut masked, KEY);
        // The same in two parts, and with the parts unmasked as far as they were valid.
        let (head, tail) = same.split_at_mut(text.len() / 3);
        let mut parts = Utf8::new();
        let key = mask::rotate(KEY, head.len());
        let pushed = parts.unmask_and_push(head, KEY);
        let pushed = pushed.and_then(|()| parts.unmask_and_push(tail, key));
        assert_eq!(pushed.and_then(|()| parts.finish()).is_ok(), verdict.is_ok());
        if verdict.is_ok() {
            assert!(masked == text && same == text);
        }
        verdict
    }

    #[test]
    fn characters_across_blocks_and_runs() {
        for edge in [BLOCK, 2 * BLOCK, RUN, RUN + BLOCK] {
            for before in 0..4 {
                for character in ["é", "漢", "🦀"] {
                    // ASCII but for the character at the edge; and none but such characters.
                    let mut text = "a".repeat(edge - before) + character;
                    text += &"b".repeat(BLOCK + 5);
                    assert!(verdict(text.as_bytes()).is_ok());
                    let shift = "a".repeat(before);
                    let other = shift + &character.repeat((edge + BLOCK) / character.len());
                    assert!(verdict(other.as_bytes()).is_ok());
                    // Cut at the end, and broken at the edge.
                    assert!(verdict(&other.as_bytes()[..other.len() - 1]).is_err());
                    for at in [edge - 1, edge, edge + 1] {
                        let mut broken = other.clone().into_bytes();
                        broken[at] = 0xFF;
                        assert!(verdict(&broken).is_err(), "{edge} {at}");
                        let mut broken = text.clone().into_bytes();
                        broken[at] = 0x80;
                        let expected = std::str::from_utf8(&broken).is_ok();
                        assert_eq!(verdict(&broken).is_ok(), expected, "{edge} {before} {at}");
                    }
                }
            }
        }
    }
}
