//! Listening sockets, and the accepts that are out on them.
//!
//! An accept brings one connection and the peer's address with it. A multishot accept would take
//! whoever waits in the backlog within one call of the kernel, before it could be cancelled, and
//! tells no addresses. Each accept has been promised a place in the table of sockets: one that
//! finds the table full drops the connection that it has just taken.

use super::accepts::ListeningSocket;
use super::op::Op;
use super::outcome::{borrow, outcome};
use super::uring::{Sockets, Uring};
use super::{Accepted, Completion, Credentials, Errno, Socket, Token, sys};
use io_uring::opcode;
use io_uring::types::{CancelBuilder, DestinationSlot, Fd, Fixed};
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
            self.push_cancel_accept(listener as u32, index);
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
            self.push_cancel_accept(listener as u32, index);
        }
    }

    fn push_cancel_accept(&mut self, listener: u32, index: u32) {
        let accept = CancelBuilder::user_data(Op::Accept.pair(listener, index));
        let cancel = opcode::AsyncCancel2::new(accept).build();
        self.push(cancel.user_data(Op::CancelAccept.pair(listener, index)));
    }

    /// A cancel has ended. If it has found nothing, though the accept is out, that was about to
    /// look, because somebody was there: in between the kernel knows it by no name. Should another
    /// accept have been quicker it waits once more, and nothing would ever end it.
    pub(super) fn accept_cancelled(&mut self, listener: u32, index: u32, result: i32) -> bool {
        let again = result < 0 && self.held.accepts.is_out(listener, index);
        if again {
            self.push_cancel_accept(listener, index);
        }
        again
    }

    /// An accept has ended. `true` when that has led to a question whose answer is immediate.
    pub(super) fn accepted(
        &mut self,
        listener: usize,
        index: u32,
        result: i32,
        out: &mut Vec<Completion>,
    ) -> bool {
        let unix = self.listeners.0.get(listener).is_none_or(|listener| listener.unix);
        let result = outcome(result);
        if result == Err(Errno::CANCELED) && self.listeners.has_somebody(listener) {
            return self.take_who_waits(listener, index);
        }
        match result {
            Ok(socket) => {
                if let Sockets::Ordinary(open) = &mut self.sockets {
                    open.insert(socket);
                }
                if unix {
                    return self.ask_who(listener, index, socket, out);
                }
            }
            Err(errno) => {
                self.taken -= 1;
                // A kernel that does not know the flag after all: the next goes without.
                self.has.poll_first &= errno != Errno::INVAL;
            }
        }
        let peer = self.held.accepts.land(index);
        let result = match result {
            // Nobody may pass for the peer of a Unix socket, which has no address.
            Ok(socket) if peer.is_none() => {
                self.queue.stats.peers_unknown += 1;
                self.give_up(socket);
                Err(Errno::CONNABORTED)
            }
            other => {
                other.map(|socket| Accepted { socket: Socket(socket), peer, credentials: None })
            }
        };
        out.push(Completion::Accepted { listener, result });
        false
    }

    /// A cancelled accept may have been told of a connection and not have looked yet. The kernel
    /// tells one of those that wait on a listening socket and no other (`EPOLLEXCLUSIVE`, as
    /// accept(2) itself waits), in whatever ring or process they are: who is not taken here may
    /// wait for ever there. So an accept takes who waits, in the place of the one that has ended.
    #[cold]
    fn take_who_waits(&mut self, listener: usize, index: u32) -> bool {
        self.taken -= 1;
        self.held.accepts.land(index);
        self.push_accept_waiting(listener);
        true
    }

    /// A connection has come to a Unix socket: the kernel knows by whom it was made. Of a direct
    /// descriptor it is asked by an operation (6.7, and direct ones need 6.8).
    fn ask_who(
        &mut self,
        listener: usize,
        index: u32,
        socket: u32,
        out: &mut Vec<Completion>,
    ) -> bool {
        if let Sockets::Ordinary(_) = self.sockets {
            // SAFETY: a descriptor that was accepted just now, which stays open until `close`.
            let told = sys::peer_credentials(unsafe { borrow(socket as i32) });
            self.held.accepts.land(index);
            out.push(introduced(listener, socket, told.map(Credentials::from)));
            return false;
        }
        let at = self.held.accepts.ask(index, socket).cast_const().cast();
        let (level, name) = (libc::SOL_SOCKET as u32, libc::SO_PEERCRED as u32);
        let len = size_of::<libc::ucred>() as u32;
        let mut ask = opcode::SetSockOpt::new(Fixed(socket), level, name, at, len).build();
        sys::read_option(&mut ask);
        let ask = ask.user_data(Op::Credentials.pair(listener as u32, index));
        // SAFETY: `Accepts` keeps the place, which is larger, until the operation has ended.
        unsafe { self.queue.push(ask) };
        true
    }

    /// The kernel has said who has connected to a Unix socket, or that it does not.
    pub(super) fn told_who(
        &mut self,
        listener: usize,
        index: u32,
        result: i32,
        out: &mut Vec<Completion>,
    ) {
        if let Some((socket, credentials)) = self.held.accepts.answered(index) {
            let told = outcome(result).is_ok_and(|len| len as usize == size_of::<libc::ucred>());
            out.push(introduced(listener, socket, told.then_some(credentials)));
        }
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

/// A connection to a Unix socket.
fn introduced(listener: usize, socket: u32, credentials: Option<Credentials>) -> Completion {
    let accepted = Accepted { socket: Socket(socket), peer: None, credentials };
    Completion::Accepted { listener, result: Ok(accepted) }
}
