//! The oracle: what the vectors must compute, one byte at a time.

/// XORs `data` with `key` over and over, `key[0]` with `data[0]`.
pub fn xor(data: &mut [u8], key: [u8; 4]) {
    for (byte, key) in data.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
