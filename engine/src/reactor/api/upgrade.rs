//! What callbacks are lent of a request, and of a message.

use crate::conn::ShortMessages;
use crate::proto::Opcode;
use crate::proto::handshake::{InvalidHeader, Request, Response};
use crate::reactor::core::later::{LaterError, Ticket, Wanted};
use crate::reactor::core::loads::{Loads, NoPlace, Promise};
use crate::reactor::core::name::{CallError, Later};
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
    pub(crate) way: Way<'a>,
}

/// Where an upgrade may be moved from, and where it goes.
pub(crate) struct Way<'a> {
    pub(crate) loads: &'a Arc<Loads>,
    /// Whether a reactor takes mail with a head of so many bytes now.
    pub(crate) takes: &'a dyn Fn(u32, usize) -> Result<(), CallError>,
    pub(crate) here: u32,
    pub(crate) moved: bool,
    pub(crate) to: Option<Promise>,
}

impl std::fmt::Debug for Way<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { here, moved, to, .. } = self;
        write!(f, "Way {{ {here} {moved} {to:?} }}")
    }
}

/// Why an upgrade stays where it is. Nothing was done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// It is on that reactor already.
    #[error("it is there already")]
    Here,
    /// It was moved before: once is all.
    #[error("it was moved before")]
    Moved,
    /// Only in `on_upgrade`, and not after [`Asked::later`].
    #[error("not in on_upgrade, or to be answered later")]
    State,
    /// The engine has no such reactor.
    #[error("no such reactor")]
    Reactor,
    /// The keys of TLS stay with the thread that has agreed on them.
    #[error("TLS does not move")]
    Tls,
    /// The reactor has as many connections as it takes.
    #[error("that reactor is full")]
    Full,
    /// [`CallError::Stopped`]: the reactor has ended; [`CallError::MailboxFull`]: too much waits
    /// for it.
    #[error(transparent)]
    Call(#[from] CallError),
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
    /// Moves the connection to the reactor that is to have it, where it stays: `on_upgrade` is
    /// called there with the same request (and `on_origin` before, where that is asked), and
    /// [`Upgrade::moved`] says so. What the callback here returns is then ignored, and what it has
    /// set of the answer or as user word forgotten. `Limits::handshake_timeout_ms` runs on; what
    /// the peer has sent behind its request goes along. Where the other reactor ends, or has no
    /// room for the mail, before the connection is there, that is refused with 503.
    ///
    /// # Errors
    /// [`MoveError`]; then what the callback returns is the answer.
    pub fn move_to(&mut self, reactor: u32) -> Result<(), MoveError> {
        let way = &mut self.way;
        if way.to.is_some() || way.moved {
            return Err(MoveError::Moved);
        }
        if reactor == way.here {
            return Err(MoveError::Here);
        }
        if self.asked.is_secure() {
            return Err(MoveError::Tls);
        }
        if !way.loads.has(reactor) {
            return Err(MoveError::Reactor);
        }
        let promise = way.loads.promise(reactor).map_err(|none| match none {
            NoPlace::Full => MoveError::Full,
            NoPlace::Closed => MoveError::Call(CallError::Stopped),
        })?;
        // How much it will weigh is known when it leaves.
        (way.takes)(reactor, self.asked.request.head().len())?;
        self.asked.ticket.leave().map_err(|_| MoveError::State)?;
        way.to = Some(promise);
        Ok(())
    }
    /// Whether another reactor has moved it here.
    pub fn moved(&self) -> bool {
        self.way.moved
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
