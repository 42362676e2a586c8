//! Floor 3: threads, start and stop.

use crate::config::{Address, Config, Endpoint, Level, Sizes};
use crate::listen::listen;
use crate::random::fill_random;
use crate::reactor::log::Logger;
use crate::reactor::{Handle, Reactor, Resolve, Served, Setup, Stats, Target, TargetError};
use crate::resolve::Resolver;
use crate::ring::{Errno, Refused, Uring, UringConfig, Waker, signals};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the connections of the other reactors have to end when one has failed.
const GRACE_OF_FAILURE: Duration = Duration::from_secs(5);

/// Why the engine could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A bad argument or configuration value.
    #[error("{0}")]
    Invalid(String),
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// The `errno`.
        source: Errno,
    },
    /// The kernel lacks, or forbids, what is required: the text says why and what to do.
    #[error(transparent)]
    Kernel(#[from] Refused),
    /// Not now: started twice, listening after the start; or not here: listening, starting and
    /// waiting on a reactor's own thread, so in any callback.
    #[error("{0}")]
    State(&'static str),
    /// A callback panicked and took its reactor with it.
    #[error("a callback panicked on reactor {0}")]
    Panicked(u32),
}

/// N reactors: one thread and one ring each. Dropping it stops at once and waits.
pub struct Engine {
    config: Config,
    sizes: Sizes,
    handle: Handle,
    resolver: Arc<dyn Resolve>,
    state: Mutex<State>,
    /// Signalled when the reactors have been joined.
    joined: Condvar,
}

#[derive(Default)]
struct State {
    phase: Phase,
    endpoints: Vec<Served>,
    /// Per endpoint, one listening socket per reactor.
    sockets: Vec<Vec<OwnedFd>>,
    unix_paths: Vec<PathBuf>,
    threads: Vec<JoinHandle<Result<(), Error>>>,
    /// How the reactors ended, once they have.
    outcome: Option<Result<(), Error>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    New,
    Started,
    /// Someone is joining the threads.
    Joining,
    Ended,
}

impl Engine {
    /// Checks the configuration; makes no thread yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value out of its range, [`Error::System`] when descriptors run out.
    pub fn new(config: Config) -> Result<Self, Error> {
        let sizes = config.sizes()?;
        let wakers: Result<Vec<Waker>, Errno> = (0..sizes.reactors).map(|_| Waker::new()).collect();
        let wakers = wakers
            .map_err(|source| Error::System { what: "creating an eventfd".into(), source })?;
        Ok(Self {
            config,
            sizes,
            handle: Handle::new(wakers.into()),
            resolver: Arc::new(Resolver::default()),
            state: Mutex::default(),
            joined: Condvar::new(),
        })
    }

    /// Binds and listens; returns the port (0 for a Unix socket). Before `start`: connections wait
    /// in the kernel until then.
    ///
    /// # Errors
    /// [`Error::Invalid`] for limits out of range, [`Error::System`] when the address cannot be
    /// had, [`Error::State`] after the start and in a callback.
    pub fn listen(&self, at: Endpoint) -> Result<u16, Error> {
        self.outside()?;
        at.limits.check().map_err(|text| Error::Invalid(text.into()))?;
        let mut state = self.lock();
        if state.phase != Phase::New {
            return Err(Error::State("listen comes before start"));
        }
        let (sockets, port) = listen(&at.address, at.port, self.sizes.reactors)?;
        if let Address::Unix(path) = at.address {
            state.unix_paths.push(path);
        }
        state.sockets.push(sockets);
        let Endpoint { handler, limits, origins, tls, user, .. } = at;
        state.endpoints.push(Served { handler, limits, origins, tls, user });
        Ok(port)
    }

    /// Makes the threads and waits until each has its ring. All or none.
    ///
    /// # Errors
    /// [`Error::Kernel`] when io_uring is refused, [`Error::System`] when a thread cannot be made,
    /// [`Error::State`] when started before and in a callback, [`Error::Panicked`] when `on_start`
    /// has.
    pub fn start(&self) -> Result<(), Error> {
        self.outside()?;
        let mut state = self.lock();
        if state.phase != Phase::New {
            return Err(Error::State("started before"));
        }
        state.phase = Phase::Started;
        let (report, reports) = channel();
        let mut outcome = Ok(());
        for index in 0..self.sizes.reactors {
            match self.spawn(&mut state, index, report.clone()) {
                Ok(thread) => state.threads.push(thread),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        drop(report);
        for _ in 0..state.threads.len() {
            match reports.recv() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => outcome = outcome.and(Err(error)),
                // A hook panicked before its reactor could report.
                Err(_) => {
                    outcome = outcome.and(Err(Error::State("a reactor ended before it started")));
                    break;
                }
            }
        }
        drop(state);
        if outcome.is_err() {
            self.handle.stop(Duration::ZERO);
            let ended = self.wait();
            if matches!(outcome, Err(Error::State(_))) {
                // Joining has told which.
                outcome = ended.and(outcome);
            }
        }
        outcome
    }

    /// Connects to a server, after the start; any thread. `on_open` or `on_refused` follows.
    ///
    /// # Errors
    /// As [`Handle::connect`].
    pub fn connect(&self, target: Target) -> Result<(), TargetError> {
        self.handle.connect(target)
    }

    /// For other threads.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// As [`Handle::stop`].
    pub fn stop(&self, grace: Duration) {
        self.handle.stop(grace);
    }

    /// Waits until all reactors have ended; at once when they were never started. One that fails
    /// stops the others.
    ///
    /// # Errors
    /// How the first of them failed; [`Error::State`] in a callback.
    pub fn wait(&self) -> Result<(), Error> {
        self.outside()?;
        let mut state = self.lock();
        while state.phase == Phase::Joining {
            state = self.joined.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.phase == Phase::Started {
            state.phase = Phase::Joining;
            let threads = std::mem::take(&mut state.threads);
            drop(state);
            let outcome = join(threads);
            state = self.lock();
            state.phase = Phase::Ended;
            state.outcome = Some(outcome);
            self.joined.notify_all();
        }
        state.outcome.clone().unwrap_or(Ok(()))
    }

    /// The counters of one reactor, or the sum of all with `None`. `None` when there is no such
    /// reactor.
    pub fn stats(&self, reactor: Option<u32>) -> Option<Stats> {
        self.handle.stats(reactor)
    }

    /// Number of reactors.
    pub fn reactors(&self) -> u32 {
        self.sizes.reactors
    }

    /// Refuses what would wait for the calling thread if that is one of our reactors.
    fn outside(&self) -> Result<(), Error> {
        let here = self.handle.here();
        here.map_or(Ok(()), |_| Err(Error::State("a reactor cannot wait for itself")))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(
        &self,
        state: &mut State,
        index: u32,
        report: Sender<Result<(), Error>>,
    ) -> Result<JoinHandle<Result<(), Error>>, Error> {
        let mut sockets = Vec::new();
        let mut listeners = Vec::new();
        for (endpoint, of_reactors) in state.sockets.iter_mut().enumerate() {
            sockets.extend(of_reactors.pop());
            listeners.push(endpoint as u16);
        }
        let thread = Thread {
            config: self.config.clone(),
            sizes: self.sizes,
            index,
            sockets,
            listeners,
            endpoints: state.endpoints.clone(),
            handle: self.handle.clone(),
            resolver: Arc::clone(&self.resolver),
        };
        // The host's signals are for the host's threads: ours inherit a full mask.
        signals::blocked(|| {
            thread::Builder::new().name(format!("rws-{index}")).spawn(move || thread.run(report))
        })
        .map_err(|error| Error::System {
            what: "making a thread".into(),
            source: Errno::from_io_error(&error).unwrap_or(Errno::AGAIN),
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.handle.stop(Duration::ZERO);
        // Whoever wanted to know how it ended has called `wait`.
        let _ = self.wait();
        for path in &self.lock().unix_paths {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn join(threads: Vec<JoinHandle<Result<(), Error>>>) -> Result<(), Error> {
    let mut outcome = Ok(());
    for (index, thread) in threads.into_iter().enumerate() {
        let ended = thread.join().unwrap_or(Err(Error::Panicked(index as u32)));
        outcome = outcome.and(ended);
    }
    outcome
}

/// Runs what calls the application. What it panicked with has been reported by the panic hook.
fn guarded<T>(body: impl FnOnce() -> T) -> Result<T, ()> {
    // A reactor that has panicked is only buried.
    catch_unwind(AssertUnwindSafe(body)).map_err(std::mem::forget)
}

/// What one reactor's thread is made from.
struct Thread {
    config: Config,
    sizes: Sizes,
    index: u32,
    sockets: Vec<OwnedFd>,
    listeners: Vec<u16>,
    endpoints: Vec<Served>,
    handle: Handle,
    resolver: Arc<dyn Resolve>,
}

impl Thread {
    fn run(self, report: Sender<Result<(), Error>>) -> Result<(), Error> {
        self.handle.enter(self.index);
        let log = Logger::new(self.config.log.clone(), self.index);
        if self.config.pin {
            self.pin(&log);
        }
        let kernel = match Uring::new(UringConfig {
            index: self.index as usize,
            sockets_max: self.sizes.connections_max,
            recv_buffers: self.sizes.recv_buffers,
            recv_buffer_size: self.sizes.recv_buffer_size,
            sqpoll: self.config.sqpoll,
            busy_poll: Duration::from_micros(u64::from(self.config.busy_poll_us)),
            listeners: self.sockets,
            wakers: self.handle.wakers(),
            start: Instant::now(),
        }) {
            Ok(kernel) => kernel,
            Err(refused) => {
                // The receiver is there until every reactor has reported.
                let _ = report.send(Err(refused.clone().into()));
                return Err(refused.into());
            }
        };
        let sockets_max = kernel.sockets_max();
        if sockets_max < self.sizes.connections_max {
            let asked = self.sizes.connections_max;
            log.line(
                Level::Warn,
                format_args!(
                    "connections_max lowered from {asked} to {sockets_max} by RLIMIT_NOFILE"
                ),
            );
        }
        let mut reactor = Reactor::new(
            kernel,
            Setup {
                index: self.index,
                connections_max: self.sizes.connections_max.min(sockets_max),
                endpoints: self.endpoints,
                listeners: self.listeners,
                resolver: self.resolver,
                random: fill_random,
                codec_memory_max: self.config.codec_memory_max(),
                handle: self.handle.clone(),
                log: log.clone(),
                user: self.config.user,
            },
        );
        let ended = guarded(|| {
            if let Some(on_start) = &self.config.on_start {
                on_start(reactor.context());
            }
            let _ = report.send(Ok(()));
            // Whoever counts the reports must see when no more can come.
            drop(report);
            reactor.run()
        });
        let mut outcome = match ended {
            Ok(ended) => ended.map_err(|e| Error::System { what: e.call.into(), source: e.errno }),
            Err(_) => Err(Error::Panicked(self.index)),
        };
        if let Err(error) = &outcome {
            log.line(Level::Error, format_args!("{error}; the engine stops"));
            self.handle.stop_if_running(GRACE_OF_FAILURE);
        }
        if ended.is_err() {
            reactor.bury();
        }
        if let Some(on_stop) = &self.config.on_stop
            && guarded(|| on_stop(reactor.context())).is_err()
        {
            outcome = outcome.and(Err(Error::Panicked(self.index)));
        }
        outcome
    }

    /// To the i-th CPU of those the process may run on.
    fn pin(&self, log: &Logger) {
        let Ok(allowed) = rustix::thread::sched_getaffinity(None) else { return };
        let cpus: Vec<usize> =
            (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect();
        let Some(&cpu) = cpus.get(self.index as usize % cpus.len().max(1)) else { return };
        let mut only = rustix::thread::CpuSet::new();
        only.set(cpu);
        if let Err(errno) = rustix::thread::sched_setaffinity(None, &only) {
            log.line(Level::Warn, format_args!("not pinned to CPU {cpu}: {errno}"));
        }
    }
}
