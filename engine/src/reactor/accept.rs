//! New connections, and when not to take any.

use super::log::Level;
use super::{Reactor, key};
use crate::conn::Connection;
use crate::ring::{Accepted, Errno, Kernel, Token};
use std::net::SocketAddr;

/// How long to wait before accepting again when descriptors or memory have run out.
const RETRY_MS: u64 = 100;
/// Names a socket that never got a slot.
pub(super) const NO_SLOT: Token = Token { slot: (1 << 24) - 1, generation: 0 };

/// A listening socket of this reactor.
#[derive(Debug)]
pub(super) struct Listener {
    /// Whose connections it accepts.
    pub(super) endpoint: u16,
    /// An accept is armed.
    pub(super) armed: bool,
    /// It is being cancelled.
    pub(super) cancelling: bool,
    /// Descriptors have run out; a timer will try again.
    pub(super) waiting: bool,
    pub(super) closed: bool,
}

impl Listener {
    pub(super) fn new(endpoint: u16) -> Self {
        Self { endpoint, armed: false, cancelling: false, waiting: false, closed: false }
    }
}

impl<K: Kernel> Reactor<K> {
    /// Accepts wherever nothing speaks against it.
    pub(super) fn arm_listeners(&mut self) {
        if self.ctx.draining || self.ctx.slab.is_full() {
            return;
        }
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if !listener.armed && !listener.waiting {
                listener.armed = true;
                self.kernel.accept(index);
            }
        }
    }

    /// Stops accepting: the backlog of the kernel holds who comes meanwhile.
    pub(super) fn disarm_listeners(&mut self) {
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if listener.armed && !listener.cancelling {
                listener.cancelling = true;
                self.kernel.cancel_accept(index);
            }
        }
    }

    pub(super) fn accepted(
        &mut self,
        index: usize,
        result: Result<Option<Accepted>, Errno>,
        more: bool,
    ) {
        let listener = &mut self.listeners[index];
        if !more {
            listener.armed = false;
            listener.cancelling = false;
        }
        match result {
            Ok(Some(accepted)) => self.open(index, accepted),
            Ok(None) => {}
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => self.hold(index),
            // ECONNABORTED and the like concern one connection, not the listener.
            Err(_) => {}
        }
        let listener = &mut self.listeners[index];
        if self.ctx.draining && !listener.armed && !listener.closed {
            listener.closed = true;
            self.kernel.close_listener(index);
        }
        self.arm_listeners();
    }

    /// Descriptors or memory have run out: try again later, others may have closed by then.
    fn hold(&mut self, index: usize) {
        self.ctx.counters.accept_paused.add(1);
        let log = &self.ctx.log;
        log.line(Level::Warn, format_args!("accepting paused: descriptors or memory have run out"));
        let listener = &mut self.listeners[index];
        if !listener.armed && !listener.waiting {
            listener.waiting = true;
            self.ctx.wheel.insert(self.ctx.now + RETRY_MS, key::of_listener(index));
        }
    }

    /// The timer of `hold`.
    pub(super) fn retry_accept(&mut self, index: usize) {
        self.listeners[index].waiting = false;
        self.arm_listeners();
    }

    fn open(&mut self, index: usize, accepted: Accepted) {
        let endpoint = self.listeners[index].endpoint;
        let conn = Connection::server(self.ctx.served.now);
        let user = self.endpoints.served[endpoint as usize].user;
        let tenant = if self.ctx.draining {
            None
        } else {
            self.ctx.slab.insert(conn, accepted.socket, u32::from(endpoint))
        };
        let Some((slot_index, slot)) = tenant else {
            self.ctx.counters.accept_dropped.add(1);
            return self.kernel.close(accepted.socket, NO_SLOT);
        };
        slot.user = user;
        #[cfg(feature = "tls")]
        if let Some(settings) = &self.endpoints.served[endpoint as usize].tls {
            slot.tls = super::tls::Link::server(settings);
            if slot.tls.is_none() {
                (slot.abort, slot.ends_by) = (true, super::slab::EndsBy::Tls);
            }
        }
        // On a socket for both families an IPv4 peer comes as ::ffff:a.b.c.d.
        slot.peer = accepted.peer.map(|at| SocketAddr::new(at.ip().to_canonical(), at.port()));
        self.ctx.counters.accepted.add(1);
        self.ctx.counters.connections.add(1);
        self.ctx.mark_dirty(slot_index);
        if self.ctx.slab.is_full() {
            self.ctx.counters.accept_paused.add(1);
            self.disarm_listeners();
        }
    }
}
