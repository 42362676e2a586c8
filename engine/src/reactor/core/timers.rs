//! Timers of the application: what is to be called, on the wheel.

use super::arena::Arena;
use super::key;
use super::name::Timer;
use super::wheel::{NodeId, Wheel};
use crate::ring::Token;
use crate::tick::Tick;

/// Bits of a number, and of a generation, in a timer's name. Above them is the reactor's. So many
/// timers would take 20 GB.
const BITS: u32 = 28;
const MASK: u32 = (1 << BITS) - 1;

/// The timers of one reactor, each with its callback.
pub(crate) struct Timers<F> {
    reactor: u32,
    started: Arena<(NodeId, F)>,
}

impl<F> Timers<F> {
    pub(crate) const fn new(reactor: u32) -> Self {
        Self { reactor, started: Arena::new() }
    }

    pub(crate) fn start(&mut self, wheel: &mut Wheel, at: Tick, callback: F) -> Timer {
        // The number is known only when the entry is made, and the entry wants the node.
        let node = wheel.insert(at, 0);
        let name = self.started.insert((node, callback));
        wheel.rename(node, key::of_timer(name.slot));
        self.name(name)
    }

    fn name(&self, of: Token) -> Timer {
        let reactor = u64::from(self.reactor) << (2 * BITS);
        let slot = u64::from(of.slot & MASK) << BITS;
        Timer(reactor | slot | u64::from(of.generation & MASK))
    }

    /// Whether it was still to come.
    pub(crate) fn cancel(&mut self, wheel: &mut Wheel, timer: Timer) -> bool {
        let slot = (timer.0 >> BITS) as u32 & MASK;
        if self.started.at(slot).is_none() || self.name(self.started.name(slot)) != timer {
            return false;
        }
        let Some((node, _)) = self.started.remove(slot) else { return false };
        wheel.remove(node);
        true
    }

    /// The callback of a node that fired.
    pub(crate) fn fire(&mut self, slot: u32) -> Option<F> {
        self.started.remove(slot).map(|(_, callback)| callback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_names_its_reactor() {
        let mut wheel = Wheel::new(0);
        let (mut ours, mut theirs) = (Timers::new(3), Timers::new(255));
        let timer = ours.start(&mut wheel, 10, 'a');
        let other = theirs.start(&mut wheel, 10, 'b');
        assert_ne!(timer, other);
        assert!(!theirs.cancel(&mut wheel, timer) && !ours.cancel(&mut wheel, other));
        assert!(ours.cancel(&mut wheel, timer) && theirs.cancel(&mut wheel, other));
        let again = ours.start(&mut wheel, 10, 'c');
        assert!(again != timer && !ours.cancel(&mut wheel, timer), "its place has another");
        assert_eq!(wheel.len(), 1);
    }

    #[test]
    fn what_fires_is_the_timer_that_was_started() {
        let mut wheel = Wheel::new(0);
        let mut timers = Timers::new(0);
        timers.start(&mut wheel, 20, 'b');
        timers.start(&mut wheel, 10, 'a');
        let key = wheel.pop_due(15).map(key::decode);
        let Some(key::Due::Timer(slot)) = key else { panic!("a timer") };
        assert_eq!(timers.fire(slot), Some('a'));
        assert_eq!(timers.fire(slot), None);
    }
}
