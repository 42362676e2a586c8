//! A client's frames made into a server's, where they lie (RFC 6455 §5.2, §5.3).

/// Bytes that are unmasked together: enough for the compiler to use its widest registers.
const BLOCK: usize = 64;
/// Set in the second byte of a masked frame.
const MASKED: u8 = 0x80;

/// What [`reframe`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reframed {
    /// Bytes of the answer, from the start of the slice.
    pub(super) answer: usize,
    /// Bytes of whole frames that were read; what lies behind them is untouched.
    pub(super) taken: usize,
}

/// Where the parts of a whole frame are.
struct Frame {
    /// Bytes of the header without the masking key.
    header: usize,
    /// Bytes of the payload.
    len: usize,
}

/// Turns every whole frame at the start of `bytes` into its echo, one behind the other from the
/// first byte on. An echo lacks the masking key, so what is written never reaches what is unread.
///
/// All frames are taken to be masked, and all come back with their first byte as it came.
pub(super) fn reframe(bytes: &mut [u8]) -> Reframed {
    let mut done = Reframed { answer: 0, taken: 0 };
    while let Some(Frame { header, len }) = bytes.get(done.taken..).and_then(whole) {
        let payload = done.taken + header + 4;
        let key = key_at(bytes, payload - 4);
        // The two bytes that are in every header, or all of a longer one.
        bytes.copy_within(done.taken..done.taken + header, done.answer);
        bytes[done.answer + 1] &= !MASKED;
        done.answer += header;
        unmask_down(&mut bytes[done.answer..payload + len], payload - done.answer, key);
        done.answer += len;
        done.taken = payload + len;
    }
    done
}

/// The frame at the start of `bytes`, if all of it is there.
fn whole(bytes: &[u8]) -> Option<Frame> {
    let [_, second, rest @ ..] = bytes else { return None };
    let (header, len) = match second & !MASKED {
        126 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        // More than an address can be never is whole.
        127 => (10, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?),
        len => (2, usize::from(len)),
    };
    (bytes.len() >= len.checked_add(header + 4)?).then_some(Frame { header, len })
}

fn key_at(bytes: &[u8], at: usize) -> [u8; 4] {
    [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
}

/// Unmasks all that lies behind the first `gap` bytes and moves it to the start: read before it is
/// written, in one pass.
fn unmask_down(bytes: &mut [u8], gap: usize, key: [u8; 4]) {
    let mut at = 0;
    // Each step is a multiple of the key's length: the next begins with the key's first byte.
    while let Some(block) = bytes.get(at + gap..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        let block = xor(*block, key);
        bytes[at..at + BLOCK].copy_from_slice(&block);
        at += BLOCK;
    }
    while let Some(word) = bytes.get(at + gap..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = xor(*word, key);
        bytes[at..at + 8].copy_from_slice(&word);
        at += 8;
    }
    if let Some(half) = bytes.get(at + gap..).and_then(|rest| rest.first_chunk::<4>()) {
        let half = (u32::from_ne_bytes(*half) ^ u32::from_ne_bytes(key)).to_ne_bytes();
        bytes[at..at + 4].copy_from_slice(&half);
        at += 4;
    }
    for (index, key) in (at + gap..bytes.len()).zip(key) {
        bytes[index - gap] = bytes[index] ^ key;
    }
}

/// In words of eight bytes, of which `N` is a multiple.
fn xor<const N: usize>(mut bytes: [u8; N], [a, b, c, d]: [u8; 4]) -> [u8; N] {
    let key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    for word in bytes.as_chunks_mut::<8>().0 {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{self, BINARY};

    fn payload(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + len) as u8).collect()
    }

    /// As a client sends them, and as a server does.
    fn both(lens: impl IntoIterator<Item = usize>) -> (Vec<u8>, Vec<u8>) {
        let (mut sent, mut echo) = (Vec::new(), Vec::new());
        for len in lens {
            let key = [0x37, 0xfa, len as u8, 0x3d];
            frame::append(&mut sent, BINARY, &payload(len), Some(key));
            frame::append(&mut echo, BINARY, &payload(len), None);
        }
        (sent, echo)
    }

    #[test]
    fn every_length_comes_back_unmasked() {
        let lens = (0..400).chain([0xfffe, 0xffff, 0x1_0000, 0x1_0001]);
        for len in lens.clone() {
            let (mut sent, echo) = both([len]);
            let done = reframe(&mut sent);
            assert_eq!(done, Reframed { answer: echo.len(), taken: sent.len() }, "{len}");
            assert!(sent[..done.answer] == echo, "{len}");
        }
        // One behind the other: each moves farther than the one before.
        let (mut sent, echo) = both(lens);
        let done = reframe(&mut sent);
        assert_eq!(done, Reframed { answer: echo.len(), taken: sent.len() });
        assert!(sent[..done.answer] == echo);
    }

    #[test]
    fn what_is_not_whole_is_left_as_it_is() {
        let (sent, echo) = both([5, 130, 0x1_0000]);
        let ends = [0, 5 + 6, 5 + 6 + 130 + 8];
        let answers = [0, 5 + 2, 5 + 2 + 130 + 4];
        for cut in (0..400).chain([sent.len() - 1]) {
            let frames = ends.iter().rposition(|&end| end <= cut).expect("0 is below all");
            let mut part = sent[..cut].to_vec();
            let done = reframe(&mut part);
            let expected = Reframed { answer: answers[frames], taken: ends[frames] };
            assert_eq!(done, expected, "cut at {cut}");
            assert_eq!(part[..done.answer], echo[..done.answer], "cut at {cut}");
            assert_eq!(part[done.taken..], sent[done.taken..cut], "cut at {cut}");
        }
    }

    #[test]
    fn a_length_beyond_memory_is_never_whole() {
        let mut wire = [0xff; 64];
        assert_eq!(reframe(&mut wire), Reframed { answer: 0, taken: 0 });
    }
}
