//! Who publishes, with which number, and what is missing.

/// An engine, from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The engine's number in the cluster. It may come back after its end.
    pub node: u64,
    /// Which of its lives: later ones are greater.
    pub epoch: u64,
}

/// A message's place among all that its origin publishes on the topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Number {
    /// The number of the first message since the topic was published on anew: before it nothing is
    /// owed that an end has not told of.
    pub start: u64,
    /// From `start` on, without holes.
    pub seq: u64,
}

/// Why messages are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// They were published, and have not come.
    Lost,
    /// Their origin has fallen silent: it has ended without a word, or cannot reach us. There may
    /// be none.
    Silent,
    /// Their origin has begun a new life without having ended the old one. There may be none.
    Restarted,
    /// They came before the first that we have of their origin, which was asked when the topic got
    /// its first member here and has not answered in time: those are among them that were published
    /// before there was a member.
    Unheard,
}

/// Messages of a topic that the members on this engine will not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Who has published them.
    pub origin: Origin,
    /// The number of the first that is missing.
    pub first: u64,
    /// The number of the last; `None`: nobody can tell how many there are, if any.
    pub last: Option<u64>,
    /// Why.
    pub cause: Cause,
}

impl Gap {
    /// How many messages; 0 where nobody can tell.
    pub fn count(&self) -> u64 {
        self.last.map_or(0, |last| last + 1 - self.first)
    }
}
