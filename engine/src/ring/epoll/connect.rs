//! Connections that we begin.

use super::kernel::Epoll;
use crate::ring::outcome::borrow;
use crate::ring::{Completion, Errno, Kernel, Socket, SocketOptions, Token};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with, sockopt};
use std::net::SocketAddr;

impl Epoll {
    pub(super) fn dial(&mut self, attempt: Token, to: SocketAddr, options: SocketOptions) {
        if let Err(errno) = self.begin(attempt, to, options) {
            self.ready.push(Completion::Connected { attempt, result: Err(errno) });
        }
    }

    fn begin(
        &mut self,
        attempt: Token,
        to: SocketAddr,
        options: SocketOptions,
    ) -> Result<(), Errno> {
        if self.room() == 0 {
            return Err(Errno::NFILE);
        }
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        let _ = sockopt::set_tcp_nodelay(&socket, true);
        let _ = options.set_on(std::os::fd::AsFd::as_fd(&socket));
        match rustix::net::connect(&socket, &to) {
            // Whether at once or later, the socket tells when it is done.
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let Socket(fd) = self.take(socket)?;
        let fd = fd as i32;
        self.taken += 1;
        if let Some(local) = self.sockets.get(fd) {
            local.connects = true;
        }
        let before = self.attempts.insert(attempt, fd);
        debug_assert!(before.is_none(), "one attempt of a name at a time");
        self.dialing.insert(fd, attempt);
        Ok(())
    }

    /// The attempt's socket says that it is done: connected, or not.
    pub(super) fn dialed(&mut self, fd: i32) {
        let Some(attempt) = self.dialing.get(&fd).copied() else { return };
        // SAFETY: open, since an attempt has it.
        let error = sockopt::socket_error(unsafe { borrow(fd) }).and_then(|error| error);
        if let Err(errno) = error {
            return self.end_attempt(attempt, errno);
        }
        self.dialing.remove(&fd);
        self.attempts.remove(&attempt);
        if let Some(local) = self.sockets.get(fd) {
            local.connects = false;
        }
        self.ready.push(Completion::Connected { attempt, result: Ok(Socket(fd as u32)) });
    }

    /// The socket goes before anybody has seen it.
    pub(super) fn end_attempt(&mut self, attempt: Token, errno: Errno) {
        let Some(fd) = self.attempts.remove(&attempt) else { return };
        self.dialing.remove(&fd);
        self.give_up(fd);
        self.ready.push(Completion::Connected { attempt, result: Err(errno) });
    }
}
