//! Which reactors have members of a topic: what the reactors of an engine share about topics.
//!
//! Here the order of a topic is made. Whoever publishes holds the topic's lock while it puts the
//! message into the mailboxes of all reactors that have members, so that what is published on a
//! topic stands in the same order in each.

use super::crossing::Crossings;
use super::history::{History, Log};
use super::mail::Publication;
use super::name::TopicError;
use super::spoken::Spoken;
use super::to_bus::ToBus;
use super::topics::{Begun, Name};
use crate::bus::plant::{Plant, is_planted};
use crate::bus::{Number, Origin};
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

#[derive(Default)]
pub(super) struct Shard {
    topics: HashMap<Name, Entry>,
    /// Of topics with a history: as long as they have members, and for a while after that.
    pub(super) logs: HashMap<Name, Log>,
}

impl Shard {
    pub(super) fn interests(&self, name: &[u8]) -> &[Interest] {
        self.topics.get(name).map_or(&[], |entry| &entry.interests)
    }

    /// Whether what is published elsewhere is to come here.
    fn is_wanted(&self, name: &[u8]) -> bool {
        !self.interests(name).is_empty() || self.logs.contains_key(name)
    }
}

/// A topic, while its lock is held.
pub(crate) struct Ordered<'a> {
    pub(crate) name: &'a Name,
    pub(crate) interests: &'a [Interest],
    /// Numbers of a topic that crosses machines.
    pub(crate) spoken: Option<&'a mut Spoken>,
    /// Its history, if it has one.
    pub(crate) log: Option<&'a mut Log>,
}

/// The topics of an engine, with whoever has members of them.
pub(crate) struct Directory {
    pub(super) shards: Vec<Mutex<Shard>>,
    random: RandomState,
    pub(crate) limits: TopicLimits,
    /// To other machines, if there are any: set before the start.
    pub(crate) bus: OnceLock<Arc<ToBus>>,
    /// Who we are to others, if anybody has to know: set before the start.
    pub(crate) origin: OnceLock<Origin>,
    /// What is kept of topics, if anything is: set before the start.
    pub(crate) history: OnceLock<History>,
    /// The greatest number that was given to a topic that has ended: the next ones begin above, so
    /// that no number is given to a topic twice.
    pub(crate) floor: AtomicU64,
    /// What goes to other processes that this one succeeds, or that succeed it.
    pub(crate) crossings: Crossings,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Directory {
    pub(crate) fn new(limits: TopicLimits) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            shards,
            random: RandomState::new(),
            limits,
            bus: OnceLock::new(),
            origin: OnceLock::new(),
            history: OnceLock::new(),
            floor: AtomicU64::new(0),
            crossings: Crossings::default(),
        }
    }

    /// Whether bytes can name a topic.
    pub(crate) fn check(&self, name: &[u8]) -> Result<(), TopicError> {
        match name.len() {
            0 => Err(TopicError::Empty),
            len if len > self.limits.bytes_max as usize => Err(TopicError::TooLong),
            _ => Ok(()),
        }
    }

    pub(super) fn lock(&self, name: &[u8]) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[self.random.hash_one(name) as usize % SHARDS];
        // No code that can panic runs under the lock; a poisoned one is still consistent.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is published from here on goes to another process, too, for the members there. Topics
    /// whose names begin with `bus` come to it from elsewhere.
    pub(crate) fn begin_crossing(&self, bus: Option<Box<[u8]>>) -> u64 {
        let lane = self.crossings.begin(bus);
        // Whoever was publishing has done so.
        for shard in &self.shards {
            drop(shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
        lane
    }

    /// A reactor has its first member. What is published from here on comes to it.
    pub(crate) fn begin(&self, reactor: u32, begun: Begun) {
        let Begun { name, topic, count } = begun;
        let shard = &mut *self.lock(&name);
        let was_wanted = shard.is_wanted(&name);
        let entry = shard.topics.entry(Name::clone(&name)).or_default();
        entry.interests.push(Interest { reactor, topic, members: count });
        self.begin_log(shard, &name);
        // In the order in which topics begin and end here.
        if !was_wanted {
            self.tell_interest(&name, true);
        }
    }

    /// The last member of a reactor has left.
    pub(crate) fn end(&self, reactor: u32, name: &[u8]) {
        let shard = &mut *self.lock(name);
        let Some((name, _)) = shard.topics.get_key_value(name) else { return };
        let name = Name::clone(name);
        let Some(entry) = shard.topics.get_mut(&name) else { return };
        entry.interests.retain(|interest| interest.reactor != reactor);
        if entry.interests.is_empty() {
            match (shard.logs.get_mut(&name), self.history.get()) {
                // For those that come back.
                (Some(log), Some(history)) => log.touch(history.now()),
                _ => self.tell_interest(&name, false),
            }
        }
        if entry.is_idle() {
            shard.topics.remove(&name);
        }
    }

    /// The history that a message falls under: control frames are between two ends of a connection.
    pub(crate) fn history_of(&self, topic: &[u8], what: &Publication) -> Option<&History> {
        let history = self.history.get()?;
        let is_kept = history.rule(topic).is_some() && !what.message.opcode().is_control();
        is_kept.then_some(history)
    }

    /// A topic that is to have a history has one from now on, unless too much is kept already.
    pub(super) fn begin_log<'a>(&self, shard: &'a mut Shard, name: &Name) -> Option<&'a mut Log> {
        let history = self.history.get()?;
        let rule = history.rule(name)?;
        if !shard.logs.contains_key(name) {
            if !Log::may_begin(history) {
                return None;
            }
            if !shard.is_wanted(name) {
                self.tell_interest(name, true);
            }
            let spoken = shard.topics.get(name).map(|entry| entry.spoken.last(&self.floor));
            let last = spoken.unwrap_or_else(|| Spoken::default().last(&self.floor));
            shard.logs.insert(Name::clone(name), Log::begin(history, rule, name, last));
        }
        shard.logs.get_mut(name)
    }

    pub(super) fn tell_interest(&self, name: &Name, on: bool) {
        if let Some(bus) = self.bus.get() {
            bus.interest(name, on);
        }
    }

    /// Whether a topic has members here.
    pub(crate) fn is_joined(&self, name: &[u8]) -> bool {
        self.lock(name).topics.get(name).is_some_and(|entry| !entry.interests.is_empty())
    }

    /// How many members a topic has, on all reactors.
    pub(crate) fn members(&self, name: &[u8]) -> usize {
        let count = |of: &Interest| of.members.load(Ordering::Relaxed) as usize;
        self.lock(name).interests(name).iter().map(count).sum()
    }

    /// How many topics there is something to know of.
    #[cfg(feature = "sim")]
    pub(crate) fn len(&self) -> usize {
        let of = |shard: &Mutex<Shard>| shard.lock().map_or(0, |shard| shard.topics.len());
        self.shards.iter().map(of).sum()
    }

    /// Runs `body` on those that have members of a topic. Until it returns nobody else publishes
    /// on that topic, and no other reactor gets its first member or loses its last one.
    pub(crate) fn in_order<T>(&self, name: &[u8], body: impl FnOnce(&[Interest]) -> T) -> T {
        body(self.lock(name).interests(name))
    }

    /// The same, for what has come from engines elsewhere, with the history of the topic.
    pub(crate) fn in_order_here<T>(
        &self,
        name: &[u8],
        body: impl FnOnce(&[Interest], Option<&mut Log>) -> T,
    ) -> T {
        let Shard { topics, logs } = &mut *self.lock(name);
        let interests = topics.get(name).map_or(&[][..], |entry| &entry.interests);
        body(interests, logs.get_mut(name))
    }

    /// The same, for what goes to engines elsewhere, if `crosses`, and into the history of the
    /// topic.
    pub(crate) fn in_order_everywhere<T>(
        &self,
        name: &[u8],
        crosses: bool,
        body: impl FnOnce(Ordered<'_>) -> T,
    ) -> T {
        let shard = &mut *self.lock(name);
        let name = &match shard.topics.get_key_value(name) {
            Some((name, _)) => Name::clone(name),
            None => name.into(),
        };
        self.begin_log(shard, name);
        let Shard { topics, logs } = shard;
        let log = logs.get_mut(name);
        if !crosses {
            let interests = topics.get(name).map_or(&[][..], |entry| &entry.interests);
            return body(Ordered { name, interests, spoken: None, log });
        }
        let entry = topics.entry(Name::clone(name)).or_default();
        let (interests, spoken) = (&entry.interests[..], Some(&mut entry.spoken));
        let done = body(Ordered { name, interests, spoken, log });
        if entry.is_idle() {
            topics.remove(name);
        }
        done
    }

    /// Nobody elsewhere is to wait for what is published on a topic, unless something was published
    /// after number `last`: `false` then.
    pub(crate) fn forget(&self, name: &[u8], last: u64) -> bool {
        let topics = &mut self.lock(name).topics;
        let Some(entry) = topics.get_mut(name) else { return true };
        if entry.spoken.number.seq > last {
            return false;
        }
        if !is_planted(Plant::Floor) {
            self.floor.fetch_max(last, Ordering::Relaxed);
        }
        entry.spoken = Spoken::default();
        if entry.is_idle() {
            topics.remove(name);
        }
        true
    }

    /// The last number of each topic that was given while the bus was down, once.
    pub(crate) fn unsent(&self, each: &mut dyn FnMut(&Name, Number)) {
        for shard in self.shards.iter().filter(|_| !is_planted(Plant::Unsent)) {
            let topics = &mut shard.lock().unwrap_or_else(PoisonError::into_inner).topics;
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
        assert!(directory.shards.iter().all(|shard| shard.lock().unwrap().topics.is_empty()));
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
