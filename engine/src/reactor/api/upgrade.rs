//! What callbacks are lent of a request, and of a message.

use crate::conn::ShortMessages;
use crate::proto::Opcode;
use crate::proto::handshake::{InvalidHeader, Request, Response};
use crate::reactor::core::secure::Secure;
use std::net::SocketAddr;

/// An upgrade in progress, lent to `on_upgrade`.
#[derive(Debug)]
pub struct Upgrade<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) response: &'a mut Response,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) secure: Option<Secure>,
    pub(crate) user: &'a mut usize,
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
    /// The connection's user word, as
    /// [`Context::user`](crate::reactor::Context::user) will give it back.
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

/// Short messages that came together, already unmasked and checked.
#[doc(hidden)]
#[derive(Debug)]
pub struct Messages<'b> {
    pub(crate) batch: ShortMessages<'b>,
}
