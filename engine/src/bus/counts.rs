//! What is counted of the bus.

/// What has happened since the start, and what is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that went out.
    pub sent: u64,
    /// Messages that did not, because the bus was down.
    pub unsent: u64,
    /// Messages of others that went to members.
    pub delivered: u64,
    /// Frames of others that came twice, or too late.
    pub known: u64,
    /// Frames of our own that came back.
    pub own: u64,
    /// Messages of others that were dropped, because too much waited for their members.
    pub full: u64,
    /// Frames that were none.
    pub malformed: u64,
    /// Gaps.
    pub gaps: u64,
    /// Messages in gaps, as far as they can be counted.
    pub missing: u64,
    /// Heartbeats, ends and syncs that went out.
    pub signs: u64,
    /// Topics that we publish on, now.
    pub said: u64,
    /// Origins that we hear, over all topics, now.
    pub heard: u64,
}
