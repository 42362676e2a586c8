//! Timers on time.

use rustix::thread::{current_timer_slack, set_current_timer_slack};
use std::num::NonZeroU64;

/// As long as it lives, the kernel does not delay the timers of this thread, by 50 us by default,
/// to have several of them expire together (prctl(2), `PR_SET_TIMERSLACK`).
pub(super) struct NoSlack {
    before: Option<NonZeroU64>,
}

impl NoSlack {
    pub(super) fn begin() -> Self {
        let before = current_timer_slack().ok().and_then(NonZeroU64::new);
        // Without it the waits are less precise, which the report shows.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        Self { before }
    }
}

impl Drop for NoSlack {
    fn drop(&mut self) {
        let _ = set_current_timer_slack(self.before);
    }
}
