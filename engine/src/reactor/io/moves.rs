//! Connections whose handshake is answered by another reactor than the one that has read it.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::core::adopt::{Arrival, Coming, Moved};
use crate::reactor::core::labels::HANDSHAKING;
use crate::reactor::core::loads::Promise;
use crate::reactor::core::peer::PeerAddress;
use crate::reactor::core::proxies::ByProxy;
use crate::reactor::core::slab::Phase;
use crate::reactor::state::Reactor;
use crate::ring::{Kernel, Socket};

impl<K: Kernel> Reactor<K> {
    /// Whether one of which nothing is received is to leave: it does before the next wait, if
    /// nothing is being sent either.
    pub(crate) fn leaves_soon(&mut self, index: u32) -> bool {
        if self.ctx.succession.leaves_soon(index) {
            return true;
        }
        if !self.ctx.moves.all.contains_key(&index) {
            return false;
        }
        let slot = self.ctx.slab.at(index);
        if slot.sending || slot.conn.buffered() > 0 {
            // Told when that has been sent.
            slot.conn.answer_elsewhere();
        } else {
            self.ctx.moves.ready.push(index);
        }
        true
    }

    /// Lets those leave of which nothing is with the kernel.
    pub(crate) fn run_moves(&mut self) {
        for index in std::mem::take(&mut self.ctx.moves.ready) {
            // Where something has ended it meanwhile, that has taken its promise, or answered it.
            let Some(promise) = self.ctx.moves.all.remove(&index) else { continue };
            let slot = self.ctx.slab.at(index);
            let waits = slot.phase == Phase::Live && !slot.abort && slot.conn.awaits_answer();
            if waits && !slot.receive.is_up() && !slot.sending {
                self.depart(index, promise);
            }
        }
    }

    /// Its slot is free for another; its address stays counted.
    fn depart(&mut self, index: u32, promise: Promise) {
        let now = self.ctx.served.now;
        let home = *self.ctx.homes.of(self.ctx.slab.at(index).endpoint);
        let given = self.ctx.given.remove(&index);
        let slot = self.ctx.slab.at(index);
        let moved = Moved {
            age: now.saturating_sub(slot.conn.began()),
            proxied: slot.proxied(),
            lost: None,
        };
        let mut given = given.unwrap_or_default();
        given.early = slot.take_parked().into();
        given.moved = Some(moved);
        let (socket, peer) = self.vacate_with_socket(index, HANDSHAKING);
        let coming = Coming { endpoint: home as u16, peer, given: Some(given), promise: None };
        self.send_over(Arrival { socket, coming }, promise);
    }

    /// Frees the slot of one that leaves with its socket, and whatever here belonged to it;
    /// `state` is the label it was counted under.
    pub(crate) fn vacate_with_socket(&mut self, index: u32, state: usize) -> (Socket, PeerAddress) {
        let slot = self.ctx.slab.at(index);
        for node in [slot.timer.take()].into_iter().chain(slot.take_nodes()).flatten() {
            self.ctx.wheel.remove(node);
        }
        let (socket, peer) = (slot.socket, slot.peer);
        self.direct.revoke(slot);
        slot.conn.release(&mut self.ctx.pool);
        self.ctx.memory.holdings.forget(index);
        self.ctx.slab.vacate(index);
        self.ctx.counters.connections.sub(1);
        self.ctx.counters.connections_by_state.of(state).sub(1);
        (socket, peer)
    }

    /// It goes on where another reactor has left off.
    pub(crate) fn goes_on(&mut self, index: u32, moved: &mut Moved) {
        let began = self.ctx.served.now.saturating_sub(moved.age);
        let slot = self.ctx.slab.at(index);
        slot.conn.begun_at(began);
        if let Some(proxied) = moved.proxied.take() {
            slot.rare().by_proxy = Some(ByProxy::Told(proxied));
        }
    }
}
