//! The broker, and the ways between engines and it: what is on its way, and what becomes of it.

use super::script::{ENGINES, TOPICS};
use crate::tick::Tick;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How long a frame takes where nobody has said otherwise.
const WAY_MS: Tick = 2;
/// Frames that can come again.
const KEPT: usize = 4;

/// From one life to another, of a topic.
pub(super) type Way = (usize, usize, usize);

/// A frame on its way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) way: Way,
    /// The place of the engine that it goes to.
    pub(super) to: usize,
    /// Of which of its connections it is.
    pub(super) conn: u32,
    pub(super) frame: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Network {
    flights: BTreeMap<(Tick, u64), Flight>,
    count: u64,
    /// When the last frame of a way comes: none overtakes it.
    last: HashMap<Way, Tick>,
    kept: HashMap<Way, VecDeque<Flight>>,
    /// Between the places of engines.
    pub(super) cut: [[bool; ENGINES]; ENGINES],
    pub(super) delay: [[Tick; ENGINES]; ENGINES],
    pub(super) drops: [[[u32; TOPICS + 1]; ENGINES]; ENGINES],
}

impl Network {
    pub(super) fn new() -> Self {
        Self {
            flights: BTreeMap::new(),
            count: 0,
            last: HashMap::new(),
            kept: HashMap::new(),
            cut: [[false; ENGINES]; ENGINES],
            delay: [[WAY_MS; ENGINES]; ENGINES],
            drops: [[[0; TOPICS + 1]; ENGINES]; ENGINES],
        }
    }

    /// No more faults.
    pub(super) fn heal(&mut self) {
        self.cut = [[false; ENGINES]; ENGINES];
        self.delay = [[WAY_MS; ENGINES]; ENGINES];
        self.drops = [[[0; TOPICS + 1]; ENGINES]; ENGINES];
    }

    /// It stays to come again.
    pub(super) fn keep(&mut self, flight: &Flight) {
        let kept = self.kept.entry(flight.way).or_default();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(flight.clone());
    }

    /// Whether it is lost at once.
    pub(super) fn is_dropped(&mut self, from: usize, to: usize, topic: usize) -> bool {
        let drops = &mut self.drops[from][to][topic];
        let is_dropped = self.cut[from][to] || *drops > 0;
        *drops = drops.saturating_sub(1);
        is_dropped
    }

    /// Behind all that is on the same way; when it comes.
    pub(super) fn send(&mut self, now: Tick, from: usize, flight: Flight) -> Tick {
        let last = self.last.entry(flight.way).or_default();
        *last = (now + self.delay[from][flight.to]).max(*last);
        let at = *last;
        self.put(at, flight);
        at
    }

    fn put(&mut self, at: Tick, flight: Flight) {
        self.count += 1;
        self.flights.insert((at, self.count), flight);
    }

    /// The last frames of a way come once more, in their order, but beside those on their way.
    pub(super) fn again(&mut self, now: Tick, way: Way, conn: u32, count: usize) {
        let kept: Vec<Flight> =
            self.kept.get(&way).into_iter().flatten().rev().take(count).cloned().collect();
        for flight in kept.into_iter().rev() {
            self.put(now + WAY_MS, Flight { conn, ..flight });
        }
    }

    /// What is on its way from a life is lost.
    pub(super) fn lose_from(&mut self, life: usize) -> Vec<Flight> {
        let is_from = |flight: &Flight| flight.way.0 == life;
        let lost = self.flights.values().filter(|flight| is_from(flight)).cloned().collect();
        self.flights.retain(|_, flight| !is_from(flight));
        lost
    }

    pub(super) fn next_at(&self) -> Option<Tick> {
        self.flights.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn next(&mut self, now: Tick) -> Option<Flight> {
        let (at, _) = *self.flights.first_key_value()?.0;
        if at > now {
            return None;
        }
        self.flights.pop_first().map(|(_, flight)| flight)
    }
}
