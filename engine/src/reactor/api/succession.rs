//! Open connections that go to another process, and come from one: what its threads ask of the
//! reactors.

use crate::reactor::api::adopt::AdoptError;
use crate::reactor::api::contract::{Handle, Job, Mail};
use crate::reactor::core::adopt::{Adoptee, Coming, Given};
use crate::reactor::core::carried::Carried;
use crate::reactor::core::loads::NoPlace;
use crate::reactor::core::name::CallError;
use crate::reactor::core::parting::Order;
use crate::reactor::core::peer::{PeerAddress, canonical};
use crate::ring::look;
use std::os::fd::{AsFd, OwnedFd};

/// A place on a reactor that is kept for a connection, with room in its mailbox.
pub(crate) struct Place {
    reactor: u32,
    adoptee: Box<Adoptee<Job>>,
}

impl Handle {
    /// Asks a reactor for that.
    ///
    /// # Errors
    /// As [`Handle::post`].
    pub(crate) fn order(&self, reactor: u32, order: Order) -> Result<(), CallError> {
        self.post(reactor, Box::new(|ctx| ctx.succession.orders.push_back(order)))
    }

    /// Finds a place for a connection that came to an endpoint: nothing is done to it yet.
    pub(crate) fn keep_place(
        &self,
        home: u16,
        carried: Box<Carried>,
        socket: OwnedFd,
    ) -> Result<Place, AdoptError> {
        let stopped = AdoptError::Call(CallError::Stopped);
        let endpoints = self.0.adopts.get().ok_or(stopped)?;
        let endpoint = endpoints.get(usize::from(home)).ok_or(AdoptError::Endpoint)?;
        if self.stop_word() != 0 {
            return Err(stopped);
        }
        let (at, _) = look(socket.as_fd())?;
        let socket_options = at.is_some().then_some(endpoint.socket_options);
        let peer = PeerAddress::new(carried.peer.map(canonical), carried.credentials);
        let weight = Mail::weight_with(carried.len());
        let mut why = stopped;
        for reactor in self.0.loads.in_order() {
            let promise = match self.0.loads.promise(reactor) {
                Ok(promise) => promise,
                Err(NoPlace::Full) => {
                    why = AdoptError::Full;
                    continue;
                }
                Err(NoPlace::Closed) => continue,
            };
            if let Err(error) = self.0.mailboxes[reactor as usize].reserve(weight) {
                why = AdoptError::Call(error);
                continue;
            }
            let given = Given { upgraded: true, carried: Some(carried), ..Given::default() };
            let (given, promise) = (Some(Box::new(given)), Some(promise));
            let coming = Coming { endpoint: home, peer, given, promise };
            let adoptee = Box::new(Adoptee { socket, socket_options, coming });
            return Ok(Place { reactor, adoptee });
        }
        Err(why)
    }

    /// It is served there from here on. Where the reactor has ended meanwhile it ends, too.
    pub(crate) fn take_place(&self, place: Place) {
        let Place { reactor, adoptee } = place;
        let to = reactor as usize;
        match self.0.mailboxes[to].push_reserved(Mail::Adopt(adoptee)) {
            Ok(true) => self.0.wakers[to].wake(),
            Ok(false) => {}
            Err(_) => self.0.counters[to].accept_dropped.add_from_any_thread(1),
        }
    }
}
