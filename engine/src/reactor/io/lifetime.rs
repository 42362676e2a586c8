//! What connections are asked for by the clock alone: to end when their time is over, and for the
//! round trip. Each has a node of its own on the wheel, so that who asks for neither pays nothing.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::Cause;
use crate::reactor::api::call::{handle_of, with_env};
use crate::reactor::core::key;
use crate::reactor::core::slab::Phase;
use crate::reactor::state::Reactor;
use crate::ring::Kernel;

impl<K: Kernel> Reactor<K> {
    /// The time of a connection is over: it is closed, behind what is queued. One that an
    /// application has closed meanwhile is closing already. A connection of ours is made again, as
    /// after an end that the server has made.
    pub(crate) fn lifetime_is_over(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        slot.rare().lifetime = None;
        if slot.phase != Phase::Live {
            return;
        }
        let code = self.ctx.limits.of(slot.endpoint).lifetime_code;
        let conn = handle_of(&self.ctx, index);
        let closed =
            self.ctx.on_live(conn, |slot, env| slot.conn.close_for(Cause::Lifetime, code, "", env));
        self.ctx.counters.lifetimes_over.add(u64::from(closed.is_ok()));
    }

    /// The round trip of a connection is to be measured.
    pub(crate) fn measure(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        slot.rare().pings = None;
        if slot.phase != Phase::Live || slot.conn.is_closing() {
            return;
        }
        let every = self.ctx.limits.of(slot.endpoint).ping_interval_ms;
        with_env(&mut self.ctx, index, |conn, env| conn.measure(env));
        self.ctx.mark_dirty(index);
        let node = self.ctx.wheel.insert(self.ctx.now + u64::from(every), key::of_ping(index));
        self.ctx.slab.at(index).rare().pings = Some(node);
    }
}
