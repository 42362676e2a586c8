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

/// One that has not fired for the last time.
struct Started<F> {
    node: NodeId,
    /// Absent while it is called.
    callback: Option<F>,
    /// When it is due, and how much later again; of one that fires once, 0.
    due: Tick,
    every: Tick,
}

/// The timers of one reactor, each with its callback.
pub(crate) struct Timers<F> {
    reactor: u32,
    started: Arena<Started<F>>,
}

impl<F> Timers<F> {
    pub(crate) const fn new(reactor: u32) -> Self {
        Self { reactor, started: Arena::new() }
    }

    /// To fire at a time, and if `every` is not 0 for ever after.
    pub(crate) fn start(
        &mut self,
        wheel: &mut Wheel,
        due: Tick,
        every: Tick,
        callback: F,
    ) -> Timer {
        // The number is known only when the entry is made, and the entry wants the node.
        let node = wheel.insert(due, 0);
        let callback = Some(callback);
        let name = self.started.insert(Started { node, callback, due, every });
        wheel.rename(node, key::of_timer(name.slot));
        self.name(name)
    }

    fn name(&self, of: Token) -> Timer {
        let reactor = u64::from(self.reactor) << (2 * BITS);
        let slot = u64::from(of.slot & MASK) << BITS;
        Timer(reactor | slot | u64::from(of.generation & MASK))
    }

    /// The place of a timer that is still there.
    fn place(&mut self, timer: Timer) -> Option<u32> {
        let slot = (timer.0 >> BITS) as u32 & MASK;
        self.started.at(slot)?;
        (self.name(self.started.name(slot)) == timer).then_some(slot)
    }

    /// Whether it was still to come.
    pub(crate) fn cancel(&mut self, wheel: &mut Wheel, timer: Timer) -> bool {
        let Some(slot) = self.place(timer) else { return false };
        let Some(started) = self.started.remove(slot) else { return false };
        wheel.remove(started.node);
        true
    }

    /// The callback of a node that fired. One that repeats is on the wheel again, at the first of
    /// its times that is still to come, so that it can be cancelled while it is called; its
    /// callback is to be put back under the name that comes with it.
    pub(crate) fn fire(
        &mut self,
        wheel: &mut Wheel,
        slot: u32,
        now: Tick,
    ) -> Option<(F, Option<Timer>)> {
        let name = self.name(self.started.name(slot));
        let started = self.started.at(slot)?;
        if started.every == 0 {
            return self.started.remove(slot)?.callback.map(|callback| (callback, None));
        }
        // Times that have passed are left out: no drift, and no burst behind a stall.
        let missed = now.saturating_sub(started.due) / started.every;
        started.due = started.due.saturating_add(started.every.saturating_mul(missed + 1));
        started.node = wheel.insert(started.due, key::of_timer(slot));
        started.callback.take().map(|callback| (callback, Some(name)))
    }

    /// The call of one that repeats is over. Dropped if it was cancelled meanwhile.
    pub(crate) fn put_back(&mut self, timer: Timer, callback: F) {
        if let Some(slot) = self.place(timer)
            && let Some(started) = self.started.at(slot)
        {
            started.callback = Some(callback);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_names_its_reactor() {
        let mut wheel = Wheel::new(0);
        let (mut ours, mut theirs) = (Timers::new(3), Timers::new(255));
        let timer = ours.start(&mut wheel, 10, 0, 'a');
        let other = theirs.start(&mut wheel, 10, 0, 'b');
        assert_ne!(timer, other);
        assert!(!theirs.cancel(&mut wheel, timer) && !ours.cancel(&mut wheel, other));
        assert!(ours.cancel(&mut wheel, timer) && theirs.cancel(&mut wheel, other));
        let again = ours.start(&mut wheel, 10, 0, 'c');
        assert!(again != timer && !ours.cancel(&mut wheel, timer), "its place has another");
        assert_eq!(wheel.len(), 1);
    }

    #[test]
    fn what_fires_is_the_timer_that_was_started() {
        let mut wheel = Wheel::new(0);
        let mut timers = Timers::new(0);
        timers.start(&mut wheel, 20, 0, 'b');
        timers.start(&mut wheel, 10, 0, 'a');
        let key = wheel.pop_due(15).map(key::decode);
        let Some(key::Due::Timer(slot)) = key else { panic!("a timer") };
        assert_eq!(timers.fire(&mut wheel, slot, 15), Some(('a', None)));
        assert_eq!(timers.fire(&mut wheel, slot, 15), None);
    }

    /// The times at which it fires when the wheel is looked at then.
    fn fires(wheel: &mut Wheel, timers: &mut Timers<char>, looks: &[Tick]) -> Vec<Tick> {
        let mut fired = Vec::new();
        for now in looks {
            while let Some(due) = wheel.pop_due(*now) {
                let key::Due::Timer(slot) = key::decode(due) else { panic!("a timer") };
                let (callback, again) = timers.fire(wheel, slot, *now).expect("it is there");
                timers.put_back(again.expect("it repeats"), callback);
                fired.push(*now);
            }
        }
        fired
    }

    #[test]
    fn one_that_repeats_neither_drifts_nor_makes_up_for_a_stall() {
        let (mut wheel, mut timers) = (Wheel::new(0), Timers::new(0));
        let timer = timers.start(&mut wheel, 10, 10, 'a');
        // Late by 3, in time, stopped for three and a half of its times, and on with the old ones.
        let looks = [9, 13, 19, 20, 55, 59, 60, 70];
        assert_eq!(fires(&mut wheel, &mut timers, &looks), [13, 20, 55, 60, 70]);
        assert!(timers.cancel(&mut wheel, timer) && !timers.cancel(&mut wheel, timer));
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn one_that_repeats_can_be_cancelled_while_it_is_called() {
        let (mut wheel, mut timers) = (Wheel::new(0), Timers::new(0));
        let timer = timers.start(&mut wheel, 10, 10, 'a');
        let Some(key::Due::Timer(slot)) = wheel.pop_due(10).map(key::decode) else { panic!() };
        let (callback, again) = timers.fire(&mut wheel, slot, 10).expect("it is there");
        assert_eq!(again, Some(timer));
        assert!(timers.cancel(&mut wheel, timer));
        let other = timers.start(&mut wheel, 99, 0, 'b');
        timers.put_back(timer, callback);
        assert_eq!(wheel.len(), 1, "the other, in its place");
        assert!(timers.cancel(&mut wheel, other));
    }
}
