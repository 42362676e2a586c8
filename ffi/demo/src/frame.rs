//! Frames as a client sees them (RFC 6455 §5.2): masked ones out, unmasked ones in.

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Appends an unfragmented frame, masked as those of clients must be (RFC 6455 §5.3).
pub(crate) fn append(out: &mut Vec<u8>, opcode: u8, payload: &[u8], key: [u8; 4]) {
    out.push(FIN | opcode);
    match (payload.len(), u16::try_from(payload.len())) {
        // At most 125: fits the seven bits.
        (len @ 0..=125, _) => out.push(MASKED | len as u8),
        (_, Ok(len)) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        (len, Err(_)) => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// The whole frame of a server at the start of `bytes`: opcode and payload. `None` when more bytes
/// are needed. The servers here send no fragments and use no extension, and must not mask (§5.1).
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(u8, &[u8])>, String> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0xf0 != FIN || second & MASKED != 0 {
        return Err(format!("an unexpected frame: {first:#04x} {second:#04x}"));
    }
    let (len, rest) = match second {
        126 => match rest.split_first_chunk::<2>() {
            Some((len, rest)) => (usize::from(u16::from_be_bytes(*len)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((len, rest)) => {
                (usize::try_from(u64::from_be_bytes(*len)).unwrap_or(usize::MAX), rest)
            }
            None => return Ok(None),
        },
        len => (usize::from(*len), rest),
    };
    Ok(rest.get(..len).map(|payload| (first & 0x0f, payload)))
}

/// Bytes of an unmasked header before `len` bytes of payload.
pub(crate) fn header_size(len: usize) -> usize {
    match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_6455_section_5_7() {
        let mut masked = Vec::new();
        append(&mut masked, TEXT, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(masked, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        let plain = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        assert_eq!(parse(&plain), Ok(Some((TEXT, &b"Hello"[..]))));
        assert!((0..plain.len()).all(|cut| parse(&plain[..cut]) == Ok(None)));
        assert!(parse(&masked).is_err());
    }

    #[test]
    fn every_length_class_is_read() {
        for len in [0, 125, 126, 0xffff, 0x1_0000] {
            let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let mut wire = Vec::new();
            append(&mut wire, BINARY, &payload, [0; 4]);
            // As a server sends it: without the bit and the key.
            let header = header_size(len);
            wire[1] &= !MASKED;
            wire.drain(header..header + 4);
            assert_eq!(parse(&wire), Ok(Some((BINARY, payload.as_slice()))), "{len}");
            assert_eq!(wire.len(), header + len);
        }
    }
}
