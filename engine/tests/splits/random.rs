//! Seeded streams and texts, cut at random, against what they were made from.

use crate::machine::{Machine, run};
use ringws_engine::proto::utf8::Utf8;
use ringws_engine::proto::{Opcode, Role, mask};
use ringws_kit::Frame;

/// xorshift64*: the same numbers from the same seed, for ever.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn cuts(&mut self, len: usize) -> Vec<usize> {
        let n = self.below(8);
        let mut cuts: Vec<usize> = (0..n).map(|_| self.below(len + 1)).collect();
        cuts.sort_unstable();
        cuts
    }
}

fn frame(r: &mut Random, role: Role, opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let key =
        (role == Role::Server).then(|| r.next().to_le_bytes()).map(|k| [k[0], k[1], k[2], k[3]]);
    let frame = Frame::new(opcode as u8 | u8::from(fin) << 7, payload);
    key.map_or(frame.unmasked(), |key| frame.key(key)).bytes()
}

/// Messages of all classes of length, in up to 8 fragments with pings between them, in both
/// directions, come out as they went in.
#[test]
fn messages_come_out_as_they_went_in() {
    for seed in 0..200 {
        let mut r = Random::new(seed);
        let role = if seed % 2 == 0 { Role::Server } else { Role::Client };
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..1 + r.below(6) {
            let len = [0, 1, 5, 125, 126, 127, 1000, 65_535, 65_536][r.below(9)];
            let message = r.bytes(len);
            let mut cuts = r.cuts(len);
            cuts.truncate(7);
            let (mut from, mut opcode) = (0, Opcode::Binary);
            for to in cuts {
                stream.extend(frame(&mut r, role, opcode, false, &message[from..to]));
                (from, opcode) = (to, Opcode::Continuation);
                if r.below(3) == 0 {
                    let n = r.below(126);
                    let ping = r.bytes(n);
                    stream.extend(frame(&mut r, role, Opcode::Ping, true, &ping));
                    expected.push((Opcode::Ping, ping));
                }
            }
            stream.extend(frame(&mut r, role, opcode, true, &message[from..]));
            expected.push((Opcode::Binary, message));
        }
        for _ in 0..4 {
            let cuts = r.cuts(stream.len());
            let found = run(role, &stream, &cuts);
            assert_eq!((found.violation, found.at_boundary), (None, true), "seed {seed} {cuts:?}");
            assert!(found.messages == expected, "seed {seed} {cuts:?}");
        }
    }
}

/// Noise: whatever it is, it is the same however it is cut, and it does no harm.
#[test]
fn noise_is_the_same_however_it_is_cut() {
    for seed in 0..2_000 {
        let mut r = Random::new(seed);
        let mut stream = if seed % 2 == 0 { ringws_kit::frame(0x01, b"abc") } else { Vec::new() };
        let n = r.below(200);
        stream.extend(r.bytes(n));
        for role in [Role::Server, Role::Client] {
            let expected = run(role, &stream, &[]);
            let mut machine = Machine::new(role);
            stream.iter().for_each(|b| _ = machine.feed(&[*b]));
            let found = machine.finish();
            assert_eq!(found.violation, expected.violation, "seed {seed}");
            assert_eq!(found.messages, expected.messages, "seed {seed}");
        }
    }
}

/// Texts of all lengths of characters, some of them broken, in parts cut anywhere: as `std` says
/// of the whole, and broken ones in the part that has the byte which shows it.
#[test]
fn text_in_parts_is_as_std_says_of_the_whole() {
    for seed in 0..4_000 {
        let mut r = Random::new(seed);
        let n = r.below(if seed % 10 == 0 { 20_000 } else { 300 });
        let palette = ['a', 'é', '漢', '😀'];
        let kinds = 1 + r.below(4);
        let text: String = (0..n).map(|_| palette[r.below(kinds)]).collect();
        let mut text = text.into_bytes();
        if seed % 3 == 0 && !text.is_empty() {
            let at = r.below(text.len());
            text[at] = r.next() as u8;
        }
        if seed % 5 == 0 {
            text.truncate(r.below(text.len() + 1));
        }
        let wrong = match std::str::from_utf8(&text) {
            Err(e) if e.error_len().is_some() => Some(first_wrong(&text, e.valid_up_to())),
            _ => None,
        };
        let cuts = r.cuts(text.len());
        let mut utf8 = Utf8::new();
        let (mut from, mut failed) = (0, false);
        for to in cuts.iter().copied().chain([text.len()]) {
            let found = if seed % 2 == 0 {
                utf8.push(&text[from..to])
            } else {
                let key = mask::rotate([9, 8, 7, 0x86], from);
                let mut part = text[from..to].to_vec();
                mask::unmask(&mut part, key);
                utf8.unmask_and_push(&mut part, key)
            };
            failed = found.is_err();
            assert_eq!(failed, wrong.is_some_and(|at| at < to), "seed {seed} {cuts:?} {to}");
            if failed {
                break;
            }
            from = to;
        }
        let found = !failed && utf8.finish().is_ok();
        assert_eq!(found, std::str::from_utf8(&text).is_ok(), "seed {seed} {cuts:?}");
    }
}

/// The first byte that no valid text could have there.
fn first_wrong(text: &[u8], valid_up_to: usize) -> usize {
    let wrong =
        |end: &usize| std::str::from_utf8(&text[..*end]).is_err_and(|e| e.error_len().is_some());
    (valid_up_to + 1..=text.len()).find(wrong).unwrap_or(text.len()) - 1
}
