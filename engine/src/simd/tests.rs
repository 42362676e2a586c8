//! Every implementation that this CPU can run against the oracle.

use super::{scalar, xor};

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// Bytes without a pattern that a wrong offset could hit (xorshift).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn every_alignment_length_and_phase() {
    const ROOM: usize = 64 + 600 + 64;
    let noise = noise(ROOM);
    // Some memory before and behind, to see that nothing else is touched.
    let (mut got, mut expected) = (vec![0; ROOM + 64], vec![0; ROOM + 64]);
    let base = got.as_ptr().align_offset(64);
    for implementation in xor::available() {
        for alignment in 0..64 {
            // All lengths that the short way takes, and some that the long way does.
            for len in (0..=300).chain((301..=600).step_by(7)) {
                for shift in 0..4 {
                    let mut key = KEY;
                    key.rotate_left(shift);
                    let part = base + alignment..base + alignment + len;
                    got[base..base + ROOM].copy_from_slice(&noise);
                    expected[base..base + ROOM].copy_from_slice(&noise);
                    scalar::bytes(&mut expected[part.clone()], key);
                    // SAFETY: `available` lists what the CPU can run.
                    unsafe { (implementation.xor)(&mut got[part], key) };
                    let at = (implementation.name, alignment, len, shift);
                    assert!(got[base..base + ROOM] == expected[base..base + ROOM], "{at:?}");
                }
            }
        }
    }
}

#[test]
fn short_and_dispatched() {
    for len in 0..64 {
        for shift in 0..4 {
            let mut key = KEY;
            key.rotate_left(shift);
            // Some memory before and behind, to see that nothing else is touched.
            let mut expected = noise(64 + len + 64);
            let mut got = expected.clone();
            scalar::bytes(&mut expected[64..64 + len], key);
            super::xor(&mut got[64..64 + len], key);
            assert!(got == expected, "{len} {shift}");
        }
        let mut ascii = vec![b'a'; len];
        super::xor(&mut ascii, KEY);
        assert!(super::xor(&mut ascii, KEY));
        for at in 0..len {
            let mut other = vec![b'a'; len];
            other[at] = 0x80;
            super::xor(&mut other, KEY);
            assert!(!super::xor(&mut other, KEY), "{len} {at}");
        }
    }
}

#[test]
fn long_and_dispatched() {
    for len in [1 << 10, 4095, 65_535, 65_536, 65_537, 1 << 20] {
        for start in [0, 6, 8, 14] {
            let mut expected = noise(len + start);
            let mut got = expected.clone();
            scalar::bytes(&mut expected[start..], KEY);
            super::xor(&mut got[start..], KEY);
            assert!(got == expected, "{len} {start}");
        }
    }
}

#[test]
fn ascii_is_told_from_a_single_byte_that_is_not() {
    for implementation in xor::available() {
        for len in 0..=300 {
            let mut text = vec![b'z'; len];
            scalar::bytes(&mut text, KEY);
            let masked = text.clone();
            // SAFETY: `available` lists what the CPU can run.
            let ascii = unsafe { (implementation.xor)(&mut text, KEY) };
            assert!(ascii, "{} {len}", implementation.name);
            for at in 0..len {
                text.copy_from_slice(&masked);
                text[at] ^= 0x80;
                // SAFETY: `available` lists what the CPU can run.
                let ascii = unsafe { (implementation.xor)(&mut text, KEY) };
                assert!(!ascii, "{} {len} {at}", implementation.name);
            }
        }
    }
}

#[test]
fn the_best_one_is_chosen() {
    let best = xor::available().next().map(|i| i.name);
    assert_eq!(Some(super::implementation()), best);
    assert_eq!(Some("scalar"), xor::available().last().map(|i| i.name));
}
