//! Open connections that have come from the process before, or have come back.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::api::call::{handle_of, with_env};
use crate::reactor::core::carried::Carried;
use crate::reactor::core::key;
use crate::reactor::deliver::deliver::park;
use crate::reactor::state::Reactor;
use crate::ring::Kernel;

impl<K: Kernel> Reactor<K> {
    /// One with a slot goes on where another process has left off.
    pub(crate) fn begin_carried(&mut self, index: u32, carried: Carried) {
        let user = self.endpoints.served.of(carried.endpoint).user;
        let slot = self.ctx.slab.at(index);
        (slot.endpoint, slot.user) = (carried.endpoint, user);
        with_env(&mut self.ctx, index, |conn, env| conn.go_on(&carried.conn, env));
        let now = self.ctx.served.now;
        self.ctx.slab.at(index).conn.set_paused(carried.paused, now);
        park(&mut self.ctx, index, &carried.early);
        self.ctx.count_opened(None);
        self.ctx.begin_lifetime(index);
        if let Some(left) = carried.lifetime_ms {
            let at = self.ctx.now.saturating_add(left);
            let node = self.ctx.wheel.insert(at, key::of_lifetime(index));
            let before = self.ctx.slab.at(index).rare().lifetime.replace(node);
            before.into_iter().for_each(|node| self.ctx.wheel.remove(node));
        }
        let conn = handle_of(&self.ctx, index);
        if let Some(parting) = self.ctx.succession.parting.as_mut().filter(|_| carried.is_back) {
            // The successor has not wanted it.
            parting.kept.insert(conn);
        }
        self.ctx.join_again(conn, &carried.topics, carried.seam);
        let counters = &self.ctx.counters;
        let count = if carried.is_back { &counters.passed_back } else { &counters.taken_over };
        count.add(1);
        let handler = self.endpoints.handler(carried.endpoint);
        handler.on_taken_over(&mut self.ctx, conn, &carried.state);
    }
}
