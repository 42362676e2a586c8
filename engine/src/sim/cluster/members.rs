//! What one member has heard of each engine.

use crate::bus::Origin;
use crate::tick::Tick;
use std::collections::{BTreeSet, HashMap};

/// An engine from its start to its end.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) origin: Origin,
    pub(super) is_over: bool,
    pub(super) is_down: bool,
    pub(super) is_stalled: bool,
    /// When something has happened to it last that excuses much.
    pub(super) troubled_at: Tick,
}

/// Of one life of an engine, to one member.
#[derive(Debug)]
pub(super) struct Heard {
    /// Numbers above are owed, whenever they were given.
    pub(super) owed_after: u64,
    /// The greatest number that has come here in any frame.
    pub(super) top: u64,
    /// The starts of all frames that came.
    pub(super) starts: BTreeSet<u64>,
    /// What lies between two starts, where the end between them was lost.
    pub(super) between: Vec<(u64, u64)>,
    /// The start of that frame.
    pub(super) start: u64,
    /// When a frame came last that was none of old.
    pub(super) came_at: Tick,
    /// And the one before that.
    pub(super) came_before: Tick,
    /// The last one was its end.
    pub(super) ended: bool,
    pub(super) delivered: BTreeSet<u64>,
    /// Gaps, from the first to the last.
    pub(super) told: Vec<(u64, u64)>,
    /// An open gap.
    pub(super) open: Option<u64>,
}

impl Heard {
    pub(super) fn at(owed_after: u64, now: Tick) -> Self {
        Self {
            owed_after,
            top: 0,
            start: 0,
            starts: BTreeSet::new(),
            between: Vec::new(),
            came_at: now,
            came_before: now,
            ended: false,
            delivered: BTreeSet::new(),
            told: Vec::new(),
            open: None,
        }
    }

    /// An open gap reaches up to there, as what came behind it shows.
    pub(super) fn close(&mut self, last: u64) {
        if let Some(first) = self.open.take()
            && first <= last
        {
            self.told.push((first, last));
        }
    }

    /// Whether a number has come, or was told.
    pub(super) fn covers(&self, seq: u64) -> bool {
        let told = |(first, last): &(u64, u64)| (*first..=*last).contains(&seq);
        self.delivered.contains(&seq)
            || self.told.iter().any(told)
            || self.open.is_some_and(|first| first <= seq)
    }

    /// Whether what has come shows, or its want must show, that there was such a number. A topic
    /// that has begun and ended while nothing of it came through has never been.
    pub(super) fn reaches(&self, seq: u64, start: u64) -> bool {
        match seq > self.top {
            true => !self.ended,
            false => {
                let between = |(first, last): &(u64, u64)| (*first..=*last).contains(&seq);
                self.starts.contains(&start) || self.between.iter().any(between)
            }
        }
    }
}

/// A member, from when it joins until it leaves, or its engine ends.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) life: usize,
    pub(super) topic: usize,
    pub(super) since: Tick,
    /// The last message that was published anywhere before.
    pub(super) since_id: u64,
    /// From when on everybody's messages are owed: known once the bus has been told.
    pub(super) settled_at: Option<Tick>,
    /// The bus has been told of the interest.
    pub(super) is_asked: bool,
    /// The bus had not caught up with an earlier member's leaving when it came.
    pub(super) is_muddled: bool,
    pub(super) is_over: bool,
    pub(super) heard: HashMap<usize, Heard>,
}

impl Membership {
    /// Whether anything was delivered or told of one before.
    pub(super) fn knows(&self, from: usize) -> bool {
        let known = |of: &Heard| !of.delivered.is_empty() || !of.told.is_empty();
        self.heard.get(&from).is_some_and(known)
    }

    /// Since when another life of an engine has been heard.
    pub(super) fn heard_of(&self, node: u64, but: usize, lives: &[Life]) -> Option<Tick> {
        let other = self.heard.iter().filter(|(life, _)| **life != but);
        other.filter(|(life, _)| lives[**life].origin.node == node).map(|of| of.1.came_at).min()
    }
}
