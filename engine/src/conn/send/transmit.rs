//! What of the queue is out, and what becomes of it.

use super::outbox::{Outbox, send_queue_max};
use crate::conn::Env;
use crate::memory::{Batch, Pool};

impl Outbox {
    /// The next batch to be sent, `None` when there is nothing or one is out already.
    #[inline]
    pub(super) fn transmit(&mut self) -> Option<Batch> {
        if self.out {
            return None;
        }
        let mut batch = match &mut self.stalled {
            Some(stalled) => stalled.next(!self.heading),
            None => Batch::default(),
        };
        if batch.is_empty() {
            batch = std::mem::take(&mut self.queue);
            self.ahead = self.buffered;
        }
        self.heading = false;
        self.out = !batch.is_empty();
        self.out.then_some(batch)
    }

    /// The batch comes back. `true` when the queue was full and has drained.
    #[inline]
    pub(super) fn transmitted(
        &mut self,
        mut batch: Batch,
        bytes: usize,
        env: &mut Env<'_>,
    ) -> bool {
        if self.mute {
            // What is queued was given up while this was out.
            batch.recycle(env.pool);
            return false;
        }
        let max = send_queue_max(env);
        let bytes = bytes.min(batch.len());
        batch.advance(bytes);
        self.out = false;
        self.buffered -= bytes;
        self.ahead -= bytes;
        if batch.is_empty() {
            batch.recycle(env.pool);
        } else {
            self.stalled.get_or_insert_default().rest = batch;
        }
        if self.stalled.is_some() {
            self.release_pong(env);
        }
        let drained = self.full && (self.buffered == 0 || self.buffered < max / 2);
        self.full &= !drained;
        drained
    }

    /// Forgets what is queued, and the batch that is out.
    pub(in crate::conn) fn drop_all(&mut self, pool: &mut Pool) {
        self.release(pool);
        (self.buffered, self.ahead, self.out, self.full) = (0, 0, false, false);
    }

    /// Bytes of messages that have not left: of control frames only those count that left with
    /// them, or will.
    pub(in crate::conn) fn unsent(&self) -> usize {
        self.buffered.saturating_sub(self.control_len() + usize::from(self.close_len))
    }

    /// Nothing will be sent any more.
    pub(in crate::conn) fn mute(&mut self) {
        self.mute = true;
    }

    #[inline]
    pub(in crate::conn) fn is_mute(&self) -> bool {
        self.mute
    }

    /// Whether a batch is out.
    #[inline]
    pub(super) fn is_out(&self) -> bool {
        self.out
    }
}
