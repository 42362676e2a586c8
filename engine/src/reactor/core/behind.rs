//! Members of a topic that do not get what is published on it when it comes: they read its history
//! first.

use crate::bus::Position;

/// Where a member stands that is not one of the others yet.
#[derive(Debug)]
pub(crate) enum Stand {
    /// It reads the history. What is in mailboxes is not for it: that is in the history, too.
    Reads(Replay),
    /// It has read all of it, up to that place. What has a place before lies in the mailbox, maybe.
    From(u64),
}

/// How far a member has read a topic's history.
#[derive(Debug)]
pub(crate) struct Replay {
    /// The place to read on from.
    pub(crate) next: u64,
    /// What it has heard, by what it has said itself and what it was sent since.
    pub(crate) heard: Position,
}
