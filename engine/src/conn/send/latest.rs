//! Of a ticker, a slow reader is to get the newest price and not all of them: a message takes the
//! place of the one before it, as long as that waits.

use super::outbox::{FULL, HEADING, Outbox, send_queue_max};
use super::waiting::{Unframed, Waiting};
use crate::conn::{Connection, Env, Queued, SendError};
use crate::memory::Outgoing;
use crate::proto::Opcode;

impl Connection {
    /// Queues a whole message that takes the place of the one queued under the same key, unless
    /// that has begun to leave. `true` beside the answer when there was one. What waits so keeps
    /// the order in which the keys were queued, and leaves behind the other messages that wait.
    ///
    /// # Errors
    /// As [`SendError`] says; [`SendError::Sequence`] also for what is no whole message. What is
    /// queued is then as before.
    pub(crate) fn send_latest(
        &mut self,
        key: u64,
        message: &Outgoing,
        env: &mut Env<'_>,
    ) -> Result<(Queued, bool), SendError> {
        self.begin_send(env)?;
        if !message.fin() || !matches!(message.opcode(), Opcode::Text | Opcode::Binary) {
            return Err(SendError::Sequence);
        }
        self.outbox.put_latest(key, message, send_queue_max(env))
    }

    /// Whether messages wait to be framed: [`Connection::queue_latest`] comes before the next
    /// `transmit`.
    #[inline]
    pub(crate) fn holds_latest(&self) -> bool {
        self.outbox.stalled.as_ref().is_some_and(|stalled| stalled.latest.is_some())
    }

    /// Frames what of them leaves next, if the queue does: about a batch.
    #[inline(never)]
    pub(crate) fn queue_latest(&mut self, env: &mut Env<'_>) {
        while self.outbox.takes_latest(env.pool.batch_max())
            && let Some(waited) = self.outbox.pop_latest()
        {
            self.append_made(&waited.message, env);
        }
    }

    /// Frames all of them: a Close goes behind what is queued. But into a message that is not
    /// finished none can go, and it will not be.
    pub(in crate::conn) fn queue_all_latest(&mut self, env: &mut Env<'_>) {
        let mut unsent = 0;
        while let Some(Unframed { message, len }) = self.outbox.pop_latest() {
            match self.in_message() {
                true => unsent += len as u64,
                false => self.append_made(&message, env),
            }
        }
        if unsent > 0 {
            self.count_unsent(unsent);
        }
    }
}

impl Outbox {
    fn put_latest(
        &mut self,
        key: u64,
        message: &Outgoing,
        max: usize,
    ) -> Result<(Queued, bool), SendError> {
        let old = self.latest().and_then(|waiting| waiting.len_of(key));
        let (before, len) = (old.unwrap_or(0), self.frame_len(message));
        // What is replaced makes room; what gets no longer needs none.
        if self.buffered - before > max && len > before {
            self.flags.set(FULL);
            return Err(SendError::Full);
        }
        // Not in the queue before it is framed.
        self.buffered = self.buffered - before + len;
        self.ahead = self.ahead - before + len;
        let stalled = self.stalled.get_or_insert_default();
        let unframed = Unframed { message: message.clone(), len };
        stalled.latest.get_or_insert_default().put(key, unframed);
        Ok((self.queued(max), old.is_some()))
    }

    fn latest(&self) -> Option<&Waiting> {
        self.stalled.as_ref()?.latest.as_deref()
    }

    /// Whether a message that waits is to be framed now: the queue leaves next, and has room.
    fn takes_latest(&self, batch_max: usize) -> bool {
        let queue_is_next = self.stalled.as_ref().is_some_and(|stalled| {
            let control_leads = !stalled.control.is_empty() && !self.flags.has(HEADING);
            stalled.rest.is_empty() && stalled.sealed.is_empty() && !control_leads
        });
        let in_queue = self.buffered - self.ahead;
        queue_is_next && !self.is_out() && self.message.is_none() && in_queue < batch_max
    }

    fn pop_latest(&mut self) -> Option<Unframed> {
        let stalled = self.stalled.as_mut()?;
        let waiting = stalled.latest.as_mut()?;
        let first = waiting.pop()?;
        if waiting.is_empty() {
            stalled.latest = None;
        }
        self.buffered -= first.len;
        self.ahead -= first.len;
        self.drop_empty_stalled();
        Some(first)
    }
}
