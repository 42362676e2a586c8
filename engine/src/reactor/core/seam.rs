//! Up to where a connection has heard what is published, when it goes from one process to another.

use std::sync::Arc;

/// A place in what is published in two processes: of each, how much has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Of what was published in this process.
    pub(crate) ours: u64,
    /// In the other one.
    pub(crate) theirs: u64,
}

impl Cut {
    /// The same place as the other process has it.
    pub(crate) fn seen_from_there(self) -> Self {
        Self { ours: self.theirs, theirs: self.ours }
    }

    /// Whether nothing of what lies before `other` lies behind this.
    pub(crate) fn reaches(self, other: Self) -> bool {
        other.ours <= self.ours && other.theirs <= self.theirs
    }
}

/// Where a connection leaves what is published, and goes on with it.
#[derive(Clone, Debug)]
pub(crate) struct Seam {
    /// The lane between the two processes.
    pub(crate) lane: u64,
    pub(crate) cut: Cut,
    /// The number of its handle where it was.
    pub(crate) was: u64,
    /// That was in the other process.
    pub(crate) was_theirs: bool,
    /// As long as somebody has this, what comes behind the cut is kept.
    pub(crate) _kept: Arc<()>,
}
