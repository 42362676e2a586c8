//! Frames as a simulated client writes and reads them: a second, plain reading of RFC 6455 §5.2
//! that shares no code with the one under test.

use crate::proto::Opcode;

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    pub(super) payload: Vec<u8>,
}

/// A masked frame.
pub(super) fn encode(fin: bool, opcode: Opcode, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![u8::from(fin) << 7 | opcode as u8];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// Reads what a server sends; a message of its text once something is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Everything up to the blank line that ends an HTTP head, once it is there.
    pub(super) fn head(&mut self) -> Option<String> {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head: Vec<u8> = self.bytes.drain(..end).collect();
        Some(String::from_utf8(head).expect("a head in ASCII"))
    }

    /// So many bytes, once they are there.
    pub(super) fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        (self.bytes.len() >= len).then(|| self.bytes.drain(..len).collect())
    }

    /// The next whole frame.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let (&first, &second) = (self.bytes.first()?, self.bytes.get(1)?);
        assert_eq!(first & 0x70, 0, "the server set a reserved bit");
        assert_eq!(second & 0x80, 0, "the server masked a frame");
        let opcode = Opcode::from_wire(first & 0x0F).expect("an opcode that is defined");
        let fin = first & 0x80 != 0;
        let (header, len) = match second {
            126 => (4, usize::from(u16::from_be_bytes(self.bytes.get(2..4)?.try_into().ok()?))),
            127 => (10, u64::from_be_bytes(self.bytes.get(2..10)?.try_into().ok()?) as usize),
            len => (2, usize::from(len)),
        };
        let shortest = match header {
            4 => len > 125,
            10 => len > 0xFFFF,
            _ => true,
        };
        assert!(shortest, "the server wrote a length in more bytes than it needs");
        assert!(!opcode.is_control() || fin && len <= 125, "a long or fragmented control frame");
        let payload = self.bytes.get(header..header + len)?.to_vec();
        self.bytes.drain(..header + len);
        Some(Frame { fin, opcode, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_class_come_back() {
        for len in [0, 1, 125, 126, 65_535, 65_536, 70_000] {
            let payload = vec![7; len];
            let mut bytes = encode(true, Opcode::Binary, &payload, [0; 4]);
            // As a server would have written it: without mask bit and key.
            bytes[1] &= 0x7F;
            let header = bytes.len() - len - 4;
            bytes.drain(header..header + 4);
            let mut frames = Frames::default();
            for half in bytes.chunks(bytes.len().div_ceil(2)) {
                assert_eq!(frames.next(), None);
                frames.push(half);
            }
            assert_eq!(frames.next(), Some(Frame { fin: true, opcode: Opcode::Binary, payload }));
        }
    }
}
