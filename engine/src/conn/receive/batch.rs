//! Batches: whole messages where they lie. Short ones that came together, as pipelined ones do, are
//! one batch, which is unmasked and checked before the first of it is delivered: in one tight loop,
//! and long enough before an answer copies it (see `simd::short`). A longer one is a batch alone.

use crate::proto::{Opcode, utf8};
use crate::simd;

/// Header of a masked frame of at most 125 bytes (RFC 6455 §5.2): two bytes, and the key.
const HEADER: usize = 6;
/// The longest payload with such a header.
const PAYLOAD_MAX: u8 = 125;
/// Bytes of a batch of short messages: it and the answers stay in the first-level cache.
const BATCH_MAX: usize = 8 << 10;

/// FIN and no RSV bit (RFC 6455 §5.2).
const TEXT: u8 = 0x80 | Opcode::Text as u8;
const BINARY: u8 = 0x80 | Opcode::Binary as u8;

/// Stands for a message in the sum of those that were taken. One sum for all of them and for the
/// Binary ones among them takes a message an instruction more than a count, not a second one.
const MESSAGE: usize = 1 << 16;
const _: () = assert!(BATCH_MAX / HEADER < MESSAGE, "more Binary ones than fit into the sum");

/// One or more whole messages, unmasked and checked, where they lie in the input.
#[derive(Debug)]
pub struct MessageBatch<'b> {
    pub(crate) of: BatchOf<'b>,
}

/// What a batch consists of.
#[derive(Debug)]
pub(crate) enum BatchOf<'b> {
    /// Short messages.
    Short(ShortMessages<'b>),
    /// One of any length.
    Lone(LoneMessage<'b>),
}

/// Short messages that came together, each in one frame with a header of [`HEADER`] bytes.
#[derive(Debug, Default)]
pub(crate) struct ShortMessages<'b> {
    /// The frames that are not taken yet, unmasked behind their headers.
    rest: &'b mut [u8],
    /// Messages taken: [`MESSAGE`] for each, and 1 more for a Binary one.
    taken: usize,
    /// Bytes of all these frames, taken or not.
    len: usize,
}

/// A message that is a batch alone.
#[derive(Debug)]
pub(crate) struct LoneMessage<'b> {
    pub(crate) opcode: Opcode,
    /// Where its header lay, right in front of `payload`; empty when that is not known.
    pub(crate) room: &'b mut [u8],
    pub(crate) payload: &'b mut [u8],
}

impl<'b> MessageBatch<'b> {
    /// Of frames that [`unmask`] has unmasked.
    #[inline(always)]
    pub(super) fn short(frames: &'b mut [u8]) -> Self {
        let len = frames.len();
        Self { of: BatchOf::Short(ShortMessages { rest: frames, taken: 0, len }) }
    }

    /// Of one message, unmasked and checked.
    #[inline(always)]
    pub(super) fn lone(opcode: Opcode, room: &'b mut [u8], payload: &'b mut [u8]) -> Self {
        Self { of: BatchOf::Lone(LoneMessage { opcode, room, payload }) }
    }
}

/// The messages, in the order in which they came: each Text (checked UTF-8) or Binary.
impl<'b> Iterator for MessageBatch<'b> {
    type Item = (Opcode, &'b mut [u8]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if let BatchOf::Short(short) = &mut self.of {
            return short.next();
        }
        match std::mem::replace(&mut self.of, BatchOf::Short(ShortMessages::default())) {
            BatchOf::Lone(LoneMessage { opcode, payload, .. }) => Some((opcode, payload)),
            BatchOf::Short(_) => None,
        }
    }

    /// Asks only once of what kind the batch is: of a message of 1 KiB that is alone, asking with
    /// each `next` takes 27 instructions more.
    #[inline(always)]
    fn fold<A, F: FnMut(A, Self::Item) -> A>(self, first: A, mut call: F) -> A {
        match self.of {
            BatchOf::Lone(LoneMessage { opcode, payload, .. }) => call(first, (opcode, payload)),
            BatchOf::Short(mut short) => {
                let mut all = first;
                while let Some(message) = short.next() {
                    all = call(all, message);
                }
                all
            }
        }
    }
}

impl<'b> ShortMessages<'b> {
    /// Takes the next one.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<(Opcode, &'b mut [u8])> {
        let rest = std::mem::take(&mut self.rest);
        let (header, behind) = rest.split_first_chunk_mut::<HEADER>()?;
        let [first, second, ..] = *header;
        let (payload, behind) = behind.split_at_mut_checked(usize::from(second & 0x7F))?;
        self.rest = behind;
        let opcode = if first == TEXT { Opcode::Text } else { Opcode::Binary };
        self.taken += MESSAGE - Opcode::Text as usize + opcode as usize;
        Some((opcode, payload))
    }

    /// How many were taken, Text and Binary, and the bytes of their payloads.
    #[inline(always)]
    pub(crate) fn taken(&self) -> (usize, usize, usize) {
        let (taken, binaries) = (self.taken / MESSAGE, self.taken % MESSAGE);
        (taken - binaries, binaries, self.len - self.rest.len() - taken * HEADER)
    }

    /// Bytes of the frames that were not taken.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The frames that were not taken, masked again: whoever gets them finds what the peer has
    /// sent.
    #[cold]
    pub(crate) fn put_back(self) -> &'b mut [u8] {
        let mut rest = &mut *self.rest;
        while let Some(([_, second, key @ ..], behind)) = rest.split_first_chunk_mut::<HEADER>() {
            let len = usize::from(*second & 0x7F).min(behind.len());
            let (payload, behind) = behind.split_at_mut(len);
            simd::unmask_short(payload, *key);
            rest = behind;
        }
        self.rest
    }
}

/// Unmasks and checks in place the masked, unfragmented Text and Binary frames of at most 125 bytes
/// (and at most `message_max`) that `bytes` begins with. Returns the bytes of all these frames,
/// headers included. Before what makes any other answer necessary it stops, and leaves that
/// untouched.
#[inline(always)]
pub(super) fn unmask(bytes: &mut [u8], message_max: u32) -> usize {
    match bytes {
        // Longer: not of a batch of short ones. To have looked for them, and the wider answer, cost
        // a message of 1 KiB 4 to 8 instructions of 300; one of 16 bytes saves 67 of 117.
        [_, 0xFE..=0xFF, ..] => 0,
        _ => unmask_all(bytes, message_max),
    }
}

#[inline(never)]
fn unmask_all(bytes: &mut [u8], message_max: u32) -> usize {
    let len_max = u8::try_from(message_max).unwrap_or(PAYLOAD_MAX).min(PAYLOAD_MAX);
    let all = bytes.len().min(BATCH_MAX);
    let mut rest = bytes.get_mut(..all).unwrap_or_default();
    let mut done = 0;
    while let Some((header, behind)) = rest.split_first_chunk_mut::<HEADER>() {
        let [first, second, key @ ..] = *header;
        // With the mask bit off, it wraps and is too long: such a frame is a violation.
        let len = second.wrapping_sub(0x80);
        if len > len_max || first != TEXT && first != BINARY {
            break;
        }
        let Some((payload, behind)) = behind.split_at_mut_checked(usize::from(len)) else { break };
        if !simd::unmask_short(payload, key) && first == TEXT && !stays(payload, key) {
            break;
        }
        done += HEADER + usize::from(len);
        rest = behind;
    }
    done
}

/// Whether a text that is not ASCII is UTF-8. If not, it is masked again.
#[inline(never)]
fn stays(payload: &mut [u8], key: [u8; 4]) -> bool {
    let valid = utf8::check(payload).is_ok();
    if !valid {
        simd::unmask_short(payload, key);
    }
    valid
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of a client, and their payloads.
    fn frames(payloads: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (i, (first, payload)) in payloads.iter().enumerate() {
            let key = [i as u8, 0x55, 0xC3, 7];
            bytes.extend([*first, 0x80 | payload.len() as u8]);
            bytes.extend(key);
            bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
        bytes
    }

    #[test]
    fn a_batch_is_taken_message_by_message_and_what_is_left_can_be_put_back() {
        let said: [(u8, &[u8]); 4] = [
            (TEXT, b"ab"),
            (BINARY, b"\xFF"),
            (TEXT, b""),
            (TEXT, "na\u{EF}ve and longer".as_bytes()),
        ];
        let sent = frames(&said);
        for stop in 0..=said.len() {
            let mut bytes = [&sent[..], b"\x81"].concat();
            assert_eq!(unmask(&mut bytes, u32::MAX), sent.len(), "a part of a header stays");
            let (frames_in, _) = bytes.split_at_mut(sent.len());
            let BatchOf::Short(mut batch) = MessageBatch::short(frames_in).of else {
                panic!("short")
            };
            for (first, payload) in &said[..stop] {
                let (opcode, data) = batch.next().expect("as many as were sent");
                assert_eq!((0x80 | opcode as u8, &*data), (*first, *payload));
            }
            let payloads: usize = said[..stop].iter().map(|(_, payload)| payload.len()).sum();
            let texts = said[..stop].iter().filter(|(first, _)| *first == TEXT).count();
            assert_eq!(batch.taken(), (texts, stop - texts, payloads));
            let rest = &sent[stop * HEADER + payloads..];
            assert_eq!((batch.left(), &*batch.put_back()), (rest.len(), rest));
        }
    }

    #[test]
    fn a_batch_of_one_has_one_message() {
        let mut payload = *b"long";
        let mut batch = MessageBatch::lone(Opcode::Binary, &mut [], &mut payload);
        let first = batch.next().map(|(opcode, payload)| (opcode, payload.to_vec()));
        assert_eq!(first, Some((Opcode::Binary, b"long".to_vec())));
        assert!(batch.next().is_none());
    }

    #[test]
    fn what_is_not_a_short_message_ends_a_batch_untouched() {
        let good = frames(&[(TEXT, b"good")]);
        let bad: [(&str, Vec<u8>); 7] = [
            ("a fragment", frames(&[(0x01, b"x")])),
            ("RSV1", frames(&[(0xC1, b"x")])),
            ("a Ping", frames(&[(0x89, b"x")])),
            ("not masked", vec![0x81, 1, b'x', 0, 0, 0, 0, 0]),
            ("longer than allowed", frames(&[(TEXT, &[b'x'; 101])])),
            ("not UTF-8", frames(&[(TEXT, b"\xFFand the rest of it")])),
            ("cut", frames(&[(TEXT, b"0123456789")])[..12].to_vec()),
        ];
        for (what, bad) in bad {
            let mut bytes = [&good[..], &bad, &good].concat();
            if what == "cut" {
                bytes.truncate(good.len() + bad.len());
            }
            let before = bytes.clone();
            assert_eq!(unmask(&mut bytes, 100), good.len(), "{what}");
            assert_eq!(bytes[good.len()..], before[good.len()..], "{what}");
        }
    }

    #[test]
    fn a_batch_has_an_end() {
        let mut bytes = frames(&vec![(TEXT, &b"0123"[..]); 2000]);
        let done = unmask(&mut bytes, u32::MAX);
        assert!((BATCH_MAX - 140..=BATCH_MAX).contains(&done), "{done}");
    }
}
