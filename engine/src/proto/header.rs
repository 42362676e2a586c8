//! The frame header, RFC 6455 §5.2.

use super::Opcode;

/// The longest header: 2 bytes, a 64-bit length, a masking key.
pub const HEADER_MAX: usize = 14;

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
