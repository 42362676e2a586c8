//! Which reactors have members of a topic: what the reactors of an engine share about topics.
//!
//! Here the order of a topic is made. Whoever publishes holds the topic's lock while it puts the
//! message into the mailboxes of all reactors that have members, so that what is published on a
//! topic stands in the same order in each.

use super::name::TopicError;
use super::to_bus::ToBus;
use super::topics::{Begun, Name};
use crate::bus::Number;
use crate::ring::Token;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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

/// What of a topic has been given numbers, for engines elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    /// The last one; none where `seq` is 0.
    number: Number,
    /// The last one that the bus was not told of, because it was down; 0: none.
    unsent: u64,
}

impl Spoken {
    /// The next number. `floor`: the greatest that was given to a topic that has ended.
    pub(crate) fn next(&mut self, floor: &AtomicU64, is_sent: bool) -> Number {
        if self.number.seq == 0 {
            let floor = floor.load(Ordering::Relaxed);
            self.number = Number { start: floor + 1, seq: floor };
        }
        self.number.seq += 1;
        if !is_sent {
            self.unsent = self.number.seq;
        }
        self.number
    }
}

/// A topic that has members here, or is published on for engines elsewhere.
#[derive(Debug, Default)]
struct Entry {
    interests: Vec<Interest>,
    spoken: Spoken,
}

impl Entry {
    fn is_idle(&self) -> bool {
        self.interests.is_empty() && self.spoken.number.seq == 0
    }
}

type Shard = HashMap<Name, Entry>;

/// The topics of an engine, with whoever has members of them.
pub(crate) struct Directory {
    shards: Vec<Mutex<Shard>>,
    random: RandomState,
    pub(crate) limits: TopicLimits,
    /// To other machines, if there are any: set before the start.
    pub(crate) bus: OnceLock<Arc<ToBus>>,
    /// The greatest number that was given to a topic that has ended: the next ones begin above, so
    /// that no number is given to a topic twice.
    pub(crate) floor: AtomicU64,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Directory {
    pub(crate) fn new(limits: TopicLimits) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let (random, bus) = (RandomState::new(), OnceLock::new());
        Self { shards, random, limits, bus, floor: AtomicU64::new(0) }
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
        let entry = topics.entry(Name::clone(&name)).or_default();
        entry.interests.push(Interest { reactor, topic, members: count });
        // In the order in which topics begin and end here.
        if let (1, Some(bus)) = (entry.interests.len(), self.bus.get()) {
            bus.interest(&name, true);
        }
    }

    /// The last member of a reactor has left.
    pub(crate) fn end(&self, reactor: u32, name: &[u8]) {
        let mut topics = self.lock(name);
        let Some((name, _)) = topics.get_key_value(name) else { return };
        let name = Name::clone(name);
        let Some(entry) = topics.get_mut(&name) else { return };
        entry.interests.retain(|interest| interest.reactor != reactor);
        if let (true, Some(bus)) = (entry.interests.is_empty(), self.bus.get()) {
            bus.interest(&name, false);
        }
        if entry.is_idle() {
            topics.remove(&name);
        }
    }

    /// How many members a topic has, on all reactors.
    pub(crate) fn members(&self, name: &[u8]) -> usize {
        let count = |of: &Interest| of.members.load(Ordering::Relaxed) as usize;
        self.lock(name).get(name).map_or(0, |entry| entry.interests.iter().map(count).sum())
    }

    /// Runs `body` on those that have members of a topic. Until it returns nobody else publishes
    /// on that topic, and no other reactor gets its first member or loses its last one.
    pub(crate) fn in_order<T>(&self, name: &[u8], body: impl FnOnce(&[Interest]) -> T) -> T {
        body(self.lock(name).get(name).map_or(&[], |entry| &entry.interests))
    }

    /// The same, for what goes to engines elsewhere, too.
    pub(crate) fn in_order_everywhere<T>(
        &self,
        name: &[u8],
        body: impl FnOnce(&[Interest], &Name, &mut Spoken) -> T,
    ) -> T {
        let mut topics = self.lock(name);
        let name = match topics.get_key_value(name) {
            Some((name, _)) => Name::clone(name),
            None => name.into(),
        };
        let entry = topics.entry(Name::clone(&name)).or_default();
        let done = body(&entry.interests, &name, &mut entry.spoken);
        if entry.is_idle() {
            topics.remove(&name);
        }
        done
    }

    /// Nobody elsewhere is to wait for what is published on a topic, unless something was published
    /// after number `last`: `false` then.
    pub(crate) fn forget(&self, name: &[u8], last: u64) -> bool {
        let mut topics = self.lock(name);
        let Some(entry) = topics.get_mut(name) else { return true };
        if entry.spoken.number.seq > last {
            return false;
        }
        self.floor.fetch_max(last, Ordering::Relaxed);
        entry.spoken = Spoken::default();
        if entry.is_idle() {
            topics.remove(name);
        }
        true
    }

    /// The last number of each topic that was given while the bus was down, once.
    pub(crate) fn unsent(&self, each: &mut dyn FnMut(&Name, Number)) {
        for shard in &self.shards {
            let mut topics = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, Entry { spoken, .. }) in
                topics.iter_mut().filter(|of| of.1.spoken.unsent > 0)
            {
                each(name, Number { seq: std::mem::take(&mut spoken.unsent), ..spoken.number });
            }
        }
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
