//! Listening sockets, and the accepts that are out on them.
//!
//! An accept brings one connection and the peer's address with it. A multishot accept would take
//! whoever waits in the backlog within one call of the kernel, before it could be cancelled, and
//! tells no addresses. Each accept has been promised a place in the table of sockets: one that
//! finds the table full drops the connection that it has just taken.

use super::address::Address;
use super::dispatch::outcome;
use super::op::Op;
use super::uring::{Sockets, Uring};
use super::{Accepted, Completion, Errno, Socket, sys};
use io_uring::opcode;
use io_uring::types::{DestinationSlot, Fd, Fixed};
use rustix::net::{AddressFamily, getsockname};
use std::cell::UnsafeCell;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::null_mut;

#[derive(Debug)]
struct Listener {
    /// `None` after `close_listener`.
    fd: Option<OwnedFd>,
    /// Peers have no address.
    unix: bool,
}

/// The listening sockets of a reactor.
#[derive(Debug)]
pub(super) struct Listeners(Vec<Listener>);

impl Listeners {
    pub(super) fn new(fds: Vec<OwnedFd>) -> Self {
        let listener = |fd: OwnedFd| {
            let family = getsockname(&fd).map(|address| address.address_family());
            Listener { fd: Some(fd), unix: family == Ok(AddressFamily::UNIX) }
        };
        Self(fds.into_iter().map(listener).collect())
    }

    pub(super) fn close(&mut self, index: usize) {
        if let Some(listener) = self.0.get_mut(index) {
            listener.fd = None;
        }
    }
}

/// Room for one accept.
struct Place {
    /// Where the kernel writes the peer's address. Not moved: boxed.
    peer: Box<UnsafeCell<Address>>,
    /// Of the accept that is out.
    listener: Option<u32>,
}

/// The accepts that are out. Nothing is allocated once it has grown to the number of them.
#[derive(Default)]
pub(super) struct Accepts {
    places: Vec<Place>,
    vacant: Vec<u32>,
}

impl Accepts {
    /// An accept goes out. Where the kernel may write to is valid and in place until
    /// [`Accepts::land`].
    fn launch(&mut self, listener: usize) -> (u32, *mut Address) {
        let index = self.vacant.pop().unwrap_or_else(|| {
            let peer = Box::new(UnsafeCell::new(Address::room()));
            self.places.push(Place { peer, listener: None });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        place.listener = Some(listener as u32);
        *place.peer.get_mut() = Address::room();
        (index, place.peer.get())
    }

    /// It has ended: who has come, as far as the kernel has told.
    fn land(&mut self, index: u32) -> Option<SocketAddr> {
        let place = self.places.get_mut(index as usize)?;
        place.listener = None;
        self.vacant.push(index);
        place.peer.get_mut().get()
    }

    /// Those that are out on a listener.
    fn of(&self, listener: usize) -> Vec<u32> {
        let of_it = |place: &Place| place.listener == Some(listener as u32);
        (0..).zip(&self.places).filter(|(_, place)| of_it(place)).map(|(index, _)| index).collect()
    }
}

impl Uring {
    pub(super) fn push_accept(&mut self, listener: usize) {
        let Some(Listener { fd: Some(fd), unix }) = self.listeners.0.get(listener) else { return };
        let fd = Fd(fd.as_raw_fd());
        let (index, peer) = self.held.accepts.launch(listener);
        let (at, len) = if *unix {
            (null_mut(), null_mut())
        } else {
            // SAFETY: `peer` points to an `Address` that lives as long as `Accepts`.
            unsafe { ((&raw mut (*peer).storage).cast(), &raw mut (*peer).len) }
        };
        let accept = opcode::Accept::new(fd, at, len);
        let accept = match &self.sockets {
            // A direct descriptor is never inherited, and the kernel refuses the flag for it.
            Sockets::Direct => accept.file_index(Some(DestinationSlot::auto_target())),
            Sockets::Ordinary(_) => accept.flags(libc::SOCK_CLOEXEC),
        };
        self.taken += 1;
        let name = Op::Accept.pair(listener as u32, index);
        let mut accept = accept.build().user_data(name);
        if self.has.poll_first {
            sys::poll_first(&mut accept);
        }
        // SAFETY: `Accepts` keeps the address in place until the operation has ended.
        unsafe { self.queue.push(accept) };
    }

    pub(super) fn cancel_accepts(&mut self, listener: usize) {
        for index in self.held.accepts.of(listener) {
            self.cancel(Op::Accept.pair(listener as u32, index));
        }
    }

    /// An accept has ended.
    pub(super) fn accepted(
        &mut self,
        listener: usize,
        index: u32,
        result: i32,
        out: &mut Vec<Completion>,
    ) {
        let peer = self.held.accepts.land(index);
        let unix = self.listeners.0.get(listener).is_none_or(|listener| listener.unix);
        let result = outcome(result);
        match result {
            Ok(socket) => {
                if let Sockets::Ordinary(open) = &mut self.sockets {
                    open.insert(socket);
                }
            }
            Err(errno) => {
                self.taken -= 1;
                // A kernel that does not know the flag after all: the next goes without.
                self.has.poll_first &= errno != Errno::INVAL;
            }
        }
        let result = match result {
            // Nobody may pass for the peer of a Unix socket, which has no address.
            Ok(socket) if peer.is_none() && !unix => {
                self.queue.stats.peers_unknown += 1;
                self.give_up(socket);
                Err(Errno::CONNABORTED)
            }
            other => other.map(|socket| Accepted { socket: Socket(socket), peer }),
        };
        out.push(Completion::Accepted { listener, result });
    }

    /// Closes a socket that nobody has seen.
    pub(super) fn give_up(&mut self, socket: u32) {
        self.taken -= 1;
        let close = match &mut self.sockets {
            Sockets::Direct => opcode::Close::new(Fixed(socket)).build(),
            Sockets::Ordinary(open) => {
                open.remove(&socket);
                opcode::Close::new(Fd(socket as i32)).build()
            }
        };
        self.push(close.user_data(Op::Aside.word(0)));
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
