//! The oracle: what the vectors must compute, one byte at a time. And the path of machines that
//! have no vectors we know.

use super::implementation::Implementation;

pub(super) static SCALAR: Implementation = Implementation { name: "scalar", xor: words };

/// See [`super::xor`].
#[cfg(test)]
pub(super) fn bytes(data: &mut [u8], key: [u8; 4]) -> bool {
    let mut ascii = true;
    for (byte, key) in data.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
        ascii &= byte.is_ascii();
    }
    ascii
}

/// See [`super::xor`]: eight bytes at a time.
#[inline(always)]
pub(super) fn words(data: &mut [u8], key: [u8; 4]) -> bool {
    let key_4 = u32::from_ne_bytes(key);
    let key_8 = u64::from(key_4) << 32 | u64::from(key_4);
    let mut seen = 0;
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        let plain = u64::from_ne_bytes(*word) ^ key_8;
        seen |= plain;
        *word = plain.to_ne_bytes();
    }
    let (half, rest) = rest.as_chunks_mut::<4>();
    for word in half {
        let plain = u32::from_ne_bytes(*word) ^ key_4;
        seen |= u64::from(plain);
        *word = plain.to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
        seen |= u64::from(*byte);
    }
    seen & 0x8080_8080_8080_8080 == 0
}
