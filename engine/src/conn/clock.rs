//! What a connection remembers of the time. What follows from it: see `deadline`.

use crate::tick::Tick;

/// The instants that all deadlines of a connection are counted from.
#[derive(Debug)]
pub(super) struct Clock {
    /// The last sign of life: bytes of the peer, or room that it has made for ours.
    pub(super) heard: Tick,
    /// What it marks depends on the stage of the connection: see `deadline::Stage`.
    pub(super) mark: Tick,
}

/// How far the Ping is that asks for a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ping {
    /// In the batch that is handed out next, unless that is a rest.
    Queued,
    /// In the batch that is out, or in its rest.
    Out,
    /// The transport has taken it. So it is, too, when there was none.
    Left,
}

impl Clock {
    pub(super) fn new(now: Tick) -> Self {
        Self { heard: now, mark: now }
    }

    /// The peer has given a sign of life.
    #[inline]
    pub(super) fn heard(&mut self, now: Tick) {
        self.heard = now;
    }

    /// What the stage marks has happened, or a new stage begins.
    #[inline]
    pub(super) fn mark(&mut self, now: Tick) {
        self.mark = now;
    }
}
