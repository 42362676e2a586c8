//! Reactors without a thread of their own: threads of the application run them, turn by turn.

use crate::engine::Error;
use crate::thread::{Running, Thread};
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

thread_local! {
    /// What this thread runs: at most one reactor of an engine, and not while its turn lasts.
    static ATTACHED: RefCell<Ours> = const { RefCell::new(Ours(Vec::new())) };
}

/// How often whoever waits looks for a stop. A stop cannot signal anything: it may be asked for in
/// a signal handler.
const LOOK: Duration = Duration::from_millis(50);

/// Places for the threads of the application.
#[derive(Default)]
pub(crate) struct Seats {
    seats: Mutex<Vec<Seat>>,
    changed: Condvar,
}

/// One reactor, by its number.
enum Seat {
    /// What it is made from.
    Free(Box<Thread>),
    Taken(ThreadId),
    Ended(Result<(), Error>),
}

/// A reactor on this thread, and its seat.
struct Attached {
    seats: Arc<Seats>,
    index: usize,
    running: Running,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next reactor is there to be attached.
    pub(crate) fn offer(&self, thread: Thread) {
        self.lock().push(Seat::Free(Box::new(thread)));
    }

    /// Makes a reactor on the calling thread. The descriptor is readable when a turn is due.
    pub(crate) fn attach(self: &Arc<Self>, index: u32) -> Result<OwnedFd, Error> {
        if self.are_ours() {
            return Err(Error::State("this thread has a reactor of this engine"));
        }
        let index = index as usize;
        let thread = self.take(index)?;
        let here = thread.enter();
        let begun = begin(thread);
        drop(here);
        match begun {
            Ok((running, descriptor)) => {
                Attached { seats: Arc::clone(self), index, running }.keep();
                Ok(descriptor)
            }
            Err(error) => {
                self.ended(index, Err(error.clone()));
                Err(error)
            }
        }
    }

    fn take(&self, index: usize) -> Result<Box<Thread>, Error> {
        let mut seats = self.lock();
        let seat = seats.get_mut(index).ok_or(Error::State("attach comes after start"))?;
        match std::mem::replace(seat, Seat::Taken(thread::current().id())) {
            Seat::Free(thread) => Ok(thread),
            other => {
                *seat = other;
                Err(Error::State("attached before, or the engine has ended"))
            }
        }
    }

    fn ended(&self, index: usize, outcome: Result<(), Error>) {
        self.lock()[index] = Seat::Ended(outcome);
        self.changed.notify_all();
    }

    /// One turn of the calling thread's reactor: `false` when it has ended, as it also has after
    /// any error but [`Error::State`].
    pub(crate) fn turn(self: &Arc<Self>) -> Result<bool, Error> {
        self.go_on(|running| running.turn())
    }

    /// Turns until the calling thread's reactor has ended, if it has one, after a stop without
    /// grace: it is not woken any more.
    pub(crate) fn run_out(self: &Arc<Self>) {
        // How it has ended is kept for `wait`.
        let _ = self.go_on(|running| running.run().map(|()| false));
    }

    fn go_on(
        self: &Arc<Self>,
        go: impl FnOnce(&mut Running) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let ours = ATTACHED.with_borrow_mut(|all| {
            let at = all.0.iter().position(|one| Arc::ptr_eq(&one.seats, self))?;
            Some(all.0.swap_remove(at))
        });
        // In a callback it is at work.
        let mut ours =
            ours.ok_or(Error::State("no reactor is attached to this thread, or here"))?;
        let here = ours.running.enter();
        let outcome = match go(&mut ours.running) {
            Ok(true) => {
                drop(here);
                ours.keep();
                return Ok(true);
            }
            Ok(false) => ours.running.end(Ok(())),
            Err(error) => ours.running.end(Err(error)),
        };
        drop(here);
        self.ended(ours.index, outcome.clone());
        outcome.map(|()| false)
    }

    /// Whether one of them is the calling thread's.
    pub(crate) fn are_ours(&self) -> bool {
        let this = thread::current().id();
        self.lock().iter().any(|seat| matches!(seat, Seat::Taken(by) if *by == this))
    }

    /// Those that nobody has attached have ended.
    fn forgo(&self) {
        let count = self.lock().len();
        for index in 0..count {
            if let Ok(thread) = self.take(index) {
                self.ended(index, thread.forgo());
            }
        }
    }

    /// Waits until all have ended, or were not attached before a stop. How the first has failed.
    pub(crate) fn wait(&self, is_stopped: impl Fn() -> bool) -> Result<(), Error> {
        let mut seats = self.lock();
        loop {
            if is_stopped() {
                drop(seats);
                self.forgo();
                seats = self.lock();
            }
            let outcomes = seats.iter().map(|seat| match seat {
                Seat::Ended(outcome) => Some(outcome.clone()),
                Seat::Free(_) | Seat::Taken(_) => None,
            });
            if let Some(outcomes) = outcomes.collect::<Option<Vec<_>>>() {
                return outcomes.into_iter().collect();
            }
            let waited = self.changed.wait_timeout(seats, LOOK);
            seats = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The reactor of a thread, begun. What had begun of it when something fails has ended.
fn begin(thread: Box<Thread>) -> Result<(Running, OwnedFd), Error> {
    let mut running = thread.make()?;
    match running.begin().and_then(|()| running.descriptor()) {
        Ok(descriptor) => Ok((running, descriptor)),
        Err(error) => running.end(Err(error.clone())).and(Err(error)),
    }
}

impl Attached {
    fn keep(self) {
        ATTACHED.with_borrow_mut(|all| all.0.push(self));
    }
}

/// The threads' ends: a thread that ends takes its reactor with it.
struct Ours(Vec<Attached>);

impl Drop for Ours {
    fn drop(&mut self) {
        for one in self.0.drain(..) {
            let here = one.running.enter();
            let outcome = one.running.end(Err(Error::State("its thread has ended before it")));
            drop(here);
            one.seats.ended(one.index, outcome);
        }
    }
}
