//! While a run of messages is delivered: short answers go straight to the end of the connection's
//! queue, until something else touches it.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::api::handler::Context;
use crate::reactor::core::name::Conn;

impl Context {
    /// A run of messages of the connection is about to be delivered. One that was answered the
    /// last time probably will be again.
    #[inline]
    pub(crate) fn begin_run(&mut self, conn: Conn) {
        let slot = self.slab.at(conn.slot());
        self.delivering = conn;
        self.run_stopped = false;
        self.run_user = slot.user;
        if slot.answered {
            self.cork(conn);
        }
    }

    /// The run is delivered.
    #[inline]
    pub(crate) fn end_run(&mut self) {
        self.delivering = Conn::NONE;
        self.uncork();
    }

    /// Lets short answers to the connection under delivery go the short way.
    #[inline]
    pub(crate) fn cork(&mut self, conn: Conn) {
        let Some(slot) = self.slab.live(conn) else { return };
        let limits = self.limits.of(slot.endpoint);
        if let Some(cork) = slot.conn.cork(limits, &mut self.pool) {
            slot.answered = true;
            self.cork = cork;
            self.corked = conn;
            self.own.cork(conn);
        }
    }

    /// Ends that: before anything else touches the connection, and when the delivery ends.
    #[inline]
    pub(crate) fn uncork(&mut self) {
        let conn = std::mem::replace(&mut self.corked, Conn::NONE);
        if conn == Conn::NONE {
            return;
        }
        self.own.cork(Conn::NONE);
        let cork = std::mem::take(&mut self.cork);
        let frames = cork.frames();
        let slot = self.slab.at(conn.slot());
        slot.conn.uncork(cork, &mut self.pool);
        // With none: what was sent before the cork has put it on the dirty list, or nothing was.
        if frames > 0 {
            self.counters.messages_out.add(frames);
            self.mark_dirty(conn.slot());
        } else {
            slot.answered = slot.dirty;
        }
    }
}
