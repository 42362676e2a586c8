//! Where a simulation takes its decisions from: a seed, or the bytes of a fuzzer.

/// A stream of decisions. Zero is always the tame choice, so that a fuzzer's input that has run
/// out leaves a kernel that works.
#[derive(Clone, Debug)]
pub struct Choices(Source);

#[derive(Clone, Debug)]
enum Source {
    Seed(u64),
    Bytes { bytes: Vec<u8>, at: usize },
}

impl Choices {
    /// Decisions without end, the same for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(Source::Seed(seed))
    }

    /// Decisions spelled out byte by byte; tame ones when they have run out.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Source::Bytes { bytes: bytes.to_vec(), at: 0 })
    }

    /// An independent stream that this one determines.
    pub fn fork(&mut self) -> Self {
        match &mut self.0 {
            Source::Seed(_) => Self::from_seed(self.next(u64::MAX)),
            Source::Bytes { bytes, at } => {
                // Half of what is left for each.
                let middle = *at + (bytes.len() - *at) / 2;
                let rest = bytes.split_off(middle);
                Self(Source::Bytes { bytes: rest, at: 0 })
            }
        }
    }

    fn next(&mut self, values: u64) -> u64 {
        match &mut self.0 {
            // splitmix64: every seed is as good as any other.
            Source::Seed(state) => {
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                z ^ (z >> 31)
            }
            Source::Bytes { bytes, at } => {
                let width = if values <= 1 << 8 { 1 } else { 2 };
                let value = (0..width).fold(0, |value, _| {
                    let byte = bytes.get(*at).copied().unwrap_or(0);
                    *at += 1;
                    value << 8 | u64::from(byte)
                });
                *at = (*at).min(bytes.len());
                value
            }
        }
    }

    /// A number in `0..values`; 0 for the tame choice.
    pub fn below(&mut self, values: usize) -> usize {
        let values = values.max(1) as u64;
        (self.next(values) % values) as usize
    }

    /// A number in `least..=most`; `most` for the tame choice.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        most - self.below(most - least + 1)
    }

    /// True `permille` times in a thousand; false for the tame choice.
    pub fn chance(&mut self, permille: u16) -> bool {
        permille > 0 && self.below(1000) >= 1000 - usize::from(permille)
    }

    /// One of several; the first for the tame choice.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_another_differs() {
        let draw = |seed| {
            let mut choices = Choices::from_seed(seed);
            (0..100).map(|_| choices.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn bytes_that_have_run_out_are_tame() {
        let mut choices = Choices::from_bytes(&[0xFF, 0xFF, 3]);
        assert!(!choices.clone().chance(0));
        assert!(choices.chance(999));
        assert_eq!(choices.below(100), 3);
        assert!(!choices.chance(999));
        assert_eq!((choices.below(100), choices.between(1, 50)), (0, 50));
    }
}
