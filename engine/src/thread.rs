//! One reactor's thread, from its ring to its end.

use crate::config::{Backend, Chosen, Config, Level, Sizes};
use crate::engine::Error;
use crate::random::fill_random;
use crate::reactor::log::Logger;
use crate::reactor::{Handle, Here, Listens, Reactor, Resolve, Served, Setup};
use crate::ring::{Epoll, Errno, Kernel, KernelConfig, KernelError, Refused, Uring, signals};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the connections of the other reactors have to end when one has failed.
const GRACE_OF_FAILURE: Duration = Duration::from_secs(5);

/// Runs what calls the application. What it panicked with has been reported by the panic hook.
fn guarded<T>(body: impl FnOnce() -> T) -> Result<T, ()> {
    // A reactor that has panicked is only buried.
    catch_unwind(AssertUnwindSafe(body)).map_err(std::mem::forget)
}

/// A reactor on one of the two kernels.
enum Either {
    Uring(Box<Reactor<Uring>>),
    Epoll(Box<Reactor<Epoll>>),
}

/// The same with either of them.
macro_rules! with {
    ($either:expr, $reactor:ident => $body:expr) => {
        match $either {
            Either::Uring($reactor) => $body,
            Either::Epoll($reactor) => $body,
        }
    };
}

/// A reactor on its thread.
pub(crate) struct Running {
    index: u32,
    /// `on_start` has returned.
    begun: bool,
    reactor: Either,
    config: Config,
    handle: Handle,
    log: Logger,
}

impl Running {
    /// What is called first.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.attempt(|running| {
            if let Some(on_start) = &running.config.on_start {
                on_start(with!(&mut running.reactor, reactor => reactor.context()));
            }
            running.begun = true;
            Ok(())
        })
    }

    /// Readable when it is time for [`Running::turn`].
    pub(crate) fn descriptor(&mut self) -> Result<OwnedFd, Error> {
        let descriptor = with!(&mut self.reactor, reactor => reactor.kernel().descriptor());
        descriptor.map_err(|source| Error::System { what: "copying a descriptor".into(), source })
    }

    /// The calling thread is the reactor's for as long as the answer is kept.
    pub(crate) fn enter(&self) -> Here {
        self.handle.enter(self.index)
    }

    /// One turn, without waiting. `false` when the engine has stopped and nothing is left to do.
    pub(crate) fn turn(&mut self) -> Result<bool, Error> {
        self.attempt(|running| with!(&mut running.reactor, reactor => reactor.turn_at_once()))
    }

    /// Turns until the engine has stopped.
    pub(crate) fn run(&mut self) -> Result<(), Error> {
        self.attempt(|running| with!(&mut running.reactor, reactor => reactor.run()))
    }

    fn attempt<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, KernelError>,
    ) -> Result<T, Error> {
        match guarded(|| body(self)) {
            Ok(done) => done.map_err(|e| Error::System { what: e.call.into(), source: e.errno }),
            Err(()) => Err(Error::Panicked(self.index)),
        }
    }

    /// Its end, whatever has ended it.
    pub(crate) fn end(mut self, mut outcome: Result<(), Error>) -> Result<(), Error> {
        match &outcome {
            Ok(()) => self.log.line(Level::Info, format_args!("has ended")),
            Err(error) => {
                self.log.line(Level::Error, format_args!("{error}; the engine stops"));
                self.handle.stop_if_running(GRACE_OF_FAILURE);
            }
        }
        if outcome.is_err() {
            with!(&mut self.reactor, reactor => reactor.bury());
        }
        if let Some(on_stop) = &self.config.on_stop
            && guarded(|| on_stop(with!(&mut self.reactor, reactor => reactor.context()))).is_err()
        {
            outcome = outcome.and(Err(Error::Panicked(self.index)));
        }
        with!(&mut self.reactor, reactor => reactor.wake_others());
        let Self { index, begun, reactor, config, handle, .. } = self;
        drop(reactor);
        if begun && guarded(|| leave(&config, &handle)).is_err() {
            outcome = outcome.and(Err(Error::Panicked(index)));
        }
        outcome
    }
}

/// The last one tells that all have ended, if all had begun.
fn leave(config: &Config, handle: &Handle) {
    let Some((drain, drained)) = handle.leave() else { return };
    if let Some(on_drained) = drain.and_then(|drain| drain.on_drained.as_ref()) {
        on_drained(&drained);
    }
    if let Some(on_stopped) = &config.on_stopped {
        on_stopped();
    }
}

/// How a reactor's thread ends.
pub(crate) type Joins = JoinHandle<Result<(), Error>>;

/// What one reactor's thread is made from.
pub(crate) struct Thread {
    pub(crate) config: Config,
    pub(crate) sizes: Sizes,
    pub(crate) chosen: Chosen,
    pub(crate) index: u32,
    /// A thread of the application's runs it.
    pub(crate) leaves: bool,
    pub(crate) sockets: Vec<OwnedFd>,
    pub(crate) listeners: Vec<Listens>,
    pub(crate) endpoints: Vec<Served>,
    pub(crate) handle: Handle,
    pub(crate) resolver: Arc<dyn Resolve>,
}

impl Thread {
    /// Gives it a thread of our own.
    pub(crate) fn spawn(self, report: Sender<Result<(), Error>>) -> Result<Joins, Error> {
        let name = format!("rws-{}", self.index);
        // The host's signals are for the host's threads: ours inherit a full mask.
        signals::blocked(|| thread::Builder::new().name(name).spawn(move || self.run(report)))
            .map_err(|error| no_thread(Errno::from_io_error(&error).unwrap_or(Errno::AGAIN)))
    }

    /// The life of a reactor. Reports once that it has begun, or why not, and returns how it ended.
    pub(crate) fn run(self, report: Sender<Result<(), Error>>) -> Result<(), Error> {
        let _here = self.enter();
        if self.config.pin {
            self.pin();
        }
        let mut running = match self.make() {
            Ok(running) => running,
            Err(error) => {
                // The receiver is there until every reactor has reported.
                let _ = report.send(Err(error.clone()));
                return Err(error);
            }
        };
        let mut outcome = running.begin();
        if outcome.is_ok() {
            let _ = report.send(Ok(()));
        }
        // Whoever counts the reports must see when no more can come.
        drop(report);
        if outcome.is_ok() {
            outcome = running.run();
        }
        running.end(outcome)
    }

    /// The calling thread is the reactor's for as long as the answer is kept.
    pub(crate) fn enter(&self) -> Here {
        self.handle.enter(self.index)
    }

    /// Nobody has attached it before the engine stopped.
    pub(crate) fn forgo(self) -> Result<(), Error> {
        guarded(|| leave(&self.config, &self.handle)).map_err(|()| Error::Panicked(self.index))
    }

    fn logger(&self) -> Logger {
        Logger::new(self.config.log.clone(), self.index)
    }

    /// The reactor with its ring, on the thread that is to run it. Without it the engine stops.
    pub(crate) fn make(self) -> Result<Running, Error> {
        let handle = self.handle.clone();
        self.made().inspect_err(|_| handle.stop_if_running(GRACE_OF_FAILURE))
    }

    fn made(mut self) -> Result<Running, Error> {
        let log = self.logger();
        let kernel = self.kernel_config();
        let refused = |refused: &Refused| log.line(Level::Error, format_args!("{refused}"));
        let (reactor, index) = match self.chosen.backend {
            Backend::Epoll => {
                let kernel = Epoll::new(kernel).inspect_err(refused)?;
                self.tell(&log, kernel.sockets_max(), &kernel.chosen(), &[]);
                let sockets_max = kernel.sockets_max();
                (
                    self.reactor(kernel, sockets_max, &log).map(|it| Either::Epoll(it.into()))?,
                    self.index,
                )
            }
            Backend::Uring | Backend::Auto => {
                let kernel = Uring::new(kernel).inspect_err(refused)?;
                self.tell(&log, kernel.sockets_max(), &kernel.chosen(), &kernel.lacks());
                let sockets_max = kernel.sockets_max();
                (
                    self.reactor(kernel, sockets_max, &log).map(|it| Either::Uring(it.into()))?,
                    self.index,
                )
            }
        };
        Ok(Running { index, begun: false, reactor, config: self.config, handle: self.handle, log })
    }

    fn reactor<K: Kernel>(
        &mut self,
        kernel: K,
        sockets_max: u32,
        log: &Logger,
    ) -> Result<Reactor<K>, Error> {
        let connections_max = self.sizes.connections_max.min(sockets_max);
        let setup = Setup {
            index: self.index,
            connections_max,
            endpoints: std::mem::take(&mut self.endpoints),
            listeners: std::mem::take(&mut self.listeners),
            resolver: Arc::clone(&self.resolver),
            random: fill_random,
            codec_memory_max: self.config.codec_memory_max(&self.sizes),
            handle: self.handle.clone(),
            on_topic: self.config.on_topic.clone(),
            on_gap: self.config.on_gap.clone(),
            on_late: self.config.on_late.clone(),
            log: log.clone(),
            user: self.config.user,
        };
        Reactor::new(kernel, setup).map_err(|_| {
            let what = format!(
                "room for connections_max = {connections_max} on each reactor (raise RLIMIT_AS \
                 or the memory of the cgroup, or lower it)"
            );
            Error::System { what, source: Errno::NOMEM }
        })
    }

    fn kernel_config(&mut self) -> KernelConfig {
        KernelConfig {
            index: self.index as usize,
            sockets_max: self.sizes.connections_max,
            recv_buffers: self.sizes.recv_buffers,
            recv_buffer_size: self.sizes.recv_buffer_size,
            sqpoll: self.config.sqpoll,
            busy_poll: Duration::from_micros(u64::from(self.config.busy_poll_us)),
            coalesce: Duration::from_micros(u64::from(self.config.coalesce_us)),
            leaves: self.leaves,
            listeners: std::mem::take(&mut self.sockets),
            wakers: self.handle.wakers(),
            start: Instant::now(),
        }
    }

    /// Logs what the kernel has come to.
    fn tell(&self, log: &Logger, sockets_max: u32, chosen: &str, lacks: &[&str]) {
        if let Some(refused) = self.chosen.refused.as_ref().filter(|_| self.index == 0) {
            log.line(
                Level::Warn,
                format_args!("epoll is used in the place of io_uring: {refused}"),
            );
        }
        let (asked, got) = (self.sizes.connections_max, sockets_max);
        if got < asked {
            let text = format_args!("connections_max lowered from {asked} to {got}: RLIMIT_NOFILE");
            log.line(Level::Warn, text);
        }
        log.line(Level::Info, format_args!("{chosen}"));
        for what in lacks {
            log.line(Level::Warn, format_args!("the kernel lacks {what}"));
        }
        if self.chosen.backend == Backend::Epoll && self.config.sqpoll {
            log.line(Level::Warn, format_args!("sqpoll is of io_uring alone, and not used"));
        }
    }

    /// To the i-th CPU of those the process may run on.
    fn pin(&self) {
        let Ok(allowed) = rustix::thread::sched_getaffinity(None) else { return };
        let cpus: Vec<usize> =
            (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect();
        let Some(&cpu) = cpus.get(self.index as usize % cpus.len().max(1)) else { return };
        let mut only = rustix::thread::CpuSet::new();
        only.set(cpu);
        if let Err(errno) = rustix::thread::sched_setaffinity(None, &only) {
            self.logger().line(Level::Warn, format_args!("not pinned to CPU {cpu}: {errno}"));
        }
    }
}

/// Why there is no thread, and what to do. The C library says EAGAIN for want of memory, too.
fn no_thread(errno: Errno) -> Error {
    const STACK: usize = 2 << 20;
    let source = if Vec::<u8>::new().try_reserve(STACK).is_err() { Errno::NOMEM } else { errno };
    let remedy = match source {
        Errno::NOMEM => "raise RLIMIT_AS (ulimit -v) or the memory of the cgroup",
        _ => "raise RLIMIT_NPROC (ulimit -u) or the pids limit of the cgroup",
    };
    Error::System { what: format!("making a thread ({remedy}, or use fewer reactors)"), source }
}

/// How the threads have ended, which are those of reactors from number `first` on.
pub(crate) fn join(threads: Vec<Joins>, first: u32) -> Result<(), Error> {
    let mut outcome = Ok(());
    for (index, thread) in (first..).zip(threads) {
        let ended = thread.join().unwrap_or(Err(Error::Panicked(index)));
        outcome = outcome.and(ended);
    }
    outcome
}
