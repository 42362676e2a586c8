//! What an application implements. Calls run on the reactor's thread; several reactors call the
//! same handler at once. They must not block. No call re-enters another.

use crate::proto::Opcode;
use crate::proto::handshake::{InvalidHeader, Refusal, Request, Response};
use crate::reactor::api::closed::Closed;
use crate::reactor::api::context::Context;
use crate::reactor::client::target::NotConnected;
use crate::reactor::core::name::Conn;
use crate::reactor::deliver::deliver::Messages;
use std::net::SocketAddr;

/// The callbacks of an endpoint. `on_open` and `on_close` pair exactly once per connection that
/// was accepted; nothing comes before the one or after the other, except `on_upgrade`.
pub trait Handler: Send + Sync + 'static {
    /// A valid upgrade request: `Ok` answers 101, `Err` the given status.
    fn on_upgrade(&self, _ctx: &mut Context, _upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        Ok(())
    }
    /// A web page that the endpoint's `origins` do not name: `true` lets `on_upgrade` decide all
    /// the same, `false` answers 403.
    fn on_origin(&self, _ctx: &mut Context, _upgrade: &mut Upgrade<'_>) -> bool {
        false
    }
    /// The connection is open.
    fn on_open(&self, _ctx: &mut Context, _conn: Conn) {}
    /// A connection that we were to make did not come to be: instead of `on_open` and `on_close`.
    fn on_refused(&self, _ctx: &mut Context, _why: &mut NotConnected<'_>) {}
    /// A message, or a part of one with `Limits::stream`.
    fn on_message(&self, _ctx: &mut Context, _conn: Conn, _message: Message<'_>) {}
    /// Several messages that came together, each to be handed to `on_message`. Not for you to
    /// implement: it is here so that its loop is compiled with your `on_message` in it.
    #[doc(hidden)]
    #[inline]
    fn on_messages<'b>(
        &self,
        ctx: &mut Context,
        conn: Conn,
        messages: Messages<'b>,
    ) -> Messages<'b> {
        // In registers: a parameter of this size is memory, written with each message.
        let Messages { run, taken } = messages;
        let mut messages = Messages { run, taken };
        while let Some(message) = messages.next(ctx) {
            self.on_message(ctx, conn, message);
        }
        messages
    }
    /// A Pong came that answers no Ping of the engine's own.
    fn on_pong(&self, _ctx: &mut Context, _conn: Conn, _payload: &[u8]) {}
    /// The send queue was full and has fallen below half of its limit.
    fn on_drain(&self, _ctx: &mut Context, _conn: Conn) {}
    /// The connection is gone; its handle is stale from here on (`Context::user` still answers
    /// inside this call).
    fn on_close(&self, _ctx: &mut Context, _conn: Conn, _closed: &mut Closed<'_>) {}
}

/// An upgrade in progress, lent to `on_upgrade`.
#[derive(Debug)]
pub struct Upgrade<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) response: &'a mut Response,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) secure: Option<Secure>,
    pub(crate) user: &'a mut usize,
}

/// What TLS knows of a peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secure {
    pub(crate) server_name: Option<Box<str>>,
    pub(crate) certificate: Option<Box<[u8]>>,
}

impl<'a> Upgrade<'a> {
    /// The request.
    pub fn request(&self) -> &Request<'a> {
        self.request
    }
    /// The peer's address; `None` on a Unix socket.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure.is_some()
    }
    /// The name that the client has asked for in TLS (SNI), in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.secure.as_ref()?.server_name.as_deref()
    }
    /// The certificate that the client has shown, in DER. It was verified.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.secure.as_ref()?.certificate.as_deref()
    }
    /// Chooses one of the offered subprotocols. Without this call none is chosen.
    pub fn set_protocol(&mut self, name: &str) -> Result<(), InvalidHeader> {
        self.response.set_protocol(self.request, name)
    }
    /// Adds a header to the answer.
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
        self.response.add_header(name, value)
    }
    /// The connection's user word, as [`Context::user`] will give it back.
    pub fn set_user(&mut self, user: usize) {
        *self.user = user;
    }
    /// The user word so far: the endpoint's.
    pub fn user(&self) -> usize {
        *self.user
    }
}

/// A received message, lent to `on_message`.
#[derive(Debug)]
pub struct Message<'a> {
    /// Text (checked UTF-8) or Binary.
    pub opcode: Opcode,
    /// The payload.
    pub payload: &'a [u8],
    /// Starts a message: always, unless `Limits::stream`.
    pub first: bool,
    /// Ends a message: always, unless `Limits::stream`.
    pub last: bool,
    /// The connection's user word, as it was when the message came.
    pub user: usize,
}
