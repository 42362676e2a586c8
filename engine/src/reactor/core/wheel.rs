//! A hierarchical timing wheel: every deadline of a reactor, one node each, in constant time.
//!
//! Five levels of 64 buckets, a millisecond the finest. A node stands in the level of the highest
//! 6-bit group in which its deadline differs from the present, so it moves down at most four times
//! before it fires. Deadlines of connections move later with each message; they are not touched
//! here for that: the node fires at the old time and its owner asks for the new one.

use crate::tick::Tick;
use std::collections::TryReserveError;
use std::num::NonZeroU32;

const LEVELS: usize = 5;
const SLOTS: usize = 64;
const BITS: u32 = 6;
const NONE: u32 = u32::MAX;
/// Farther deadlines are parked at the far end (12 days) and placed anew when it comes. One bucket
/// short of the full circle, or the far end would be mistaken for the present.
const HORIZON: Tick = ((SLOTS as u64 - 1) << (BITS as u64 * (LEVELS as u64 - 1))) - 1;

/// Names a node until it has fired or was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(NonZeroU32);

impl NodeId {
    fn of(index: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index))
    }

    fn index(self) -> u32 {
        self.0.get() - 1
    }
}

/// Each connection has one, so it is as small as can be.
#[derive(Debug)]
struct Node {
    deadline: Tick,
    key: u32,
    next: u32,
    prev: u32,
    bucket: u16,
}

const _: () = assert!(size_of::<Node>() <= 24);

/// All deadlines of one reactor.
#[derive(Debug)]
pub(crate) struct Wheel {
    now: Tick,
    heads: [[u32; SLOTS]; LEVELS],
    occupied: [u64; LEVELS],
    nodes: Vec<Node>,
    free: u32,
    len: usize,
}

impl Wheel {
    pub(crate) fn new(now: Tick) -> Self {
        Self {
            now,
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            nodes: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    /// Room for so many nodes, reserved now and touched when used: a vector that grows leaves its
    /// former self behind in the heap.
    pub(crate) fn reserve(&mut self, nodes: usize) -> Result<(), TryReserveError> {
        self.nodes.try_reserve_exact(nodes)
    }

    /// Nodes that have not fired.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Calls for `key` at `deadline`, or at the next look when that has passed.
    pub(crate) fn insert(&mut self, deadline: Tick, key: u32) -> NodeId {
        let node = Node { deadline, key, next: NONE, prev: NONE, bucket: 0 };
        let id = if self.free == NONE {
            self.nodes.push(node);
            (self.nodes.len() - 1) as u32
        } else {
            let id = self.free;
            self.free = self.nodes[id as usize].next;
            self.nodes[id as usize] = node;
            id
        };
        self.len += 1;
        self.link(id);
        NodeId::of(id)
    }

    /// Calls for `key` instead, at the same time.
    pub(crate) fn rename(&mut self, id: NodeId, key: u32) {
        self.nodes[id.index() as usize].key = key;
    }

    /// When a node fires that has not fired yet.
    pub(crate) fn deadline(&self, id: NodeId) -> Tick {
        self.nodes[id.index() as usize].deadline
    }

    /// Takes a node out before it fires.
    pub(crate) fn remove(&mut self, id: NodeId) {
        self.unlink(id.index());
        self.recycle(id.index());
    }

    /// The time by which `pop_due` wants to be called: never later than the earliest deadline.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.next_bucket().map(|(_, _, at)| at)
    }

    /// Moves the present towards `now` and takes out one node that is due; `None` when none is
    /// left. One at a time, so that what is called for it may insert and remove others.
    pub(crate) fn pop_due(&mut self, now: Tick) -> Option<u32> {
        while let Some((level, slot, at)) = self.next_bucket() {
            if at > now {
                break;
            }
            self.now = self.now.max(at);
            let head = self.heads[level][slot];
            if level == 0 {
                self.unlink(head);
                self.recycle(head);
                return Some(self.nodes[head as usize].key);
            }
            self.cascade(level, slot, head);
        }
        self.now = self.now.max(now);
        None
    }

    /// Spreads a bucket that has come due over the finer levels.
    fn cascade(&mut self, level: usize, slot: usize, mut id: u32) {
        self.heads[level][slot] = NONE;
        self.occupied[level] &= !(1 << slot);
        while id != NONE {
            let next = self.nodes[id as usize].next;
            self.link(id);
            id = next;
        }
    }

    /// The first bucket to be looked at: its level, slot, and the time it begins.
    fn next_bucket(&self) -> Option<(usize, usize, Tick)> {
        for level in 0..LEVELS {
            if self.occupied[level] == 0 {
                continue;
            }
            let shift = BITS * level as u32;
            let position = (self.now >> shift) as u32 % SLOTS as u32;
            let ahead = self.occupied[level].rotate_right(position).trailing_zeros();
            let slot = (position + ahead) as usize % SLOTS;
            let at = ((self.now >> shift) + u64::from(ahead)) << shift;
            return Some((level, slot, at));
        }
        None
    }

    fn link(&mut self, id: u32) {
        // A deadline that has passed goes into the present millisecond and fires at once.
        let at = self.nodes[id as usize].deadline.clamp(self.now, self.now.saturating_add(HORIZON));
        let differs = (at ^ self.now) | 1;
        let level = ((63 - differs.leading_zeros()) / BITS).min(LEVELS as u32 - 1) as usize;
        let slot = (at >> (BITS * level as u32)) as usize % SLOTS;
        let head = self.heads[level][slot];
        let node = &mut self.nodes[id as usize];
        node.prev = NONE;
        node.next = head;
        node.bucket = (level * SLOTS + slot) as u16;
        if head != NONE {
            self.nodes[head as usize].prev = id;
        }
        self.heads[level][slot] = id;
        self.occupied[level] |= 1 << slot;
    }

    fn unlink(&mut self, id: u32) {
        let Node { next, prev, bucket, .. } = self.nodes[id as usize];
        let (level, slot) = (bucket as usize / SLOTS, bucket as usize % SLOTS);
        if next != NONE {
            self.nodes[next as usize].prev = prev;
        }
        if prev != NONE {
            self.nodes[prev as usize].next = next;
        } else {
            self.heads[level][slot] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << slot);
            }
        }
    }

    fn recycle(&mut self, id: u32) {
        self.nodes[id as usize].next = self.free;
        self.free = id;
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// xorshift64*: seeded, no dependency.
    fn random(state: &mut u64) -> u64 {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    #[test]
    fn fires_what_a_sorted_map_fires() {
        for seed in 1..40u64 {
            let mut state = seed * 7919;
            let mut now = random(&mut state) % 100_000;
            let mut wheel = Wheel::new(now);
            let mut model: BTreeMap<u32, (Tick, NodeId)> = BTreeMap::new();
            let mut key = 0;
            for _ in 0..3_000 {
                match random(&mut state) % 4 {
                    0 | 1 => {
                        let span = 1u64 << (random(&mut state) % 34);
                        let deadline = now + random(&mut state) % span;
                        model.insert(key, (deadline, wheel.insert(deadline, key)));
                        key += 1;
                    }
                    2 => {
                        if let Some((&k, &(_, id))) = model.iter().next() {
                            wheel.remove(id);
                            model.remove(&k);
                        }
                    }
                    _ => {
                        let earliest = model.values().map(|(d, _)| *d).min();
                        if let (Some(next), Some(earliest)) = (wheel.next(), earliest) {
                            assert!(next <= earliest.max(now), "sleeps past a deadline");
                        }
                        now += random(&mut state) % (1 << (random(&mut state) % 26));
                        let mut due: Vec<u32> = std::iter::from_fn(|| wheel.pop_due(now)).collect();
                        due.sort_unstable();
                        let expected: Vec<u32> =
                            model.iter().filter(|(_, (d, _))| *d <= now).map(|(k, _)| *k).collect();
                        assert_eq!(due, expected, "seed {seed}");
                        model.retain(|_, (d, _)| *d > now);
                    }
                }
                assert_eq!(wheel.len(), model.len());
            }
        }
    }

    #[test]
    fn a_passed_deadline_fires_at_once() {
        let mut wheel = Wheel::new(1_000);
        wheel.insert(3, 7);
        assert_eq!(wheel.next(), Some(1_000));
        assert_eq!(wheel.pop_due(1_000), Some(7));
        assert_eq!(wheel.next(), None);
    }
}
