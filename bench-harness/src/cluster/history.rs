//! What has happened in a run, as it was seen from outside.

use super::wire::Answer;
use ringws_engine::broker::Gap;
use std::collections::HashMap;

/// Microseconds since the run began.
pub(super) type At = u64;

/// A life of an engine: its number in the cluster, from 1 on, and which of its lives, from 0 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Speaker {
    pub(super) node: u8,
    pub(super) life: u16,
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Runs,
    /// In order.
    Stopped,
    /// By SIGKILL.
    Killed,
}

/// What is known of a life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// Its epoch lies between these: microseconds of the time of day.
    pub(super) epochs: (u64, u64),
    pub(super) ending: Ending,
    /// When it was told to end.
    pub(super) ended: At,
}

/// An attempt to publish.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    pub(super) sent: At,
    pub(super) answered: At,
    pub(super) answer: Answer,
}

/// What a member has been told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Came {
    /// It asks to become one.
    Joins(u8),
    Joined(u8),
    /// It asks to be one no more.
    Leaves(u8),
    Left(u8),
    Message {
        topic: u8,
        from: Speaker,
        serial: u32,
    },
    /// Bytes that nobody has published.
    Garbage,
    Gap(u8, Gap),
    Up(bool),
}

/// A connection of a member to a life of an engine.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) at: Speaker,
    pub(super) member: u8,
    pub(super) came: Vec<(At, Came)>,
    pub(super) ended: At,
    /// It was there at the end of the run.
    pub(super) to_the_end: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) lives: HashMap<Speaker, Life>,
    /// What was tried at a life on a topic.
    pub(super) tries: HashMap<(Speaker, u8), Vec<Try>>,
    pub(super) visits: Vec<Visit>,
    /// What was done to the processes.
    pub(super) faults: Vec<(At, String)>,
}
