//! What of the queue is out, and what becomes of it.

use super::outbox::{BEHIND, FULL, HEADING, HEADING_BEHIND, MUTE, OUT, Outbox, send_queue_max};
use crate::conn::Env;
use crate::conn::clock::Stamp;
use crate::memory::{Batch, Pool};

impl Outbox {
    /// The next batch to be sent, `None` when there is nothing or one is out already.
    #[inline]
    pub(super) fn transmit(&mut self) -> Option<Batch> {
        if self.is_out() {
            return None;
        }
        let mut batch = Batch::default();
        if let Some(stalled) = &mut self.stalled {
            batch = stalled.next(!self.flags.has(HEADING));
            if !batch.is_empty() && !self.flags.has(BEHIND) {
                self.flags.clear(HEADING);
            }
        }
        if batch.is_empty() {
            batch = std::mem::take(&mut self.queue).into();
            self.ahead = self.buffered;
            self.flags.clear(HEADING_BEHIND);
            if let Some(stalled) = &mut self.stalled {
                stalled.queued = Stamp::NONE;
            }
        }
        if batch.is_empty() {
            return None;
        }
        self.flags.set(OUT);
        Some(batch)
    }

    /// The batch comes back. `true` when the queue was full and has drained.
    #[inline(always)]
    pub(super) fn transmitted(
        &mut self,
        mut batch: Batch,
        bytes: usize,
        env: &mut Env<'_>,
    ) -> bool {
        if self.is_mute() {
            // What is queued was given up while this was out.
            batch.recycle(env.pool);
            return false;
        }
        let max = send_queue_max(env);
        let bytes = bytes.min(batch.len());
        batch.advance(bytes);
        self.flags.clear(OUT);
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
        let drained = self.flags.has(FULL) && (self.buffered == 0 || self.buffered < max / 2);
        if drained {
            self.flags.clear(FULL);
        }
        drained
    }

    /// Forgets what is queued, and the batch that is out.
    pub(in crate::conn) fn drop_all(&mut self, pool: &mut Pool) {
        self.release(pool);
        (self.buffered, self.ahead) = (0, 0);
        self.flags.clear(OUT);
        self.flags.clear(FULL);
    }

    /// Bytes of messages that have not left: of control frames only those count that left with
    /// them, or will.
    pub(in crate::conn) fn unsent(&self) -> usize {
        self.buffered.saturating_sub(self.control_len() + usize::from(self.close_len))
    }

    /// Nothing will be sent any more.
    pub(in crate::conn) fn mute(&mut self) {
        self.flags.set(MUTE);
    }

    #[inline]
    pub(in crate::conn) fn is_mute(&self) -> bool {
        self.flags.has(MUTE)
    }

    /// Whether a frame, or the HTTP head before all of them, may have begun to leave, or leaves
    /// next whatever happens.
    pub(in crate::conn) fn is_in_frame(&self) -> bool {
        self.is_out() || self.has_rest() || self.flags.has(HEADING)
    }

    /// Whether a batch is out.
    #[inline]
    pub(super) fn is_out(&self) -> bool {
        self.flags.has(OUT)
    }
}
