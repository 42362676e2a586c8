//! Floor 1: one connection, from the first byte of its HTTP head to the end of its closing
//! handshake. No descriptor, no clock, no thread: bytes and the time are handed in, bytes are
//! handed out, and what happened is returned.
//!
//! Which file stands on which, from the bottom; `engine/tests/floors.rs` sees to it that a file
//! names only what is further down:
//!
//! 1. `cause` (what an end begins with), `clock` (what is remembered of the time),
//!    `receive/reading` (whether the peer is listened to), `receive/batch` (whole messages where
//!    they lie), `limits`
//!    `carry` (what goes along to another process)
//! 2. `receive/progress` (what has come in part), `tools` (what connections share), `env` (what a
//!    call borrows), `event` (what it tells)
//! 3. the sending queue: `send/outbox` (frames of messages), `send/overtake` (what leaves before
//!    them), `send/transmit` (what is out), `send/writer` (short answers)
//! 4. `receive/part` (messages of frames), `handshake/asked` (what a client waits for)
//! 5. `receive/inflate` (compressed ones)
//! 6. `state`: the [`Connection`], which is made of all these
//! 7. its calls, a file for each kind: `deadline` (what must happen in time), `close` (how it
//!    ends), `shed` (what it holds, and how it gives that up), `send` and `send/deflate` (what is
//!    sent), `receive/hold` (who does not want to be given messages), `receive/direct` (large
//!    messages, without a copy), `receive/carry` (who goes to another process),
//!    `handshake/server` and `handshake/client`
//! 8. `receive`: the one way in, [`Connection::receive`]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod carry;
mod cause;
mod clock;
mod close;
mod deadline;
mod env;
mod event;
mod handshake;
pub mod limits;
mod receive;
mod send;
mod shed;
mod state;
#[cfg(test)]
mod tests;
pub mod tools;

#[cfg(feature = "uring")]
pub(crate) use carry::{CarriedDeflate, Carry};
pub use cause::Cause;
pub use env::Env;
pub use event::{CloseInfo, Data, Disposition, Event, Failure, Timeout};
pub use limits::{Deflate, Limits, QueuePolicy, WhenFull};
pub use receive::batch::MessageBatch;
#[cfg(feature = "uring")]
pub(crate) use receive::batch::{BatchOf, LoneMessage, ShortMessages};
pub use receive::reading::Reading;
#[cfg(feature = "uring")]
pub(crate) use send::{Key, Writer};
#[cfg(feature = "uring")]
pub(crate) use shed::HELD_MIN;
pub use state::Connection;
pub use tools::{TALLIED, Tally, Tools};

/// How `send` queued a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// Below `send_queue_max`.
    Ok,
    /// Queued, and the queue is now over `send_queue_max`: wait for the drain.
    Full,
    /// Not queued but dropped, and counted: the queue was full, and that is its policy
    /// ([`WhenFull::DropNewest`]).
    Dropped,
}

/// Why `send` queued nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The queue was over `send_queue_max` already.
    #[error("send queue full")]
    Full,
    /// The closing handshake has begun, or the connection ends: also because the queue was full,
    /// and that is its policy ([`WhenFull::Close`], [`WhenFull::Abort`]).
    #[error("closing")]
    Closing,
    /// Not open: the upgrade is not finished.
    #[error("not open")]
    NotOpen,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A control payload of more than 125 bytes, or a message over 2^32 - 1.
    #[error("payload too big")]
    TooBig,
    /// A Continuation without a message to continue, or a new message inside one, or an opcode
    /// that `send` does not take (Close has a call of its own).
    #[error("out of sequence")]
    Sequence,
}

/// Flags of `send`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendFlags {
    /// A fragment, FIN = 0: continue with
    /// [`Opcode::Continuation`](crate::proto::Opcode::Continuation).
    pub more: bool,
    /// Not compressed, whatever was negotiated: for secrets beside text that others choose, whose
    /// compressed length would tell of both.
    pub plain: bool,
}
