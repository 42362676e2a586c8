//! Connections and timers by value, and why a call on one did nothing.

use crate::conn::SendError;

/// A connection, by value: reactor, slot and generation. A stale one is refused, never followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conn(u64);

impl Conn {
    /// No connection.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn new(reactor: u32, slot: u32, generation: u32) -> Self {
        Self((reactor as u64) << 56 | (slot as u64) << 32 | generation as u64)
    }
    /// The handle as a number; 0 is never a connection.
    pub const fn to_bits(self) -> u64 {
        self.0
    }
    /// The handle of a number. Any number is safe; a wrong one names nothing.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
    /// The number of the reactor that it belongs to.
    pub const fn reactor(self) -> u32 {
        (self.0 >> 56) as u32
    }
    pub(crate) const fn slot(self) -> u32 {
        (self.0 >> 32) as u32 & 0xFF_FFFF
    }
    pub(crate) const fn generation(self) -> u32 {
        self.0 as u32
    }
}

/// A timer, by value: reactor, place and generation, as for [`Conn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer(pub(crate) u64);

impl Timer {
    /// As a number; 0 is never a timer.
    pub const fn to_bits(self) -> u64 {
        self.0
    }
    /// The number of the reactor that it belongs to.
    pub const fn reactor(self) -> u32 {
        (self.0 >> 56) as u32
    }
    /// From a number. Any number is safe.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// Names by value of what a reactor has numbered: its own number above a number that no other of
/// that kind ever gets.
macro_rules! numbered {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(u64);

        impl $name {
            pub(crate) const fn new(reactor: u32, number: u64) -> Self {
                Self((reactor as u64) << 56 | number & ((1 << 56) - 1))
            }
            /// As a number; 0 names nothing.
            pub const fn to_bits(self) -> u64 {
                self.0
            }
            /// From a number. Any number is safe; a wrong one names nothing.
            pub const fn from_bits(bits: u64) -> Self {
                Self(bits)
            }
            /// The number of its reactor.
            pub const fn reactor(self) -> u32 {
                (self.0 >> 56) as u32
            }
        }
    )*};
}

numbered! {
    /// What `connect` was asked for. It names that until the last callback of its handler, over all
    /// tries; after that, nothing.
    DialId,
    /// A request that is answered later.
    Later,
}

/// Why a call on a topic did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// A topic has a name of at least one byte.
    #[error("a topic without a name")]
    Empty,
    /// The name has more bytes than `Config::topic_bytes_max`.
    #[error("the name of the topic is too long")]
    TooLong,
    /// The connection is in `Config::topics_max` topics already: leave one.
    #[error("the connection is in too many topics")]
    TooMany,
    /// The connection belongs to another reactor: post a job there.
    #[error("the connection of another reactor")]
    Elsewhere,
    /// Bytes that are no position in a topic.
    #[error("no position in a topic")]
    Position,
}

/// Why a call on a connection did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The handle is stale, or no handle of this engine.
    #[error("connection gone")]
    Gone,
    /// The connection refused.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The topic refused.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Too much waits for the reactor already: try again later.
    #[error("mailbox full")]
    MailboxFull,
    /// Too much waits for the bus to other machines already: try again later.
    #[error("too much waits for the bus to other machines")]
    BusFull,
    /// The engine is not running.
    #[error("engine not running")]
    Stopped,
}
