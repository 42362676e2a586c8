//! What a run of several reactors came to.

use crate::reactor::Stats;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct ManyReport {
    /// The counters of all reactors.
    pub stats: Stats,
    /// Published messages that came to members.
    pub published: u64,
    /// Messages of others' threads that came.
    pub forwarded: u64,
    /// Publishes and calls that found a mailbox full.
    pub refused: u64,
    /// Jobs that were posted to a reactor.
    pub jobs: u64,
    /// Requests that were answered by another reactor or thread.
    pub answered: u64,
    /// Connections that ended in order, and got all that was promised or heard how much not.
    pub settled: u64,
    /// Messages of those that did not come: told so.
    pub lost: u64,
    /// Turns of all reactors.
    pub turns: u64,
}
