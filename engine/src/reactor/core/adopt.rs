//! Connections on their way to the reactor that is to serve them.

use crate::reactor::core::loads::Promise;
use crate::reactor::core::peer::PeerAddress;
use crate::ring::{Socket, SocketOptions};
use std::os::fd::OwnedFd;

/// A connection that has no slot yet. `J` is a job.
#[derive(Debug)]
pub(crate) struct Coming<J> {
    /// Whose it is going to be.
    pub(crate) endpoint: u16,
    pub(crate) peer: PeerAddress,
    /// What the application has said of it; `None` for one that a listening socket has brought.
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
}

impl<J> Passage<J> {
    /// The connection.
    pub(crate) fn coming(self) -> Coming<J> {
        match self {
            Self::In(coming) | Self::Out(Arrival { coming, .. }, _) => coming,
        }
    }
}

impl<J> Coming<J> {
    /// Bytes that came with it.
    pub(crate) fn early_len(&self) -> usize {
        self.given.as_ref().map_or(0, |given| given.early.len())
    }
}

/// What has to be known of an endpoint to hand a connection over for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adopts {
    /// It speaks TLS.
    pub(crate) secure: bool,
    pub(crate) socket_options: SocketOptions,
}
