//! Connections that we begin: a socket is made, set up and connected, all by the ring.

use super::address::Address;
use super::attempts::Attempt;
use super::op::Op;
use super::outcome::{borrow, outcome};
use super::uring::{Sockets, Uring};
use super::{Completion, Errno, Kernel, Socket, SocketOptions, Token};
use io_uring::opcode;
use io_uring::types::{DestinationSlot, Fd, Fixed};
use rustix::net::sockopt;
use std::net::SocketAddr;

/// What `TCP_NODELAY` is set to, where the kernel finds it.
static ON: u32 = 1;

impl Uring {
    pub(super) fn dial(&mut self, attempt: Token, to: SocketAddr, socket_options: SocketOptions) {
        // Whoever was accepted meanwhile would have no place in the table.
        if self.room() == 0 {
            let result = Err(Errno::NFILE);
            return self.ready.push(Completion::Connected { attempt, result });
        }
        self.taken += 1;
        let (domain, tcp) = (if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }, 6);
        let to = Box::new(Address::new(to));
        let dial = Attempt { to, socket: None, cancelled: false, socket_options };
        let before = self.held.attempts.out.insert(attempt, dial);
        debug_assert!(before.is_none(), "one attempt of a name at a time");
        let socket = match &self.sockets {
            Sockets::Direct => opcode::Socket::new(domain, libc::SOCK_STREAM, tcp)
                .file_index(Some(DestinationSlot::auto_target())),
            Sockets::Ordinary(_) => {
                opcode::Socket::new(domain, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, tcp)
            }
        };
        self.push(socket.build().user_data(Op::Socket.of(attempt)));
    }

    pub(super) fn cancel_dial(&mut self, attempt: Token) {
        let Some(dial) = self.held.attempts.out.get_mut(&attempt) else { return };
        dial.cancelled = true;
        if dial.socket.is_some() {
            self.cancel(Op::Connect.of(attempt));
        }
    }

    /// A socket was made, or not. Whether it is being connected now.
    pub(super) fn socket_made(
        &mut self,
        attempt: Token,
        result: i32,
        out: &mut Vec<Completion>,
    ) -> bool {
        let Some(dial) = self.held.attempts.out.get_mut(&attempt) else { return false };
        let socket = match outcome(result) {
            Ok(socket) => socket,
            Err(errno) => {
                self.held.attempts.out.remove(&attempt);
                self.taken -= 1;
                out.push(Completion::Connected { attempt, result: Err(errno) });
                return false;
            }
        };
        dial.socket = Some(socket);
        let (to, cancelled) = ((&raw const dial.to.storage).cast(), dial.cancelled);
        let (len, socket_options) = (dial.to.len, dial.socket_options);
        if let Sockets::Ordinary(open) = &mut self.sockets {
            open.insert(socket);
        }
        if cancelled {
            self.give_socket_up(attempt, Errno::CANCELED, out);
            return false;
        }
        self.set_options(socket, socket_options);
        let connect = match &self.sockets {
            Sockets::Direct => opcode::Connect::new(Fixed(socket), to, len),
            Sockets::Ordinary(_) => opcode::Connect::new(Fd(socket as i32), to, len),
        };
        // SAFETY: `Attempts` keeps the address, which is boxed, until the operation has ended.
        unsafe { self.queue.push(connect.build().user_data(Op::Connect.of(attempt))) };
        true
    }

    /// As accepted sockets have them from their listener.
    fn set_options(&mut self, socket: u32, socket_options: SocketOptions) {
        if let Sockets::Ordinary(_) = &self.sockets {
            // SAFETY: just made, and not closed before this returns.
            let socket = unsafe { borrow(socket as i32) };
            let _ = sockopt::set_tcp_nodelay(socket, true);
            let _ = socket_options.set_on(socket);
            return;
        }
        let nodelay = (libc::IPPROTO_TCP, libc::TCP_NODELAY, &ON);
        let settings = self.held.attempts.keep(socket_options);
        for (level, name, value) in std::iter::once(nodelay).chain(settings.options()) {
            let (level, name) = (level as u32, name as u32);
            let value = std::ptr::from_ref(value).cast();
            let set = opcode::SetSockOpt::new(Fixed(socket), level, name, value, 4).build();
            // SAFETY: one value is static, and those of `Attempts` stay until no operation is out.
            unsafe { self.queue.push(set.user_data(Op::Aside.word(0))) };
        }
    }

    /// It is connected, or will not be.
    pub(super) fn dialed(&mut self, attempt: Token, result: i32, out: &mut Vec<Completion>) {
        match outcome(result) {
            Err(errno) => self.give_socket_up(attempt, errno, out),
            Ok(_) => {
                let dial = self.held.attempts.out.remove(&attempt);
                if let Some(socket) = dial.and_then(|dial| dial.socket) {
                    out.push(Completion::Connected { attempt, result: Ok(Socket(socket)) });
                }
            }
        }
    }

    /// The socket goes before anybody has seen it.
    fn give_socket_up(&mut self, attempt: Token, errno: Errno, out: &mut Vec<Completion>) {
        let dial = self.held.attempts.out.remove(&attempt);
        if let Some(socket) = dial.and_then(|dial| dial.socket) {
            self.give_up(socket);
        }
        out.push(Completion::Connected { attempt, result: Err(errno) });
    }
}
