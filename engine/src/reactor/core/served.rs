//! The time by which peers are judged: that in which they were served.
//!
//! A callback that blocks, a process that is stopped, a clock that jumps: for so long nobody was
//! heard and nothing was sent, and no peer is to pay for it. What a turn takes beyond the wait that
//! was asked for is left out of the time of the connections. The timers of the application follow
//! the clock.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::ring::Token;
use crate::tick::Tick;
use std::collections::HashSet;
use std::time::Duration;

/// So much later than asked for may a turn be: the machine is busy, not stopped.
const STALL_MS: Tick = 100;

/// Both times, and what is between them.
#[derive(Debug)]
pub(crate) struct ServedTime {
    /// The time of the connections.
    pub(crate) now: Tick,
    /// What was left out.
    lost: Tick,
    /// Waits so far. Wraps.
    pub(crate) waits: u32,
    /// When the last turn had ended, in microseconds of the clock; before the first: never.
    pub(crate) turned_us: u64,
    /// Of whom the kernel was asked, before they are judged, whether they take what waits for them.
    /// Few.
    pub(crate) asked: HashSet<Token>,
}

impl ServedTime {
    pub(crate) fn new(now: Tick) -> Self {
        Self { now, lost: 0, waits: 0, turned_us: u64::MAX, asked: HashSet::new() }
    }

    /// When the clock will show an instant of the connections' time, if nothing more is left out.
    pub(crate) fn on_the_clock(&self, at: Tick) -> Tick {
        at.saturating_add(self.lost)
    }

    /// A wait for at most `asked` has ended, and the clock shows `now` where it showed `before`.
    pub(crate) fn waited(&mut self, before: Tick, now: Tick, asked: Option<Duration>) {
        let elapsed = now.saturating_sub(before);
        // Without a limit nobody has a deadline.
        let asked = asked.map_or(elapsed, |asked| asked.as_millis() as Tick);
        let stalled = elapsed.saturating_sub(asked);
        if stalled > STALL_MS {
            self.lost = self.lost.saturating_add(stalled);
        }
        self.now = now.saturating_sub(self.lost);
        self.waits = self.waits.wrapping_add(1);
    }
}
