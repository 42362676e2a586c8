//! What a connection holds is looked at when it may have changed: when bytes have come, when it was
//! reconciled, when a send has ended. One that holds nothing pays a few tests for it.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::HELD_MIN;
use crate::memory::Batch;
use crate::reactor::api::contract::Context;
use crate::reactor::core::key;
use crate::tick::Tick;

/// How often what is queued is looked at.
const LOOK_MS: Tick = 1_000;

impl Context {
    /// Counts anew what a connection keeps.
    #[inline]
    pub(crate) fn weigh(&mut self, index: u32) {
        let slot = self.slab.at(index);
        if slot.conn.is_light() && slot.rare.is_none() && self.memory.holdings.has_none(index) {
            return;
        }
        self.weigh_all(index);
    }

    #[inline(never)]
    fn weigh_all(&mut self, index: u32) {
        let slot = self.slab.at(index);
        let (held, queued) = (slot.held(), slot.conn.buffered());
        if queued >= HELD_MIN {
            self.backlogs.note(index);
            self.watch_queues();
        }
        let counted = if held >= HELD_MIN { held } else { 0 };
        if counted > 0 || !self.memory.holdings.has_none(index) {
            self.memory.holdings.keep(index, counted);
        }
    }

    /// What is queued is looked at, a little later.
    pub(crate) fn watch_queues(&mut self) {
        if !std::mem::replace(&mut self.backlogs.watched, true) {
            self.wheel.insert(self.now + LOOK_MS, key::QUEUES);
        }
    }

    /// A batch goes out: what it refers to is held until it is back.
    #[inline(never)]
    pub(crate) fn weigh_out(&mut self, index: u32, batch: &Batch) {
        self.memory.holdings.send(index, batch.weight());
    }

    /// It is back.
    #[inline]
    pub(crate) fn is_back(&mut self, index: u32) {
        if !self.memory.holdings.has_none(index) {
            self.memory.holdings.send(index, 0);
        }
    }

    /// All that is held here.
    #[inline]
    pub(crate) fn held(&self) -> u64 {
        let held = self.memory.holdings.total();
        let spare_and_codecs = self.pool.bytes() + self.tools.codec.budget.spent();
        held.saturating_add(spare_and_codecs) as u64
    }
}
