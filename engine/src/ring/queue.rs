//! Submission and completion: the one system call of a turn.

use super::diagnosis::Refused;
use super::setup::{Flags, TaskRun};
use super::stats::KernelStats;
use super::sys::{self, EnterFlags};
use super::{Errno, KernelError};
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, squeue};
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Completions that end a wait which gathers them: waking costs little beside so many, and the next
/// ones should find receive buffers.
const GATHER_MAX: u32 = 64;
/// Stands for no timeout where one must be given.
const AGES: Duration = Duration::from_secs(24 * 60 * 60);

/// Rounds of draining an overflown completion queue in one turn.
const OVERFLOW_ROUNDS: usize = 16;

/// How a ring waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// How long to look for completions before sleeping; zero: not at all.
    pub(super) busy_poll: Duration,
    /// How long completions may be gathered before they wake us; zero: not at all.
    pub(super) coalesce: Duration,
    /// The kernel can do that by itself.
    pub(super) min_wait: bool,
}

/// A ring and what waits on its two sides.
pub(super) struct Queue {
    /// Taken out only by drop, which may have to leak it.
    ring: ManuallyDrop<IoUring>,
    name: sys::Ring,
    polled: bool,
    /// How long to look for completions before sleeping.
    busy_poll: Duration,
    /// For how long completions may be gathered before they wake us.
    coalesce: Duration,
    /// The kernel gathers them (`IORING_FEAT_MIN_TIMEOUT`, 6.12).
    min_wait: bool,
    /// Entries for which the submission queue had no room even after a flush, in order.
    backlog: VecDeque<squeue::Entry>,
    /// Completions that a flush had to take out, in order.
    taken: Vec<cqueue::Entry>,
    /// Operations whose final completion we have not seen.
    in_flight: u64,
    fault: Option<KernelError>,
    pub(super) stats: KernelStats,
}

impl Queue {
    pub(super) fn new(ring: IoUring, flags: Flags, waits: Waits) -> Self {
        let fd = ring.as_raw_fd();
        // Without the index (16 rings per thread at most) the descriptor serves.
        let name = sys::register_ring_fd(fd).map_or(sys::Ring::Fd(fd), sys::Ring::Registered);
        if !waits.coalesce.is_zero() {
            // The kernel lets a sleep last up to 50 µs longer than asked for, unless told
            // otherwise: half as much again as a usual `coalesce_us`. The thread is our own.
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        }
        Self {
            ring: ManuallyDrop::new(ring),
            name,
            polled: flags.task_run == TaskRun::Polled,
            busy_poll: waits.busy_poll,
            coalesce: waits.coalesce,
            min_wait: waits.min_wait,
            backlog: VecDeque::new(),
            taken: Vec::new(),
            in_flight: 0,
            fault: None,
            stats: KernelStats::default(),
        }
    }

    /// The ring, to register things with.
    pub(super) fn ring(&self) -> &IoUring {
        &self.ring
    }

    /// Whether it is to gather completions, for which the kernel has only waits of other kinds.
    pub(super) fn gathers_twice(&self) -> bool {
        !self.coalesce.is_zero() && !self.min_wait
    }

    /// Enters once, for nothing: a policy may allow rings to be made and forbid their use.
    pub(super) fn try_enter(&self) -> Result<(), Refused> {
        match sys::enter(self.name, 0, 0, EnterFlags::GETEVENTS, &SubmitArgs::new()) {
            Ok(_) | Err(Errno::INTR | Errno::AGAIN | Errno::BUSY) => Ok(()),
            Err(errno) => Err(Refused::new("io_uring_enter", errno)),
        }
    }

    /// Operations that have not ended.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Queues an operation. Never fails: a full queue is flushed first.
    ///
    /// # Safety
    /// The memory that the entry points to must stay valid and in place until its final
    /// completion.
    #[inline]
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        self.in_flight += 1;
        if self.backlog.is_empty() {
            // SAFETY: the caller's promise.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            self.flush();
            // SAFETY: the caller's promise.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
        }
        self.backlog.push_back(entry);
    }

    /// Submits what is queued, and waits for nothing.
    #[cold]
    pub(super) fn flush(&mut self) {
        self.stats.flushes += 1;
        for _ in 0..OVERFLOW_ROUNDS {
            if self.fault.is_some() || self.ring.submission().is_empty() {
                return;
            }
            let wanted = if self.polled { EnterFlags::SQ_WAIT } else { EnterFlags::empty() };
            match self.enter(0, wanted, &SubmitArgs::new()) {
                // The polling thread has made room, or is about to.
                Ok(()) if self.polled => return,
                Ok(()) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN | Errno::BUSY) => {
                    // Completions are in the way: take them, and let the kernel move the rest up.
                    let mut taken = std::mem::take(&mut self.taken);
                    self.drain(&mut taken);
                    self.taken = taken;
                    let _ = self.enter(0, EnterFlags::GETEVENTS, &SubmitArgs::new());
                }
                Err(errno) => self.fault = Some(KernelError { call: "io_uring_enter", errno }),
            }
        }
    }

    /// Submits all, and waits for nothing.
    pub(super) fn submit(&mut self) -> Result<(), KernelError> {
        loop {
            self.refill();
            match self.fault {
                Some(fault) => return Err(fault),
                None if self.ring.submission().is_empty() => return Ok(()),
                None => self.flush(),
            }
        }
    }

    /// Whether a wait would find something, as a ring knows whose kernel tells of work
    /// (`IORING_SETUP_TASKRUN_FLAG`).
    pub(super) fn has_some(&mut self) -> bool {
        let submission = self.ring.submission();
        let told = submission.taskrun() || submission.cq_overflow();
        drop(submission);
        told || !self.taken.is_empty() || !self.ring.completion().is_empty()
    }

    fn refill(&mut self) {
        while let Some(entry) = self.backlog.front() {
            // SAFETY: promised when it was handed to `push`.
            if unsafe { self.ring.submission().push(entry) }.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }

    fn enter(
        &mut self,
        min_complete: u32,
        mut flags: EnterFlags,
        args: &SubmitArgs<'_, '_>,
    ) -> Result<(), Errno> {
        let submission = self.ring.submission();
        let to_submit = submission.len() as u32;
        if self.polled && submission.need_wakeup() {
            flags |= EnterFlags::SQ_WAKEUP;
        }
        drop(submission);
        self.stats.enters += 1;
        sys::enter(self.name, to_submit, min_complete, flags, args).map(drop)
    }

    /// Submits all, waits until there is a completion or `timeout` is over, and appends all
    /// completions that there are.
    pub(super) fn wait(
        &mut self,
        timeout: Option<Duration>,
        into: &mut Vec<cqueue::Entry>,
    ) -> Result<(), KernelError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.refill();
        if !self.busy_poll.is_zero() && self.spin(timeout, into)? {
            return Ok(());
        }
        let mut more = true;
        while more {
            more = false;
            let ready =
                !self.taken.is_empty() || !into.is_empty() || timeout == Some(Duration::ZERO);
            // A submission that is not complete must not wait for completions of the rest.
            let min_complete = u32::from(!ready && self.backlog.is_empty());
            let timespec = timeout.map(Timespec::from).unwrap_or_default();
            let mut args = SubmitArgs::new();
            if timeout.is_some() {
                args = args.timespec(&timespec);
            }
            let entered = if min_complete == 0 || self.coalesce.is_zero() {
                self.enter(min_complete, EnterFlags::GETEVENTS, &args)
            } else {
                self.gather(timeout)
            };
            match entered {
                // Timeout; no memory for requests or an overflown completion queue: what is not
                // submitted yet goes with the next turn.
                Ok(()) | Err(Errno::TIME | Errno::AGAIN | Errno::BUSY) => {}
                // A signal, or the process was stopped: the kernel has left before it looked for
                // what has come meanwhile, and whoever is judged by the time must be heard first.
                Err(Errno::INTR) => {
                    let _ = self.enter(0, EnterFlags::GETEVENTS, &SubmitArgs::new());
                }
                Err(errno) => return Err(KernelError { call: "io_uring_enter", errno }),
            }
            into.append(&mut self.taken);
            self.drain(into);
            if !self.backlog.is_empty() && self.ring.submission().is_empty() {
                self.refill();
                more = true;
            }
        }
        Ok(())
    }

    /// Submits all and sleeps until there is a completion, or `timeout` is over: but not for less
    /// than `coalesce`, except when `GATHER_MAX` of them or the timeout end it.
    ///
    /// The time runs from here on, not from the first completion: one that comes to a reactor that
    /// has slept for longer is taken at once, and none waits for longer than `coalesce`.
    #[inline(never)]
    fn gather(&mut self, timeout: Option<Duration>) -> Result<(), Errno> {
        let all = EnterFlags::GETEVENTS;
        // Linux 6.12 does not end a minimum wait by a timeout that is shorter.
        let least = timeout.map_or(self.coalesce, |timeout| timeout.min(self.coalesce));
        if self.min_wait {
            // Without a timeout the kernel returns as soon as the minimum is over, for nothing.
            let whole = Timespec::from(timeout.unwrap_or(AGES));
            let args = SubmitArgs::new().timespec(&whole);
            return self.enter(GATHER_MAX, all, &args.min_wait_usec(least.as_micros() as u32));
        }
        let first = Timespec::from(least);
        match self.enter(GATHER_MAX, all, &SubmitArgs::new().timespec(&first)) {
            Ok(()) | Err(Errno::TIME) => {}
            Err(errno) => return Err(errno),
        }
        // Nobody has come in that time: whoever is first from here on is taken at once.
        if !self.ring.completion().is_empty() || timeout == Some(least) {
            return Ok(());
        }
        let rest = Timespec::from(timeout.map_or(AGES, |timeout| timeout - least));
        self.enter(1, all, &SubmitArgs::new().timespec(&rest))
    }

    /// Submits all and looks for completions without sleeping, for `busy_poll` at most. Whether
    /// there were any.
    fn spin(
        &mut self,
        timeout: Option<Duration>,
        into: &mut Vec<cqueue::Entry>,
    ) -> Result<bool, KernelError> {
        let limit = timeout.map_or(self.busy_poll, |timeout| timeout.min(self.busy_poll));
        let start = Instant::now();
        let mut ask = true;
        loop {
            // A first time for what is to be submitted, then only when there is work to be run:
            // the kernel sets the flag with it.
            if ask {
                match self.enter(0, EnterFlags::GETEVENTS, &SubmitArgs::new()) {
                    Ok(()) | Err(Errno::INTR | Errno::AGAIN | Errno::BUSY) => {}
                    Err(errno) => return Err(KernelError { call: "io_uring_enter", errno }),
                }
            }
            into.append(&mut self.taken);
            self.drain(into);
            if !into.is_empty() || !self.backlog.is_empty() {
                return Ok(!into.is_empty() && self.backlog.is_empty());
            }
            if start.elapsed() >= limit {
                return Ok(false);
            }
            std::hint::spin_loop();
            ask = self.ring.submission().taskrun();
        }
    }

    /// Appends the completions that are there, and those that had no room and wait in the kernel.
    fn drain(&mut self, into: &mut Vec<cqueue::Entry>) {
        for _ in 0..OVERFLOW_ROUNDS {
            let before = into.len();
            into.extend(self.ring.completion());
            self.stats.completions += (into.len() - before) as u64;
            if !self.ring.submission().cq_overflow() {
                return;
            }
            self.stats.cq_overflow += 1;
            if self.enter(0, EnterFlags::GETEVENTS, &SubmitArgs::new()).is_err() {
                return;
            }
        }
    }

    /// An operation has had its final completion.
    #[inline]
    pub(super) fn ended(&mut self) {
        self.in_flight -= 1;
    }

    /// Closes the ring.
    ///
    /// # Safety
    /// The queue must not be used again.
    pub(super) unsafe fn close(&mut self) {
        if let sys::Ring::Registered(index) = self.name {
            let _ = sys::unregister_ring_fd(self.ring.as_raw_fd(), index);
        }
        // SAFETY: dropped once, by the caller's promise.
        unsafe { ManuallyDrop::drop(&mut self.ring) };
    }

    /// Registers a sparse table of direct descriptors.
    pub(super) fn register_files(&self, count: u32) -> Result<(), Refused> {
        self.ring
            .submitter()
            .register_files_sparse(count)
            .map_err(|error| super::setup::refused("io_uring_register(FILES2)", &error))
    }
}
