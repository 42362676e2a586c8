//! Floor 3: threads, start and stop.

use crate::attached::Seats;
use crate::broker::{Wire, origin};
use crate::config::{Address, Chosen, Config, Endpoint, Placement, Sizes};
pub use crate::error::Error;
use crate::listen::{Listening, SocketFile, routed};
use crate::reactor::{Adopt, Adopts, Door, Listens, MAIL_MAX, NotAdopted};
use crate::reactor::{
    DialId, Drain, DrainError, Handle, Histogram, Measure, Resolve, Served, Stats, Target,
    TargetError,
};
use crate::resolve::Resolver;
use crate::ring::{Errno, Waker, backend};
use crate::succession::desk::Desk;
use crate::thread::{Joins, Thread, join};
use crate::tick::Tick;
use std::os::fd::OwnedFd;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// N reactors: one thread and one ring each. Dropping it stops at once and waits; what the calling
/// thread has attached is run to its end.
pub struct Engine {
    pub(crate) config: Config,
    sizes: Sizes,
    handle: Handle,
    resolver: Arc<dyn Resolve>,
    state: Mutex<State>,
    seats: Arc<Seats>,
    pub(crate) desk: Desk,
    /// Signalled when the reactors have been joined.
    joined: Condvar,
    /// Since the start.
    chosen: OnceLock<Chosen>,
    /// To other machines.
    pub(crate) wire: Wire,
}

#[derive(Default)]
struct State {
    phase: EnginePhase,
    endpoints: Vec<Served>,
    /// The same, as it concerns what is handed over to them.
    adopts: Vec<Adopts>,
    sockets: Vec<Sockets>,
    threads: Vec<Joins>,
    /// How the reactors ended, once they have.
    outcome: Option<Result<(), Error>>,
}

/// A place that is listened on.
struct Sockets {
    listens: Listens,
    /// One for each reactor.
    of_reactors: Vec<OwnedFd>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum EnginePhase {
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
        config.history_rules()?;
        let wakers: Result<Vec<Waker>, Errno> = (0..sizes.reactors).map(|_| Waker::new()).collect();
        let wakers = wakers
            .map_err(|source| Error::System { what: "creating an eventfd".into(), source })?;
        Ok(Self {
            config,
            sizes,
            handle: Handle::new(wakers.into(), sizes.topics, sizes.memory_max, MAIL_MAX),
            resolver: Arc::new(Resolver::default()),
            state: Mutex::default(),
            seats: Arc::default(),
            desk: Desk::default(),
            joined: Condvar::new(),
            chosen: OnceLock::new(),
            wire: Wire::default(),
        })
    }

    /// Binds and listens; returns the port (0 where there is none), of several sockets that of the
    /// first. Endpoints have numbers for [`Engine::adopt`], from 0 in the order of these calls.
    /// Before `start`: connections wait in the kernel until then.
    ///
    /// # Errors
    /// [`Error::Invalid`] for limits out of range, routes that are none, or the same, a socket that
    /// does not listen, or none of such a name, [`Error::System`] when the address cannot be
    /// had (`EADDRINUSE`: somebody listens there already, on a Unix socket's path too; what a
    /// process that has ended left at such a path is removed), [`Error::State`] after the start and
    /// in a callback.
    pub fn listen(&self, at: Endpoint) -> Result<u16, Error> {
        self.outside()?;
        let limits = at.limits.check().and_then(|()| at.socket_options.check());
        limits.map_err(|text| Error::Invalid(text.into()))?;
        let routes = routed(&at.routes)?;
        let mut state = self.lock();
        if state.phase != EnginePhase::New {
            return Err(Error::State("listen comes before start"));
        }
        let Listening { sockets, port, given } = self.desk.listen(&at, self.sizes.reactors)?;
        if let Address::Unix(path) = at.address {
            self.desk.files().push(SocketFile::new(path));
        }
        let spreads = at.placement == Placement::LeastLoaded;
        let listens = Listens { endpoint: state.endpoints.len() as u16, given, spreads };
        let of_each = |of_reactors| Sockets { listens, of_reactors };
        state.sockets.extend(sockets.into_iter().map(of_each));
        let (secure, socket_options) = (at.tls.is_some(), at.socket_options);
        state.adopts.push(Adopts { secure, socket_options });
        let Endpoint { handler, mut limits, origins, per_address, tls, user, proxies, .. } = at;
        // Their heads are read here.
        limits.requests |= at.routes.iter().any(|route| route.limits.requests);
        let (proxies, door) = (proxies.map(Arc::new), Door::new(at.admission).map(Arc::new));
        let served =
            Served { handler, limits, origins, per_address, door, proxies, tls, user, routes };
        state.endpoints.push(served);
        Ok(port)
    }

    /// Makes the threads and waits until each has its ring. All or none. Those of reactors that
    /// are to be attached come later.
    ///
    /// # Errors
    /// [`Error::Kernel`] when io_uring is refused and [`Config::backend`] does not allow epoll, or
    /// memory or descriptors run out, [`Error::System`] when a thread cannot be made,
    /// [`Error::State`] when started before and in a callback, [`Error::Panicked`] when `on_start`
    /// has.
    pub fn start(&self) -> Result<(), Error> {
        self.outside()?;
        let mut state = self.lock();
        if state.phase != EnginePhase::New {
            return Err(Error::State("started before"));
        }
        let chosen = self.chosen.get_or_init(|| backend::choose(self.config.backend));
        state.phase = EnginePhase::Started;
        self.handle.adopts(std::mem::take(&mut state.adopts));
        self.keep_history()?;
        self.desk.prepare();
        let (report, reports) = channel();
        let mut outcome = self.wire.start();
        for index in 0..self.sizes.reactors {
            if outcome.is_err() {
                break;
            }
            let thread = self.thread(&mut state, index, chosen.clone());
            if index < self.config.attached {
                self.seats.offer(thread);
                continue;
            }
            match thread.spawn(report.clone()) {
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
        outcome.and_then(|()| self.desk.begin(&self.handle, self.config.log.clone()))
    }

    /// Topics have a history, if one is wanted.
    fn keep_history(&self) -> Result<(), Error> {
        let (rules, start) = (self.config.history_rules()?, Instant::now());
        if !rules.is_empty() {
            let clock = Arc::new(move || start.elapsed().as_millis() as Tick);
            let bytes_max = self.config.history_bytes_max(&self.sizes);
            self.handle.keep_history(rules, bytes_max, clock, || origin(0));
        }
        Ok(())
    }

    /// After the start: makes a reactor, one of the first [`Config::attached`], on the calling
    /// thread, whose `on_start` is called before this returns. The descriptor is readable whenever
    /// [`Engine::turn`] is to be called, there, and else it is not: poll it for reading, by level
    /// or edge.
    ///
    /// # Errors
    /// [`Error::Invalid`]: none of those. [`Error::State`]: before the start, attached before, the
    /// engine has ended, this thread has one already, or in a callback. Otherwise as
    /// [`Engine::start`], and then the engine stops.
    pub fn attach(&self, reactor: u32) -> Result<OwnedFd, Error> {
        self.outside()?;
        if reactor >= self.config.attached {
            return Err(Error::Invalid("no reactor of this number is to be attached".into()));
        }
        self.seats.attach(reactor)
    }

    /// One turn of the reactor that the calling thread has attached: what there is to do by now is
    /// done, its callbacks run, and nothing is waited for. `false`: it has ended, after a stop.
    ///
    /// Outside of turns the thread is as any other. What it asks for there comes before what the
    /// callbacks of the next turn ask for.
    ///
    /// # Errors
    /// [`Error::State`]: this thread has none, or in a callback. Otherwise it has failed and ended,
    /// every connection was reported closed, and the engine stops.
    pub fn turn(&self) -> Result<bool, Error> {
        self.seats.turn()
    }

    /// Stops at once and waits, for the threads that have attached a reactor too; that of the
    /// calling thread is run to its end. In a callback it only stops.
    pub fn end(&self) {
        self.handle.stop(Duration::ZERO);
        self.seats.run_out();
        // Whoever wanted to know how it ended has called `wait`.
        let _ = self.wait();
    }

    /// Hands over a connection that somebody else has accepted, after the start; any thread.
    ///
    /// # Errors
    /// As [`Handle::adopt`].
    pub fn adopt(&self, adopt: Adopt) -> Result<(), NotAdopted> {
        self.handle.adopt(adopt)
    }

    /// Connects to a server, after the start; any thread. `on_open` or `on_refused` follows.
    ///
    /// # Errors
    /// As [`Handle::connect`].
    pub fn connect(&self, target: Target) -> Result<DialId, TargetError> {
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

    /// As [`Handle::drain`].
    ///
    /// # Errors
    /// As [`Handle::drain`].
    pub fn drain(&self, how: Drain) -> Result<(), DrainError> {
        self.handle.drain(how)
    }

    /// Waits until all reactors have ended; at once when they were never started. One that fails
    /// stops the others.
    ///
    /// # Errors
    /// How the first of them failed; [`Error::State`] in a callback, and on a thread that runs one.
    pub fn wait(&self) -> Result<(), Error> {
        self.outside()?;
        if self.seats.are_ours() {
            return Err(Error::State("a thread cannot wait for the reactor that it runs"));
        }
        let mut state = self.lock();
        while state.phase == EnginePhase::Joining {
            state = self.joined.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.phase == EnginePhase::Started {
            state.phase = EnginePhase::Joining;
            let threads = std::mem::take(&mut state.threads);
            drop(state);
            let attached = self.seats.wait(|| self.handle.stop_word() != 0);
            let outcome = join(threads, self.config.attached).and(attached);
            self.desk.join();
            self.wire.end();
            state = self.lock();
            state.phase = EnginePhase::Ended;
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

    /// As [`Handle::metrics`].
    pub fn metrics(&self) -> String {
        self.handle.metrics()
    }

    /// As [`Handle::histogram`].
    pub fn histogram(&self, reactor: Option<u32>, of: Measure) -> Option<Histogram> {
        self.handle.histogram(reactor, of)
    }

    /// By what means the kernel is asked, and if that is not io_uring though it was to be, why.
    /// `None` before the start.
    pub fn backend(&self) -> Option<&Chosen> {
        self.chosen.get()
    }

    /// Number of reactors.
    pub fn reactors(&self) -> u32 {
        self.sizes.reactors
    }

    /// Whether the calling thread is that of one of our reactors.
    pub fn is_here(&self) -> bool {
        self.handle.here().is_some()
    }

    /// Refuses what would wait for the calling thread if that is one of our reactors.
    fn outside(&self) -> Result<(), Error> {
        match self.is_here() {
            true => Err(Error::State("a reactor cannot wait for itself")),
            false => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For what comes before the start.
    pub(crate) fn must_be_new(&self) -> Result<(), Error> {
        self.outside()?;
        match self.lock().phase {
            EnginePhase::New => Ok(()),
            _ => Err(Error::State("that comes before start")),
        }
    }

    /// What a reactor is made from.
    fn thread(&self, state: &mut State, index: u32, chosen: Chosen) -> Thread {
        let mut sockets = Vec::new();
        let mut listeners = Vec::new();
        for Sockets { listens, of_reactors } in &mut state.sockets {
            sockets.extend(of_reactors.pop());
            listeners.push(*listens);
        }
        let config = self.config.clone();
        let leaves = index < config.attached;
        Thread {
            config: if leaves { config.for_attached() } else { config },
            sizes: self.sizes,
            chosen,
            index,
            leaves,
            sockets,
            listeners,
            endpoints: state.endpoints.clone(),
            handle: self.handle.clone(),
            resolver: Arc::clone(&self.resolver),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end();
        self.desk.files().clear();
    }
}
