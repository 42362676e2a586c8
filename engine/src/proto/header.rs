//! The frame header, RFC 6455 §5.2: decoding it as far as its bytes have come, and encoding it.

use super::opcode::Opcode;
use super::role::Role;
use super::violation::Violation;

/// The longest header: 2 bytes, a 64-bit length, a masking key.
pub const HEADER_MAX: usize = 14;

/// The longest payload of a control frame (RFC 6455 §5.5).
pub const CONTROL_MAX: usize = 125;

/// The bit of the first byte that ends a message.
pub(crate) const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV: u8 = 0x70;
const MASK: u8 = 0x80;
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

/// The first byte of a message in one frame, not compressed.
const WHOLE_TEXT: u8 = FIN | Opcode::Text as u8;
const WHOLE_BINARY: u8 = FIN | Opcode::Binary as u8;

/// A decoded frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Payload bytes.
    pub len: u64,
    /// The masking key, `None` when the frame is not masked.
    pub mask: Option<[u8; 4]>,
    /// What the frame carries.
    pub opcode: Opcode,
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// RSV1: the message is compressed, once permessage-deflate is negotiated.
    pub rsv1: bool,
}

/// What [`decode`] made of the bytes that have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A header, and how many bytes it took.
    Complete(Header, usize),
    /// Nothing wrong so far; decode again when this many bytes are there. The number may grow
    /// once, from 2 to the whole header, because only the second byte tells its length.
    Incomplete(usize),
}

/// Decodes the header at the start of `bytes`, which may be cut anywhere. `role` is ours: it
/// decides who must mask. `rsv1_allowed` says whether an extension gives RSV1 a meaning; even then
/// only the first frame of a data message may carry it (RFC 7692 §6.1).
///
/// A violation is reported as soon as the bytes show it, and the same one however they are cut.
#[inline(always)]
pub fn decode(bytes: &[u8], role: Role, rsv1_allowed: bool) -> Result<Decoded, Violation> {
    match decode_whole(bytes) {
        Some((header, end)) if role == Role::Server => Ok(Decoded::Complete(header, end)),
        _ => decode_any(bytes, role, rsv1_allowed),
    }
}

/// See [`decode`].
#[inline(never)]
fn decode_any(bytes: &[u8], role: Role, rsv1_allowed: bool) -> Result<Decoded, Violation> {
    let [b0, b1, rest @ ..] = bytes else { return decode_first(bytes, rsv1_allowed) };
    let opcode = check_first(*b0, rsv1_allowed)?;
    let masked = match (role, b1 & MASK != 0) {
        (Role::Server, false) => return Err(Violation::Unmasked),
        (Role::Client, true) => return Err(Violation::Masked),
        (_, masked) => masked,
    };
    let code = b1 & !MASK;
    if opcode.is_control() && code >= LEN_16 {
        return Err(Violation::ControlTooLong);
    }
    let (len, rest, end) = match code {
        LEN_16 => match rest.split_first_chunk() {
            Some((len, rest)) => (length_16(*len)?, rest, 4),
            None => return Ok(Decoded::Incomplete(if masked { 8 } else { 4 })),
        },
        LEN_64 => match rest.split_first_chunk() {
            Some((len, rest)) => (length_64(*len)?, rest, 10),
            None => {
                check_length_64(rest)?;
                return Ok(Decoded::Incomplete(if masked { 14 } else { 10 }));
            }
        },
        len => (u64::from(len), rest, 2),
    };
    let (mask, end) = match (masked, rest.first_chunk()) {
        (true, Some(key)) => (Some(*key), end + 4),
        (true, None) => return Ok(Decoded::Incomplete(end + 4)),
        (false, _) => (None, end),
    };
    let header = Header { len, mask, opcode, fin: b0 & FIN != 0, rsv1: b0 & RSV1 != 0 };
    Ok(Decoded::Complete(header, end))
}

/// What [`decode`] would make of the header that most frames have which a server gets: that of a
/// masked message in one frame of less than 64 KiB. Also returns its length. `None` means nothing
/// but that it is for `decode`.
#[inline(always)]
pub(super) fn decode_whole(bytes: &[u8]) -> Option<(Header, usize)> {
    // None with a key is shorter. The key by reference: by value, the compiler takes it apart.
    let [b0, b1, key @ ..] = bytes.first_chunk::<6>()?;
    let opcode = match *b0 {
        WHOLE_TEXT => Opcode::Text,
        WHOLE_BINARY => Opcode::Binary,
        _ => return None,
    };
    let (len, key, end) = match *b1 {
        b1 @ MASK..=0xFD => (u64::from(b1 & !MASK), *key, 6),
        0xFE => {
            let [high, low, ..] = *key;
            let len = length_16([high, low]).ok()?;
            (len, *bytes.first_chunk::<8>()?.last_chunk()?, 8)
        }
        _ => return None,
    };
    Some((Header { len, mask: Some(key), opcode, fin: true, rsv1: false }, end))
}

/// Turns the masked header of a frame whose length takes 16 bits into the unmasked one of the same
/// frame, which ends where it ended: then the frame can be sent on from where it lies. Returns the
/// length of that; 0 for any other header, which is left alone.
#[inline]
pub fn unmask(header: &mut [u8]) -> usize {
    if let [b0, code, high, low, unmasked @ ..] = header
        && *code == MASK | LEN_16
        && let [to_b0, to_code, to_high, to_low] = unmasked
    {
        (*to_b0, *to_code, *to_high, *to_low) = (*b0, LEN_16, *high, *low);
        return 4;
    }
    0
}

/// Less than two bytes: the first one may be wrong already.
#[cold]
fn decode_first(bytes: &[u8], rsv1_allowed: bool) -> Result<Decoded, Violation> {
    if let Some(b0) = bytes.first() {
        check_first(*b0, rsv1_allowed)?;
    }
    Ok(Decoded::Incomplete(2))
}

#[inline]
fn check_first(b0: u8, rsv1_allowed: bool) -> Result<Opcode, Violation> {
    let opcode = Opcode::from_wire(b0 & 0x0F);
    if b0 & RSV != 0 {
        let begins_message = matches!(opcode, Some(Opcode::Text | Opcode::Binary));
        if b0 & RSV != RSV1 || !rsv1_allowed || !begins_message {
            return Err(Violation::ReservedBits);
        }
    }
    let opcode = opcode.ok_or(Violation::ReservedOpcode)?;
    if opcode.is_control() && b0 & FIN == 0 {
        return Err(Violation::ControlFragmented);
    }
    Ok(opcode)
}

#[inline]
fn length_16(bytes: [u8; 2]) -> Result<u64, Violation> {
    let len = u64::from(u16::from_be_bytes(bytes));
    if len < u64::from(LEN_16) { Err(Violation::NonMinimalLength) } else { Ok(len) }
}

#[inline]
fn length_64(bytes: [u8; 8]) -> Result<u64, Violation> {
    check_length_64(&bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

/// Checks a 64-bit length so far as it has come: its first bit shows an overflow, its first six
/// bytes whether 16 bits would have been enough.
#[inline]
fn check_length_64(bytes: &[u8]) -> Result<(), Violation> {
    if bytes.first().is_some_and(|b| b & 0x80 != 0) {
        return Err(Violation::LengthOverflow);
    }
    match bytes.first_chunk::<6>() {
        Some([0, 0, 0, 0, 0, 0]) => Err(Violation::NonMinimalLength),
        _ => Ok(()),
    }
}

/// Writes `header` in its minimal form and returns its length. What is written is what the fields
/// say: keeping the rules of RFC 6455 §5 is the caller's part.
#[inline]
pub fn encode(header: &Header, out: &mut [u8; HEADER_MAX]) -> usize {
    let [b0, b1, rest @ ..] = out;
    *b0 = first(header);
    let (code, end) = if header.len < u64::from(LEN_16) {
        (header.len as u8, 2)
    } else if let Ok(len) = u16::try_from(header.len) {
        put(rest, 0, &len.to_be_bytes());
        (LEN_16, 4)
    } else {
        put(rest, 0, &header.len.to_be_bytes());
        (LEN_64, 10)
    };
    *b1 = code;
    match header.mask {
        Some(key) => {
            *b1 |= MASK;
            put(rest, end - 2, &key);
            end + 4
        }
        None => end,
    }
}

/// Appends `header` in its minimal form, as [`encode`] writes it. What a server sends is put
/// together in registers: to copy bytes that were just stored one by one would wait for them.
#[inline]
pub fn append(header: &Header, out: &mut Vec<u8>) {
    match (header.mask, header.len) {
        (None, len @ 0..126) => out.extend_from_slice(&[first(header), len as u8]),
        (None, len @ 126..0x1_0000) => {
            let [high, low] = (len as u16).to_be_bytes();
            out.extend_from_slice(&[first(header), LEN_16, high, low]);
        }
        _ => {
            let mut bytes = [0; HEADER_MAX];
            let len = encode(header, &mut bytes);
            out.extend_from_slice(bytes.get(..len).unwrap_or_default());
        }
    }
}

/// The first byte.
#[inline]
fn first(header: &Header) -> u8 {
    header.opcode as u8 | if header.fin { FIN } else { 0 } | if header.rsv1 { RSV1 } else { 0 }
}

#[inline]
fn put(out: &mut [u8; HEADER_MAX - 2], at: usize, bytes: &[u8]) {
    if let Some(room) = out.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_and_the_long_way_see_the_same() {
        let mut short = 0;
        for b0 in 0..=u8::MAX {
            for b1 in 0..=u8::MAX {
                for length in [[0, 0], [0, 125], [0, 126], [1, 0], [0xFF, 0xFF]] {
                    let bytes = [&[b0, b1], &length[..], &[7; 10]].concat();
                    for end in 0..=bytes.len() {
                        let bytes = &bytes[..end];
                        short += usize::from(decode_whole(bytes).is_some());
                        for (role, rsv1) in [(Role::Server, false), (Role::Client, true)] {
                            let expected = decode_any(bytes, role, rsv1);
                            assert_eq!(decode(bytes, role, rsv1), expected, "{bytes:?}");
                        }
                    }
                }
            }
        }
        // Text and Binary: 126 short lengths with 6 to 14 bytes, whatever stands where the long
        // length would, and three valid long lengths with 8 to 14.
        assert_eq!(short, 2 * (126 * 5 * 9 + 3 * 7));
    }

    #[test]
    fn appended_is_what_is_encoded() {
        for len in [0, 1, 125, 126, 0xFFFF, 0x1_0000, 1 << 40] {
            for mask in [None, Some([1, 2, 3, 4])] {
                for (opcode, fin, rsv1) in
                    [(Opcode::Text, true, true), (Opcode::Continuation, false, false)]
                {
                    let header = Header { len, mask, opcode, fin, rsv1 };
                    let mut encoded = [0; HEADER_MAX];
                    let n = encode(&header, &mut encoded);
                    let mut appended = b"before".to_vec();
                    append(&header, &mut appended);
                    assert_eq!(appended, [b"before", &encoded[..n]].concat());
                }
            }
        }
    }
}
