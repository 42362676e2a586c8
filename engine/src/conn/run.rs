//! Runs: small whole messages that came together, as pipelined ones do. All of a run is unmasked
//! and checked before the first of it is delivered: in one tight loop, and long enough before an
//! answer copies it (see `simd::short`).

use crate::proto::{Opcode, utf8};
use crate::simd;

/// Header of a masked frame of at most 125 bytes.
pub(crate) const HEADER: usize = 6;
/// The longest payload with such a header.
const PAYLOAD_MAX: u8 = 125;
/// Bytes of a run: it and the answers stay in the first-level cache.
const RUN_MAX: usize = 8 << 10;

/// FIN and no RSV bit (RFC 6455 §5.2).
const TEXT: u8 = 0x80 | Opcode::Text as u8;
const BINARY: u8 = 0x80 | Opcode::Binary as u8;

/// Unmasks and checks in place the masked, unfragmented Text and Binary frames of at most 125 bytes
/// (and at most `message_max`) that `bytes` begins with. Returns the bytes of all these frames,
/// headers included. What makes any other answer necessary ends the run before it, untouched.
#[inline(never)]
pub(super) fn unmask(bytes: &mut [u8], message_max: u32) -> usize {
    let len_max = u8::try_from(message_max).unwrap_or(PAYLOAD_MAX).min(PAYLOAD_MAX);
    let all = bytes.len().min(RUN_MAX);
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

/// Masks a run again, from a frame on: whoever gets it then finds what the peer has sent.
#[cold]
pub(crate) fn mask_again(run: &mut [u8]) {
    let mut rest = run;
    while let Some(([_, second, key @ ..], behind)) = rest.split_first_chunk_mut::<HEADER>() {
        let len = usize::from(*second & 0x7F).min(behind.len());
        let (payload, behind) = behind.split_at_mut(len);
        simd::unmask_short(payload, *key);
        rest = behind;
    }
}

/// Takes the first message off a run that was unmasked.
#[inline(always)]
pub(crate) fn next<'b>(run: &mut &'b mut [u8]) -> Option<(Opcode, &'b mut [u8])> {
    let (header, behind) = std::mem::take(run).split_first_chunk_mut::<HEADER>()?;
    let [first, second, ..] = *header;
    let (payload, behind) = behind.split_at_mut_checked(usize::from(second & 0x7F))?;
    *run = behind;
    Some((if first == TEXT { Opcode::Text } else { Opcode::Binary }, payload))
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
    fn a_run_is_taken_message_by_message_and_can_be_given_back() {
        let said: [(u8, &[u8]); 4] = [
            (TEXT, b"ab"),
            (BINARY, b"\xFF"),
            (TEXT, b""),
            (TEXT, "na\u{EF}ve and longer".as_bytes()),
        ];
        let sent = frames(&said);
        let mut bytes = [&sent[..], b"\x81"].concat();
        assert_eq!(unmask(&mut bytes, u32::MAX), sent.len(), "a part of a header stays");
        let (mut run, _) = bytes.split_at_mut(sent.len());
        for (first, payload) in said {
            let (opcode, data) = next(&mut run).expect("as many as were sent");
            assert_eq!((0x80 | opcode as u8, &*data), (first, payload));
        }
        assert!(next(&mut run).is_none());
        mask_again(&mut bytes[..sent.len()]);
        assert_eq!(bytes, [&sent[..], b"\x81"].concat());
    }

    #[test]
    fn what_is_not_plain_ends_it_untouched() {
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
    fn a_run_has_an_end() {
        let mut bytes = frames(&vec![(TEXT, &b"0123"[..]); 2000]);
        let done = unmask(&mut bytes, u32::MAX);
        assert!((RUN_MAX - 140..=RUN_MAX).contains(&done), "{done}");
    }
}
