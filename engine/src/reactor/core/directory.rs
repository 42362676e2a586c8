//! Which reactors have members of a topic: what the reactors of an engine share about topics.
//!
//! Here the order of a topic is made. Whoever publishes holds the topic's lock while it puts the
//! message into the mailboxes of all reactors that have members, so that what is published on a
//! topic stands in the same order in each.

use super::name::TopicError;
use super::topics::{Begun, Name};
use crate::ring::Token;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Locks: so many topics can be published on at the same time.
const SHARDS: usize = 64;

/// What is allowed of topics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicLimits {
    /// Bytes of a name.
    pub(crate) bytes_max: u32,
    /// Topics that a connection may be in.
    pub(crate) topics_max: u32,
}

impl Default for TopicLimits {
    fn default() -> Self {
        Self { bytes_max: 256, topics_max: 1_024 }
    }
}

/// A reactor that has members of a topic.
#[derive(Debug)]
pub(crate) struct Interest {
    pub(crate) reactor: u32,
    /// The topic's name in mail to that reactor.
    pub(crate) topic: Token,
    members: Arc<AtomicU32>,
}

type Shard = HashMap<Name, Vec<Interest>>;

/// The topics of an engine, with whoever has members of them.
#[derive(Debug)]
pub(crate) struct Directory {
    shards: Vec<Mutex<Shard>>,
    random: RandomState,
    pub(crate) limits: TopicLimits,
}

impl Directory {
    pub(crate) fn new(limits: TopicLimits) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, random: RandomState::new(), limits }
    }

    /// Whether bytes can name a topic.
    pub(crate) fn check(&self, name: &[u8]) -> Result<(), TopicError> {
        match name.len() {
            0 => Err(TopicError::Empty),
            len if len > self.limits.bytes_max as usize => Err(TopicError::TooLong),
            _ => Ok(()),
        }
    }

    fn lock(&self, name: &[u8]) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[self.random.hash_one(name) as usize % SHARDS];
        // No code that can panic runs under the lock; a poisoned one is still consistent.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reactor has its first member. What is published from here on comes to it.
    pub(crate) fn begin(&self, reactor: u32, begun: Begun) {
        let Begun { name, topic, count } = begun;
        let mut topics = self.lock(&name);
        topics.entry(name).or_default().push(Interest { reactor, topic, members: count });
    }

    /// The last member of a reactor has left.
    pub(crate) fn end(&self, reactor: u32, name: &[u8]) {
        let mut topics = self.lock(name);
        let Some(interests) = topics.get_mut(name) else { return };
        interests.retain(|interest| interest.reactor != reactor);
        if interests.is_empty() {
            topics.remove(name);
        }
    }

    /// How many members a topic has, on all reactors.
    pub(crate) fn members(&self, name: &[u8]) -> usize {
        let count = |of: &Interest| of.members.load(Ordering::Relaxed) as usize;
        self.lock(name).get(name).map_or(0, |interests| interests.iter().map(count).sum())
    }

    /// Runs `body` on those that have members of a topic. Until it returns nobody else publishes
    /// on that topic, and no other reactor gets its first member or loses its last one.
    pub(crate) fn in_order<T>(&self, name: &[u8], body: impl FnOnce(&[Interest]) -> T) -> T {
        body(self.lock(name).get(name).map_or(&[], |interests| interests))
    }
}

/// A set of reactors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reactors([u64; 4]);

impl Reactors {
    pub(crate) fn insert(&mut self, reactor: u32) {
        self.0[reactor as usize / 64] |= 1 << (reactor % 64);
    }

    pub(crate) fn contains(self, reactor: u32) -> bool {
        self.0[reactor as usize / 64] >> (reactor % 64) & 1 == 1
    }

    /// Each of them.
    pub(crate) fn iter(self) -> impl Iterator<Item = u32> {
        (0..256).filter(move |&reactor| self.contains(reactor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(name: &[u8], slot: u32, count: u32) -> Begun {
        let topic = Token { slot, generation: 1 };
        Begun { name: name.into(), topic, count: Arc::new(count.into()) }
    }

    fn reactors(directory: &Directory, name: &[u8]) -> Vec<(u32, u32)> {
        directory.in_order(name, |all| all.iter().map(|i| (i.reactor, i.topic.slot)).collect())
    }

    #[test]
    fn those_with_members_are_known_and_forgotten() {
        let directory = Directory::new(TopicLimits::default());
        directory.begin(3, begun(b"a", 7, 5));
        directory.begin(0, begun(b"a", 1, 2));
        directory.begin(3, begun(b"b", 8, 1));
        assert_eq!(reactors(&directory, b"a"), [(3, 7), (0, 1)]);
        assert_eq!((directory.members(b"a"), directory.members(b"c")), (7, 0));
        directory.end(3, b"a");
        directory.end(2, b"a");
        assert_eq!(reactors(&directory, b"a"), [(0, 1)]);
        directory.end(0, b"a");
        directory.end(3, b"b");
        assert!(directory.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }

    #[test]
    fn names_have_a_length() {
        let directory = Directory::new(TopicLimits { bytes_max: 3, topics_max: 1 });
        assert_eq!(directory.check(b""), Err(TopicError::Empty));
        assert_eq!(directory.check(b"abc"), Ok(()));
        assert_eq!(directory.check(b"abcd"), Err(TopicError::TooLong));
    }

    #[test]
    fn a_set_of_reactors_has_room_for_all() {
        let mut all = Reactors::default();
        [0, 63, 64, 254].into_iter().for_each(|reactor| all.insert(reactor));
        assert_eq!(all.iter().collect::<Vec<_>>(), [0, 63, 64, 254]);
    }
}
