//! Listening sockets, and sockets that come from outside or leave.

use super::kernel::{Epoll, LISTENER};
use super::sys;
use crate::ring::diagnosis::Refused;
use crate::ring::outcome::own;
use crate::ring::{Accepted, Completion, Credentials, Errno, Socket, SocketOptions, sys as calls};
use rustix::net::{SocketFlags, acceptfrom_with, sockopt};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

impl Epoll {
    /// Somebody who comes is told, by edge.
    ///
    /// A listening socket that several processes have open is set to `O_NONBLOCK` for all of them:
    /// there is no accept that says so for itself, and one that waits for a connection that another
    /// has taken would hold the reactor up. A ring's accepts wait all the same.
    pub(super) fn listen(&mut self) -> Result<(), Refused> {
        for (index, listener) in (0..).zip(&self.listeners.0) {
            let Some(fd) = &listener.fd else { continue };
            rustix::io::ioctl_fionbio(fd, true).map_err(|errno| Refused::new("ioctl", errno))?;
            self.watch_for(fd, LISTENER | index)?;
        }
        Ok(())
    }

    /// Nobody is told of it any more, also where others have it open.
    pub(super) fn unlisten(&mut self, listener: usize) {
        if let Some(fd) = self.listeners.0.get(listener).and_then(|one| one.fd.as_ref()) {
            let _ = rustix::event::epoll::delete(&self.poll, fd);
        }
        self.listeners.close(listener);
    }

    /// As many as are wanted, if there are as many.
    pub(super) fn accept_all(&mut self) {
        for listener in 0..self.listening.len() {
            while self.listening[listener].wanted > 0 && self.listening[listener].readable {
                let result = self.accept_one(listener);
                self.listening[listener].readable = result != Err(Errno::AGAIN);
                if result == Err(Errno::AGAIN) {
                    break;
                }
                self.listening[listener].wanted -= 1;
                self.taken -= u32::from(result.is_err());
                self.ready.push(Completion::Accepted { listener, result });
            }
        }
    }

    /// One that waits already.
    pub(super) fn accept_now(&mut self, listener: usize) {
        let result = match self.accept_one(listener) {
            Err(Errno::AGAIN) => Err(Errno::CANCELED),
            other => other,
        };
        self.taken += u32::from(result.is_ok());
        self.ready.push(Completion::Accepted { listener, result });
    }

    fn accept_one(&mut self, listener: usize) -> Result<Accepted, Errno> {
        let Some(listener) = self.listeners.0.get(listener) else { return Err(Errno::CANCELED) };
        let (Some(fd), unix) = (&listener.fd, listener.unix) else { return Err(Errno::CANCELED) };
        let (socket, peer) = loop {
            match acceptfrom_with(fd, SocketFlags::CLOEXEC) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok()).filter(|_| !unix);
        if peer.is_none() && !unix {
            // Nobody may pass for the peer of a Unix socket, which has no address.
            self.stats.peers_unknown += 1;
            return Err(Errno::CONNABORTED);
        }
        let told = unix.then(|| calls::peer_credentials(socket.as_fd())).flatten();
        let socket = self.take(socket)?;
        Ok(Accepted { socket, peer, credentials: told.map(Credentials::from) })
    }

    /// It is one of ours from here on.
    pub(super) fn take(&mut self, socket: OwnedFd) -> Result<Socket, Errno> {
        let fd = socket.into_raw_fd();
        let name = self.sockets.open(fd);
        // SAFETY: taken just now, and closed by nobody but us.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        if let Err(errno) = sys::add(&self.poll, borrowed, name, sys::SOCKET) {
            self.sockets.forget(fd);
            // SAFETY: ours, and in nobody's list any more.
            drop(unsafe { own(fd) });
            return Err(errno);
        }
        Ok(Socket(fd as u32))
    }

    /// Closes a socket of ours.
    pub(super) fn give_up(&mut self, fd: i32) {
        self.taken -= 1;
        drop(self.let_go(fd));
    }

    /// It is not ours any more.
    fn let_go(&mut self, fd: i32) -> OwnedFd {
        debug_assert!(self.sockets.get(fd).is_some(), "a socket of ours");
        self.sockets.forget(fd);
        // SAFETY: it was open, and ours.
        let socket = unsafe { own(fd) };
        // What nobody else has open goes by itself when it is closed.
        if self.foreign.remove(&fd) {
            let _ = rustix::event::epoll::delete(&self.poll, &socket);
        }
        socket
    }

    pub(super) fn take_in(&mut self, name: u32, socket: OwnedFd, options: Option<SocketOptions>) {
        if let Some(options) = options {
            // Refused only where the peer has reset it, as is found out then.
            let _ = sockopt::set_tcp_nodelay(&socket, true);
            let _ = options.set_on(socket.as_fd());
        }
        let result = self.take(socket);
        if let Ok(socket) = result {
            self.taken += 1;
            self.foreign.insert(socket.0 as i32);
        }
        self.ready.push(Completion::Adopted { name, result });
    }

    pub(super) fn give_out(&mut self, socket: Socket, name: u32) {
        let fd = socket.0 as i32;
        self.taken -= 1;
        self.foreign.insert(fd);
        let result = Ok(self.let_go(fd));
        self.ready.push(Completion::TakenOut { name, result });
    }
}
