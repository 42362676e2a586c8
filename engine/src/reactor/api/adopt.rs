//! Connections that somebody else has accepted.

use crate::reactor::api::contract::{Context, Handle, Mail};
use crate::reactor::core::adopt::{Adoptee, Adopts, Coming, Given};
use crate::reactor::core::loads::NoPlace;
use crate::reactor::core::name::CallError;
use crate::reactor::core::peer::{PeerAddress, canonical};
use crate::ring::{BadSocket, SocketOptions, look};
use std::os::fd::{AsFd, OwnedFd};

/// More was never read ahead by accident.
const EARLY_MAX: usize = 1 << 20;

/// Told that a connection has ended before it was open.
pub type Unopened = Box<dyn FnOnce(&mut Context) + Send>;

/// A connection that was accepted elsewhere, to be served here.
pub struct Adopt {
    /// A connected stream socket, TCP or Unix. Blocking or not: that is changed.
    pub socket: OwnedFd,
    /// Whose it is: the number of one of [`Engine::listen`](crate::engine::Engine::listen)'s
    /// endpoints, 0 for the first. Its handler, limits, origins, routes and TLS apply, and what it
    /// says of sockets and of addresses.
    pub endpoint: u32,
    /// Where it is served; `None`: on the reactor that has the fewest connections.
    pub reactor: Option<u32>,
    /// What was read of it already, from the first byte that is not used up: the beginning of the
    /// request, or of TLS; of an `upgraded` one what came behind the head of the request. At most
    /// 1 MiB.
    pub early: Box<[u8]>,
    /// Its upgrade was answered with 101, without permessage-deflate: what follows are frames.
    /// `on_upgrade` and origins are not asked, `on_open` is called. Not where the endpoint speaks
    /// TLS.
    pub upgraded: bool,
    /// The user word that it starts with, in the place of the endpoint's and of its routes'.
    pub user: Option<usize>,
    /// Run on the reactor's thread should it end before it is open, whatever the reason; else
    /// dropped.
    pub unopened: Option<Unopened>,
}

impl Adopt {
    /// A connection that was not read from, for an endpoint.
    pub fn new(socket: impl Into<OwnedFd>, endpoint: u32) -> Self {
        let (socket, early) = (socket.into(), Box::default());
        let (reactor, user, unopened) = (None, None, None);
        Self { socket, endpoint, reactor, early, upgraded: false, user, unopened }
    }
}

impl std::fmt::Debug for Adopt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adopt")
            .field("socket", &self.socket)
            .field("endpoint", &self.endpoint)
            .field("reactor", &self.reactor)
            .field("early", &self.early.len())
            .field("upgraded", &self.upgraded)
            .finish_non_exhaustive()
    }
}

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    /// No endpoint has that number.
    #[error("no endpoint has that number")]
    Endpoint,
    /// No reactor has that number.
    #[error("no reactor has that number")]
    Reactor,
    /// The descriptor is not what is served here.
    #[error(transparent)]
    Socket(#[from] BadSocket),
    /// An upgraded connection for an endpoint that speaks TLS.
    #[error("the endpoint speaks TLS, an upgraded connection cannot begin to")]
    Tls,
    /// More than 1 MiB was read ahead.
    #[error("more than 1 MiB was read ahead")]
    TooMuch,
    /// The reactor has `connections_max`, or without one that is named all of them have.
    #[error("connections_max")]
    Full,
    /// [`CallError::Stopped`]: before the start, in a drain or a stop, or the reactor is not
    /// attached; [`CallError::MailboxFull`].
    #[error(transparent)]
    Call(CallError),
}

/// A connection that was not taken.
#[derive(Debug)]
pub struct NotAdopted {
    /// Why.
    pub why: AdoptError,
    /// It is yours, and as it was.
    pub adopt: Adopt,
}

impl Handle {
    /// Hands over a connection that somebody else has accepted: from now on it is one of the
    /// engine's, counted as accepted, under its limits, and ended with it. Any thread.
    ///
    /// # Errors
    /// [`AdoptError`]; the connection is given back, and nothing was done to it.
    pub fn adopt(&self, adopt: Adopt) -> Result<(), NotAdopted> {
        match self.examine(&adopt) {
            Ok((peer, socket_options)) => self.put_adoptee(adopt, peer, socket_options),
            Err(why) => Err(NotAdopted { why, adopt }),
        }
    }

    /// The endpoints by their numbers, known from the start of the engine on.
    pub(crate) fn adopts(&self, endpoints: Vec<Adopts>) {
        // Once, as the start itself.
        let _ = self.0.adopts.set(endpoints);
    }

    /// Who its peer is, and what its socket is to be told.
    fn examine(&self, adopt: &Adopt) -> Result<(PeerAddress, Option<SocketOptions>), AdoptError> {
        let stopped = AdoptError::Call(CallError::Stopped);
        let endpoints = self.0.adopts.get().ok_or(stopped)?;
        let endpoint = endpoints.get(adopt.endpoint as usize).ok_or(AdoptError::Endpoint)?;
        if adopt.reactor.is_some_and(|reactor| reactor >= self.reactors()) {
            return Err(AdoptError::Reactor);
        }
        if adopt.upgraded && endpoint.secure {
            return Err(AdoptError::Tls);
        }
        if adopt.early.len() > EARLY_MAX {
            return Err(AdoptError::TooMuch);
        }
        let (peer, credentials) = look(adopt.socket.as_fd())?;
        if self.stop_word() != 0 {
            return Err(stopped);
        }
        let socket_options = peer.is_some().then_some(endpoint.socket_options);
        Ok((PeerAddress::new(peer.map(canonical), credentials), socket_options))
    }

    fn put_adoptee(
        &self,
        adopt: Adopt,
        peer: PeerAddress,
        socket_options: Option<SocketOptions>,
    ) -> Result<(), NotAdopted> {
        let Adopt { socket, endpoint, reactor, early, upgraded, user, unopened } = adopt;
        let weight = Mail::weight_with(early.len());
        let given = Given { early, upgraded, user, unopened, ..Given::default() };
        let given = Some(Box::new(given));
        let coming = Coming { endpoint: endpoint as u16, peer, given, promise: None };
        let mut adoptee = Box::new(Adoptee { socket, socket_options, coming });
        let mut why = AdoptError::Call(CallError::Stopped);
        for to in reactor.map_or_else(|| self.0.loads.in_order(), |named| vec![named]) {
            match self.0.loads.promise(to) {
                Ok(promise) => adoptee.coming.promise = Some(promise),
                Err(NoPlace::Full) => {
                    why = AdoptError::Full;
                    continue;
                }
                Err(NoPlace::Closed) => continue,
            }
            match self.0.mailboxes[to as usize].offer(adoptee, weight, Mail::Adopt) {
                Ok(wake) => {
                    if wake {
                        self.0.wakers[to as usize].wake();
                    }
                    return Ok(());
                }
                Err((error, back)) => (why, adoptee) = (AdoptError::Call(error), back),
            }
        }
        let Adoptee { socket, coming, .. } = *adoptee;
        let mut adopt = Adopt { reactor, ..Adopt::new(socket, endpoint) };
        if let Some(given) = coming.given {
            let Given { early, upgraded, user, unopened, .. } = *given;
            adopt = Adopt { early, upgraded, user, unopened, ..adopt };
        }
        Err(NotAdopted { why, adopt })
    }
}
