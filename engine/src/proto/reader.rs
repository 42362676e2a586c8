//! Frames out of a stream of bytes, in place.

use super::{Header, Input, Role, Violation};

/// Part of one frame's payload, still masked, where it lies in the input.
#[derive(Debug)]
pub struct Piece<'b> {
    /// The header of the frame it belongs to.
    pub header: Header,
    /// Payload bytes, masked by `key` with `key[0]` for `data[0]`. Empty only for empty frames.
    pub data: &'b mut [u8],
    /// The masking key rotated to the first byte of `data`; zeros when the frame is not masked.
    pub key: [u8; 4],
    /// Whether it begins the frame.
    pub first: bool,
    /// Whether it ends the frame.
    pub last: bool,
}

/// Splits a stream of bytes into pieces of frames. Keeps at most one header's bytes.
#[derive(Debug)]
pub struct FrameReader {
    _role: Role,
}

impl FrameReader {
    /// A reader at a frame boundary.
    pub fn new(role: Role) -> Self {
        Self { _role: role }
    }

    /// The next piece, `None` when the input is exhausted. A frame's header is reported as soon as
    /// it is complete, with an empty `data` when no payload byte has arrived yet, so that limits
    /// act on a declared length before any of it comes.
    pub fn next<'b>(&mut self, _input: &mut Input<'b>) -> Result<Option<Piece<'b>>, Violation> {
        unimplemented!()
    }
}
