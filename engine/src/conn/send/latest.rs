//! Of a ticker, a slow reader is to get the newest price and not all of them: a message takes the
//! place of the one before it, as long as that waits.

use super::outbox::send_queue_max;
use super::waiting::{Entry, Key};
use crate::conn::clock::Stamp;
use crate::conn::{Connection, Env, Queued, SendError, WhenFull};
use crate::memory::Outgoing;
use crate::proto::Opcode;

impl Connection {
    /// Queues a whole message that takes the place of the one queued under the same key, unless
    /// that has begun to leave. `true` beside the answer when there was one. What waits so keeps
    /// the order in which the keys were queued; other messages that wait may leave before it.
    ///
    /// # Errors
    /// As [`SendError`] says; [`SendError::Sequence`] also for what is no whole message. What is
    /// queued is then as before.
    pub(crate) fn send_latest(
        &mut self,
        key: Key,
        message: &Outgoing,
        env: &mut Env<'_>,
    ) -> Result<(Queued, bool), SendError> {
        self.begin_send(env)?;
        if !message.fin() || !matches!(message.opcode(), Opcode::Text | Opcode::Binary) {
            return Err(SendError::Sequence);
        }
        let limits = self.limits(env.limits);
        let env = &mut env.within(&limits);
        let (len, max) = (self.outbox.frame_len(message), send_queue_max(env));
        let before = |of: &Self| of.outbox.line().and_then(|line| line.len_of(key));
        let drops = env.limits.when_full == WhenFull::DropOldest;
        if drops {
            self.make_room(len.saturating_sub(before(self).unwrap_or(0)), env);
        } else if self.refuses_latest(len, before(self), env) {
            return self.full(true, env).map(|queued| (queued, false));
        }
        let replaces = before(self).is_some();
        let (message, since) = (message.clone(), Stamp::of(env.now));
        self.outbox.put_line(Entry { message, len, since, key: Some(key), drops });
        Ok((self.outbox.queued(max), replaces))
    }

    /// What is replaced makes room; what gets no longer needs none.
    fn refuses_latest(&self, len: usize, before: Option<usize>, env: &Env<'_>) -> bool {
        let others = self.outbox.buffered() - before.unwrap_or(0);
        let no_room = others > send_queue_max(env) && len > before.unwrap_or(0);
        no_room || before.is_none() && self.is_too_old(env.limits, env.now)
    }
}
