//! What a connection wants of the kernel, and what it has: made to agree once per turn.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::{Disposition, Failure, HELD_MIN};
use crate::reactor::api::call::with_env;
use crate::reactor::core::early::Early;
use crate::reactor::core::key;
use crate::reactor::core::receive_mode::{ReceiveMode, ReceiveState};
use crate::reactor::core::slab::{Incoming, Phase};
use crate::reactor::deliver::deliver::unpark;
use crate::reactor::state::Reactor;
use crate::ring::{Kernel, Token};

impl<K: Kernel> Reactor<K> {
    /// Reconciles every slot on the dirty list, also those that callbacks add meanwhile. `early`:
    /// of many, the kernel gets the first before the others.
    pub(crate) fn reconcile_dirty(&mut self, early: bool) {
        let mut next = 0;
        while let Some(&index) = self.ctx.dirty.get(next) {
            next += 1;
            let Early { first, many, .. } = self.ctx.early;
            if early && next == first + 1 && self.ctx.dirty.len() > many {
                self.kernel.hand_over();
            }
            // Its tenant may have moved out.
            let Some(slot) = self.ctx.slab.get(index) else { continue };
            slot.dirty = false;
            match slot.phase {
                Phase::Live => self.reconcile(index),
                Phase::Joining => self.join(index),
                Phase::Closing => {}
            }
        }
        self.ctx.dirty.clear();
    }

    fn reconcile(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        if !slot.holds() && !slot.abort && slot.has_parked() && !self.stays_parked(index) {
            unpark(&mut self.ctx, &self.endpoints.served, index);
        }
        if self.is_over(index) {
            return self.abort(index);
        }
        let token = self.ctx.slab.token(index);
        let waits = self.ctx.served.waits.wrapping_add(1);
        let slot = self.ctx.slab.at(index);
        if !slot.sending && !slot.send_ended {
            if slot.conn.holds_latest() {
                with_env(&mut self.ctx, index, |conn, env| conn.queue_latest(env));
            }
            let slot = self.ctx.slab.at(index);
            #[cfg(feature = "tls")]
            let batch = match slot.is_secure() {
                true => self.ctx.next_ciphertext(index),
                false => slot.conn.transmit(),
            };
            #[cfg(not(feature = "tls"))]
            let batch = slot.conn.transmit();
            let slot = self.ctx.slab.at(index);
            if let Some(batch) = batch {
                slot.sending = true;
                slot.sent_in = waits;
                let socket = slot.socket;
                if slot.conn.buffered() >= HELD_MIN {
                    self.ctx.weigh_out(index, &batch);
                }
                self.kernel.send(socket, token, batch);
            } else if slot.conn.disposition() == Disposition::Finish {
                slot.send_ended = true;
                self.kernel.shutdown_send(slot.socket);
            }
        }
        self.ctx.slab.at(index).conn.note_waiting(self.ctx.served.now);
        // Behind the send: what is sent is in the cache now, and what is received takes its place.
        self.reconcile_receive(index);
        self.publish_mailed(index);
        self.ctx.weigh(index);
        self.schedule(index);
    }

    /// Whether what is parked waits for another turn than this.
    fn stays_parked(&mut self, index: u32) -> bool {
        let ctx = &mut self.ctx;
        ctx.slab.at(index).stands_in_line() || ctx.inflating.is_spent() && ctx.waits_its_turn(index)
    }

    /// Sees to it that what is wanted of the peer is armed: a receive, or while the application has
    /// paused a poll, so that a peer that is gone is not kept for ever.
    fn reconcile_receive(&mut self, index: u32) {
        let token = self.ctx.slab.token(index);
        let slot = self.ctx.slab.at(index);
        let reads = !slot.holds();
        if reads && slot.is_clogged() {
            // The other ways of receiving end by themselves.
            if slot.receive.mode() == Some(ReceiveMode::Multishot) && slot.receive.cancel() {
                self.kernel.cancel_receive(token);
            }
            return;
        }
        if let Some(mode) = slot.receive.mode() {
            let fits = match mode {
                ReceiveMode::Watch => !reads,
                _ => reads && !self.must_move(index),
            };
            if !fits && self.ctx.slab.at(index).receive.cancel() {
                self.kernel.cancel_receive(token);
            }
        } else if reads {
            if !slot.has_ended() {
                self.arm_receive(index);
            }
        } else {
            self.watch(index);
        }
    }

    /// Nothing is received, and nothing armed: sees to it that the end is watched for.
    fn watch(&mut self, index: u32) {
        let token = self.ctx.slab.token(index);
        if self.leaves_soon(index) {
            return;
        }
        let slot = self.ctx.slab.at(index);
        if slot.incoming != Incoming::Open {
            slot.conn.peer_hung_up(self.ctx.served.now);
            if slot.conn.disposition() == Disposition::Abort {
                self.ctx.mark_dirty(index);
            }
        } else {
            slot.receive = ReceiveState::Armed(ReceiveMode::Watch);
            self.kernel.watch(slot.socket, token);
        }
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
        let timed_out = matches!(slot.conn.failure(), Some(Failure::TimedOut(_)));
        let owes = slot.owes() && !slot.send_ended;
        if timed_out || !slot.has_ended() || !owes {
            return true;
        }
        // The peer has ended its direction but may still read: TLS has its last words, within the
        // close timeout.
        if !slot.is_lingering() {
            slot.linger();
            let until =
                self.ctx.now + u64::from(self.ctx.limits.of(slot.endpoint).close_timeout_ms);
            if let Some(node) = slot.timer.take() {
                self.ctx.wheel.remove(node);
            }
            slot.timer = Some(self.ctx.wheel.insert(until, key::of_slot(index)));
        }
        false
    }

    /// Sees to it that the connection is looked at by its deadline. A deadline that has moved
    /// later leaves its node: that fires early and is placed anew.
    fn schedule(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        if slot.is_lingering() {
            return;
        }
        let Some(deadline) = slot.conn.deadline(self.ctx.limits.of(slot.endpoint)) else {
            return;
        };
        // In the past it is when its input waits for its turn: not before the next one.
        let deadline = self.ctx.served.on_the_clock(deadline).max(self.ctx.now + 1);
        match slot.timer {
            Some(node) if self.ctx.wheel.deadline(node) <= deadline => return,
            Some(node) => self.ctx.wheel.remove(node),
            None => {}
        }
        slot.timer = Some(self.ctx.wheel.insert(deadline, key::of_slot(index)));
    }

    /// Whether the peer may have said something that we have not taken: what it is judged by must
    /// be read first.
    fn is_unheard(&mut self, index: u32) -> bool {
        let token = self.ctx.slab.token(index);
        let slot = self.ctx.slab.at(index);
        if slot.holds() || slot.has_ended() {
            return false;
        }
        // A handshake, or a large message, that waits for its turn; no buffer is free.
        slot.has_backlog() || !slot.receive.is_up() || self.kernel.is_starved(token)
    }

    /// A connection's node on the wheel has fired.
    pub(crate) fn expired(&mut self, index: u32) {
        let now = self.ctx.served.now;
        let slot = self.ctx.slab.at(index);
        slot.timer = None;
        if slot.phase != Phase::Live {
            return;
        }
        self.ctx.mark_dirty(index);
        let slot = self.ctx.slab.at(index);
        if slot.is_lingering() {
            slot.abort = true;
            return;
        }
        if !self.may_be_judged(index) {
            return;
        }
        let slot = self.ctx.slab.at(index);
        if !slot.conn.is_judged_by_progress(self.ctx.limits.of(slot.endpoint), now) {
            return self.judge(index);
        }
        let (socket, token) = (slot.socket, self.ctx.slab.token(index));
        if self.ctx.served.asked.insert(token) {
            self.kernel.progress(socket, token);
        }
    }

    /// The kernel has told since when the peer takes nothing of what waits for it.
    pub(crate) fn progressed(&mut self, token: Token, ago: Option<u64>) {
        let now = self.ctx.served.now;
        self.ctx.served.asked.remove(&token);
        let Some(slot) = self.ctx.slab.by_token(token) else { return };
        if slot.phase != Phase::Live || slot.is_lingering() {
            return;
        }
        if let Some(ago) = ago {
            let limits = self.ctx.limits.of(slot.endpoint);
            slot.conn.has_progressed(now.saturating_sub(ago), limits, now);
        }
        self.ctx.mark_dirty(token.slot);
        if self.may_be_judged(token.slot) {
            self.judge(token.slot);
        }
    }

    /// Whether its deadline has passed, and all was heard that it has said before.
    fn may_be_judged(&mut self, index: u32) -> bool {
        let now = self.ctx.served.now;
        let slot = self.ctx.slab.at(index);
        let limits = self.ctx.limits.of(slot.endpoint);
        let due = slot.conn.deadline(limits).is_some_and(|deadline| deadline <= now);
        let unheard = due && self.is_unheard(index);
        if unheard {
            // How long what we have queued has waited does not depend on what the peer has said.
            with_env(&mut self.ctx, index, |conn, env| _ = conn.act_on_age(env));
        }
        due && !unheard
    }

    /// Who has let its deadline pass ends, or is asked for a sign of life.
    fn judge(&mut self, index: u32) {
        with_env(&mut self.ctx, index, |conn, env| conn.expired(env));
        if !self.ctx.slab.at(index).conn.awaits_answer() {
            self.ctx.end_wait(index);
        }
        let slot = self.ctx.slab.at(index);
        // What a server says to a request that is late cannot be said before TLS is spoken, and not
        // to a proxy.
        let hears = !slot.is_unestablished() && !slot.awaits_proxy();
        if slot.conn.disposition() == Disposition::Finish && !hears {
            slot.abort = true;
        }
    }
}
