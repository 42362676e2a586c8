//! Messages that may still be taken back, as long as they wait: replaced by newer ones of their
//! key, or dropped.

use crate::conn::clock::Stamp;
use crate::memory::Outgoing;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Of which a newer message takes the place: whose key it is, the connection's (0) or a topic's,
/// and the key.
pub(crate) type Key = (u64, u64);

/// A message, and how long its frame is if it is not compressed.
#[derive(Debug)]
pub(super) struct Unframed {
    pub(super) message: Outgoing,
    pub(super) len: usize,
    /// When it was queued; of a key that was replaced, when that was.
    pub(super) since: Stamp,
    key: Option<Key>,
}

/// How many messages are looked at to know what all of them weigh.
const LOOK_MAX: usize = 64;

/// What a message costs beside itself: its places in the tables.
const ENTRY: usize = size_of::<(u64, Unframed)>() + 2 * size_of::<(Key, u64)>();

/// What is to be put in line.
pub(super) struct Entry {
    pub(super) message: Outgoing,
    pub(super) len: usize,
    pub(super) since: Stamp,
    pub(super) key: Option<Key>,
    /// It may be dropped.
    pub(super) drops: bool,
}

/// In the order in which they, or their keys, were queued. Not framed, masked or compressed before
/// they leave: those that are taken back have cost nothing, and no compressor has seen them.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    messages: BTreeMap<u64, Unframed>,
    /// The number of the next one.
    next: u64,
    /// Which of them waits under a key.
    places: HashMap<Key, u64>,
    /// Those that may be dropped.
    droppable: BTreeSet<u64>,
    /// Those without a key: what comes later must stay behind them.
    ordered: usize,
    /// Bytes of all.
    len: usize,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether what is sent now has to stand in line, too, lest it overtake.
    pub(super) fn keeps_order(&self) -> bool {
        self.ordered > 0
    }

    /// Bytes of all their frames.
    pub(super) fn bytes(&self) -> usize {
        self.len
    }

    /// Since when the first has waited.
    pub(super) fn since(&self) -> Option<Stamp> {
        self.messages.first_key_value().map(|(_, first)| first.since)
    }

    /// How long the one is that waits under a key.
    pub(super) fn len_of(&self, key: Key) -> Option<usize> {
        self.messages.get(self.places.get(&key)?).map(|waits| waits.len)
    }

    /// The memory of it: of the messages each has its share, as far as the first ones tell.
    pub(super) fn weight(&self) -> usize {
        let first = self.messages.values().take(LOOK_MAX);
        let shares: usize = first.map(|waits| waits.message.shared().weight()).sum();
        let seen = self.messages.len().clamp(1, LOOK_MAX);
        self.messages.len() * (ENTRY + shares / seen)
    }

    /// Puts a message in the place of the one of its key, or behind all.
    pub(super) fn put(&mut self, entry: Entry) {
        let Entry { message, len, since, key, drops } = entry;
        self.len += len;
        let place = key.and_then(|key| self.places.get(&key).copied());
        let number = place.unwrap_or(self.next);
        if let Some(old) = self.messages.get_mut(&number) {
            self.len -= old.len;
            (old.message, old.len) = (message, len);
        } else {
            self.next += 1;
            self.ordered += usize::from(key.is_none());
            self.places.extend(key.map(|key| (key, number)));
            self.messages.insert(number, Unframed { message, len, since, key });
        }
        if drops {
            self.droppable.insert(number);
        } else {
            self.droppable.remove(&number);
        }
    }

    /// Takes the first out.
    pub(super) fn pop(&mut self) -> Option<Unframed> {
        let number = *self.messages.first_key_value()?.0;
        self.take(number)
    }

    /// The number of the oldest that may be dropped.
    pub(super) fn droppable(&self) -> Option<u64> {
        self.droppable.first().copied()
    }

    /// The oldest of these that gets too old: what waits under a key is made new by what replaces
    /// it.
    pub(super) fn ageing(&self) -> Option<(u64, Stamp)> {
        let ageing = |number: &u64| {
            let waits = self.messages.get(number)?;
            waits.key.is_none().then_some((*number, waits.since))
        };
        self.droppable.iter().find_map(ageing)
    }

    /// Takes that one out.
    pub(super) fn take(&mut self, number: u64) -> Option<Unframed> {
        let taken = self.messages.remove(&number)?;
        self.droppable.remove(&number);
        self.len -= taken.len;
        match &taken.key {
            Some(key) => _ = self.places.remove(key),
            None => self.ordered -= 1,
        }
        Some(taken)
    }
}
