//! What whoever sends for several needs to know: whose turn it may be.

use super::Connection;
use super::state::Expecting;

impl Connection {
    /// Whether a message is being sent in fragments and has not ended: only what continues it, and
    /// control frames, may be sent (RFC 6455 §5.4).
    #[inline]
    pub fn in_message(&self) -> bool {
        self.outbox.message.is_some()
    }

    /// Whether messages may be sent: from when it is open until the closing handshake begins.
    pub fn takes_messages(&self) -> bool {
        self.expecting == Expecting::Open && !self.close_sent()
    }

    /// The application was told that there is no room: `transmitted` says when there is some.
    pub(crate) fn told_full(&mut self) {
        self.outbox.full = true;
    }
}
