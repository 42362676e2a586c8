//! Floor 1: one connection, from the first byte of its HTTP head to the end of its closing
//! handshake. No descriptor, no clock, no thread: bytes and the time are handed in, bytes are
//! handed out, and what happened is returned.
//!
//! `inbound` makes messages of frames, `run` the many small ones that come together, `inflate`
//! those that are compressed, `send` frames of messages, `deadline` knows what must happen in time,
//! `reading` what becomes of what the peer sends when the application does not want it, `opening`
//! (of a server), `asking` (of a client) and `closing` are the handshakes, and `state` knows which
//! call means something when.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod asking;
mod closing;
mod deadline;
mod inbound;
mod inflate;
mod landing;
pub mod limits;
mod opening;
mod reading;
pub(crate) mod run;
mod send;
mod state;
#[cfg(test)]
mod tests;
pub mod tools;

use crate::memory::Pool;
use crate::proto::handshake::Request;
use crate::proto::{Answer, BadAnswer, CloseCode, Opcode, Violation};
use crate::tick::Tick;
pub use limits::Limits;
pub use reading::Reading;
pub use send::Deflate;
pub(crate) use send::Writer;
use send::deflate;
pub use state::Connection;
pub use tools::Tools;

/// What a connection borrows from its owner for one call.
#[derive(Debug)]
pub struct Env<'a> {
    /// The time of this turn.
    pub now: Tick,
    /// The limits of the connection's endpoint.
    pub limits: &'a Limits,
    /// Spare memory of the reactor.
    pub pool: &'a mut Pool,
    /// What its connections share.
    pub tools: &'a mut Tools,
    /// Payload bytes that had to be copied on the way in (split messages, paused connections).
    pub copied: &'a mut u64,
}

/// A received payload.
#[derive(Debug)]
pub enum Data<'b> {
    /// Whole where it was received: no copy was made.
    Lent(&'b mut [u8]),
    /// Assembled from several pieces. Give it back with [`Pool::put`].
    Owned(Vec<u8>),
}

impl Data<'_> {
    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// What `receive` found.
#[derive(Debug)]
pub enum Event<'b> {
    /// A valid upgrade request: answer with [`Connection::accept`] or [`Connection::refuse`]
    /// before receiving more.
    Upgrade(Request<'b>),
    /// Of a client: the server has accepted, frames may be sent.
    Open(Answer<'b>),
    /// Of a client: the proxy has connected us, go on with [`Connection::ask`].
    Tunnel,
    /// A whole message (`first` and `last`), or with [`Limits::stream`] a part of one.
    Message {
        /// Text (checked UTF-8) or Binary; in stream mode the opcode of the whole message.
        opcode: Opcode,
        /// The payload, unmasked.
        data: Data<'b>,
        /// Starts a message.
        first: bool,
        /// Ends a message.
        last: bool,
    },
    /// A Pong, solicited or not. At most 125 bytes.
    Pong(Data<'b>),
    /// The peer's Close frame. Ours has been queued; nothing follows.
    Close,
}

/// Why a connection failed. Held by the connection from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The peer broke RFC 6455 or a limit; a Close frame has been queued.
    #[error("{0}")]
    Violation(#[from] Violation),
    /// The HTTP request was not a valid upgrade; an answer with this status has been queued.
    #[error("handshake refused with {0}")]
    Handshake(u16),
    /// The server's answer to our request opens no connection.
    #[error("{0}")]
    Answer(BadAnswer),
    /// The proxy's answer opens no way to the server.
    #[error("proxy: {0}")]
    Proxy(BadAnswer),
    /// Something did not happen in time.
    #[error("{0}")]
    TimedOut(Timeout),
    /// The transport ended without a Close frame.
    #[error("ended without a close frame")]
    EndOfStream,
    /// The encryption below failed: records that are none, or not the peer's.
    #[error("TLS failed")]
    Tls,
}

/// What did not happen in time, and in which: milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Timeout {
    /// The opening handshake did not end.
    #[error("no opening handshake within {0} ms")]
    Opening(u32),
    /// The peer was silent, and so it was after a Ping had left for it.
    #[error("no answer to a Ping for {0} ms")]
    Silence(u32),
    /// The peer took nothing of what is queued for it.
    #[error("the peer has read nothing for {0} ms")]
    Stuck(u32),
    /// The peer did not do its part after our Close had left.
    #[error("no end of the closing handshake within {0} ms")]
    Closing(u32),
}

/// How `send` queued a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// Below `send_queue_max`.
    Ok,
    /// Queued, and the queue is now over `send_queue_max`: wait for the drain.
    Full,
}

/// Why `send` queued nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The queue was over `send_queue_max` already.
    #[error("send queue full")]
    Full,
    /// The closing handshake has begun.
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
    /// A fragment, FIN = 0: continue with [`Opcode::Continuation`].
    pub more: bool,
    /// Not compressed, whatever was negotiated: for secrets beside text that others choose, whose
    /// compressed length would tell of both.
    pub plain: bool,
}

/// What the owner of the transport is to do once all that was handed out has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Keep going.
    Open,
    /// Nothing more will be queued: when the last batch is sent, end the sending direction and
    /// read (and discard, `receive` does it) until the peer ends or [`Connection::expired`]. To
    /// close with something unread would reset TCP and destroy what the peer has not read
    /// (RFC 6455 §7.1.1).
    Finish,
    /// Of a client, the closing handshake is complete: nothing more will be queued. When the last
    /// batch is sent, read until the peer ends: it ends TCP first (RFC 6455 §7.1.1), and bears the
    /// waiting time of that. Until [`Connection::expired`] at the latest.
    Await,
    /// End the transport now; nothing more is worth sending.
    Abort,
}

/// How the connection closed. `reason` is checked UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseInfo<'a> {
    /// The peer's code; `NO_STATUS` for a Close without one, `ABNORMAL` without a Close.
    pub code: CloseCode,
    /// Ours; `None` if we sent no Close.
    pub sent: Option<CloseCode>,
    /// The peer's reason.
    pub reason: &'a str,
}
