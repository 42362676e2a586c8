//! The connections that wait to inflate what they have received go on.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::core::slab::Phase;
use crate::reactor::deliver::deliver::unpark;
use crate::reactor::state::Reactor;
use crate::ring::{Kernel, Token};

impl<K: Kernel> Reactor<K> {
    /// As many as the turn has room for, behind what has come for all the others.
    #[inline]
    pub(crate) fn run_line(&mut self) {
        if self.ctx.inflating.are_waiting() {
            self.run_some_of_line();
        }
    }

    /// At least one of each line, so that none waits for ever; each at most once.
    #[inline(never)]
    fn run_some_of_line(&mut self) {
        for (modest, waiting) in [true, false].into_iter().zip(self.ctx.inflating.waiting()) {
            for served in 0..waiting {
                if served > 0 && self.ctx.inflating.is_spent() {
                    break;
                }
                if let Some(token) = self.ctx.inflating.next(modest) {
                    self.go_on(token);
                }
            }
        }
    }

    fn go_on(&mut self, token: Token) {
        // It may have ended meanwhile.
        let Some(slot) = self.ctx.slab.by_token(token) else { return };
        slot.rare().appetite.waits = false;
        if slot.phase != Phase::Live || slot.abort {
            return;
        }
        // Else the application has paused, and says when it goes on.
        if slot.has_parked() && !slot.holds() {
            unpark(&mut self.ctx, &self.endpoints.served, token.slot);
        }
        // It may be received again.
        self.ctx.mark_dirty(token.slot);
    }
}
