//! Messages of which only the latest of a key is wanted, as long as they wait.

use crate::memory::Outgoing;
use std::collections::{HashMap, VecDeque};

/// A message, and how long its frame is if it is not compressed.
#[derive(Debug)]
pub(super) struct Unframed {
    pub(super) message: Outgoing,
    pub(super) len: usize,
}

/// How many messages are looked at to know what all of them weigh.
const LOOK_MAX: usize = 64;

/// What a message costs beside itself: its places in both tables.
const ENTRY: usize = size_of::<(u64, Unframed)>() + 2 * size_of::<(u64, u64)>();

/// In the order in which their keys were queued. Not framed, masked or compressed before they
/// leave: those that are replaced have cost nothing.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    messages: VecDeque<(u64, Unframed)>,
    /// Where a key is: how many were queued before it, those that have left too.
    places: HashMap<u64, u64>,
    /// How many have left.
    left: u64,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn place(&self, key: u64) -> Option<usize> {
        usize::try_from(self.places.get(&key)? - self.left).ok()
    }

    /// How long the one is that waits under a key.
    pub(super) fn len_of(&self, key: u64) -> Option<usize> {
        self.messages.get(self.place(key)?).map(|(_, waits)| waits.len)
    }

    /// The memory of it: of the messages each has its share, as far as the first ones tell.
    pub(super) fn weight(&self) -> usize {
        let first = self.messages.iter().take(LOOK_MAX);
        let shares: usize = first.map(|(_, waits)| waits.message.shared().weight()).sum();
        let seen = self.messages.len().clamp(1, LOOK_MAX);
        self.messages.len() * (ENTRY + shares / seen)
    }

    /// Puts a message in the place of the one of its key, or behind all.
    pub(super) fn put(&mut self, key: u64, message: Unframed) {
        let old = self.place(key).and_then(|at| self.messages.get_mut(at));
        if let Some((_, old)) = old {
            *old = message;
            return;
        }
        self.places.insert(key, self.left + self.messages.len() as u64);
        self.messages.push_back((key, message));
    }

    /// Takes the first out.
    pub(super) fn pop(&mut self) -> Option<Unframed> {
        let (key, first) = self.messages.pop_front()?;
        self.places.remove(&key);
        self.left += 1;
        Some(first)
    }
}
