//! Less of a run than its seed draws, to find the shortest that fails as the whole does.

use crate::ring::sim::Faults;

/// What is left out of a run. The seed draws the same for all that remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Less {
    /// Connections that are not made: a bit for each, by its number.
    pub without: u64,
    /// How many messages a peer sends at most before the calm.
    pub messages: u64,
    /// By when the chaos has ended, in milliseconds.
    pub calm_at: u64,
    /// Kinds of faults that do not happen: a bit for each field of `Faults`, in their order.
    pub spared: u64,
}

impl Less {
    /// The whole run. No scenario has more than this.
    pub const WHOLE: Self = Self { without: 0, messages: 30, calm_at: 1_500, spared: 0 };
    /// Connections that a scenario has at most.
    pub const CONNECTIONS: u32 = 12;
    /// Kinds of faults.
    pub const FAULTS: u32 = Faults::KINDS;

    /// Whether a connection is not made.
    pub(super) fn leaves_out(&self, connection: usize) -> bool {
        self.without >> connection & 1 == 1
    }

    /// How many of so many messages are sent.
    pub(super) fn of(&self, messages: usize) -> usize {
        messages.min(self.messages as usize)
    }
}
