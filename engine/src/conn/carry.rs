//! What goes along with the transport of an open connection to another process, where its peer
//! notices nothing. Only of one that stands between two messages in both directions, with nothing
//! queued: so what has to be known of it is little.

use super::limits::QueuePolicy;

/// What was agreed on for permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CarriedDeflate {
    /// The window of what we compress, in bits.
    pub(crate) bits: u8,
    /// We may refer back to earlier messages. Nobody has to (RFC 7692 §7.2.1): over there it begins
    /// with an empty window.
    pub(crate) ours: bool,
    /// So may the peer. It has not yet: its window does not travel.
    pub(crate) theirs: bool,
}

/// What is known of such a connection. What it is judged by in time begins anew over there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Carry {
    /// What was agreed on, if anything was.
    pub(crate) deflate: Option<CarriedDeflate>,
    /// What a Ping of ours says that has no answer yet.
    pub(crate) asked_ping: Option<[u8; 8]>,
    /// What it has of its own in the place of its endpoint's limits.
    pub(crate) policy: Option<QueuePolicy>,
    /// Messages that were dropped because the queue was full.
    pub(crate) dropped: u32,
}
