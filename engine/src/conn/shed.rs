//! What a connection holds of its owner's memory, and how it is made to give that up.

use super::{Cause, Connection, Env, Failure, Reading};
use crate::proto::CloseCode;

/// A connection that holds less is not looked at: most hold nothing between two turns, or one page
/// for what is on its way.
pub(crate) const HELD_MIN: usize = 4 << 10;

impl Connection {
    /// Whether there is no need to ask for [`Connection::held`]: nothing has come in part, and
    /// little waits to be sent.
    #[inline]
    pub(crate) fn is_light(&self) -> bool {
        self.outbox.buffered() < HELD_MIN && !self.inbound.has_progress() && self.rare.is_none()
    }

    /// Bytes of memory for what has come in part and for what waits to be sent, used or not. Not
    /// for what is out, nor for what is lent to receive into.
    pub(crate) fn held(&self) -> usize {
        let head = self.rare.as_ref().and_then(|rare| rare.head.as_ref());
        let head = head.map_or(0, |head| head.collected());
        let request = self.http().map_or(0, |http| http.collected());
        head + request + self.inbound.capacity() + self.outbox.weight()
    }

    /// Memory is short, and this connection holds much of it: it ends with 1013. What has come in
    /// part and what waits to be sent is dropped and counted, with `unread` bytes that others have
    /// kept for it. Where a frame has begun to leave no Close frame can follow (RFC 6455 §5.5.1),
    /// and the transport is to end at once.
    #[cold]
    pub(crate) fn shed(&mut self, unread: usize, env: &mut Env<'_>) {
        let between_frames = self.takes_messages() && !self.outbox.is_in_frame();
        let unread = (unread + self.inbound.message_len()) as u64;
        if unread > 0 {
            self.count_unread(unread as usize);
        }
        // Nothing more of it is read: who is closed for sending too much would go on, and nobody
        // wants what comes. TCP holds the peer back until it has ended, or the time is over.
        self.reading = Reading::Hold;
        if !between_frames {
            self.inbound.end(env.pool);
            return self.give_up(Some(Failure::OutOfMemory));
        }
        self.count_unsent(self.outbox.unsent() as u64);
        env.pool.count_freed(self.outbox.buffered());
        self.outbox.drop_all(env.pool);
        self.rare().failure.get_or_insert(Failure::OutOfMemory);
        self.finish("", env);
        let code = CloseCode::TRY_AGAIN;
        self.queue_close(Cause::Memory, &code.0.to_be_bytes(), code, env);
    }
}
