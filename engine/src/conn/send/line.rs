//! The line of messages that wait unframed behind the queue: what may be replaced or dropped, and
//! what is sent behind that and must not overtake it.
//!
//! They are framed, compressed and masked when the queue is what leaves next, no more than a batch
//! of them. So each can be taken back until it leaves, a compressor with a memory never sees what
//! the peer does not get, and nothing in the queue has to be moved.

use super::outbox::{HEADING, Outbox, send_queue_max};
use super::waiting::{Entry, Unframed, Waiting};
use crate::conn::clock::Stamp;
use crate::conn::{Connection, Env, Queued, SendError, WhenFull};
use crate::memory::Outgoing;

impl Connection {
    /// Whether messages wait to be framed: [`Connection::queue_latest`] comes before the next
    /// `transmit`.
    #[inline]
    pub(crate) fn holds_latest(&self) -> bool {
        self.outbox.line().is_some()
    }

    /// Frames what of them leaves next, if the queue does: about a batch.
    #[inline(never)]
    pub(crate) fn queue_latest(&mut self, env: &mut Env<'_>) {
        while self.outbox.frames_line(env.pool.batch_max())
            && let Some(waited) = self.outbox.pop_line()
        {
            self.append_made(&waited.message, env);
        }
        self.reroute(env.limits);
    }

    /// Frames all of them. Into a message that is not finished none can go.
    pub(super) fn frame_line(&mut self, env: &mut Env<'_>) {
        while let Some(Unframed { message, .. }) = self.outbox.pop_line() {
            self.append_made(&message, env);
        }
    }

    /// The same, before a Close, which goes behind what is queued. Where a message is not finished,
    /// it will not be, and those are not sent.
    pub(in crate::conn) fn queue_all_latest(&mut self, env: &mut Env<'_>) {
        if !self.in_message() {
            return self.frame_line(env);
        }
        let mut unsent = 0;
        while let Some(waited) = self.outbox.pop_line() {
            unsent += waited.len as u64;
        }
        if unsent > 0 {
            self.count_unsent(unsent);
        }
    }

    /// Whether a whole message of so many bytes has to stand in line: it may be dropped, and does
    /// not leave at the end of this turn; or it must not overtake what stands there.
    pub(super) fn stands_in_line(&self, len: usize, env: &Env<'_>) -> bool {
        let max = send_queue_max(env);
        let may_be_dropped = env.limits.when_full == WhenFull::DropOldest;
        self.outbox.line_keeps_order()
            || may_be_dropped
                && (self.outbox.buffered() + len > max
                    || self.outbox.is_stuck()
                    || self.outbox.in_queue() >= env.pool.batch_max())
    }

    /// Puts a whole message behind the others.
    pub(super) fn line_up(
        &mut self,
        message: Outgoing,
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        if u32::try_from(message.payload().len()).is_err() {
            return Err(SendError::TooBig);
        }
        let (len, max) = (self.outbox.frame_len(&message), send_queue_max(env));
        let drops = env.limits.when_full == WhenFull::DropOldest;
        if drops {
            self.make_room(len, env);
        } else if self.outbox.buffered() > max {
            return self.full(true, env);
        }
        let since = Stamp::of(env.now);
        self.outbox.put_line(Entry { message, len, since, key: None, drops });
        self.take_the_long_way(env.limits);
        Ok(self.outbox.queued(max))
    }

    /// Drops the oldest that may be dropped, until so many bytes have room.
    pub(super) fn make_room(&mut self, len: usize, env: &mut Env<'_>) {
        while self.outbox.buffered() + len > send_queue_max(env)
            && let Some(number) = self.outbox.line().and_then(Waiting::droppable)
        {
            self.drop_from_line(number, env);
        }
    }

    /// Drops one that was queued.
    pub(super) fn drop_from_line(&mut self, number: u64, env: &mut Env<'_>) {
        if self.outbox.take_from_line(|line| line.take(number)).is_some() {
            env.tools.policed.oldest += 1;
            self.count_dropped();
        }
    }
}

impl Outbox {
    /// Whether there is no room for a message, within the limits of the endpoint.
    #[inline(always)]
    pub(super) fn is_full(&self, env: &Env<'_>) -> bool {
        self.buffered > send_queue_max(env)
    }

    pub(super) fn line(&self) -> Option<&Waiting> {
        self.stalled.as_ref()?.latest.as_deref()
    }

    pub(super) fn line_keeps_order(&self) -> bool {
        self.line().is_some_and(Waiting::keeps_order)
    }

    /// Bytes in the queue itself.
    pub(super) fn in_queue(&self) -> usize {
        self.buffered - self.ahead
    }

    /// Whether something goes before the queue: what is queued does not leave at the end of this
    /// turn.
    fn is_stuck(&self) -> bool {
        let waits = |stalled: &super::stalled::Stalled| {
            !stalled.rest.is_empty() || !stalled.sealed.is_empty()
        };
        self.is_out() || self.stalled.as_deref().is_some_and(waits)
    }

    /// It counts as queued, but is not in the queue before it is framed.
    pub(super) fn put_line(&mut self, entry: Entry) {
        let line = self.stalled.get_or_insert_default().latest.get_or_insert_default();
        let before = line.bytes();
        line.put(entry);
        let after = line.bytes();
        self.buffered = self.buffered - before + after;
        self.ahead = self.ahead - before + after;
    }

    /// Whether a message that waits is to be framed now: the queue leaves next, and has room.
    fn frames_line(&self, batch_max: usize) -> bool {
        let queue_is_next = self.stalled.as_ref().is_some_and(|stalled| {
            let control_leads = !stalled.control.is_empty() && !self.flags.has(HEADING);
            stalled.rest.is_empty() && stalled.sealed.is_empty() && !control_leads
        });
        queue_is_next && !self.is_out() && self.message.is_none() && self.in_queue() < batch_max
    }

    fn pop_line(&mut self) -> Option<Unframed> {
        self.take_from_line(Waiting::pop)
    }

    fn take_from_line(
        &mut self,
        take: impl FnOnce(&mut Waiting) -> Option<Unframed>,
    ) -> Option<Unframed> {
        let stalled = self.stalled.as_mut()?;
        let line = stalled.latest.as_mut()?;
        let taken = take(line)?;
        if line.is_empty() {
            stalled.latest = None;
        }
        self.buffered -= taken.len;
        self.ahead -= taken.len;
        self.drop_empty_stalled();
        Some(taken)
    }
}
