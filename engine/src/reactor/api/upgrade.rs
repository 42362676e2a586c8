//! What callbacks are lent of a request, and of a message.

use crate::conn::ShortMessages;
use crate::proto::Opcode;
use crate::proto::handshake::{InvalidHeader, Request, Response};
use crate::reactor::core::later::{LaterError, Ticket, Wanted};
use crate::reactor::core::name::Later;
use crate::reactor::core::peer::PeerAddress;
use crate::reactor::core::proxies::Proxied;
use crate::reactor::core::secure::Secure;
use crate::ring::Credentials;
use std::net::SocketAddr;
use std::sync::Arc;

/// A request, and who asks.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) peer: PeerAddress,
    pub(crate) proxied: Option<Arc<Proxied>>,
    pub(crate) secure: Option<Arc<Secure>>,
    pub(crate) user: usize,
    pub(crate) ticket: &'a Ticket<'a>,
}

impl<'a> Asked<'a> {
    /// The request.
    pub fn request(&self) -> &'a Request<'a> {
        self.request
    }
    /// The peer's address, as its proxy has told it if one has; `None` on a Unix socket.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer.get()
    }
    /// On a Unix socket, the process that has connected. `None` elsewhere, and if its proxy has
    /// told of somebody else.
    pub fn credentials(&self) -> Option<Credentials> {
        self.peer.credentials()
    }
    /// What the proxy has told that has made the connection, if one has: see
    /// [`Endpoint::proxies`](crate::config::Endpoint).
    pub fn proxied(&self) -> Option<&Proxied> {
        self.proxied.as_deref()
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
    /// The connection's user word: the endpoint's.
    pub fn user(&self) -> usize {
        self.user
    }
    /// Leaves the answer for [`Handle::answer`](crate::reactor::Handle::answer), of any thread and
    /// from now on, within what is left of `Limits::handshake_timeout_ms`; then it is 503. Until it
    /// is answered nothing more is read of the connection. What the callback returns is no answer
    /// then, but that an `Err` of `on_upgrade` refuses at once.
    ///
    /// # Errors
    /// [`LaterError::State`] elsewhere than in `on_upgrade` and `on_request`, or when it was called
    /// before.
    pub fn later(&self) -> Result<Later, LaterError> {
        let offered = || self.request.protocols().map(str::to_owned).collect();
        self.ticket.take(match self.request.is_upgrade() {
            true => Wanted::Upgrade(offered()),
            false => Wanted::Reply,
        })
    }
    /// Whether the answer is left for later.
    pub fn is_later(&self) -> bool {
        self.ticket.is_later()
    }
    /// What the callback returns is the answer after all, and [`Asked::later`] void.
    pub fn at_once(&self) {
        self.ticket.give_back();
    }
}

/// An upgrade in progress, lent to `on_upgrade`: a request that may be answered with 101.
#[derive(Debug)]
pub struct Upgrade<'a> {
    pub(crate) asked: Asked<'a>,
    pub(crate) response: &'a mut Response,
}

impl<'a> std::ops::Deref for Upgrade<'a> {
    type Target = Asked<'a>;

    fn deref(&self) -> &Asked<'a> {
        &self.asked
    }
}

impl Upgrade<'_> {
    /// Chooses one of the offered subprotocols. Without this call none is chosen.
    pub fn set_protocol(&mut self, name: &str) -> Result<(), InvalidHeader> {
        self.response.set_protocol(self.asked.request, name)
    }
    /// Adds a header to the answer.
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
        self.response.add_header(name, value)
    }
    /// The connection's user word, as
    /// [`Context::user`](crate::reactor::Context::user) will give it back.
    pub fn set_user(&mut self, user: usize) {
        self.asked.user = user;
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
