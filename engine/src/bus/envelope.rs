//! A frame between engines: who, what number, and the message.
//!
//! ```text
//!  0  version        1  kind           2  opcode, and whether it may be compressed    3  manner
//!  4  promise, ms    8  node          16  epoch         24  start         32  number
//! 40  key of what takes the place of others (only of those), then the payload
//! ```
//!
//! Numbers are in network byte order. What comes from a broker is judged like what comes from any
//! peer: whoever can publish there can send anything.

use super::gap::{Number, Origin};
use crate::conn::WhenFull;
use crate::memory::Outgoing;
use crate::proto::{Opcode, utf8};

const VERSION: u8 = 1;
/// Bytes in front of the payload, without a key.
const HEAD: usize = 40;
/// In the byte of the opcode: it must not be compressed.
const PLAIN: u8 = 0x10;

/// What becomes of what is published where a member's queue has no room for it, or something else
/// waits under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// What the member's own policy says.
    Queued,
    /// What the publisher says.
    By(WhenFull),
    /// It takes the place of the one that waits under the key.
    Latest(u64),
}

/// The manners but `Latest`, by their numbers on the wire from 2 on.
const POLICIES: [WhenFull; 5] = [
    WhenFull::Refuse,
    WhenFull::DropNewest,
    WhenFull::DropOldest,
    WhenFull::Close,
    WhenFull::Abort,
];

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A message.
    Message {
        /// Text or Binary.
        opcode: Opcode,
        /// Whether it may be compressed on its way to members.
        compressible: bool,
        /// How it is sent to them.
        manner: Manner,
        /// What it says.
        payload: &'a [u8],
    },
    /// The number is that of the last message.
    Heartbeat,
    /// The same, and no other heartbeat follows.
    End,
    /// Whoever publishes on one of these topics is to send a heartbeat. The number means nothing.
    Sync(Names<'a>),
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Who has sent it.
    pub origin: Origin,
    /// The message's place.
    pub number: Number,
    /// Within so many milliseconds another frame of this topic follows.
    pub promise_ms: u32,
    /// What it is.
    pub kind: Kind<'a>,
}

/// A message that another engine has published.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Which.
    pub origin: Origin,
    /// Its place among all that it publishes on the topic.
    pub number: Number,
    /// What it says.
    pub message: &'a Outgoing,
    /// How it is sent to members.
    pub manner: Manner,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends too early.
    #[error("a frame between engines that is cut off")]
    Short,
    /// Another version of the library, or something else altogether.
    #[error("a frame between engines of version {0}")]
    Version(u8),
    /// Something in its head has no meaning.
    #[error("a frame between engines with a head that means nothing")]
    Head,
    /// Its text is not UTF-8.
    #[error("a text between engines that is not UTF-8")]
    Text,
    /// Its number cannot be.
    #[error("a frame between engines with a number that cannot be")]
    Number,
}

/// Names of topics, one behind the other, each behind two bytes of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    fn checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = split(rest).ok_or(Malformed::Short)?.1;
        }
        Ok(Self(bytes))
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (name, behind) = split(rest)?;
            rest = behind;
            Some(name)
        })
    }

    /// Puts one more behind the others.
    pub(super) fn push(into: &mut Vec<u8>, name: &[u8]) {
        // Names are no longer than that: `topic_bytes_max`.
        let len = u16::try_from(name.len()).unwrap_or(u16::MAX);
        into.extend_from_slice(&len.to_be_bytes());
        into.extend_from_slice(&name[..usize::from(len)]);
    }

    /// What was pushed.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*len).into())
}

impl<'a> Envelope<'a> {
    /// Bytes of a frame that are not of its message's payload, at most.
    pub const HEAD_MAX: usize = HEAD + 8;

    /// Around a message that is published.
    pub(super) fn of_message(
        origin: Origin,
        number: Number,
        promise_ms: u32,
        message: &'a Outgoing,
        manner: Manner,
    ) -> Self {
        let kind = Kind::Message {
            opcode: message.opcode(),
            compressible: message.may_deflate(),
            manner,
            payload: message.payload(),
        };
        Self { origin, number, promise_ms, kind }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, opcode, manner, key, payload) = match self.kind {
            Kind::Message { opcode, compressible, manner, payload } => {
                let (manner, key) = match manner {
                    Manner::Queued => (0, None),
                    Manner::Latest(key) => (1, Some(key)),
                    Manner::By(policy) => {
                        let nth = POLICIES.iter().position(|of| *of == policy);
                        (2 + nth.expect("each policy is in the table") as u8, None)
                    }
                };
                let plain = if compressible { 0 } else { PLAIN };
                (1, opcode as u8 | plain, manner, key, payload)
            }
            Kind::Heartbeat => (2, 0, 0, None, &[][..]),
            Kind::End => (3, 0, 0, None, &[][..]),
            Kind::Sync(names) => (4, 0, 0, None, names.0),
        };
        let mut bytes = Vec::with_capacity(Self::HEAD_MAX + payload.len());
        bytes.extend_from_slice(&[VERSION, kind, opcode, manner]);
        bytes.extend_from_slice(&self.promise_ms.to_be_bytes());
        let Self { origin: Origin { node, epoch }, number: Number { start, seq }, .. } = self;
        for number in [node, epoch, start, seq].into_iter().chain(&key) {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    /// From bytes that a broker has brought.
    ///
    /// # Errors
    /// [`Malformed`]: it is dropped, and counted.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let version = *bytes.first().ok_or(Malformed::Short)?;
        if version != VERSION {
            return Err(Malformed::Version(version));
        }
        let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(Malformed::Short)?;
        let word = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().expect("eight"));
        let promise_ms = u32::from_be_bytes(head[4..8].try_into().expect("four"));
        let origin = Origin { node: word(8), epoch: word(16) };
        let number = Number { start: word(24), seq: word(32) };
        let kind = match head[1] {
            1 => message(head[2], head[3], rest)?,
            2 => Kind::Heartbeat,
            3 => Kind::End,
            4 => return Ok(Self { origin, number, promise_ms, kind: sync(rest)? }),
            _ => return Err(Malformed::Head),
        };
        // The greatest one leaves no number for the next.
        match number.start == 0 || number.seq < number.start || number.seq == u64::MAX {
            true => Err(Malformed::Number),
            false => Ok(Self { origin, number, promise_ms, kind }),
        }
    }
}

fn sync(names: &[u8]) -> Result<Kind<'_>, Malformed> {
    Names::checked(names).map(Kind::Sync)
}

fn message(opcode: u8, manner: u8, rest: &[u8]) -> Result<Kind<'_>, Malformed> {
    let compressible = opcode & PLAIN == 0;
    let opcode = Opcode::from_wire(opcode & !PLAIN).ok_or(Malformed::Head)?;
    if !matches!(opcode, Opcode::Text | Opcode::Binary) {
        return Err(Malformed::Head);
    }
    let (manner, payload) = match manner {
        0 => (Manner::Queued, rest),
        1 => {
            let (key, payload) = rest.split_first_chunk().ok_or(Malformed::Short)?;
            (Manner::Latest(u64::from_be_bytes(*key)), payload)
        }
        nth => {
            let policy = POLICIES.get(usize::from(nth - 2)).ok_or(Malformed::Head)?;
            (Manner::By(*policy), rest)
        }
    };
    // Members have a right to it (RFC 6455 §8.1), and nobody looks at it again.
    if opcode == Opcode::Text && utf8::check(payload).is_err() {
        return Err(Malformed::Text);
    }
    Ok(Kind::Message { opcode, compressible, manner, payload })
}

impl Kind<'_> {
    /// The message, to be sent to members.
    pub(super) fn outgoing(&self) -> Option<(Outgoing, Manner)> {
        let Kind::Message { opcode, compressible, manner, payload } = *self else { return None };
        let message = Outgoing::copied(opcode, payload);
        Some((if compressible { message } else { message.into_plain() }, manner))
    }
}
