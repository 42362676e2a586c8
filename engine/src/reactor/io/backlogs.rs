//! What is queued for all connections together, for the statistics: looked at once a second, and
//! only while there is something.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::HELD_MIN;
use crate::reactor::core::slab::Phase;
use crate::reactor::state::Reactor;
use crate::ring::Kernel;

impl<K: Kernel> Reactor<K> {
    /// There is nobody left who could have something queued, and nobody who would look.
    pub(crate) fn no_queues(&self) {
        let counters = &self.ctx.counters;
        counters.queued.set(0);
        counters.queued_largest.set(0);
        counters.queue_age_ms.set(0);
    }

    /// The time to look has come.
    pub(crate) fn look_at_queues(&mut self) {
        let ctx = &mut self.ctx;
        let now = ctx.served.now;
        let (mut all, mut largest, mut age_ms) = (0, 0, 0);
        for index in ctx.backlogs.take() {
            let Some(slot) = ctx.slab.get(index) else { continue };
            let queued = slot.conn.buffered();
            if slot.phase != Phase::Live || queued < HELD_MIN {
                continue;
            }
            all += queued;
            largest = largest.max(queued);
            age_ms = age_ms.max(slot.conn.queue_age(now));
            ctx.backlogs.note(index);
        }
        ctx.counters.queued.set(all as u64);
        ctx.counters.queued_largest.set(largest as u64);
        ctx.counters.queue_age_ms.set(u64::from(age_ms));
        ctx.backlogs.watched = false;
        if all > 0 {
            ctx.watch_queues();
        }
    }
}
