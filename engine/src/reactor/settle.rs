//! What a connection wants of the kernel, settled once per turn, and its teardown in named steps:
//! abort, join what is in flight, close, reset.

use super::deliver::{handle_of, unpark, with_env};
use super::handler::Closed;
use super::slab::{Phase, Slot};
use super::{Reactor, key};
use crate::conn::{CloseInfo, Disposition, Failure};
use crate::ring::{Kernel, Token};

impl<K: Kernel> Reactor<K> {
    /// Settles every slot on the dirty list, also those that callbacks add meanwhile.
    pub(super) fn settle_dirty(&mut self) {
        let mut next = 0;
        while let Some(&index) = self.ctx.dirty.get(next) {
            next += 1;
            let slot = self.ctx.slab.at(index);
            slot.dirty = false;
            match slot.phase {
                Phase::Live => self.settle(index),
                Phase::Joining => self.join(index),
                Phase::Closing | Phase::Vacant => {}
            }
        }
        self.ctx.dirty.clear();
    }

    fn settle(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        if !slot.paused && !slot.abort && !slot.parked.is_empty() {
            unpark(&mut self.ctx, &self.endpoints.served, index);
        }
        if self.is_over(index) {
            return self.abort(index);
        }
        let slot = self.ctx.slab.at(index);
        let token = token_of(index, slot);
        let wanted = !slot.paused && !slot.end_of_stream;
        if !slot.receiving {
            if wanted {
                self.arm_receive(index);
            }
        } else if !slot.cancelling && (!wanted || self.must_move(index)) {
            self.ctx.slab.at(index).cancelling = true;
            self.kernel.cancel_receive(token);
        }
        let slot = self.ctx.slab.at(index);
        if !slot.sending {
            #[cfg(feature = "tls")]
            let batch = match slot.is_secure() {
                true => self.ctx.cover(index),
                false => slot.conn.transmit(),
            };
            #[cfg(not(feature = "tls"))]
            let batch = slot.conn.transmit();
            let slot = self.ctx.slab.at(index);
            if let Some(batch) = batch {
                slot.sending = true;
                self.kernel.send(slot.socket, token, batch);
            } else if slot.conn.disposition() == Disposition::Finish && !slot.send_ended {
                slot.send_ended = true;
                self.kernel.shutdown_send(slot.socket);
            }
        }
        self.schedule(index);
    }

    /// Whether nothing is left to do but to give the socket back.
    fn is_over(&mut self, index: u32) -> bool {
        let slot = self.ctx.slab.at(index);
        if slot.abort {
            return true;
        }
        if slot.conn.disposition() != Disposition::Abort {
            return false;
        }
        let timed_out = slot.conn.failure() == Some(Failure::TimedOut);
        let sends_more = slot.conn.buffered() > 0 || slot.owes();
        if timed_out || !slot.end_of_stream || !sends_more {
            return true;
        }
        // The peer has ended its direction but may still read: what is queued (the answer to its
        // request, our half of the closing handshake) is sent, within the close timeout.
        if !slot.lingering {
            slot.lingering = true;
            let until =
                self.ctx.now + u64::from(self.ctx.limits[slot.endpoint as usize].close_timeout_ms);
            if let Some((node, _)) = slot.timer.take() {
                self.ctx.wheel.remove(node);
            }
            slot.timer = Some((self.ctx.wheel.insert(until, key::of_slot(index)), until));
        }
        false
    }

    /// Sees to it that the connection is looked at by its deadline. A deadline that has moved
    /// later leaves its node: that fires early and is placed anew.
    fn schedule(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        if slot.lingering {
            return;
        }
        let Some(deadline) = slot.conn.deadline(&self.ctx.limits[slot.endpoint as usize]) else {
            return;
        };
        match slot.timer {
            Some((_, at)) if at <= deadline => return,
            Some((node, _)) => self.ctx.wheel.remove(node),
            None => {}
        }
        slot.timer = Some((self.ctx.wheel.insert(deadline, key::of_slot(index)), deadline));
    }

    /// A connection's node on the wheel has fired.
    pub(super) fn expired(&mut self, index: u32) {
        let now = self.ctx.now;
        let slot = self.ctx.slab.at(index);
        slot.timer = None;
        if slot.phase != Phase::Live {
            return;
        }
        if slot.lingering {
            slot.abort = true;
        } else {
            let limits = &self.ctx.limits[slot.endpoint as usize];
            if slot.conn.deadline(limits).is_some_and(|deadline| deadline <= now) {
                with_env(&mut self.ctx, index, |conn, env| conn.expired(env));
            }
        }
        self.ctx.mark_dirty(index);
    }

    /// Teardown, step 1: the application hears of it, the connection's memory goes back, and what
    /// is in flight is made to end.
    pub(super) fn abort(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        slot.phase = Phase::Joining;
        if let Some((node, _)) = slot.timer.take() {
            self.ctx.wheel.remove(node);
        }
        let refused = matches!(slot.conn.failure(), Some(Failure::Handshake(_)));
        match slot.conn.failure() {
            Some(Failure::Violation(_)) => self.ctx.counters.violations.add(1),
            Some(Failure::TimedOut) => self.ctx.counters.timeouts.add(1),
            _ => {}
        }
        if refused {
            self.ctx.counters.refused.add(1);
        }
        if slot.announced {
            self.report_close(index);
        }
        self.dial_lost(index);
        let slot = self.ctx.slab.at(index);
        slot.parked = Vec::new();
        self.landings.revoke(slot);
        slot.conn.release(&mut self.ctx.pool);
        #[cfg(feature = "tls")]
        self.ctx.drop_tls(index);
        let slot = self.ctx.slab.at(index);
        let token = token_of(index, slot);
        if slot.receiving && !slot.cancelling {
            slot.cancelling = true;
            self.kernel.cancel_receive(token);
        }
        if slot.sending {
            // A send to a peer that does not read ends only with its socket.
            self.kernel.shutdown(slot.socket);
        }
        self.join(index);
    }

    fn report_close(&mut self, index: u32) {
        let conn = handle_of(&mut self.ctx, index);
        let slot = self.ctx.slab.at(index);
        let info = slot.conn.close_info();
        let reason = info.reason.to_owned();
        let closed = Closed {
            info: CloseInfo { reason: &reason, code: info.code, sent: info.sent },
            errno: slot.errno,
        };
        let endpoint = slot.endpoint;
        self.endpoints.handler(endpoint).on_close(&mut self.ctx, conn, &closed);
    }

    /// Teardown, step 2: closing a socket with an operation in flight would race with it, so wait
    /// until both are down, then close.
    pub(super) fn join(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        if slot.receiving || slot.sending {
            return;
        }
        slot.phase = Phase::Closing;
        let token = token_of(index, slot);
        self.kernel.close(slot.socket, token);
    }

    /// Teardown, step 3: the socket is gone, the slot may have another tenant.
    pub(super) fn closed(&mut self, token: Token) {
        if self.ctx.slab.by_token(token).is_none_or(|slot| slot.phase != Phase::Closing) {
            return;
        }
        self.ctx.slab.vacate(token.slot);
        self.ctx.counters.connections.sub(1);
        self.arm_listeners();
    }
}

/// The name of a slot's tenant in completions.
pub(super) fn token_of(index: u32, slot: &Slot) -> Token {
    Token { slot: index, generation: slot.generation }
}
