//! While a run of messages is delivered: short answers go straight to the end of the connection's
//! queue, until something else touches it.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::api::contract::Context;
use crate::reactor::core::name::Conn;

impl Context {
    /// A run of messages of the connection is about to be delivered. One that was answered the
    /// last time probably will be again.
    #[inline]
    pub(crate) fn begin_batch(&mut self, conn: Conn) {
        let slot = self.slab.at(conn.slot());
        self.batch.conn = conn;
        self.batch.stopped = false;
        self.batch.user = slot.user;
        // What the callback before has asked for through a handle goes first: no short way then.
        if slot.answered && !self.post.own.mail.has_some() {
            self.open_writer(conn);
        }
    }

    /// The run is delivered.
    #[inline]
    pub(crate) fn end_batch(&mut self) {
        self.batch.conn = Conn::NONE;
        self.close_writer();
    }

    /// Lets short answers to the connection under delivery go the short way.
    #[inline]
    pub(crate) fn open_writer(&mut self, conn: Conn) {
        let Some(slot) = self.slab.live(conn) else { return };
        let limits = self.limits.of(slot.endpoint);
        if let Some(writer) = slot.conn.open_writer(limits, &mut self.pool) {
            slot.answered = true;
            self.batch.writer = writer;
            self.batch.written = conn;
            self.post.own.set_written(conn);
        }
    }

    /// Ends that: before anything else touches the connection, and when the delivery ends.
    #[inline]
    pub(crate) fn close_writer(&mut self) {
        let conn = std::mem::replace(&mut self.batch.written, Conn::NONE);
        if conn == Conn::NONE {
            return;
        }
        self.post.own.set_written(Conn::NONE);
        let writer = std::mem::take(&mut self.batch.writer);
        let (texts, binaries) = writer.frames();
        let slot = self.slab.at(conn.slot());
        slot.conn.close_writer(writer, &mut self.pool);
        // With none: what was sent before it was opened has put it on the dirty list, or nothing
        // was.
        if texts | binaries > 0 {
            self.counters.count_out(texts, binaries);
            self.mark_dirty(conn.slot());
        } else {
            slot.answered = slot.dirty;
        }
    }
}
