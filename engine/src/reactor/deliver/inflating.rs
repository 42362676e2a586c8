//! Whose compressed messages are delivered now, and whose in the next turn.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::api::contract::Context;

impl Context {
    /// Whether bytes that have come for a connection are not to be delivered now: behind others of
    /// its own, or for an application that has paused, or because it may inflate them and the turn
    /// has no room for that. Then it stands in line.
    #[inline]
    pub(crate) fn must_be_kept(&mut self, index: u32) -> bool {
        let slot = self.slab.at(index);
        slot.keeps_back() || self.inflating.is_spent() && self.waits_its_turn(index)
    }

    /// Whether the connection may inflate what it is sent: then it goes on in another turn than
    /// this, which is spent.
    #[inline(never)]
    pub(crate) fn waits_its_turn(&mut self, index: u32) -> bool {
        let waits = self.slab.at(index).conn.may_inflate();
        if waits {
            self.stand_in_line(index);
        }
        waits
    }

    /// Counts what a connection has inflated since this was last called. `true` when that is enough
    /// for this turn: then it stands in line.
    #[inline]
    pub(crate) fn has_inflated(&mut self, index: u32) -> bool {
        match self.inflating.newly(self.tools.codec.done.bytes) {
            0 => false,
            bytes => self.count_inflated(index, bytes),
        }
    }

    #[inline(never)]
    fn count_inflated(&mut self, index: u32, bytes: usize) -> bool {
        let (turn, now) = (self.served.waits, self.now);
        let appetite = &mut self.slab.at(index).rare().appetite;
        let enough = self.inflating.take(appetite, bytes, turn, now);
        if enough {
            self.stand_in_line(index);
        }
        enough
    }

    fn stand_in_line(&mut self, index: u32) {
        let token = self.slab.token(index);
        let appetite = &mut self.slab.at(index).rare().appetite;
        self.inflating.wait(appetite, token, self.now);
    }
}
