//! Since when what is queued has waited.
//!
//! Nothing is noted per message on the short way: at the end of a turn its owner says what time it
//! is ([`Connection::note_waiting`]), and what has come since
//! the last time gets that. So the grain is a turn, and where more waits than a batch, a batch; of
//! messages that wait unframed each knows its own.

use super::outbox::Outbox;
use super::stalled::Stalled;
use crate::conn::Connection;
use crate::conn::clock::Stamp;
use crate::tick::Tick;

impl Outbox {
    /// Whether anything waits behind what is out or leaves next.
    #[inline]
    fn has_behind(&self) -> bool {
        self.stalled.is_some() || !self.queue.is_empty()
    }

    /// What waits behind has waited since now, if it was not noted before.
    #[inline(never)]
    fn note_behind(&mut self, now: Tick) {
        let queues = !self.queue.is_empty();
        if !queues && self.stalled.is_none() {
            return;
        }
        let stalled = self.stalled.get_or_insert_default();
        for sealed in &mut stalled.sealed {
            sealed.since = sealed.since.or(now);
        }
        if queues {
            stalled.queued = stalled.queued.or(now);
        }
    }

    /// Since when the queue has waited that is handed out next.
    #[inline]
    pub(super) fn next_since(&self) -> Stamp {
        self.stalled.as_deref().map_or(Stamp::NONE, Stalled::next_since)
    }

    /// Since when the oldest has waited of what is not out, as far as that was noted.
    fn behind_since(&self, near: Tick) -> Option<Tick> {
        let stalled = self.stalled.as_ref()?;
        let line = stalled.latest.as_ref().and_then(|line| line.since());
        let sealed = stalled.sealed.front().map(|sealed| sealed.since);
        let all = [sealed, Some(stalled.queued), line];
        all.into_iter().flatten().filter_map(|since| since.tick(near)).min()
    }
}

impl Connection {
    /// At the end of a turn: what has been queued in it waits since now.
    #[inline]
    pub(crate) fn note_waiting(&mut self, now: Tick) {
        if self.outbox.buffered() > 0 {
            self.out_since = self.out_since.or(now);
            if self.outbox.has_behind() {
                self.outbox.note_behind(now);
            }
        }
    }

    /// For how many milliseconds the oldest message has waited that is queued; 0 if none is.
    pub(crate) fn queue_age(&self, now: Tick) -> u32 {
        let age = self.waits_since(now).map_or(0, |since| now.saturating_sub(since));
        u32::try_from(age).unwrap_or(u32::MAX)
    }

    /// Since when it has, as far as that was noted.
    pub(in crate::conn) fn waits_since(&self, near: Tick) -> Option<Tick> {
        let has_front = self.outbox.is_out() || self.outbox.has_rest();
        let front = has_front.then(|| self.out_since.tick(near)).flatten();
        let behind = self.outbox.behind_since(near);
        front.into_iter().chain(behind).min()
    }
}
