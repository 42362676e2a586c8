//! Frames (RFC 6455 §5.2): written as a test says, right or wrong, and read strictly.

use std::io::{Read, Result};

/// The bit of the first byte that ends a message.
pub const FIN: u8 = 0x80;

/// First bytes of whole messages and of control frames: FIN and the opcode.
pub const TEXT: u8 = FIN | 1;
/// As `TEXT`.
pub const BINARY: u8 = FIN | 2;
/// As `TEXT`.
pub const CLOSE: u8 = FIN | 8;
/// As `TEXT`.
pub const PING: u8 = FIN | 9;
/// As `TEXT`.
pub const PONG: u8 = FIN | 10;
/// The opcode of a fragment that is not the first; with `FIN`, of the last.
pub const CONTINUATION: u8 = 0;

/// The masking key of all frames that name no other: that of RFC 6455 §5.7.
pub const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// How the length is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// In as few bytes as it can be, which is the only right form.
    #[default]
    Minimal,
    /// In two bytes behind the code 126.
    Two,
    /// In eight bytes behind the code 127.
    Eight,
}

/// A frame to be written. Without further calls it is one that a client may send.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'p> {
    first: u8,
    payload: &'p [u8],
    key: Option<[u8; 4]>,
    length: Length,
    declared: u64,
}

impl<'p> Frame<'p> {
    /// With this first byte: FIN, the reserved bits and the opcode, whether they make sense or not.
    pub fn new(first: u8, payload: &'p (impl AsRef<[u8]> + ?Sized)) -> Self {
        let payload = payload.as_ref();
        let declared = payload.len() as u64;
        Self { first, payload, key: Some(KEY), length: Length::Minimal, declared }
    }

    /// Masked with another key.
    pub fn key(self, key: [u8; 4]) -> Self {
        Self { key: Some(key), ..self }
    }

    /// As a server must send it, and a client must not (§5.1).
    pub fn unmasked(self) -> Self {
        Self { key: None, ..self }
    }

    /// With the length in this form, whatever it is.
    pub fn length(self, length: Length) -> Self {
        Self { length, ..self }
    }

    /// Claims that so many bytes of payload come.
    pub fn declares(self, declared: u64) -> Self {
        Self { declared, ..self }
    }

    /// All of it.
    pub fn bytes(&self) -> Vec<u8> {
        let mask = u8::from(self.key.is_some()) << 7;
        let form = match (self.length, self.declared) {
            (Length::Minimal, 126..=0xFFFF) => Length::Two,
            (Length::Minimal, 0x1_0000..) => Length::Eight,
            (form, _) => form,
        };
        let mut bytes = vec![self.first];
        match form {
            Length::Minimal => bytes.push(mask | self.declared as u8),
            Length::Two => {
                bytes.push(mask | 126);
                bytes.extend(u16::try_from(self.declared).expect("16 bits").to_be_bytes());
            }
            Length::Eight => {
                bytes.push(mask | 127);
                bytes.extend(self.declared.to_be_bytes());
            }
        }
        bytes.extend(self.key.iter().flatten());
        let start = bytes.len();
        bytes.extend_from_slice(self.payload);
        if let Some(key) = self.key {
            mask_over(&mut bytes[start..], key);
        }
        bytes
    }
}

/// The same both ways (§5.3).
fn mask_over(bytes: &mut [u8], key: [u8; 4]) {
    bytes.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

/// A frame that a client may send, all of it.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    Frame::new(first, &payload).bytes()
}

/// The payload of a Close frame (§5.5.1).
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// Letters that differ by position and seed, so that nothing can be taken for something else.
pub fn payload(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| b'a' + ((at * 31 + at / 251 + seed * 7) % 26) as u8).collect()
}

/// What stands before a payload.
struct Header {
    first: u8,
    key: Option<[u8; 4]>,
    payload: usize,
}

/// How many bytes the header has whose first two these are.
fn header_len(second: u8) -> usize {
    let length = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 == 0 { 0 } else { 4 }
}

impl Header {
    /// Reads one of exactly the right length, and judges it.
    fn read(bytes: &[u8]) -> Self {
        let (first, second) = (bytes[0], bytes[1]);
        let (length, key) = bytes[2..].split_at(header_len(second & 0x7F) - 2);
        let longer = length.iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
        let (len, least) = match second & 0x7F {
            126 => (longer, 126),
            127 => (longer, 0x1_0000),
            len => (u64::from(len), 0),
        };
        assert!(len >= least, "{len} is written in more bytes than it needs (§5.2)");
        assert_eq!(first & 0x30, 0, "RSV2 and RSV3 mean nothing (§5.2)");
        assert!(matches!(first & 0x0F, 0..=2 | 8..=10), "{first:#04x}: no such opcode (§5.2)");
        let control = first & 0x08 != 0;
        assert!(!control || first & FIN != 0, "a fragmented control frame (§5.5)");
        assert!(!control || len <= 125, "a control frame of {len} bytes (§5.5)");
        let key = (second & 0x80 != 0).then(|| key.try_into().expect("four bytes"));
        Self { first, key, payload: usize::try_from(len).expect("a length that fits") }
    }
}

/// Takes the first frame of a server off what it has sent: the first byte, the payload, and what
/// stands behind it. `None` if it is not whole.
pub fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(header_len(*bytes.get(1)?))?;
    let header = Header::read(header);
    assert_eq!(header.key, None, "a server must not mask (§5.1)");
    let (payload, rest) = rest.split_at_checked(header.payload)?;
    Some((header.first, payload, rest))
}

fn read(stream: &mut impl Read) -> Result<(Header, Vec<u8>)> {
    let mut bytes = [0; 14];
    stream.read_exact(&mut bytes[..2])?;
    let len = header_len(bytes[1]);
    stream.read_exact(&mut bytes[2..len])?;
    let header = Header::read(&bytes[..len]);
    let mut payload = vec![0; header.payload];
    stream.read_exact(&mut payload)?;
    Ok((header, payload))
}

/// The next frame of a server: its first byte and its payload.
pub fn read_frame(stream: &mut impl Read) -> Result<(u8, Vec<u8>)> {
    let (header, payload) = read(stream)?;
    assert_eq!(header.key, None, "a server must not mask (§5.1)");
    Ok((header.first, payload))
}

/// The next frame of a client: its first byte and what its payload means.
pub fn read_masked(stream: &mut impl Read) -> Result<(u8, Vec<u8>)> {
    let (header, mut payload) = read(stream)?;
    mask_over(&mut payload, header.key.expect("a client must mask (§5.1)"));
    Ok((header.first, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// §5.7, byte for byte.
    #[test]
    fn the_examples_of_the_rfc_are_written_and_read() {
        let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(frame(TEXT, "Hello"), masked);
        assert_eq!(read_masked(&mut &masked[..]).unwrap(), (TEXT, b"Hello".to_vec()));
        let ping = Frame::new(PING, "Hello").unmasked().bytes();
        assert_eq!(ping, b"\x89\x05Hello");
        assert_eq!(Frame::new(1, "Hel").unmasked().bytes(), b"\x01\x03Hel");
        assert_eq!(Frame::new(FIN | CONTINUATION, "lo").unmasked().bytes(), b"\x80\x02lo");
        for (len, head) in
            [(256, &b"\x82\x7e\x01\x00"[..]), (65_536, b"\x82\x7f\0\0\0\0\0\x01\0\0")]
        {
            let bytes = Frame::new(BINARY, &vec![5; len]).unmasked().bytes();
            assert!(bytes.starts_with(head) && bytes.len() == head.len() + len);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let sent = payload(len, len);
            let bytes = Frame::new(BINARY, &sent).unmasked().bytes();
            assert_eq!(read_frame(&mut &bytes[..]).unwrap(), (BINARY, sent.clone()));
            let two = [&bytes[..], b"behind"].concat();
            assert_eq!(split(&two), Some((BINARY, &sent[..], &b"behind"[..])));
            assert_eq!(split(&bytes[..bytes.len() - 1]), None);
            let bytes = Frame::new(2, &sent).key([9, 8, 7, 6]).bytes();
            assert_eq!(read_masked(&mut &bytes[..]).unwrap(), (2, sent));
        }
        assert_eq!((split(b""), split(b"\x81"), split(b"\x81\x7e\x01")), (None, None, None));
    }

    #[test]
    fn a_frame_can_be_wrong_in_every_way() {
        let long = Frame::new(BINARY, "x").unmasked().length(Length::Two).bytes();
        assert_eq!(long, b"\x82\x7e\0\x01x");
        let longest = Frame::new(0xF3, "").key([0; 4]).length(Length::Eight).bytes();
        assert_eq!(longest, b"\xf3\xff\0\0\0\0\0\0\0\0\0\0\0\0");
        let lie = Frame::new(BINARY, "x").key([0; 4]).declares(1 << 63).bytes();
        assert_eq!(lie, b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0x");
    }

    #[test]
    fn what_no_server_may_send_is_not_read() {
        let wrong = [
            Frame::new(TEXT, "").bytes(),
            Frame::new(TEXT, "x").unmasked().length(Length::Two).bytes(),
            Frame::new(TEXT, &[b'x'; 200]).unmasked().length(Length::Eight).bytes(),
            Frame::new(0xA1, "").unmasked().bytes(),
            Frame::new(0x83, "").unmasked().bytes(),
            Frame::new(0x09, "").unmasked().bytes(),
            Frame::new(PING, &[0; 126]).unmasked().bytes(),
        ];
        for bytes in wrong {
            let read = std::panic::catch_unwind(|| read_frame(&mut &bytes[..]));
            assert!(read.is_err(), "{bytes:x?}");
        }
    }
}
