//! Once per turn: what other threads ask for, what they are told, and that memory goes back which
//! only a burst has needed.

use crate::reactor::api::call::handle_of;
use crate::reactor::core::key;
use crate::reactor::state::Reactor;
use crate::ring::{Kernel, heap};

/// Large vectors that were not needed for so long are freed, and what was freed is given back.
const TRIM_MS: u64 = 1_000;

impl<K: Kernel> Reactor<K> {
    pub(crate) fn read_mail(&mut self) {
        let ctx = &mut self.ctx;
        ctx.post.inbox.take(&ctx.post.handle.0.mailboxes[ctx.index as usize]);
        let taken = ctx.post.inbox.len();
        self.mails_peak = self.mails_peak.max(taken);
        // What a job takes out of the mailbox, because it publishes, is for the next turn.
        for _ in 0..taken {
            if !self.carry_out_next() {
                break;
            }
        }
        // The rest of what was published waits until the first have theirs.
        if !self.ctx.early.published {
            self.ctx.read_own_mail();
        }
        if self.ctx.post.inbox.is_large() {
            self.trim_soon();
        }
    }

    /// One by one: should a job panic, the others are still to be called. What this thread has
    /// asked for meanwhile goes first, lest it come into the middle of the other.
    pub(crate) fn carry_out_next(&mut self) -> bool {
        self.ctx.read_own_mail();
        let next = self.ctx.post.inbox.pop();
        next.map(|mail| self.ctx.deliver_mail(mail)).is_some()
    }

    /// Whoever feeds a connection from elsewhere is told how much it has queued.
    #[inline]
    pub(crate) fn publish_mailed(&mut self, index: u32) {
        if self.ctx.slab.at(index).mailed {
            let conn = handle_of(&self.ctx, index);
            self.ctx.tell_queued(conn);
        }
    }

    /// Sees to it that large vectors do not outlast the traffic that they were made for.
    #[inline]
    pub(crate) fn trim_later(&mut self) {
        if self.ctx.pool.wants_care() {
            self.trim_soon();
        }
    }

    #[inline]
    fn trim_soon(&mut self) {
        if !self.trimming {
            self.trimming = true;
            self.ctx.wheel.insert(self.ctx.now + TRIM_MS, key::TRIM);
        }
    }

    pub(crate) fn trim(&mut self) {
        self.trimming = false;
        self.ctx.pool.trim();
        if self.ctx.pool.has_shrunk() {
            heap::give_back();
        }
        self.trim_later();
        let peak = std::mem::take(&mut self.mails_peak);
        let ours = self.ctx.post.inbox.trim(peak);
        if self.ctx.post.handle.0.mailboxes[self.ctx.index as usize].trim(peak) || ours {
            self.trim_soon();
        }
    }
}
