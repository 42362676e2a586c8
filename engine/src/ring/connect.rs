//! Connections that we begin: a socket is made, set up and connected, all by the ring.

use super::dispatch::{borrow, outcome};
use super::op::Op;
use super::uring::{Sockets, Uring};
use super::{Completion, Errno, Socket, Token};
use io_uring::opcode;
use io_uring::types::{DestinationSlot, Fd, Fixed};
use rustix::net::sockopt;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::net::SocketAddr;

/// What `TCP_NODELAY` is set to, where the kernel finds it.
static ON: libc::c_int = 1;

/// An address as the kernel reads it.
struct Address {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl Address {
    fn new(at: SocketAddr) -> Self {
        // SAFETY: zeros are a valid `sockaddr_storage`.
        let mut storage: libc::sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
        let place = &raw mut storage;
        let len = match at {
            SocketAddr::V4(at) => {
                // SAFETY: a `sockaddr_storage` has room and alignment for each kind of address,
                // and zeros are valid in all their fields.
                let place = unsafe { &mut *place.cast::<libc::sockaddr_in>() };
                place.sin_family = libc::AF_INET as libc::sa_family_t;
                place.sin_port = at.port().to_be();
                place.sin_addr.s_addr = u32::from_ne_bytes(at.ip().octets());
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(at) => {
                // SAFETY: the storage has room and alignment for a `sockaddr_in6`, zeros are valid
                // in all its fields, and no other reference into the storage lives.
                let place = unsafe { &mut *place.cast::<libc::sockaddr_in6>() };
                place.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                place.sin6_port = at.port().to_be();
                place.sin6_addr.s6_addr = at.ip().octets();
                place.sin6_scope_id = at.scope_id();
                size_of::<libc::sockaddr_in6>()
            }
        };
        Self { storage, len: len as libc::socklen_t }
    }
}

/// A connection that is being made.
struct Dial {
    /// Where to. In place until the operation has ended: boxed.
    to: Box<Address>,
    /// Once it is there.
    socket: Option<u32>,
    cancelled: bool,
}

/// The connections that are being made.
#[derive(Default)]
pub(super) struct Dials(HashMap<Token, Dial>);

impl Uring {
    pub(super) fn dial(&mut self, attempt: Token, to: SocketAddr) {
        let (domain, tcp) = (if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }, 6);
        let dial = Dial { to: Box::new(Address::new(to)), socket: None, cancelled: false };
        let before = self.held.dials.0.insert(attempt, dial);
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
        let Some(dial) = self.held.dials.0.get_mut(&attempt) else { return };
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
        let Some(dial) = self.held.dials.0.get_mut(&attempt) else { return false };
        let socket = match outcome(result) {
            Ok(socket) => socket,
            Err(errno) => {
                self.held.dials.0.remove(&attempt);
                out.push(Completion::Connected { attempt, result: Err(errno) });
                return false;
            }
        };
        dial.socket = Some(socket);
        let (to, cancelled) = ((&raw const dial.to.storage).cast(), dial.cancelled);
        let len = dial.to.len;
        if let Sockets::Ordinary(open) = &mut self.sockets {
            open.insert(socket);
        }
        if cancelled {
            self.give_socket_up(attempt, Errno::CANCELED, out);
            return false;
        }
        self.set_nodelay(socket);
        let connect = match &self.sockets {
            Sockets::Direct => opcode::Connect::new(Fixed(socket), to, len),
            Sockets::Ordinary(_) => opcode::Connect::new(Fd(socket as i32), to, len),
        };
        // SAFETY: `Dials` keeps the address, which is boxed, until the operation has ended.
        unsafe { self.queue.push(connect.build().user_data(Op::Connect.of(attempt))) };
        true
    }

    /// As accepted sockets have it from their listener.
    fn set_nodelay(&mut self, socket: u32) {
        if let Sockets::Ordinary(_) = &self.sockets {
            // SAFETY: just made, and not closed before this returns.
            let _ = sockopt::set_tcp_nodelay(unsafe { borrow(socket as i32) }, true);
            return;
        }
        let (level, name) = (libc::IPPROTO_TCP as u32, libc::TCP_NODELAY as u32);
        let on = (&raw const ON).cast();
        let set = opcode::SetSockOpt::new(Fixed(socket), level, name, on, 4).build();
        // SAFETY: the value is static.
        unsafe { self.queue.push(set.user_data(Op::Aside.word(0))) };
    }

    /// It is connected, or will not be.
    pub(super) fn dialed(&mut self, attempt: Token, result: i32, out: &mut Vec<Completion>) {
        match outcome(result) {
            Err(errno) => self.give_socket_up(attempt, errno, out),
            Ok(_) => {
                let dial = self.held.dials.0.remove(&attempt);
                if let Some(socket) = dial.and_then(|dial| dial.socket) {
                    out.push(Completion::Connected { attempt, result: Ok(Socket(socket)) });
                }
            }
        }
    }

    /// The socket goes before anybody has seen it.
    fn give_socket_up(&mut self, attempt: Token, errno: Errno, out: &mut Vec<Completion>) {
        let dial = self.held.dials.0.remove(&attempt);
        if let Some(socket) = dial.and_then(|dial| dial.socket) {
            let close = match &mut self.sockets {
                Sockets::Direct => opcode::Close::new(Fixed(socket)).build(),
                Sockets::Ordinary(open) => {
                    open.remove(&socket);
                    opcode::Close::new(Fd(socket as i32)).build()
                }
            };
            self.push(close.user_data(Op::Aside.word(0)));
        }
        out.push(Completion::Connected { attempt, result: Err(errno) });
    }
}
