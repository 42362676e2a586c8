//! The end of a reactor: drain, then abort, then report.

use crate::proto::CloseCode;
use crate::reactor::api::call::handle_of;
use crate::reactor::api::handle::grace_of;
use crate::reactor::core::key;
use crate::reactor::core::slab::{EndsBy, Phase};
use crate::reactor::state::Reactor;
use crate::ring::{Errno, Kernel};
use std::panic::{AssertUnwindSafe, catch_unwind};

impl<K: Kernel> Reactor<K> {
    /// Looks whether a stop was asked for, or another: the latest decides about the grace.
    pub(crate) fn check_stop(&mut self) {
        let word = self.ctx.post.handle.stop_word();
        if word == self.stop_word {
            return;
        }
        self.stop_word = word;
        if !self.ctx.draining {
            self.drain();
        }
        if let Some(node) = self.grace.take() {
            self.ctx.wheel.remove(node);
        }
        let until = self.ctx.now.saturating_add(grace_of(word));
        self.grace = Some(self.ctx.wheel.insert(until, key::GRACE));
    }

    /// No more accepts; Close 1001 to all that are open, the end to all that are not.
    fn drain(&mut self) {
        self.ctx.draining = true;
        self.stop_dials();
        self.stop_listening();
        for index in self.ctx.slab.in_phase(Phase::Live) {
            let conn = handle_of(&self.ctx, index);
            if self.ctx.slab.at(index).conn.opened() {
                // Refused only where the closing handshake has begun already.
                let _ = self.ctx.close(conn, CloseCode::GOING_AWAY, "");
            } else {
                let _ = self.ctx.abort(conn);
            }
        }
    }

    /// Whoever has not answered by now is cut off.
    pub(crate) fn grace_is_over(&mut self) {
        self.grace = None;
        for index in self.ctx.slab.in_phase(Phase::Live) {
            let slot = self.ctx.slab.at(index);
            (slot.abort, slot.ends_by) = (true, EndsBy::Stop);
            self.ctx.mark_dirty(index);
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.ctx.draining
            && self.ctx.slab.len() == 0
            && self.ctx.dials.is_empty()
            && self.listeners.are_closed()
    }

    /// Mail is refused from here on; what was taken before is carried out.
    pub(crate) fn finish(&mut self) {
        self.close_mail();
        while self.ctx.post.inbox.len() > 0 {
            guarded(|| _ = self.carry_out_next());
        }
        guarded(|| self.stop_dials());
        while self.ctx.topics.changes() > 0 {
            guarded(|| self.report_topics());
        }
    }

    fn close_mail(&mut self) {
        let post = &mut self.ctx.post;
        post.inbox.close(&post.own.mail);
        post.inbox.close(&post.handle.0.mailboxes[self.ctx.index as usize]);
    }

    /// The kernel has failed: the application hears of every connection before the thread ends.
    pub(crate) fn give_up(&mut self, errno: Option<Errno>) {
        self.ctx.draining = true;
        for index in self.ctx.slab.in_phase(Phase::Live) {
            let slot = self.ctx.slab.at(index);
            slot.ends_by = EndsBy::Reactor;
            if let Some(errno) = errno {
                slot.set_errno(errno);
            }
            guarded(|| self.abort(index));
        }
        self.finish();
    }

    /// A callback has panicked out of [`Reactor::run`]: the others hear of every connection.
    ///
    /// No other turn may follow. What may be half done is the connection whose callback it was, the
    /// message under delivery and the completions of that turn: none of it is looked at again.
    /// Memory that the kernel may touch is the kernel's own until it is dropped.
    pub fn bury(&mut self) {
        self.ctx.source.end(None);
        self.ctx.answer = None;
        guarded(|| self.ctx.end_batch());
        self.give_up(None);
    }
}

/// Runs what calls the application when nothing may keep us from calling it again.
fn guarded(body: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
        // Dropping it may panic again; a leak at the site of a bug is the smaller evil.
        std::mem::forget(payload);
    }
}

impl<K: Kernel> Drop for Reactor<K> {
    /// However the thread ends: nobody waits for an answer from here.
    fn drop(&mut self) {
        self.close_mail();
    }
}
