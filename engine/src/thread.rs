//! One reactor's thread, from its ring to its end.

use crate::config::{Config, Level, Sizes};
use crate::engine::Error;
use crate::random::fill_random;
use crate::reactor::log::Logger;
use crate::reactor::{Handle, Listens, Reactor, Resolve, Served, Setup};
use crate::ring::{Errno, Refused, Uring, UringConfig};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// How long the connections of the other reactors have to end when one has failed.
const GRACE_OF_FAILURE: Duration = Duration::from_secs(5);

/// Runs what calls the application. What it panicked with has been reported by the panic hook.
fn guarded<T>(body: impl FnOnce() -> T) -> Result<T, ()> {
    // A reactor that has panicked is only buried.
    catch_unwind(AssertUnwindSafe(body)).map_err(std::mem::forget)
}

/// The life of a reactor, and its end, whatever ends it.
fn serve(
    mut reactor: Reactor<Uring>,
    config: &Config,
    handle: &Handle,
    log: &Logger,
    report: Sender<Result<(), Error>>,
) -> Result<(), Error> {
    let index = reactor.context().index();
    let mut started = false;
    let ended = guarded(|| {
        if let Some(on_start) = &config.on_start {
            on_start(reactor.context());
        }
        started = true;
        let _ = report.send(Ok(()));
        // Whoever counts the reports must see when no more can come.
        drop(report);
        reactor.run()
    });
    let mut outcome = match ended {
        Ok(ended) => ended.map_err(|e| Error::System { what: e.call.into(), source: e.errno }),
        Err(_) => Err(Error::Panicked(index)),
    };
    match &outcome {
        Ok(()) => log.line(Level::Info, format_args!("has ended")),
        Err(error) => {
            log.line(Level::Error, format_args!("{error}; the engine stops"));
            handle.stop_if_running(GRACE_OF_FAILURE);
        }
    }
    if ended.is_err() {
        reactor.bury();
    }
    if let Some(on_stop) = &config.on_stop
        && guarded(|| on_stop(reactor.context())).is_err()
    {
        outcome = outcome.and(Err(Error::Panicked(index)));
    }
    drop(reactor);
    if started && guarded(|| leave(config, handle)).is_err() {
        outcome = outcome.and(Err(Error::Panicked(index)));
    }
    outcome
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

/// What one reactor's thread is made from.
pub(crate) struct Thread {
    pub(crate) config: Config,
    pub(crate) sizes: Sizes,
    pub(crate) index: u32,
    pub(crate) sockets: Vec<OwnedFd>,
    pub(crate) listeners: Vec<Listens>,
    pub(crate) endpoints: Vec<Served>,
    pub(crate) handle: Handle,
    pub(crate) resolver: Arc<dyn Resolve>,
}

impl Thread {
    /// Reports once that it has its ring, or why not, and returns how it ended.
    pub(crate) fn run(mut self, report: Sender<Result<(), Error>>) -> Result<(), Error> {
        self.handle.enter(self.index);
        let log = Logger::new(self.config.log.clone(), self.index);
        if self.config.pin {
            self.pin(&log);
        }
        let kernel = match self.ring(&log) {
            Ok(kernel) => kernel,
            Err(refused) => {
                // The receiver is there until every reactor has reported.
                let _ = report.send(Err(refused.clone().into()));
                return Err(refused.into());
            }
        };
        let sockets_max = kernel.sockets_max();
        let connections_max = self.sizes.connections_max.min(sockets_max);
        let setup = Setup {
            index: self.index,
            connections_max,
            endpoints: self.endpoints,
            listeners: self.listeners,
            resolver: self.resolver,
            random: fill_random,
            codec_memory_max: self.config.codec_memory_max(&self.sizes),
            handle: self.handle.clone(),
            on_topic: self.config.on_topic.clone(),
            log: log.clone(),
            user: self.config.user,
        };
        match Reactor::new(kernel, setup) {
            Ok(reactor) => serve(reactor, &self.config, &self.handle, &log, report),
            Err(_) => {
                let what = format!(
                    "room for connections_max = {connections_max} on each reactor (raise RLIMIT_AS \
                     or the memory of the cgroup, or lower it)"
                );
                let error = Error::System { what, source: Errno::NOMEM };
                let _ = report.send(Err(error.clone()));
                Err(error)
            }
        }
    }

    /// The ring, and in the log what it has come to.
    fn ring(&mut self, log: &Logger) -> Result<Uring, Refused> {
        let made = Uring::new(UringConfig {
            index: self.index as usize,
            sockets_max: self.sizes.connections_max,
            recv_buffers: self.sizes.recv_buffers,
            recv_buffer_size: self.sizes.recv_buffer_size,
            sqpoll: self.config.sqpoll,
            busy_poll: Duration::from_micros(u64::from(self.config.busy_poll_us)),
            coalesce: Duration::from_micros(u64::from(self.config.coalesce_us)),
            listeners: std::mem::take(&mut self.sockets),
            wakers: self.handle.wakers(),
            start: Instant::now(),
        });
        let kernel =
            made.inspect_err(|refused| log.line(Level::Error, format_args!("{refused}")))?;
        let (asked, got) = (self.sizes.connections_max, kernel.sockets_max());
        if got < asked {
            let text = format_args!("connections_max lowered from {asked} to {got}: RLIMIT_NOFILE");
            log.line(Level::Warn, text);
        }
        log.line(Level::Info, format_args!("{}", kernel.chosen()));
        for what in kernel.lacks() {
            log.line(Level::Warn, format_args!("the kernel lacks {what}"));
        }
        Ok(kernel)
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
