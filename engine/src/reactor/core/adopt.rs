//! Connections on their way to the reactor that is to serve them.

use crate::reactor::core::carried::Carried;
use crate::reactor::core::loads::Promise;
use crate::reactor::core::peer::PeerAddress;
use crate::reactor::core::proxies::Proxied;
use crate::ring::{Socket, SocketOptions};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A connection that has no slot yet. `J` is a job.
#[derive(Debug)]
pub(crate) struct Coming<J> {
    /// Whose it is going to be.
    pub(crate) endpoint: u16,
    pub(crate) peer: PeerAddress,
    /// What the application has said of it; `None` for one that a listening socket has brought, and
    /// that has not been moved.
    pub(crate) given: Option<Box<Given<J>>>,
    /// Its place here, if it came from elsewhere.
    pub(crate) promise: Option<Promise>,
}

/// What the application says of a connection that it hands over.
#[derive(Debug)]
pub(crate) struct Given<J> {
    /// What was read of it before.
    pub(crate) early: Box<[u8]>,
    /// It is open: somebody else has answered its upgrade.
    pub(crate) upgraded: bool,
    /// Its user word, in the place of its endpoint's.
    pub(crate) user: Option<usize>,
    /// What is to be done should it end before it is open.
    pub(crate) unopened: Option<J>,
    /// It comes from another process, with all that is known of it. `early` is in there.
    pub(crate) carried: Option<Box<Carried>>,
    /// It was served by another reactor, until the application has moved it.
    pub(crate) moved: Option<Moved>,
}

/// What another reactor has found out about a connection. Its address has been counted.
#[derive(Debug)]
pub(crate) struct Moved {
    /// For how many milliseconds it has had time for its handshake.
    pub(crate) age: u64,
    /// What its proxy has told.
    pub(crate) proxied: Option<Arc<Proxied>>,
    /// Why it has come back to where it was, if it has: there it is refused.
    pub(crate) lost: Option<Lost>,
}

/// Why a connection could not be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The other reactor has ended.
    Ended,
    /// Too much waits for that, or there is no descriptor for the passage.
    Short,
}

/// Connections that are to be moved once nothing of them is with the kernel.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// The places that are kept for them, by their slots.
    pub(crate) all: HashMap<u32, Promise>,
    /// Slots of those that may leave.
    pub(crate) ready: Vec<u32>,
}

/// One with a socket that no ring has yet.
#[derive(Debug)]
pub(crate) struct Adoptee<J> {
    pub(crate) socket: OwnedFd,
    /// To be set on it: it was accepted by nobody who has them.
    pub(crate) socket_options: Option<SocketOptions>,
    pub(crate) coming: Coming<J>,
}

/// One with a socket of this reactor's ring.
#[derive(Debug)]
pub(crate) struct Arrival<J> {
    pub(crate) socket: Socket,
    pub(crate) coming: Coming<J>,
}

/// One whose socket comes into the ring, or leaves it for another reactor's.
#[derive(Debug)]
pub(crate) enum Passage<J> {
    In(Coming<J>),
    Out(Arrival<J>, Promise),
    /// For another process.
    Away(Arrival<J>),
}

// Derived, it would ask for a job to begin with.
impl<J> Default for Given<J> {
    fn default() -> Self {
        let (early, user, unopened) = (Box::default(), None, None);
        Self { early, upgraded: false, user, unopened, carried: None, moved: None }
    }
}

impl<J> Passage<J> {
    /// The connection.
    pub(crate) fn coming(self) -> Coming<J> {
        match self {
            Self::In(coming)
            | Self::Out(Arrival { coming, .. }, _)
            | Self::Away(Arrival { coming, .. }) => coming,
        }
    }
}

impl<J> Coming<J> {
    /// Whether another reactor has had it, or this one before.
    pub(crate) fn was_moved(&self) -> bool {
        self.given.as_ref().is_some_and(|given| given.moved.is_some())
    }

    /// Whether it is open, and comes from another process.
    pub(crate) fn is_carried(&self) -> bool {
        self.given.as_ref().is_some_and(|given| given.carried.is_some())
    }

    /// Bytes that came with it.
    pub(crate) fn early_len(&self) -> usize {
        self.given.as_ref().map_or(0, |given| {
            given.early.len() + given.carried.as_ref().map_or(0, |carried| carried.len())
        })
    }
}

/// What has to be known of an endpoint to hand a connection over for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adopts {
    /// It speaks TLS.
    pub(crate) secure: bool,
    pub(crate) socket_options: SocketOptions,
}
