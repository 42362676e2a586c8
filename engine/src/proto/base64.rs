//! The little base64 (RFC 4648 §4) that the handshake needs: a key in, a digest out.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the encoding of `data`, padded.
pub(super) fn encode(data: &[u8], out: &mut Vec<u8>) {
    for group in data.chunks(3) {
        let bits = group.iter().fold(0, |bits, b| bits << 8 | u32::from(*b));
        let bits = bits << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = ALPHABET.get((bits >> (18 - 6 * i)) as usize & 63).copied();
            out.push(if i <= group.len() { digit.unwrap_or(b'=') } else { b'=' });
        }
    }
}

/// Whether `text` is an encoding of some 16 bytes: 22 digits and the padding. Of the last digit
/// four bits are unused, and may be anything (RFC 4648 §3.5): the key of RFC 6455 §4.1 (7) ends
/// with such ones.
pub(super) fn is_16_bytes(text: &[u8]) -> bool {
    let Some((digits, b"==")) = text.split_last_chunk::<2>() else { return false };
    digits.len() == 22
        && digits.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_vectors() {
        let vectors: [(&str, &str); 7] = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in vectors {
            let mut out = Vec::new();
            encode(plain.as_bytes(), &mut out);
            assert_eq!(out, coded.as_bytes());
        }
    }

    #[test]
    fn every_digit_is_used() {
        let mut bytes = Vec::new();
        for i in (0..64u32).step_by(4) {
            let bits = i << 18 | (i + 1) << 12 | (i + 2) << 6 | (i + 3);
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        let mut out = Vec::new();
        encode(&bytes, &mut out);
        assert_eq!(out, ALPHABET);
    }

    #[test]
    fn keys() {
        for seed in 0..=255u8 {
            let key: Vec<u8> =
                (0..16).map(|i| seed.wrapping_mul(31).wrapping_add(i * 17)).collect();
            let mut text = Vec::new();
            encode(&key, &mut text);
            assert_eq!(text.len(), 24);
            assert!(is_16_bytes(&text));
            for n in (0..=20).filter(|n| *n != 16) {
                let mut other = Vec::new();
                encode(&vec![seed; n], &mut other);
                assert!(!is_16_bytes(&other), "{n} bytes");
            }
        }
        for last in ALPHABET {
            let text = [b"dGhlIHNhbXBsZSBub25jZ", &[*last][..], b"=="].concat();
            assert!(is_16_bytes(&text), "{:?}", char::from(*last));
        }
        for bad in [
            &b"dGhlIHNhbXBsZSBub25jZQ"[..],
            b"dGhlIHNhbXBsZSBub25jZQ=",
            b"dGhlIHNhbXBsZSBub25jZQ= ",
            b"dGhlIHNhbXBsZSBub25jZ===",
            b"dGhlIHNhbXBsZSBub2-jZQ==",
            b"dGhlIHNhbXBs=SBub25jZQ==",
            b"==",
            b"",
        ] {
            assert!(!is_16_bytes(bad), "{bad:?}");
        }
    }
}
