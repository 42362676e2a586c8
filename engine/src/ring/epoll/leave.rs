//! On a thread that has other work: the descriptor of the epoll itself tells when to come back.

use super::kernel::{ALARM, BELL, Epoll};
use crate::ring::diagnosis::Refused;
use crate::ring::{Errno, Kernel};
use crate::tick::Tick;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::os::fd::OwnedFd;
use std::time::Duration;

impl Epoll {
    /// From here on others can wake it: in its wait, or where its thread is else.
    pub(super) fn be_woken(&mut self, leaves: bool) -> Result<(), Refused> {
        let Some(waker) = self.wakers.get(self.index) else { return Ok(()) };
        self.watch_for(waker.eventfd(), BELL)?;
        if leaves {
            let (clock, flags) = (TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC);
            let alarm = timerfd_create(clock, flags)
                .map_err(|errno| Refused::new("timerfd_create", errno))?;
            self.watch_for(&alarm, ALARM)?;
            self.alarm = Some(alarm);
            // The first turn begins all.
            waker.wake();
        }
        Ok(())
    }

    /// A descriptor of its own that is readable when it is time for `wait`, of one that was made
    /// with [`KernelConfig::leaves`](crate::ring::KernelConfig::leaves).
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn descriptor(&self) -> Result<OwnedFd, Errno> {
        rustix::io::fcntl_dupfd_cloexec(&self.poll, 0)
    }

    pub(super) fn leave_for(&mut self, timeout: Option<Duration>) {
        self.send_all();
        self.lines.feed();
        let now = timeout == Some(Duration::ZERO)
            || !self.ready.is_empty()
            || self.more
            || self.has_work();
        if now {
            if let Some(waker) = self.wakers.get(self.index) {
                waker.wake();
            }
        } else if let Some(timeout) = self.patience(timeout) {
            let due = self.now() + timeout.as_millis() as Tick;
            // One that goes off too early costs a turn for nothing, and then is set anew.
            if self.due.is_none_or(|set| set > due) {
                self.set_alarm(due);
            }
        }
    }

    fn set_alarm(&mut self, due: Tick) {
        let Some(alarm) = &self.alarm else { return };
        // From now on: the turn has taken its time. Zero would mean never.
        let left = (due * 1_000).saturating_sub(self.clock_us()).max(1);
        let left = Duration::from_micros(left);
        let at = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        if timerfd_settime(alarm, TimerfdTimerFlags::empty(), &once).is_ok() {
            self.due = Some(due);
        }
    }
}
