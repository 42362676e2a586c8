//! Frames as a client sees them (RFC 6455 §5.2): builds masked ones, reads any.

use crate::error::{Error, Result};

/// Opcode of a text frame.
pub const TEXT: u8 = 0x1;
/// Opcode of a binary frame.
pub const BINARY: u8 = 0x2;
/// Opcode of a Close frame.
pub const CLOSE: u8 = 0x8;
/// Opcode of a Ping frame.
pub const PING: u8 = 0x9;
/// Opcode of a Pong frame.
pub const PONG: u8 = 0xa;

/// Beside the opcode of a message's first frame: the message is compressed (RFC 7692 §6).
pub const RSV1: u8 = 0x40;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// A frame's header, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// Whether RSV1 is set: with permessage-deflate, the message is compressed.
    pub rsv1: bool,
    /// One of the constants of this module, or 0 for a continuation.
    pub opcode: u8,
    /// The masking key of a client's frame.
    pub mask: Option<[u8; 4]>,
    /// Payload bytes that follow.
    pub len: usize,
    /// Bytes of the header itself.
    pub size: usize,
}

/// Bytes of an unmasked header before `len` bytes of payload; a masked one has four more.
pub const fn header_size(len: usize) -> usize {
    match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

/// Appends a whole unfragmented frame: masked with `mask`, as clients must (RFC 6455 §5.3), or
/// unmasked as servers must.
pub fn append(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) {
    let masked = if mask.is_some() { MASKED } else { 0 };
    out.push(FIN | opcode);
    match (payload.len(), u16::try_from(payload.len())) {
        // At most 125: fits the seven bits.
        (len @ 0..=125, _) => out.push(masked | len as u8),
        (_, Ok(len)) => {
            out.push(masked | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        (len, Err(_)) => {
            out.push(masked | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    let Some(key) = mask else { return out.extend_from_slice(payload) };
    out.extend_from_slice(&key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Reads the header at the start of `bytes`; `None` when more bytes are needed. Without an
/// extension no reserved bit may be set.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>> {
    match bytes {
        [first, _, ..] if first & RSV1 != 0 => {
            Err(Error::Protocol(format!("RSV1 set in a frame header: {first:#04x}")))
        }
        _ => parse_extended(bytes),
    }
}

/// The same where permessage-deflate was negotiated, which gives RSV1 a meaning.
pub fn parse_extended(bytes: &[u8]) -> Result<Option<Header>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x30 != 0 {
        return Err(Error::Protocol(format!("RSV bits set in a frame header: {first:#04x}")));
    }
    let (len, extended) = match second & 0x7f {
        126 => match rest.first_chunk::<2>() {
            Some(len) => (u64::from(u16::from_be_bytes(*len)), 2),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(len) => (u64::from_be_bytes(*len), 8),
            None => return Ok(None),
        },
        len => (u64::from(len), 0),
    };
    let len = usize::try_from(len)
        .map_err(|_| Error::Protocol(format!("a frame of {len} bytes was announced")))?;
    let mask = if second & MASKED == 0 {
        None
    } else {
        match rest.get(extended..).and_then(|at| at.first_chunk::<4>()) {
            Some(key) => Some(*key),
            None => return Ok(None),
        }
    };
    let size = 2 + extended + if mask.is_some() { 4 } else { 0 };
    let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
    Ok(Some(Header { fin, rsv1, opcode: first & 0x0f, mask, len, size }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_what_it_reads_at_every_length_class() {
        for len in [0, 1, 4, 125, 126, 127, 0xffff, 0x1_0000, 0x1_0001] {
            let payload: Vec<u8> = (0..len).map(|i| (i * 7 + 3) as u8).collect();
            for mask in [None, Some([0, 0, 0, 0]), Some([0x37, 0xfa, 0x21, 0x3d])] {
                let mut wire = Vec::new();
                append(&mut wire, BINARY, &payload, mask);
                let header = parse(&wire).expect("legal").expect("whole");
                assert_eq!((header.fin, header.opcode), (true, BINARY));
                assert_eq!((header.len, header.mask), (len, mask));
                assert_eq!(header.size, header_size(len) + if mask.is_some() { 4 } else { 0 });
                let key = mask.unwrap_or_default();
                let back: Vec<u8> = wire[header.size..]
                    .iter()
                    .enumerate()
                    .map(|(i, byte)| byte ^ key[i % 4])
                    .collect();
                assert_eq!(back, payload);
            }
        }
    }

    #[test]
    fn builds_the_examples_of_rfc_6455_section_5_7() {
        let mut masked = Vec::new();
        append(&mut masked, TEXT, b"Hello", Some([0x37, 0xfa, 0x21, 0x3d]));
        assert_eq!(masked, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        let mut plain = Vec::new();
        append(&mut plain, TEXT, b"Hello", None);
        assert_eq!(plain, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    }

    #[test]
    fn waits_for_a_whole_header_and_refuses_reserved_bits() {
        let mut wire = Vec::new();
        append(&mut wire, BINARY, &vec![0; 70_000], Some([1, 2, 3, 4]));
        for cut in 0..14 {
            assert_eq!(parse(&wire[..cut]).expect("legal so far"), None, "cut at {cut}");
        }
        assert!(parse(&[0xc1, 0x00]).is_err());
        assert!(parse_extended(&[0xa1, 0x00]).is_err() && parse_extended(&[0x91, 0x00]).is_err());
        let compressed = parse_extended(&[0xc1, 0x00]).expect("legal").expect("whole");
        assert!(compressed.rsv1 && compressed.fin);
    }
}
