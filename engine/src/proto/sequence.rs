//! The order of frames, RFC 6455 §5.4: fragments of one message, control frames between them.

use super::header::Header;
use super::opcode::Opcode;
use super::violation::Violation;

/// Where a frame stands in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The opcode of the whole message; of a control frame, its own.
    pub opcode: Opcode,
    /// Whether the frame begins the message.
    pub first: bool,
    /// Whether the frame ends the message.
    pub last: bool,
}

/// Follows the messages of one direction, frame by frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequence {
    /// Payload bytes declared by the frames of the message so far.
    bytes: u64,
    /// Its frames so far.
    fragments: u32,
    /// Its opcode; `None` between messages.
    opcode: Option<Opcode>,
}

impl Sequence {
    /// Between messages.
    pub const fn new() -> Self {
        Self { bytes: 0, fragments: 0, opcode: None }
    }

    /// The opcode of the message that waits for another frame. `None` as soon as the header of
    /// its last frame was taken.
    pub const fn message(&self) -> Option<Opcode> {
        self.opcode
    }

    /// Takes the header of the next frame, before any of its payload has come. A control frame may
    /// stand anywhere and changes nothing.
    ///
    /// # Errors
    /// [`Violation::UnexpectedContinuation`], [`Violation::ExpectedContinuation`];
    /// [`Violation::MessageTooBig`] when the lengths declared so far exceed `message_max` bytes,
    /// [`Violation::TooManyFragments`] for more frames than `fragments_max` (empty ones count: each
    /// costs the peer nothing and us some work).
    #[inline]
    pub fn take(
        &mut self,
        header: &Header,
        message_max: u64,
        fragments_max: u32,
    ) -> Result<Place, Violation> {
        if header.opcode.is_control() {
            return Ok(Place { opcode: header.opcode, first: true, last: true });
        }
        let whole = header.fin && header.opcode != Opcode::Continuation && self.opcode.is_none();
        if whole && header.len <= message_max && fragments_max > 0 {
            // Most messages are one frame: nothing is to be remembered of them.
            return Ok(Place { opcode: header.opcode, first: true, last: true });
        }
        self.take_fragment(header, message_max, fragments_max)
    }

    fn take_fragment(
        &mut self,
        header: &Header,
        message_max: u64,
        fragments_max: u32,
    ) -> Result<Place, Violation> {
        let (opcode, first) = match (self.opcode, header.opcode) {
            (Some(opcode), Opcode::Continuation) => (opcode, false),
            (None, Opcode::Continuation) => return Err(Violation::UnexpectedContinuation),
            (Some(_), _) => return Err(Violation::ExpectedContinuation),
            (None, opcode) => (opcode, true),
        };
        // Neither sum can overflow: both are at most their limit here, and a length is < 2^63.
        let bytes = self.bytes.saturating_add(header.len);
        let fragments = self.fragments.saturating_add(1);
        if bytes > message_max {
            return Err(Violation::MessageTooBig);
        }
        if fragments > fragments_max {
            return Err(Violation::TooManyFragments);
        }
        *self = match header.fin {
            true => Self::new(),
            false => Self { bytes, fragments, opcode: Some(opcode) },
        };
        Ok(Place { opcode, first, last: header.fin })
    }
}
