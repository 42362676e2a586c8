//! What a connection tells its owner: what was received, why it failed, what is to become of the
//! transport.

use super::receive::batch::MessageBatch;
use crate::proto::handshake::Request;
use crate::proto::{Answer, BadAnswer, CloseCode, Opcode, Violation};

/// A received payload that is not in a batch.
#[derive(Debug)]
pub enum Data<'b> {
    /// Where it was received: no copy was made.
    Borrowed(&'b mut [u8]),
    /// Assembled from several pieces. Give it back with
    /// [`Pool::put`](crate::memory::Pool::put).
    Owned(Vec<u8>),
}

impl Data<'_> {
    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// What `receive` found.
#[derive(Debug)]
pub enum Event<'b> {
    /// A valid request. If it is an upgrade, answer with `Connection::accept` or
    /// `Connection::refuse` before receiving more. Others come only with `Limits::requests`: go on
    /// with `Connection::await_body`, and when all has come, answer with `Connection::reply` or
    /// `Connection::refuse`.
    Request(Request<'b>),
    /// Of a client: the server has accepted, frames may be sent.
    Open(Answer<'b>),
    /// Of a client: the proxy has connected us, go on with `Connection::ask`.
    Tunnel,
    /// One or more whole messages, where they lie in the input. None at all when a message that
    /// nobody is to see any more was assembled or inflated, and dropped: so that whoever receives
    /// can tell what that has cost. (As an event of its own it would cost each message of 1 KiB two
    /// instructions.)
    Batch(MessageBatch<'b>),
    /// A message that had to be assembled or inflated (`first` and `last`, and owned), or with
    /// `Limits::stream` a part of one: where it lies, or inflated.
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
    /// The HTTP request was refused; an answer with this status has been queued.
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
    /// The owner's memory has run short, and this connection held much of it.
    #[error("memory_max was reached, and this connection held much of it")]
    OutOfMemory,
    /// The send queue was full, and its policy is [`WhenFull::Abort`](super::WhenFull::Abort).
    #[error("the send queue was full")]
    QueueFull,
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

/// What the owner of the transport is to do once all that was handed out has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Keep going.
    Open,
    /// Nothing more will be queued: when the last batch is sent, end the sending direction and
    /// read (and discard, `receive` does it) until the peer ends or `Connection::expired`. To
    /// close with something unread would reset TCP and destroy what the peer has not read
    /// (RFC 6455 §7.1.1).
    Finish,
    /// Of a client, the closing handshake is complete: nothing more will be queued. When the last
    /// batch is sent, read until the peer ends: it ends TCP first (RFC 6455 §7.1.1), and bears the
    /// waiting time of that. Until `Connection::expired` at the latest.
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
