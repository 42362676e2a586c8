//! One of several kernels in a world: how far its clock may go, and when its reactor is due.

use super::Sim;
use crate::tick::Tick;

impl Sim {
    /// Its clock goes no further than that while nothing comes: then a wait ends for nothing.
    pub fn pace(&mut self, until: Tick) {
        self.horizon = until.max(self.net.now);
    }

    /// Of a reactor that has left it (`Kernel::leave`): lets time pass until it has to come back,
    /// and no further than it may go. Whether it has to. So a wake-up that nobody has sent is
    /// missed.
    pub fn is_due(&mut self) -> bool {
        let Some(deadline) = self.left_until() else { return true };
        loop {
            let mut pending = std::mem::take(&mut self.pending);
            let next = self.step(&mut pending);
            self.pending = pending;
            if !self.pending.is_empty() || self.net.now >= deadline {
                return true;
            }
            if self.net.now >= self.horizon {
                return false;
            }
            let next = next.unwrap_or(Tick::MAX).max(self.net.now + 1);
            self.net.now = next.min(deadline).min(self.horizon);
        }
    }
}
