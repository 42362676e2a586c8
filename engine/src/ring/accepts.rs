//! Listening sockets, and room for the accepts that are out on them.

use super::Credentials;
use super::address::Address;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, getsockname};
use std::cell::UnsafeCell;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[derive(Debug)]
pub(super) struct ListeningSocket {
    /// `None` after `close_listener`.
    pub(super) fd: Option<OwnedFd>,
    /// Peers have no address.
    pub(super) unix: bool,
}

/// The listening sockets of a reactor.
#[derive(Debug)]
pub(super) struct ListeningSockets(pub(super) Vec<ListeningSocket>);

impl ListeningSockets {
    pub(super) fn new(fds: Vec<OwnedFd>) -> Self {
        let listener = |fd: OwnedFd| {
            let family = getsockname(&fd).map(|address| address.address_family());
            ListeningSocket { fd: Some(fd), unix: family == Ok(AddressFamily::UNIX) }
        };
        Self(fds.into_iter().map(listener).collect())
    }

    /// One that was not closed.
    pub(super) fn get(&self, index: usize) -> Option<BorrowedFd<'_>> {
        self.0.get(index)?.fd.as_ref().map(AsFd::as_fd)
    }

    /// Whether somebody waits to be accepted there: asked of the kernel.
    pub(super) fn has_somebody(&self, index: usize) -> bool {
        let Some(listener) = self.get(index) else { return false };
        let mut polled = [PollFd::new(&listener, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&at_once)) == Ok(1)
    }

    pub(super) fn close(&mut self, index: usize) {
        if let Some(listener) = self.0.get_mut(index) {
            listener.fd = None;
        }
    }
}

/// Room for one accept.
pub(super) struct Place {
    /// Where the kernel writes the peer's address. Not moved: boxed.
    pub(super) peer: Box<UnsafeCell<Address>>,
    /// Of the accept that is out.
    pub(super) listener: Option<u32>,
    /// The accept has brought this one, and who it is is being asked.
    pub(super) socket: u32,
}

/// The accepts that are out. Nothing is allocated once it has grown to the number of them.
#[derive(Default)]
pub(super) struct Accepts {
    pub(super) places: Vec<Place>,
    pub(super) vacant: Vec<u32>,
}

impl Accepts {
    /// An accept goes out. Where the kernel may write to is valid and in place until
    /// [`Accepts::land`].
    pub(super) fn launch(&mut self, listener: usize) -> (u32, *mut Address) {
        let index = self.vacant.pop().unwrap_or_else(|| {
            let peer = Box::new(UnsafeCell::new(Address::room()));
            self.places.push(Place { peer, listener: None, socket: 0 });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        place.listener = Some(listener as u32);
        *place.peer.get_mut() = Address::room();
        (index, place.peer.get())
    }

    /// It has ended: who has come, as far as the kernel has told.
    pub(super) fn land(&mut self, index: u32) -> Option<SocketAddr> {
        let place = self.places.get_mut(index as usize)?;
        place.listener = None;
        self.vacant.push(index);
        place.peer.get_mut().get()
    }

    /// A connection has come whose peer has no address. Where the kernel may write its credentials
    /// to is valid and in place until [`Accepts::land`].
    pub(super) fn ask(&mut self, index: u32, socket: u32) -> *mut Address {
        let place = &mut self.places[index as usize];
        place.socket = socket;
        *place.peer.get_mut() = Address::room();
        place.peer.get()
    }

    /// The kernel has told them: which connection it is, and whose.
    pub(super) fn answered(&mut self, index: u32) -> Option<(u32, Credentials)> {
        let place = self.places.get_mut(index as usize)?;
        let told = (place.socket, place.peer.get_mut().credentials());
        self.land(index);
        Some(told)
    }

    /// Whether the accept of a place is out, on that listener.
    pub(super) fn is_out(&self, listener: u32, index: u32) -> bool {
        self.places.get(index as usize).is_some_and(|place| place.listener == Some(listener))
    }

    /// Those that are out on a listener.
    pub(super) fn of(&self, listener: usize) -> Vec<u32> {
        let of_it = |place: &Place| place.listener == Some(listener as u32);
        (0..).zip(&self.places).filter(|(_, place)| of_it(place)).map(|(index, _)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_know_their_listener() {
        let mut accepts = Accepts::default();
        let (first, at) = accepts.launch(0);
        let (second, _) = accepts.launch(1);
        assert_eq!((accepts.of(0), accepts.of(1), accepts.of(2)), (vec![0], vec![1], vec![]));
        let peer: SocketAddr = "[::1]:7".parse().expect("an address");
        // SAFETY: the place is out, so nobody else touches it.
        unsafe { *at = Address::new(peer) };
        assert_eq!((accepts.land(first), accepts.land(second)), (Some(peer), None));
        let (again, _) = accepts.launch(3);
        assert_eq!((again, accepts.land(again)), (second, None));
        let (again, _) = accepts.launch(3);
        assert_eq!(accepts.land(again), None, "nothing is left of who was there before");
        assert_eq!(accepts.places.len(), 2);
    }
}
