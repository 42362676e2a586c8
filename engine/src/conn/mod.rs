//! Floor 1: one connection, from the first byte of its HTTP head to the end of its closing
//! handshake. No descriptor, no clock, no thread: bytes and the time are handed in, bytes are
//! handed out, and what happened is returned.

pub mod limits;

use crate::buffer::{Batch, Outgoing, Pool};
use crate::proto::handshake::{Refusal, Request, Response};
use crate::proto::{CloseCode, Input, Opcode, Violation};
use crate::tick::Tick;
pub use limits::Limits;

/// What a connection borrows from its owner for one call.
#[derive(Debug)]
pub struct Env<'a> {
    /// The time of this turn.
    pub now: Tick,
    /// The limits of the connection's endpoint.
    pub limits: &'a Limits,
    /// Spare memory of the reactor.
    pub pool: &'a mut Pool,
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

/// What `receive` found.
#[derive(Debug)]
pub enum Event<'b> {
    /// A valid upgrade request: answer with [`Connection::accept`] or [`Connection::refuse`]
    /// before receiving more.
    Upgrade(Request<'b>),
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
    /// Nothing in time: handshake, silence, closing handshake, or no progress of a send.
    #[error("timed out")]
    TimedOut,
    /// The transport ended without a Close frame.
    #[error("ended without a close frame")]
    EndOfStream,
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
}

/// What the owner of the transport is to do once all that was handed out has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Keep going.
    Open,
    /// Nothing more will be queued: when the last batch is sent, end the sending direction and
    /// read (and discard, `receive` does it) until the peer ends or [`Connection::expired`].
    Finish,
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

/// One connection.
#[derive(Debug)]
pub struct Connection {}

impl Connection {
    /// The server end, waiting for the HTTP head since `now`.
    pub fn server(_now: Tick) -> Self {
        unimplemented!()
    }
    /// Consumes input until something happened; `Ok(None)` when it is used up. A failure queues
    /// its Close frame or HTTP answer; later calls return the same failure and discard the input.
    /// After the peer's Close, input is discarded and `Ok(None)` returned.
    pub fn receive<'b>(
        &mut self,
        _input: &mut Input<'b>,
        _env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        unimplemented!()
    }
    /// Answers the upgrade with 101: the connection is open.
    pub fn accept(&mut self, _request: &Request<'_>, _response: &Response, _env: &mut Env<'_>) {
        unimplemented!()
    }
    /// Answers the upgrade with an error status; the disposition becomes `Finish`.
    pub fn refuse(&mut self, _refusal: &Refusal, _env: &mut Env<'_>) {
        unimplemented!()
    }
    /// The transport's receiving direction has ended.
    pub fn end_of_stream(&mut self) {
        unimplemented!()
    }
    /// Queues one frame: Text, Binary, Continuation, Ping or Pong. Copies `payload`.
    pub fn send(
        &mut self,
        _opcode: Opcode,
        _payload: &[u8],
        _flags: SendFlags,
        _env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        unimplemented!()
    }
    /// Queues a message framed before; copies nothing unless it is small.
    pub fn send_message(&mut self, _m: &Outgoing, _env: &mut Env<'_>) -> Result<Queued, SendError> {
        unimplemented!()
    }
    /// Begins the closing handshake. `code` must be allowed on the wire, `reason` ≤ 123 bytes
    /// (`SendError::TooBig`; `SendError::Sequence` for a code that must not be sent).
    pub fn close(
        &mut self,
        _code: CloseCode,
        _reason: &str,
        _env: &mut Env<'_>,
    ) -> Result<(), SendError> {
        unimplemented!()
    }
    /// The next batch to be sent, `None` when there is nothing or one is out already.
    pub fn transmit(&mut self) -> Option<Batch> {
        unimplemented!()
    }
    /// Gives the batch back with the number of its bytes that were sent. `true` once, when the
    /// queue was reported full and has now fallen below half of `send_queue_max`.
    pub fn transmitted(&mut self, _batch: Batch, _bytes: usize, _env: &mut Env<'_>) -> bool {
        unimplemented!()
    }
    /// When `expired` wants to be called, at the latest. It moves while traffic flows; asking
    /// again when the old one has passed is enough.
    pub fn deadline(&self, _limits: &Limits) -> Option<Tick> {
        unimplemented!()
    }
    /// Called when the deadline has passed: queues a Ping, or fails with `TimedOut`.
    pub fn expired(&mut self, _env: &mut Env<'_>) {
        unimplemented!()
    }
    /// Reading was stopped or started again by the application. While stopped, silence of the
    /// peer is no fault, but a send without progress for `idle_timeout_ms` is.
    pub fn set_paused(&mut self, _paused: bool, _now: Tick) {
        unimplemented!()
    }
    /// What to do with the transport.
    pub fn disposition(&self) -> Disposition {
        unimplemented!()
    }
    /// Whether `accept` was called: `on_open` belongs to it, and so `on_close`.
    pub fn opened(&self) -> bool {
        unimplemented!()
    }
    /// Bytes queued or handed out and not yet sent.
    pub fn buffered(&self) -> usize {
        unimplemented!()
    }
    /// The failure that is held, if any.
    pub fn failure(&self) -> Option<Failure> {
        unimplemented!()
    }
    /// How it closed, so far as is known now.
    pub fn close_info(&self) -> CloseInfo<'_> {
        unimplemented!()
    }
    /// Releases all memory into the pool. Nothing but `close_info` may be called after.
    pub fn release(&mut self, _pool: &mut Pool) {
        unimplemented!()
    }
}
