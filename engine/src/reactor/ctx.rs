//! What a callback may do: the reactor, without its kernel.

use super::handler::Message;
use crate::buffer::Outgoing;
use crate::conn::{Queued, SendError, SendFlags};
use crate::engine::Handle;
use crate::proto::{CloseCode, Opcode};
use std::net::SocketAddr;
use std::time::Duration;

/// A connection, by value: reactor, slot and generation. A stale one is refused, never followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conn(pub(crate) u64);

impl Conn {
    /// The handle as a number; 0 is never a connection.
    pub const fn to_bits(self) -> u64 {
        self.0
    }
    /// The handle of a number. Any number is safe; a wrong one names nothing.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// A timer, by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer(pub(crate) u64);

impl Timer {
    /// As a number.
    pub const fn to_bits(self) -> u64 {
        self.0
    }
    /// From a number.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
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
    /// Forwarded to another reactor whose mailbox is full.
    #[error("mailbox full")]
    MailboxFull,
    /// The engine has stopped.
    #[error("stopped")]
    Stopped,
}

/// The reactor of the calling thread, lent to a callback.
pub struct Context {}

impl Context {
    /// Queues one frame; see [`crate::conn::Connection::send`]. What is queued leaves in one send
    /// when the turn ends. A connection of another reactor works too: the call is forwarded, and
    /// `Queued::Ok` then means that it was.
    pub fn send(
        &mut self,
        _c: Conn,
        _op: Opcode,
        _payload: &[u8],
        _f: SendFlags,
    ) -> Result<Queued, CallError> {
        unimplemented!()
    }
    /// Queues a message framed before.
    pub fn send_message(&mut self, _c: Conn, _m: &Outgoing) -> Result<Queued, CallError> {
        unimplemented!()
    }
    /// Begins the closing handshake.
    pub fn close(&mut self, _c: Conn, _code: CloseCode, _reason: &str) -> Result<(), CallError> {
        unimplemented!()
    }
    /// Ends the connection without a handshake; `on_close` follows later.
    pub fn abort(&mut self, _c: Conn) -> Result<(), CallError> {
        unimplemented!()
    }
    /// No `on_message` until `resume`; the socket is not read.
    pub fn pause(&mut self, _c: Conn) -> Result<(), CallError> {
        unimplemented!()
    }
    /// Reads again.
    pub fn resume(&mut self, _c: Conn) -> Result<(), CallError> {
        unimplemented!()
    }
    /// Bytes queued and not yet sent; 0 for a stale handle or one of another reactor.
    pub fn buffered(&self, _c: Conn) -> usize {
        unimplemented!()
    }
    /// The peer's address.
    pub fn peer(&self, _c: Conn) -> Option<SocketAddr> {
        unimplemented!()
    }
    /// The connection's user word.
    pub fn user(&self, _c: Conn) -> Option<usize> {
        unimplemented!()
    }
    /// Changes it.
    pub fn set_user(&mut self, _c: Conn, _user: usize) -> Result<(), CallError> {
        unimplemented!()
    }
    /// Keeps the message beyond the callback as an outgoing message. No copy when it lies whole in
    /// a receive buffer and not too many are kept.
    pub fn retain(&mut self, _m: &Message<'_>) -> Outgoing {
        unimplemented!()
    }
    /// Calls `f` once after `delay`, on this reactor. Dropped uncalled when the reactor ends first.
    pub fn timer_start(
        &mut self,
        _delay: Duration,
        _f: Box<dyn FnOnce(&mut Context) + Send>,
    ) -> Timer {
        unimplemented!()
    }
    /// Whether it was still to come.
    pub fn timer_cancel(&mut self, _t: Timer) -> bool {
        unimplemented!()
    }
    /// The engine, for other threads.
    pub fn engine(&self) -> &Handle {
        unimplemented!()
    }
    /// The reactor's number, from 0.
    pub fn index(&self) -> u32 {
        unimplemented!()
    }
    /// The reactor's own user word.
    pub fn reactor_user(&self) -> usize {
        unimplemented!()
    }
    /// Changes it.
    pub fn set_reactor_user(&mut self, _user: usize) {
        unimplemented!()
    }
}
