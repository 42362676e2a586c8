//! New connections, and when not to take any.

use crate::conn::Connection;
use crate::reactor::api::contract::Job;
use crate::reactor::core::addresses::Counted;
use crate::reactor::core::adopt::{Arrival, Coming};
use crate::reactor::core::key;
use crate::reactor::core::labels::HANDSHAKING;
#[cfg(feature = "tls")]
use crate::reactor::core::link::Link;
use crate::reactor::core::log::Level;
use crate::reactor::core::peer::{PeerAddress, canonical};
use crate::reactor::core::proxies::From;
#[cfg(feature = "tls")]
use crate::reactor::core::slab::EndsBy;
use crate::reactor::core::slab::NO_SLOT;
use crate::reactor::io::listeners::Listener;
use crate::reactor::state::Reactor;
use crate::ring::{Accepted, BACKLOG, Errno, Kernel};
use std::net::SocketAddr;

/// Accepts out on a listener while there is room for what they bring: so many connections are
/// taken in a turn.
const ACCEPTS_MAX: usize = 32;
/// How long to wait before accepting again when descriptors or memory have run out.
const RETRY_MS: u64 = 100;

impl<K: Kernel> Reactor<K> {
    /// Accepts wherever nothing speaks against it: no more than there is room for, and at least
    /// one on each listener, since nobody knows where the next connection comes.
    pub(crate) fn arm_listeners(&mut self) {
        if self.ctx.draining {
            return self.empty_listeners();
        }
        self.open_held();
        if self.ctx.succession.parting.is_some() {
            // Whoever comes is the successor's.
            return self.disarm_listeners();
        }
        let room = self.ctx.slab.room().saturating_sub(self.ctx.dials.attempts());
        if room == 0 {
            return self.disarm_listeners();
        }
        let out: usize = self.listeners.all.iter().map(|listener| listener.out).sum();
        let room = room.min(self.kernel.room() + out);
        let most = (room / self.listeners.all.len().max(1)).clamp(1, ACCEPTS_MAX);
        for (index, listener) in self.listeners.all.iter_mut().enumerate() {
            if listener.waiting || listener.cancelling {
                continue;
            }
            while listener.out < most && self.kernel.room() > 0 {
                listener.out += 1;
                self.kernel.accept(index);
            }
        }
    }

    /// Stops accepting: the backlog of the kernel holds who comes meanwhile.
    pub(crate) fn disarm_listeners(&mut self) {
        for (index, listener) in self.listeners.all.iter_mut().enumerate() {
            if listener.out > 0 && !listener.cancelling {
                listener.cancelling = true;
                self.kernel.cancel_accept(index);
            }
        }
    }

    fn open_held(&mut self) {
        while !self.ctx.slab.is_full()
            && let Some(arrival) = self.listeners.held.pop_front()
        {
            self.open(arrival);
        }
    }

    /// Whether who is accepted now may still ask, and be answered.
    pub(crate) fn hears(&self) -> bool {
        !self.ctx.closing || self.ctx.ending.due().is_some()
    }

    /// No more connections, for good. Whoever waits in the backlog of a socket is reset when it is
    /// closed: so they are taken first, if there is time to answer them.
    fn empty_listeners(&mut self) {
        let hears = self.hears();
        if hears {
            self.open_held();
        }
        while !hears && let Some(arrival) = self.listeners.held.pop_front() {
            self.turn_away(arrival);
        }
        for index in 0..self.listeners.all.len() {
            let room = self.ctx.slab.room().min(self.kernel.room());
            let listener = &mut self.listeners.all[index];
            let sweeps = hears && !listener.empty && !listener.cancelling && !listener.closed;
            let most = room.min(ACCEPTS_MAX).min(BACKLOG as usize - listener.swept);
            while sweeps && listener.out < most {
                listener.out += 1;
                listener.swept += 1;
                self.kernel.accept_waiting(index);
            }
            if listener.out == 0 && !listener.closed {
                listener.closed = true;
                self.kernel.close_listener(index);
            }
        }
    }

    fn turn_away(&mut self, arrival: Arrival<Job>) {
        self.kernel.close(arrival.socket, NO_SLOT);
        self.reject(arrival.coming);
    }

    /// It is not served, and told nothing.
    fn close_unheard(&mut self, arrival: Arrival<Job>) {
        self.kernel.close(arrival.socket, NO_SLOT);
        self.ctx.was_unopened(arrival.coming.given);
    }

    /// An accept has ended.
    pub(crate) fn accepted(&mut self, index: usize, result: Result<Accepted, Errno>) {
        let listener = &mut self.listeners.all[index];
        listener.out -= 1;
        listener.cancelling &= listener.out > 0;
        match result {
            Ok(accepted) => self.arrived(index, accepted),
            Err(errno) if self.ctx.draining => {
                // Of one that waits for nobody; before that, the cancel.
                listener.empty |= listener.swept > 0 && errno != Errno::CONNABORTED;
            }
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => self.hold(index),
            // ECONNABORTED and the like concern one connection, not the listener.
            Err(_) => {}
        }
        self.arm_listeners();
    }

    /// A connection has come here, and may go on to a reactor that has fewer.
    fn arrived(&mut self, index: usize, accepted: Accepted) {
        let Listener { endpoint, spreads, .. } = self.listeners.all[index];
        let Accepted { socket, peer, credentials } = accepted;
        let peer = PeerAddress::new(peer.map(canonical), credentials);
        let coming = Coming { endpoint, peer, given: None, promise: None };
        let arrival = Arrival { socket, coming };
        let spreads = spreads && !self.ctx.draining;
        let loads = &self.ctx.post.handle.0.loads;
        match spreads.then(|| loads.elsewhere(self.ctx.index)).flatten() {
            Some(promise) => self.send_over(arrival, promise),
            None => self.listeners.held.push_back(arrival),
        }
    }

    /// Descriptors or memory have run out: try again later, others may have closed by then.
    fn hold(&mut self, index: usize) {
        let listener = &mut self.listeners.all[index];
        if listener.waiting {
            return;
        }
        listener.waiting = true;
        self.ctx.wheel.insert(self.ctx.now + RETRY_MS, key::of_listener(index));
        self.ctx.counters.accept_paused.add(1);
        let log = &self.ctx.log;
        log.line(Level::Warn, format_args!("accepting paused: descriptors or memory have run out"));
    }

    /// The timer of `hold`.
    pub(crate) fn retry_accept(&mut self, index: usize) {
        self.listeners.all[index].waiting = false;
        self.arm_listeners();
    }

    /// Whether its address may have one more connection to that endpoint.
    pub(crate) fn enters(&self, endpoint: u32, peer: Option<SocketAddr>) -> bool {
        let limits = self.ctx.per_address.of(endpoint);
        let (true, Some(peer)) = (limits.connections_max > 0, peer) else { return true };
        let who = Counted::new(endpoint, peer);
        self.ctx.post.handle.0.addresses.enter(who, limits, self.ctx.now)
    }

    /// One that was accepted has gone.
    pub(crate) fn leaves(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        if slot.awaits_proxy() {
            // Nobody has entered by it.
            return;
        }
        let home = *self.ctx.homes.of(slot.endpoint);
        let peer = slot.peer;
        self.address_leaves(home, peer);
    }

    /// One that was counted has gone, wherever it was.
    pub(crate) fn address_leaves(&self, endpoint: u32, peer: PeerAddress) {
        let counts = self.ctx.per_address.of(endpoint).connections_max > 0;
        if let (true, Some(peer)) = (counts, peer.get()) {
            let who = Counted::new(endpoint, peer);
            self.ctx.post.handle.0.addresses.leave(who, self.ctx.now);
        }
    }

    /// A connection gets a slot: the caller has seen that there is one.
    fn open(&mut self, arrival: Arrival<Job>) {
        let Coming { endpoint, peer, ref given, .. } = arrival.coming;
        let upgraded = given.as_ref().is_some_and(|given| given.upgraded);
        // Who has been told that it is open cannot be answered with 503.
        if self.ctx.draining && upgraded {
            return self.turn_away(arrival);
        }
        let proxies = self.endpoints.served.of(endpoint.into()).proxies.as_ref();
        // Nor is there a header any more.
        let moved = arrival.coming.was_moved();
        let carried = arrival.coming.is_carried();
        let proxies = proxies.filter(|_| !upgraded && !moved);
        let from = proxies.map_or(From::Peer, |proxies| proxies.judge(peer.get()));
        if from == From::Stranger {
            self.ctx.counters.strangers_closed.add(1);
            self.ctx.log.proxy_failed(
                self.ctx.now,
                peer.get(),
                "comes from no proxy of the endpoint",
            );
            return self.close_unheard(arrival);
        }
        // Of whom a proxy brings it is asked when that has told who it is.
        // One that was moved is counted.
        if from == From::Peer && !moved && !self.enters(endpoint.into(), peer.get()) {
            self.ctx.counters.address_closed.add(1);
            return self.close_unheard(arrival);
        }
        let conn = Connection::server(self.ctx.served.now);
        let user = self.endpoints.served.of(endpoint.into()).user;
        let tenant = self.ctx.slab.insert(conn, arrival.socket, u32::from(endpoint));
        let Some((slot_index, slot)) = tenant else { return self.turn_away(arrival) };
        slot.user = user;
        slot.peer = peer;
        match from {
            From::Proxy => slot.await_proxy(),
            _ => self.begin_tls(slot_index),
        }
        let Coming { given, promise, .. } = arrival.coming;
        // It counts here now, and not as one that comes.
        drop(promise);
        self.ctx.counters.accepted.add(u64::from(!moved && !carried));
        self.ctx.counters.connections.add(1);
        self.ctx.counters.connections_by_state.count(HANDSHAKING);
        self.ctx.mark_dirty(slot_index);
        if self.ctx.slab.is_full() {
            self.ctx.counters.accept_paused.add(1);
        }
        if let Some(given) = given {
            self.begin_given(slot_index, given);
        }
    }

    /// The peer's bytes come next: where TLS is spoken, that begins.
    #[cfg(feature = "tls")]
    pub(crate) fn begin_tls(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        if let Some(settings) = &self.endpoints.served.of(slot.endpoint).tls {
            slot.rare().tls = Link::server(settings);
            if !slot.is_secure() {
                (slot.abort, slot.ends_by) = (true, EndsBy::Tls);
            }
        }
    }

    /// The peer's bytes come next.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn begin_tls(&mut self, _: u32) {}
}
