//! Listening sockets, and the accepts that are out on them.
//!
//! An accept brings one connection and the peer's address with it. A multishot accept would take
//! whoever waits in the backlog within one call of the kernel, before it could be cancelled, and
//! tells no addresses. Each accept has been promised a place in the table of sockets: one that
//! finds the table full drops the connection that it has just taken.

use super::accepts::ListeningSocket;
use super::op::Op;
use super::outcome::outcome;
use super::uring::{Sockets, Uring};
use super::{Accepted, Completion, Errno, Socket, Token, sys};
use io_uring::opcode;
use io_uring::types::{DestinationSlot, Fd, Fixed};
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

impl Uring {
    pub(super) fn push_accept(&mut self, listener: usize) {
        let _ = self.push_accept_as(listener, self.has.poll_first);
    }

    /// The kernel looks at once, and the cancel behind that finds it waiting if nobody was there
    /// (`IORING_ACCEPT_DONTWAIT` says the same, from 6.10 on).
    pub(super) fn push_accept_waiting(&mut self, listener: usize) {
        if let Some(index) = self.push_accept_as(listener, false) {
            self.cancel(Op::Accept.pair(listener as u32, index));
        }
    }

    /// Where the accept has its place.
    fn push_accept_as(&mut self, listener: usize, poll_first: bool) -> Option<u32> {
        let Some(ListeningSocket { fd: Some(fd), unix }) = self.listeners.0.get(listener) else {
            return None;
        };
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
        if poll_first {
            sys::poll_first(&mut accept);
        }
        // SAFETY: `Accepts` keeps the address in place until the operation has ended.
        unsafe { self.queue.push(accept) };
        Some(index)
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

    pub(super) fn push_close(&mut self, socket: Socket, token: Token) {
        self.taken -= 1;
        let close = match &mut self.sockets {
            Sockets::Direct => opcode::Close::new(Fixed(socket.0)).build(),
            Sockets::Ordinary(open) => {
                open.remove(&socket.0);
                opcode::Close::new(Fd(socket.0 as i32)).build()
            }
        };
        self.push(close.user_data(Op::Close.of(token)));
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
