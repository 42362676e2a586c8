//! When there is no connection, or none any more: what the application hears, and whether it is
//! tried again.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::proto::Answer;
use crate::reactor::api::contract::Target;
use crate::reactor::client::dials::Stage;
use crate::reactor::client::refusal::{ConnectError, NotConnected};
use crate::reactor::core::name::DialId;
use crate::reactor::core::slab::NO_DIAL;
use crate::reactor::state::Reactor;
use crate::ring::Kernel;
use std::sync::Arc;

/// What the time between tries grows to by default.
const RETRY_MAX_MS: u32 = 30_000;

impl<K: Kernel> Reactor<K> {
    /// Ends a try, to which nobody has answered.
    pub(crate) fn refuse_dial(&mut self, index: u32, error: &ConnectError) {
        self.refuse_dial_with(index, error, None, &[]);
    }

    /// Ends a try: the application hears of it, and decides whether there is another.
    fn refuse_dial_with(
        &mut self,
        index: u32,
        error: &ConnectError,
        answer: Option<&Answer<'static>>,
        body: &[u8],
    ) {
        self.cancel_attempts(index);
        self.ctx.counters.connect_failed.add(1);
        let dial = self.ctx.dials.at(index);
        if let Some(node) = dial.timer.take() {
            self.ctx.wheel.remove(node);
        }
        dial.stage = Stage::Waiting;
        let (target, endpoint) = (Arc::clone(&dial.target), dial.endpoint);
        let failures = dial.failures;
        dial.failures = failures.saturating_add(1);
        let last = dial.cancelled || self.ctx.closing;
        let (host, port) = target.dialled();
        let dialled = format!("{host}:{port}");
        let (user, retry_ms) = (target.user, 0);
        let mut why = NotConnected { error, dialled: &dialled, answer, body, retry_ms, user };
        if !last {
            why.retry_ms = self.delay(&target, failures);
        }
        self.endpoints.handler(endpoint).on_refused(&mut self.ctx, &mut why);
        if why.retry_ms == 0 || last {
            self.end_dial(index);
        } else {
            self.wake_dial(index, self.ctx.now + u64::from(why.retry_ms));
        }
    }

    /// The application has given it up. What is open stays so, and is not made again.
    pub(crate) fn cancel_dial(&mut self, name: DialId) {
        let Some(index) = self.ctx.dials.place(name) else { return };
        let dial = self.ctx.dials.at(index);
        if std::mem::replace(&mut dial.cancelled, true) {
            return;
        }
        let Stage::Up(slot_index) = dial.stage else {
            return self.refuse_dial(index, &ConnectError::Cancelled);
        };
        let slot = self.ctx.slab.at(slot_index);
        if !slot.conn.opened() {
            // `dial_refused` tells of it.
            slot.abort = true;
            self.ctx.mark_dirty(slot_index);
        }
    }

    /// A connection that we were to make did not come to be.
    pub(crate) fn dial_refused(&mut self, slot: u32) {
        let slot = self.ctx.slab.at(slot);
        let index = slot.take_dial();
        if index == NO_DIAL {
            return;
        }
        let cancelled = self.ctx.dials.at(index).cancelled;
        let error = match (self.ctx.closing, cancelled) {
            (true, _) => ConnectError::Stopped,
            (_, true) => ConnectError::Cancelled,
            _ => ConnectError::of(slot.conn.failure(), slot.errno(), slot.tls_failure()),
        };
        let (answer, body) = slot.conn.take_refusal();
        self.refuse_dial_with(index, &error, answer.as_ref(), &body);
    }

    /// In how many milliseconds a connection that we made, and that is over, is made again; 0: not.
    pub(crate) fn retry_after(&mut self, slot: u32) -> u32 {
        let slot = self.ctx.slab.at(slot);
        let (index, by_application) = (slot.dial(), slot.quit);
        if index == NO_DIAL || by_application || self.ctx.closing {
            return 0;
        }
        let dial = self.ctx.dials.at(index);
        if dial.cancelled {
            return 0;
        }
        let target = Arc::clone(&dial.target);
        self.delay(&target, 0)
    }

    /// A connection that we made is over, and was reported so: the application has decided
    /// whether it is made again.
    pub(crate) fn dial_ended(&mut self, slot: u32, retry_ms: u32) {
        let slot = self.ctx.slab.at(slot);
        let index = slot.take_dial();
        if index == NO_DIAL {
            return;
        }
        let dial = self.ctx.dials.at(index);
        dial.failures = 0;
        dial.stage = Stage::Waiting;
        let cancelled = dial.cancelled;
        if retry_ms == 0 || cancelled || self.ctx.closing {
            return self.end_dial(index);
        }
        self.wake_dial(index, self.ctx.now + u64::from(retry_ms));
    }

    /// Those that have no socket are refused: the engine stops.
    pub(crate) fn stop_dials(&mut self) {
        self.run_dials();
        for index in self.ctx.dials.without_socket() {
            self.refuse_dial(index, &ConnectError::Stopped);
        }
    }

    fn end_dial(&mut self, index: u32) {
        if let Some(dial) = self.ctx.dials.remove(index) {
            if let Some(node) = dial.timer {
                self.ctx.wheel.remove(node);
            }
            self.endpoints.remove(dial.endpoint);
        }
    }

    /// Milliseconds until the next try; 0: none. Doubled with each failure, and varied, so that
    /// those who lost a server together do not come back together.
    fn delay(&mut self, target: &Target, failures: u32) -> u32 {
        if target.retry_min_ms == 0 {
            return 0;
        }
        let max = match target.retry_max_ms {
            0 => RETRY_MAX_MS,
            max => max,
        };
        let doubled = u64::from(target.retry_min_ms) << failures.min(31);
        let most = doubled.min(u64::from(max.max(target.retry_min_ms))) as u32;
        let random = u32::from_le_bytes(self.ctx.tools.keys.next_key());
        (most - random % (most / 2 + 1)).max(1)
    }
}
