//! A ring on a thread that has other work: a descriptor tells when to come back.
//!
//! The ring's own descriptor would not do: with `DEFER_TASKRUN` work that waits for its thread
//! wakes nobody who polls that, but it signals an eventfd that is registered. So do completions,
//! also those that come of what we submit ourselves. That eventfd is the one of our [`Waker`]:
//! another, signalled when the ring has read that one, would be late, since within one eventfd's
//! signal the kernel puts that of another off (`eventfd_signal_allowed`). It is cleared when we
//! leave, and then looked at what is there already.
//!
//! [`Waker`]: super::Waker

use super::op::Op;
use super::setup::refused;
use super::uring::Uring;
use super::{Errno, Kernel, KernelError, Refused};
use crate::tick::Tick;
use io_uring::opcode;
use io_uring::types::{Fd, Timespec};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

impl Uring {
    /// From here on others can wake it: in its wait, or where its thread is else.
    pub(super) fn be_woken(&mut self, leaves: bool) -> Result<(), Refused> {
        if !leaves {
            self.read_eventfd();
            return Ok(());
        }
        let Some(waker) = self.wakers.get(self.index) else { return Ok(()) };
        let fd = waker.eventfd();
        rustix::io::ioctl_fionbio(fd, true).map_err(|errno| Refused::new("ioctl", errno))?;
        let registered = self.queue.ring().submitter().register_eventfd(fd.as_raw_fd());
        registered.map_err(|error| refused("io_uring_register(EVENTFD)", &error))?;
        self.held.bell.is_hung = true;
        // The first turn begins all.
        waker.wake();
        Ok(())
    }

    pub(super) fn read_eventfd(&mut self) {
        let Some(waker) = self.wakers.get(self.index) else { return };
        let fd = Fd(waker.eventfd().as_raw_fd());
        let count = self.held.count.get().cast();
        let read = opcode::Read::new(fd, count, size_of::<u64>() as u32).build();
        // SAFETY: `count` is part of `Held`, which outlives every operation. One read at a time.
        unsafe { self.queue.push(read.user_data(Op::Eventfd.word(0))) };
    }

    /// A descriptor of its own that is readable when it is time for `wait`, of a ring that was made
    /// with [`KernelConfig::leaves`](super::KernelConfig::leaves).
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn descriptor(&self) -> Result<OwnedFd, Errno> {
        let waker = self.wakers.get(self.index).ok_or(Errno::BADF)?;
        rustix::io::fcntl_dupfd_cloexec(waker.eventfd(), 0)
    }

    pub(super) fn leave_for(&mut self, timeout: Option<Duration>) -> Result<(), KernelError> {
        let timeout = self.supply(timeout);
        let now = timeout == Some(Duration::ZERO) || !self.ready.is_empty();
        if let Some(timeout) = timeout.filter(|_| !now) {
            let due = self.now() + timeout.as_millis() as Tick;
            // One that goes off too early costs a turn for nothing, and then is set anew.
            if self.held.bell.due.is_none_or(|set| set > due) {
                self.set_alarm(due);
            }
        }
        self.queue.submit()?;
        if let Some(waker) = self.wakers.get(self.index) {
            // EAGAIN: it was silent. What other threads have woken us for is in their mail.
            let _ = rustix::io::read(waker.eventfd(), &mut [0; 8]);
            if now || self.queue.has_some() {
                waker.wake();
            }
        }
        Ok(())
    }

    fn set_alarm(&mut self, due: Tick) {
        // From now on: the turn has taken its time.
        let left = Duration::from_micros((due * 1_000).saturating_sub(self.clock_us()));
        let at = self.held.bell.left.get();
        // SAFETY: the kernel reads it when the entry is submitted, which is done before the thread
        // leaves: none that was made before is still to be read.
        unsafe { at.write(Timespec::from(left)) };
        let entry = match self.held.bell.due.replace(due) {
            None => opcode::Timeout::new(at).build().user_data(Op::Alarm.word(0)),
            // Where it has gone off already there is a completion, and a turn follows.
            Some(_) => opcode::TimeoutUpdate::new(Op::Alarm.word(0), at)
                .build()
                .user_data(Op::Aside.word(0)),
        };
        // SAFETY: `Held` outlives every operation.
        unsafe { self.queue.push(entry) };
    }
}
