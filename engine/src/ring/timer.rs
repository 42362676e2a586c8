//! The end of waits by one timeout operation, which stays armed over many waits. A timeout in the
//! argument of each wait would start and cancel a timer of the kernel with each, and in a virtual
//! machine that means leaving it: 2.5 µs of a median latency of 21.

use super::op::Op;
use super::uring::Uring;
use crate::tick::Tick;
use io_uring::opcode;
use io_uring::types::Timespec;
use std::cell::UnsafeCell;
use std::time::Duration;

/// Shorter timeouts go with the wait: they come seldom, and are to be kept to the millisecond.
const SHORT: Duration = Duration::from_millis(3);

/// What is known of the operation.
#[derive(Debug, Default)]
pub(super) struct Timer {
    /// When the armed one fires; waits that end later have armed none for themselves.
    armed: Option<Tick>,
}

impl Timer {
    /// It has fired, or was cancelled.
    pub(super) fn ended(&mut self) {
        self.armed = None;
    }
}

/// Where the kernel reads a timeout from when the operation is submitted.
#[derive(Debug)]
pub(super) struct Span(Box<UnsafeCell<Timespec>>);

impl Default for Span {
    fn default() -> Self {
        Self(Box::new(UnsafeCell::new(Timespec::new())))
    }
}

impl Uring {
    pub(super) fn tell_time(&mut self) {
        self.now = self.start.elapsed().as_millis() as Tick;
    }

    /// Sees to it that a wait ends after `timeout`. Returns the timeout to give it, if it needs
    /// one itself. It may end before: an armed timer is left alone when it fires too early.
    pub(super) fn end_wait_by_timer(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let after = timeout?;
        // A polling thread would read the span at a time of its own, perhaps while it is written.
        if after < SHORT || self.queue.is_polled() {
            return timeout;
        }
        let at = self.start.elapsed().saturating_add(after).as_millis() as Tick;
        let nearer = match self.timer.armed {
            Some(armed) if armed <= at => return None,
            armed => armed.is_some(),
        };
        self.timer.armed = Some(at);
        let span: *mut Timespec = self.held.span.0.get();
        // SAFETY: nobody borrows it, and the kernel reads it only within a call of ours.
        unsafe { span.write(Timespec::from(after)) };
        let entry = if nearer {
            // When it has fired meanwhile, nothing is found, and the wait ends by that.
            let update = opcode::TimeoutUpdate::new(Op::Timer.word(0), span).build();
            update.user_data(Op::Cancel.word(0))
        } else {
            opcode::Timeout::new(span).build().user_data(Op::Timer.word(0))
        };
        // SAFETY: the span is part of `Held`, which outlives every operation.
        unsafe { self.queue.push(entry) };
        None
    }
}
