//! The name of a connection slot inside completions.

/// A slot of the reactor's slab and the generation of its tenant. A completion that names an old
/// generation is stale: the slot has been given to another connection since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// Index into the slab; less than 2^24.
    pub slot: u32,
    /// Starts at 1 and grows with each tenant.
    pub generation: u32,
}

impl Token {
    /// Slots are 24 bits wide.
    pub const SLOTS_MAX: u32 = 1 << 24;

    /// Slot and generation in the low 56 bits of a word: what goes beside an operation's code.
    pub(crate) fn pack(self) -> u64 {
        debug_assert!(self.slot < Self::SLOTS_MAX);
        u64::from(self.slot & (Self::SLOTS_MAX - 1)) << 32 | u64::from(self.generation)
    }

    /// The inverse of [`Token::pack`]; the upper 8 bits are not looked at.
    pub(crate) fn unpack(word: u64) -> Self {
        Self { slot: (word >> 32) as u32 & (Self::SLOTS_MAX - 1), generation: word as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn packs_and_unpacks_the_extremes() {
        for slot in [0, 1, 255, 65_535, Token::SLOTS_MAX - 1] {
            for generation in [0, 1, 0x8000_0000, u32::MAX] {
                let token = Token { slot, generation };
                assert_eq!(token.pack() >> 56, 0, "room for the operation's code");
                assert_eq!(Token::unpack(token.pack()), token);
                assert_eq!(Token::unpack(token.pack() | 0xab << 56), token);
            }
        }
    }
}
