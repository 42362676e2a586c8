//! What becomes of connections when the memory of the engine is spent.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::Disposition;
use crate::reactor::api::call::with_env;
use crate::reactor::core::budget::Level;
use crate::reactor::core::slab::Phase;
use crate::reactor::state::Reactor;
use crate::ring::Kernel;

impl<K: Kernel> Reactor<K> {
    /// Once per turn: tells the other reactors what is held here. Where all together hold too much,
    /// spare memory is freed first, then those connections end that hold most.
    #[inline]
    pub(crate) fn settle_memory(&mut self) {
        let held = self.ctx.held();
        if self.ctx.counters.memory.get() != held {
            self.ctx.counters.memory.set(held);
            let peak = self.ctx.counters.memory_peak.get().max(held);
            self.ctx.counters.memory_peak.set(peak);
        }
        let was_tight = self.ctx.memory.is_tight();
        let level = self.ctx.memory.settle(held, &self.ctx.post.handle.0.budget);
        if was_tight || level != Level::Easy {
            self.save_memory();
        }
    }

    #[cold]
    fn save_memory(&mut self) {
        self.ctx.pool.set_tight(self.ctx.memory.is_tight());
        let held = self.ctx.held();
        let budget = &self.ctx.post.handle.0.budget;
        if self.ctx.memory.settle(held, budget) != Level::Over {
            return;
        }
        // When all hold too much together, one of them holds more than its share.
        let share = budget.max() / self.ctx.post.handle.0.counters.len() as u64;
        let excess = usize::try_from(self.ctx.memory.excess(budget)).unwrap_or(usize::MAX);
        if held <= share {
            return self.call_for_relief(share);
        }
        let largest = self.ctx.memory.holdings.largest(excess);
        self.ctx.log.memory_spent(self.ctx.now, largest.len(), excess);
        for index in largest {
            self.shed(index);
        }
        let held = self.ctx.held();
        self.ctx.counters.memory.set(held);
        self.ctx.memory.settle(held, &self.ctx.post.handle.0.budget);
        self.trim_later();
    }

    /// Those that hold more than their share may sleep.
    fn call_for_relief(&mut self, share: u64) {
        let post = &mut self.ctx.post;
        for (reactor, counters) in (0..).zip(&post.handle.0.counters) {
            if counters.memory.get() > share && !post.to_wake.contains(&reactor) {
                post.to_wake.push(reactor);
            }
        }
    }

    /// Ends a connection for what it holds.
    fn shed(&mut self, index: u32) {
        debug_assert!(!self.ctx.memory.holdings.has_none(index), "it holds nothing");
        self.ctx.memory.holdings.forget(index);
        let Some(slot) = self.ctx.slab.get(index) else { return };
        if slot.phase != Phase::Live || slot.abort {
            return;
        }
        self.ctx.counters.budget_closed.add(1);
        let parked = slot.take_parked();
        let lent = slot.rare.as_ref().map_or(0, |rare| rare.large.lent_len);
        self.direct.revoke(slot);
        let unread = parked.len() + lent;
        with_env(&mut self.ctx, index, |conn, env| {
            env.pool.put(parked);
            conn.shed(unread, env);
        });
        let slot = self.ctx.slab.at(index);
        slot.abort = slot.conn.disposition() == Disposition::Abort;
        self.ctx.mark_dirty(index);
    }
}
