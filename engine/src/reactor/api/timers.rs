//! Timers of the application.

use crate::reactor::api::contract::{Context, Job};
use crate::reactor::core::name::Timer;
use std::time::Duration;

impl Context {
    /// Calls `f` once after `delay` (grain 1 ms), on this reactor. Dropped uncalled when the
    /// reactor ends first.
    pub fn timer_start(&mut self, delay: Duration, f: Job) -> Timer {
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
