//! The end of a connection, in named steps: abort, join what is in flight, close, reset.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::{CloseInfo, Failure};
use crate::reactor::api::call::handle_of;
use crate::reactor::api::closed::{Closed, EndError};
use crate::reactor::core::labels::{CLOSING, HANDSHAKING, OPEN, place_of_code};
use crate::reactor::core::slab::Phase;
use crate::reactor::state::Reactor;
use crate::ring::{Kernel, Token};

impl<K: Kernel> Reactor<K> {
    /// Teardown, step 1: the application hears of it, the connection's memory goes back, and what
    /// is in flight is made to end.
    pub(crate) fn abort(&mut self, index: u32) {
        // Members have their numbers until all of them have what was published.
        self.ctx.read_own_mail();
        let slot = self.ctx.slab.at(index);
        slot.phase = Phase::Joining;
        for node in [slot.timer.take()].into_iter().chain(slot.take_nodes()).flatten() {
            self.ctx.wheel.remove(node);
        }
        let refused = matches!(slot.conn.failure(), Some(Failure::Handshake(_)));
        match slot.conn.failure() {
            Some(Failure::Violation(violation)) => {
                self.ctx.counters.violations.add(1);
                self.ctx.counters.violations_by_kind.count(violation.place());
            }
            Some(Failure::TimedOut(_)) => self.ctx.counters.timeouts.add(1),
            _ => {}
        }
        match (refused, slot.conn.has_requests()) {
            (true, true) => self.ctx.counters.requests_refused.add(1),
            (true, false) => self.ctx.counters.refused.add(1),
            (false, _) => {}
        }
        let announced = slot.conn.opened();
        let states = &self.ctx.counters.connections_by_state;
        if !slot.conn.is_closing() {
            states.of(if announced { OPEN } else { HANDSHAKING }).sub(1);
            states.count(CLOSING);
        }
        let conn = handle_of(&self.ctx, index);
        self.ctx.end_line(conn);
        self.ctx.end_memberships(conn);
        if announced {
            let retry_ms = self.report_close(index);
            self.dial_ended(index, retry_ms);
        } else {
            self.ctx.end_wait(index);
            self.dial_refused(index);
            self.ctx.moves.all.remove(&index);
            let given = self.ctx.given.remove(&index);
            self.ctx.was_unopened(given);
        }
        self.ctx.succession.forget(index);
        let slot = self.ctx.slab.at(index);
        self.ctx.pool.put(slot.take_parked());
        self.ctx.memory.holdings.forget(index);
        self.direct.revoke(slot);
        slot.conn.release(&mut self.ctx.pool);
        #[cfg(feature = "tls")]
        self.ctx.drop_tls(index);
        let token = self.ctx.slab.token(index);
        let slot = self.ctx.slab.at(index);
        if slot.receive.cancel() {
            self.kernel.cancel_receive(token);
        }
        if slot.sending {
            // A send to a peer that does not read ends only with its socket.
            self.kernel.shutdown(slot.socket);
        }
        self.join(index);
    }

    /// In how many milliseconds the connection is to be made again; 0: not.
    fn report_close(&mut self, index: u32) -> u32 {
        let retry_ms = self.retry_after(index);
        let conn = handle_of(&self.ctx, index);
        let slot = self.ctx.slab.at(index);
        let info = slot.conn.close_info();
        let reason = info.reason.to_owned();
        let mut closed = Closed {
            info: CloseInfo { reason: &reason, code: info.code, sent: info.sent },
            errno: slot.errno(),
            cause: slot.cause(),
            error: slot.error(),
            unsent: slot.conn.unsent(),
            unread: slot.conn.unread() + slot.parked_len() as u64,
            dropped: slot.dropped(),
            retry_ms,
        };
        let (endpoint, begun) = (slot.endpoint, slot.conn.closing());
        let counters = &self.ctx.counters;
        counters.ends.count(closed.cause as usize);
        counters.closes_unanswered.add(u64::from(closed.is_unanswered(begun)));
        counters.close_codes_received.count(place_of_code(closed.info.code.0));
        counters.close_codes_sent.count(place_of_code(closed.info.sent.map_or(0, |code| code.0)));
        if self.ctx.draining {
            self.count_drained(closed.error.as_ref());
        }
        self.endpoints.handler(endpoint).on_close(&mut self.ctx, conn, &mut closed);
        closed.retry_ms
    }

    #[cold]
    fn count_drained(&mut self, error: Option<&EndError>) {
        let drained = &mut self.ctx.ending.drained;
        let count = match error {
            None => &mut drained.closed,
            Some(EndError::Stopped) => &mut drained.aborted,
            Some(EndError::Failure(Failure::TimedOut(_))) => &mut drained.timed_out,
            Some(_) => &mut drained.lost,
        };
        *count += 1;
    }

    /// Teardown, step 2: closing a socket with an operation in flight would race with it, so wait
    /// until both are down, then close.
    pub(crate) fn join(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        if slot.receive.is_up() || slot.sending {
            return;
        }
        slot.phase = Phase::Closing;
        let socket = slot.socket;
        self.kernel.close(socket, self.ctx.slab.token(index));
    }

    /// Teardown, step 3: the socket is gone, the slot may have another tenant.
    pub(crate) fn closed(&mut self, token: Token) {
        if self.ctx.slab.by_token(token).is_none_or(|slot| slot.phase != Phase::Closing) {
            return;
        }
        self.leaves(token.slot);
        self.ctx.slab.vacate(token.slot);
        self.ctx.counters.connections.sub(1);
        self.ctx.counters.connections_by_state.of(CLOSING).sub(1);
        self.arm_listeners();
    }
}
