//! The end of a reactor: drain, then abort, then report. A stop is a drain in which nobody is
//! served on and all are sent their Close at once.

use crate::conn::{Cause, Disposition};
use crate::reactor::api::call::handle_of;
use crate::reactor::api::handle::grace_of;
use crate::reactor::core::ending::Drain;
use crate::reactor::core::key;
use crate::reactor::core::labels::CLOSING;
use crate::reactor::core::slab::{EndsBy, NO_DIAL, Phase};
use crate::reactor::state::Reactor;
use crate::ring::{Errno, Kernel};
use crate::tick::Tick;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

impl<K: Kernel> Reactor<K> {
    /// Looks whether a drain or a stop was asked for, or another stop: the latest decides how long
    /// is waited.
    pub(crate) fn check_stop(&mut self) {
        let word = self.ctx.post.handle.stop_word();
        if word == self.ctx.ending.word {
            return;
        }
        self.ctx.ending.word = word;
        let handle = self.ctx.post.handle.clone();
        let plan = handle.plan().filter(|_| grace_of(word).is_none());
        let wait = plan.map_or(grace_of(word), |plan| Some(millis(plan.deadline))).unwrap_or(0);
        if let Some(node) = self.ctx.ending.deadline.take() {
            self.ctx.wheel.remove(node);
        }
        let until = self.ctx.now.saturating_add(wait);
        self.ctx.ending.deadline = Some(self.ctx.wheel.insert(until, key::GRACE));
        self.ctx.draining = true;
        self.disarm_listeners();
        self.ctx.refuse_waiting();
        if let Some(node) = self.ctx.ending.next.take() {
            self.ctx.wheel.remove(node);
        }
        match plan.map_or(0, |plan| millis(plan.serve)) {
            0 => self.send_closes(),
            serve => self.send_closes_at(self.ctx.now.saturating_add(serve)),
        }
        self.arm_listeners();
    }

    fn send_closes_at(&mut self, at: Tick) {
        self.ctx.ending.next = Some(self.ctx.wheel.insert(at, key::CLOSES));
    }

    /// The timer of `send_closes_at`.
    pub(crate) fn closes_are_due(&mut self) {
        self.ctx.ending.next = None;
        self.send_closes();
    }

    /// Sends a Close to those whose turn it is. When nobody is left, whoever has not even been
    /// upgraded is broken off.
    fn send_closes(&mut self) {
        let handle = self.ctx.post.handle.clone();
        let (plan, default) = (handle.plan(), Drain::default());
        let how = plan.unwrap_or(&default);
        let hurries = grace_of(self.ctx.ending.word).is_some();
        if !self.ctx.closing {
            self.begin_closing(if hurries { 0 } else { millis(how.spread) });
        } else if hurries {
            self.ctx.ending.hurry();
        }
        while let random = self.random()
            && let Some(conn) = self.ctx.ending.pop_due(self.ctx.now, random)
        {
            // Refused only where the closing handshake has begun already, or is over.
            let _ = self.ctx.close_for(Cause::Stop, conn, how.code, &how.reason);
        }
        match self.ctx.ending.due() {
            Some(at) => self.send_closes_at(at),
            None => {
                self.break_off(|_| true);
                self.arm_listeners();
            }
        }
    }

    /// From here on no connection is made, and those that are open end.
    fn begin_closing(&mut self, spread: u64) {
        self.ctx.closing = true;
        self.stop_dials();
        self.break_off(|is_dial| is_dial);
        let live = self.ctx.slab.in_phase(Phase::Live);
        let open = live.into_iter().filter(|&index| self.ctx.slab.at(index).conn.opened());
        let open: Vec<u32> = open.collect();
        let all = open.into_iter().map(|index| handle_of(&self.ctx, index)).collect();
        let (now, random) = (self.ctx.now, self.random());
        self.ctx.ending.begin(all, now, spread, random);
    }

    /// Ends handshakes under way: those of connections that we make, and of others.
    fn break_off(&mut self, which: impl Fn(bool) -> bool) {
        for index in self.ctx.slab.in_phase(Phase::Live) {
            let slot = self.ctx.slab.at(index);
            let is_dial = slot.dial() != NO_DIAL;
            if slot.conn.opened() || !which(is_dial) {
                continue;
            }
            // What was answered may still leave, within the grace.
            let answered = slot.conn.disposition() == Disposition::Finish;
            if !is_dial && answered && slot.conn.buffered() > 0 {
                continue;
            }
            // One that has been answered is not unheard.
            let heard = slot.conn.failure().is_some() || slot.conn.has_requests();
            let unheard = !is_dial && !heard && !slot.abort;
            self.ctx.ending.drained.unheard += u64::from(unheard);
            let conn = handle_of(&self.ctx, index);
            let _ = self.ctx.abort(conn);
        }
    }

    fn random(&mut self) -> u32 {
        u32::from_le_bytes(self.ctx.tools.keys.next_key())
    }

    /// Whoever has not answered by now is cut off.
    pub(crate) fn grace_is_over(&mut self) {
        self.ctx.ending.deadline = None;
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
            && self.passing.len() == 0
            && self.ctx.adoptees.is_empty()
    }

    /// Mail is refused from here on; what was taken before is carried out.
    pub(crate) fn finish(&mut self) {
        self.ctx.count_tally();
        self.no_queues();
        self.close_mail();
        while self.ctx.post.inbox.len() > 0 {
            guarded(|| _ = self.carry_out_next());
        }
        while let Some(coming) = self.next_abandoned() {
            guarded(|| self.reject(coming));
        }
        guarded(|| self.stop_dials());
        while self.ctx.topics.changes() > 0 {
            guarded(|| self.report_topics());
        }
        self.wake_others();
    }

    /// Wakes those whom the last callbacks have sent something to: the ring does not any more.
    pub(crate) fn wake_others(&mut self) {
        for reactor in self.ctx.post.to_wake.drain(..) {
            self.ctx.post.handle.0.wakers[reactor as usize].wake();
        }
        if std::mem::take(&mut self.ctx.post.wakes_bus) {
            self.ctx.post.handle.wake_bus();
        }
    }

    fn close_mail(&mut self) {
        let post = &mut self.ctx.post;
        post.handle.0.loads.takes(self.ctx.index, 0);
        post.inbox.close(&post.own.mail);
        post.inbox.close(&post.handle.0.mailboxes[self.ctx.index as usize]);
    }

    /// The kernel has failed: the application hears of every connection before the thread ends.
    pub(crate) fn give_up(&mut self, errno: Option<Errno>) {
        (self.ctx.draining, self.ctx.closing) = (true, true);
        for index in self.ctx.slab.in_phase(Phase::Live) {
            let slot = self.ctx.slab.at(index);
            slot.ends_by = EndsBy::Reactor;
            if let Some(errno) = errno {
                slot.set_errno(errno);
            }
            guarded(|| self.abort(index));
        }
        self.finish();
        // What would take them out of the count does not come any more: their sockets end with the
        // kernel's part of this reactor.
        let counters = &self.ctx.counters;
        counters.connections.set(0);
        counters.connections_by_state.of(CLOSING).set(0);
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

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl<K: Kernel> Drop for Reactor<K> {
    /// However the thread ends: nobody waits for an answer from here.
    fn drop(&mut self) {
        self.close_mail();
        self.ctx.post.handle.0.tally.add(&self.ctx.ending.drained);
    }
}
