//! A message framed once and sent many times.

use crate::proto::{Header, Opcode, header};
use bytes::Bytes;

/// The longest header without a masking key: 2 bytes and a 64-bit length.
const HEADER_MAX: usize = header::HEADER_MAX - 4;

/// An immutable outgoing message: its header and its payload by reference. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Outgoing {
    payload: Bytes,
    header: [u8; HEADER_MAX],
    header_len: u8,
    opcode: Opcode,
    fin: bool,
}

impl Outgoing {
    /// Frames `payload` as one unmasked frame with FIN. Text is not checked here, and not by
    /// [`send_message`](crate::conn::Connection::send_message) either: a message that is sent to
    /// thousands is checked once, by whoever made it.
    pub fn new(opcode: Opcode, payload: Bytes) -> Self {
        Self::with_fin(opcode, payload, true)
    }

    /// Frames `payload` as one unmasked frame, a fragment when `fin` is false (RFC 6455 §5.4).
    pub fn with_fin(opcode: Opcode, payload: Bytes, fin: bool) -> Self {
        let len = payload.len() as u64;
        let fields = Header { len, mask: None, opcode, fin, rsv1: false };
        let mut encoded = [0; header::HEADER_MAX];
        let header_len = header::encode(&fields, &mut encoded) as u8;
        let mut header = [0; HEADER_MAX];
        header.iter_mut().zip(encoded).for_each(|(to, from)| *to = from);
        Self { payload, header, header_len, opcode, fin }
    }

    /// What it carries.
    pub fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// Whether it is the last frame of its message.
    pub fn fin(&self) -> bool {
        self.fin
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The frame header that goes before the payload.
    pub fn header(&self) -> &[u8] {
        self.header.get(..usize::from(self.header_len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_minimal() {
        for (len, header) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (0xFFFF, &[0x82, 126, 0xFF, 0xFF]),
            (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let message = Outgoing::new(Opcode::Binary, Bytes::from(vec![0; len]));
            assert_eq!((message.header(), message.payload().len()), (header, len));
        }
    }

    #[test]
    fn a_fragment_has_no_fin() {
        let message = Outgoing::with_fin(Opcode::Text, Bytes::from_static(b"a"), false);
        assert_eq!((message.header(), message.fin()), (&[0x01, 1][..], false));
        assert_eq!(message.opcode(), Opcode::Text);
    }

    #[test]
    fn clones_share_the_payload() {
        let message = Outgoing::new(Opcode::Binary, Bytes::from(vec![1; 10]));
        assert_eq!(message.clone().payload().as_ptr(), message.payload().as_ptr());
    }
}
