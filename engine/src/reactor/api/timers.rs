//! Timers of the application: closures on the wheel.

use crate::reactor::api::context::Context;
use crate::reactor::core::name::Timer;
use crate::reactor::core::wheel::{NodeId, Wheel};
use crate::tick::Tick;
use std::time::Duration;

/// Marks keys of the wheel that name a timer; the rest of the key is the timer's index.
pub(crate) const TIMER_KEY: u64 = 1 << 63;

type Callback = Box<dyn FnOnce(&mut Context) + Send>;

struct Entry {
    generation: u32,
    armed: Option<(NodeId, Callback)>,
}

/// Bits of an index, and of a generation, in a timer's number. Above them is the reactor's. So many
/// timers would take 20 GB.
const BITS: u32 = 28;
const MASK: u32 = (1 << BITS) - 1;

/// The timers of one reactor.
pub(crate) struct Timers {
    reactor: u32,
    entries: Vec<Entry>,
    vacant: Vec<u32>,
}

impl Timers {
    pub(crate) const fn new(reactor: u32) -> Self {
        Self { reactor, entries: Vec::new(), vacant: Vec::new() }
    }

    pub(crate) fn start(&mut self, wheel: &mut Wheel, at: Tick, callback: Callback) -> Timer {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(Entry { generation: 1, armed: None });
            (self.entries.len() - 1) as u32
        });
        let node = wheel.insert(at, TIMER_KEY | u64::from(index));
        let entry = &mut self.entries[index as usize];
        entry.armed = Some((node, callback));
        let generation = entry.generation;
        self.name(index, generation)
    }

    fn name(&self, index: u32, generation: u32) -> Timer {
        let of_us = u64::from(self.reactor) << (2 * BITS);
        Timer(of_us | u64::from(index & MASK) << BITS | u64::from(generation))
    }

    pub(crate) fn cancel(&mut self, wheel: &mut Wheel, timer: Timer) -> bool {
        let index = (timer.0 >> BITS) as u32 & MASK;
        let Some(entry) = self.entries.get(index as usize) else { return false };
        if self.name(index, entry.generation) != timer {
            return false;
        }
        let Some(entry) = self.entries.get_mut(index as usize) else { return false };
        let Some((node, _)) = entry.armed.take() else { return false };
        wheel.remove(node);
        self.vacate(index);
        true
    }

    /// The callback of a node that fired.
    pub(crate) fn fire(&mut self, key: u64) -> Option<Callback> {
        let index = (key & !TIMER_KEY) as u32;
        let (_, callback) = self.entries.get_mut(index as usize)?.armed.take()?;
        self.vacate(index);
        Some(callback)
    }

    fn vacate(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.generation = ((entry.generation + 1) & MASK).max(1);
        self.vacant.push(index);
    }
}

impl Context {
    /// Calls `f` once after `delay` (grain 1 ms), on this reactor. Dropped uncalled when the
    /// reactor ends first.
    pub fn timer_start(
        &mut self,
        delay: Duration,
        f: Box<dyn FnOnce(&mut Context) + Send>,
    ) -> Timer {
        // At least one tick: a timer that starts itself again must not starve the sockets.
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX).max(1);
        self.timers.start(&mut self.wheel, self.now.saturating_add(delay_ms), f)
    }

    /// Whether the timer was still to come. It will not be called. `false` for one that was called
    /// or cancelled, and for one of another reactor.
    pub fn timer_cancel(&mut self, timer: Timer) -> bool {
        self.timers.cancel(&mut self.wheel, timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_names_its_reactor() {
        let mut wheel = Wheel::new(0);
        let (mut ours, mut theirs) = (Timers::new(3), Timers::new(255));
        let timer = ours.start(&mut wheel, 10, Box::new(|_| {}));
        let other = theirs.start(&mut wheel, 10, Box::new(|_| {}));
        assert_ne!(timer, other);
        assert!(!theirs.cancel(&mut wheel, timer) && !ours.cancel(&mut wheel, other));
        assert!(ours.cancel(&mut wheel, timer) && theirs.cancel(&mut wheel, other));
        let again = ours.start(&mut wheel, 10, Box::new(|_| {}));
        assert!(again != timer && !ours.cancel(&mut wheel, timer), "its place has another");
        assert_eq!(wheel.len(), 1);
    }
}
