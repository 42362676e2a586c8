//! Messages that can be told apart: whose, which, and whether a bit of them is wrong.

use crate::random::Random;

/// Checksum, number of the client, number of the message.
pub const HEADER: usize = 16;

/// What messages of a crew are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The shortest, at least [`HEADER`].
    pub least: usize,
    /// The longest.
    pub most: usize,
}

/// The payload: the same for the same client, number and seed, so what comes back is compared
/// byte by byte with what it has to be, and none is kept meanwhile.
pub fn build(seed: u64, client: u32, number: u32, sizes: Sizes) -> Vec<u8> {
    let mut random = Random(seed ^ (u64::from(client) << 32 | u64::from(number)));
    let least = sizes.least.max(HEADER);
    let size = least + random.below((sizes.most.max(least) - least + 1) as u64) as usize;
    let mut body = Vec::with_capacity(size + 8);
    body.extend_from_slice(&[0; 8]);
    body.extend_from_slice(&client.to_le_bytes());
    body.extend_from_slice(&number.to_le_bytes());
    body.extend_from_slice(&random.bytes(size - HEADER));
    let sum = fnv(&body[8..]).to_le_bytes();
    body[..8].copy_from_slice(&sum);
    body
}

/// FNV-1a, 64 bits: what `ringws_campaign.c` checks messages by where they come.
fn fnv(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_the_same_and_all_others_differ() {
        let sizes = Sizes { least: 16, most: 300 };
        let one = build(7, 3, 9, sizes);
        assert_eq!(one, build(7, 3, 9, sizes));
        assert_eq!(one[8..16], [3, 0, 0, 0, 9, 0, 0, 0]);
        assert!((16..=300).contains(&one.len()));
        for other in [build(8, 3, 9, sizes), build(7, 4, 9, sizes), build(7, 3, 10, sizes)] {
            assert_ne!(one, other);
        }
        assert_eq!(build(7, 3, 9, Sizes { least: 0, most: 0 }).len(), HEADER);
        // The test vector of the algorithm's authors.
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
