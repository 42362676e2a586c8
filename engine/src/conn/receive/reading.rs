//! What becomes of what the peer sends: delivered, held back, or discarded.

/// What is to be done with the peer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Read them: messages are delivered.
    Deliver,
    /// Leave them where they are: the application has paused.
    Hold,
    /// Read them: messages are counted in
    /// [`Connection::unread`](crate::conn::Connection::unread) and dropped. What else is in them,
    /// the peer's Close above all, counts.
    Discard,
}

/// What was lost on the way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::conn) struct Losses {
    /// See [`Connection::unread`].
    pub(in crate::conn) unread: u64,
    /// What was queued when sending failed.
    pub(in crate::conn) unsent: u64,
    /// Messages that a policy has dropped.
    pub(in crate::conn) dropped: u32,
}
