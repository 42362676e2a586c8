//! Timers of the application.

use crate::reactor::api::contract::{Call, Context, Job, Repeated};
use crate::reactor::core::name::Timer;
use std::time::Duration;

impl Context {
    /// Calls `f` once after `delay` (grain 1 ms), on this reactor. Dropped uncalled when the
    /// reactor ends first.
    pub fn timer_start(&mut self, delay: Duration, f: Job) -> Timer {
        // At least one tick: a timer that starts itself again must not starve the sockets.
        let due = self.now.saturating_add(ticks(delay));
        self.timers.start(&mut self.wheel, due, 0, Call::Once(f))
    }

    /// Calls `f` after `first`, and from then on every `every` (grain 1 ms, at least 1 ms), until
    /// it is cancelled, in its own call too, or the reactor ends. Its times are counted from the
    /// start and not from the calls: they do not drift. Those that pass while the reactor is busy
    /// are left out: one call, late, then the next at its time.
    pub fn timer_repeat(&mut self, first: Duration, every: Duration, f: Repeated) -> Timer {
        let due = self.now.saturating_add(ticks(first));
        self.timers.start(&mut self.wheel, due, ticks(every), Call::Every(f))
    }

    /// The timer of a node that has fired.
    pub(crate) fn fire_timer(&mut self, slot: u32) {
        match self.timers.fire(&mut self.wheel, slot, self.now) {
            Some((Call::Once(f), _)) => f(self),
            Some((Call::Every(mut f), again)) => {
                f(self);
                if let Some(timer) = again {
                    self.timers.put_back(timer, Call::Every(f));
                }
            }
            None => {}
        }
    }

    /// Whether the timer was still to come. It will not be called. `false` for one that was called
    /// or cancelled, and for one of another reactor.
    pub fn timer_cancel(&mut self, timer: Timer) -> bool {
        self.timers.cancel(&mut self.wheel, timer)
    }
}

/// At least one.
fn ticks(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX).max(1)
}
