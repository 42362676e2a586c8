//! What a reactor is asked for by other threads, or by its own through a handle.

use super::adopt::Adoptee;
use super::mailbox::Weigh;
use super::name::{Conn, DialId};
use crate::bus::Gap;
pub(crate) use crate::bus::Manner;
use crate::conn::{Cause, SendFlags};
use crate::memory::Outgoing;
use crate::proto::{CloseCode, Opcode};
use crate::ring::Token;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who calls, and may expect that his calls keep their order: a reactor by its number, any other
/// thread by one of its own.
pub(crate) type Sender = u32;

/// Of all that is published, whoever has published it: it is nobody's message and waits for the end
/// of everybody's. Reactors have numbers below, other threads above.
pub(crate) const PUBLISHERS: Sender = 255;

/// What is published on a topic.
pub(crate) struct Publication {
    pub(crate) message: Outgoing,
    /// Who does not get it; or no connection.
    pub(crate) except: Conn,
    pub(crate) manner: Manner,
    /// See [`Publication::place`].
    place: AtomicU64,
}

/// The place of what is in no log.
pub(crate) const NOWHERE: u64 = u64::MAX;

impl Publication {
    pub(crate) fn new(message: &Outgoing, except: Option<Conn>, manner: Manner) -> Self {
        let (except, place) = (except.unwrap_or(Conn::NONE), AtomicU64::new(NOWHERE));
        Self { message: message.clone(), except, manner, place }
    }

    /// The same with another message.
    pub(crate) fn with(&self, message: Outgoing) -> Self {
        let Self { except, manner, .. } = *self;
        Self { message, except, manner, place: AtomicU64::new(NOWHERE) }
    }

    /// Its place in the log of its topic, or `NOWHERE`.
    #[inline]
    pub(crate) fn place(&self) -> u64 {
        self.place.load(Ordering::Relaxed)
    }

    /// It gets one, before it is put into mailboxes.
    pub(crate) fn set_place(&self, place: u64) {
        self.place.store(place, Ordering::Relaxed);
    }
}

/// What a resolver found: addresses, or why there are none.
pub type Found = Result<Vec<SocketAddr>, Arc<str>>;

/// A key, and the latest message of it. Boxed, so that no mail is larger for its sake.
pub(crate) type Latest = (u64, Outgoing);

/// A call on a connection, a target `T` to connect to, or a job `J`, on its way to the reactor
/// that it is for. `Publish` is still to be given its place among all that is published on a topic,
/// `Published` has it, and of `Unfinished` the first members have theirs.
pub(crate) enum Mail<J, T> {
    Frame {
        conn: Conn,
        sender: Sender,
        opcode: Opcode,
        payload: Box<[u8]>,
        flags: SendFlags,
    },
    Message {
        conn: Conn,
        sender: Sender,
        message: Outgoing,
    },
    Latest {
        conn: Conn,
        latest: Box<Latest>,
    },
    Close {
        conn: Conn,
        sender: Sender,
        cause: Cause,
        code: CloseCode,
        reason: Box<str>,
    },
    Abort {
        conn: Conn,
    },
    Pause {
        conn: Conn,
        paused: bool,
    },
    SetUser {
        conn: Conn,
        user: usize,
    },
    Publish(Box<[u8]>, Arc<Publication>),
    Published(Token, Arc<Publication>),
    /// It has reached so many members.
    Unfinished(Token, Arc<Publication>, u32),
    /// What members of a topic will not get.
    Missing(Token, Box<Gap>),
    Connect(DialId, Arc<T>),
    Adopt(Box<Adoptee<J>>),
    CancelConnect(DialId),
    Resolved {
        dial: Token,
        found: Found,
    },
    Job(J),
}

impl<J, T> Mail<J, T> {
    /// Bytes to be sent with it.
    pub(crate) fn payload_len(&self) -> usize {
        match self {
            Self::Frame { payload, .. } => payload.len(),
            Self::Message { message, .. } => message.payload().len(),
            Self::Latest { latest, .. } => latest.1.payload().len(),
            Self::Publish(_, what) | Self::Published(_, what) => what.message.payload().len(),
            _ => 0,
        }
    }

    /// The weight of mail with so many bytes to be sent.
    pub(crate) const fn weight_with(payload_len: usize) -> usize {
        payload_len + size_of::<Self>()
    }

    /// Whether it sends a whole message of data.
    pub(crate) fn is_whole_message(&self) -> bool {
        let more = match self {
            Self::Frame { flags, .. } => flags.more,
            Self::Message { message, .. } => !message.fin(),
            _ => return false,
        };
        !more && matches!(self.opcode(), Some(Opcode::Text | Opcode::Binary))
    }

    /// What it sends, if that is a frame of a message or a control frame of the application.
    pub(crate) fn opcode(&self) -> Option<Opcode> {
        match self {
            Self::Frame { opcode, .. } => Some(*opcode),
            Self::Message { message, .. } => Some(message.opcode()),
            _ => None,
        }
    }
}

impl<J, T> Weigh for Mail<J, T> {
    /// Its payload and its own size.
    fn weight(&self) -> usize {
        let early = match self {
            Self::Adopt(adoptee) => adoptee.coming.early_len(),
            _ => 0,
        };
        Self::weight_with(self.payload_len() + early)
    }

    fn is_published(&self) -> bool {
        matches!(self, Self::Published(..) | Self::Missing(..))
    }

    fn runs_alone(&self) -> bool {
        matches!(
            self,
            Self::Connect(..)
                | Self::CancelConnect(_)
                | Self::Resolved { .. }
                | Self::Adopt(_)
                | Self::Job(_)
        )
    }
}
