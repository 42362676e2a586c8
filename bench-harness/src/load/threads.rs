//! The closed loop on several threads: each has its share of the connections and a ring of its own.

use super::closed::{Closed, Part, Plan, report};
use super::control::{Control, explain};
use super::meter::Reading;
use crate::error::{Error, Result};
use crate::machine;
use crate::process::ThreadUsage;
use crate::report::Report;
use crate::scenario::Scenario;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How often the waiting thread looks at what the others have done.
const TICK: Duration = Duration::from_millis(100);

/// Runs a closed loop with one thread per element of `cpus`, each bound to that CPU, if one is
/// given. The connections are dealt out as evenly as possible; the report covers all.
pub fn run(plan: &Plan, cpus: &[Option<usize>], control: &Control) -> Result<Report> {
    explain(plan.pid, run_all(plan, cpus, control))
}

/// When the clock starts and stops.
#[derive(Clone, Copy)]
struct Clock {
    begin: Instant,
    end: Instant,
}

fn run_all(plan: &Plan, cpus: &[Option<usize>], control: &Control) -> Result<Report> {
    plan.scenario.check()?;
    if cpus.is_empty() || cpus.len() > plan.scenario.connections {
        return Err(Error::Usage("threads: at least one, and a connection for each".into()));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let counts: Vec<_> = cpus.iter().map(|_| Arc::new(AtomicU64::new(0))).collect();
    std::thread::scope(|scope| {
        let (ready, all_ready) = channel();
        let mut starts = Vec::new();
        let mut threads = Vec::new();
        for (index, &cpu) in cpus.iter().enumerate() {
            let (start, started) = channel();
            starts.push(start);
            let ready = ready.clone();
            let own = own_control(&stop, counts.get(index));
            let share = share(&plan.scenario, cpus.len(), index);
            threads.push(scope.spawn(move || {
                let part = worker(plan, cpu, share, &own, &ready, &started);
                if part.is_err()
                    && let Some(stop) = &own.stop
                {
                    stop.store(true, Ordering::Relaxed);
                }
                part
            }));
        }
        drop(ready);
        let readings = conduct(plan, control, &stop, &all_ready, &starts, &counts);
        if readings.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        drop(starts);
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(Error::Usage("a load thread panicked".into())))
        });
        let joined: Vec<Result<Part>> = joined.collect();
        collect(plan, readings, joined)
    })
}

/// The connections of one thread, and the index of its first.
fn share(scenario: &Scenario, threads: usize, index: usize) -> (Scenario, usize) {
    let edge = |index: usize| scenario.connections * index / threads;
    let connections = edge(index + 1) - edge(index);
    (Scenario { connections, ..*scenario }, edge(index))
}

fn own_control(stop: &Arc<AtomicBool>, count: Option<&Arc<AtomicU64>>) -> Control {
    let count = count.map(Arc::clone).unwrap_or_default();
    Control {
        stop: Some(Arc::clone(stop)),
        progress: Some(Arc::new(move |_, done| count.store(done, Ordering::Relaxed))),
    }
}

fn worker(
    plan: &Plan,
    cpu: Option<usize>,
    (scenario, first): (Scenario, usize),
    control: &Control,
    ready: &Sender<bool>,
    start: &Receiver<Clock>,
) -> Result<Part> {
    let opened = cpu
        .map_or(Ok(()), machine::pin)
        .and_then(|()| Closed::open(plan.server, &scenario, first, control));
    // Nobody listens any more when another thread has failed.
    let _ = ready.send(opened.is_ok());
    let mut closed = opened?;
    let clock = start.recv().map_err(|_| given_up())?;
    closed.run_until(clock.begin)?;
    closed.reset();
    let before = ThreadUsage::read();
    closed.run_until(clock.end)?;
    let part = closed.part(ThreadUsage::read().since(&before));
    closed.drain()?;
    Ok(part)
}

/// What a thread says that ends because of another one.
fn given_up() -> Error {
    Error::Interrupted { elapsed: Duration::ZERO, done: 0 }
}

/// Starts all threads together and reads what the server uses while the clock runs.
fn conduct(
    plan: &Plan,
    control: &Control,
    stop: &AtomicBool,
    ready: &Receiver<bool>,
    starts: &[Sender<Clock>],
    counts: &[Arc<AtomicU64>],
) -> Result<(Reading, Reading)> {
    for _ in starts {
        if !ready.recv().unwrap_or(false) {
            return Err(given_up());
        }
    }
    let now = Instant::now();
    let begin = now + plan.warmup;
    let clock = Clock { begin, end: begin + plan.timed };
    for start in starts {
        start.send(clock).map_err(|_| given_up())?;
    }
    let wait = |until: Instant| -> Result<()> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
            if stop.load(Ordering::Relaxed) {
                return Err(given_up());
            }
            let done = counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
            control.look(now.elapsed(), done)?;
        }
    };
    wait(clock.begin)?;
    let before = Reading::take(plan.pid)?;
    wait(clock.end)?;
    Ok((before, Reading::take(plan.pid)?))
}

/// The error that began it, if there is one: not that of a thread that was stopped for it.
fn collect(
    plan: &Plan,
    readings: Result<(Reading, Reading)>,
    joined: Vec<Result<Part>>,
) -> Result<Report> {
    let mut parts = Vec::new();
    let mut stopped = None;
    for part in joined {
        match part {
            Ok(part) => parts.push(part),
            Err(error @ Error::Interrupted { .. }) => stopped = Some(error),
            Err(error) => return Err(error),
        }
    }
    let (before, after) = readings?;
    match stopped {
        Some(error) => Err(error),
        None => report(plan, &before, &after, &parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Kind;

    #[test]
    fn every_connection_is_dealt_to_one_thread() {
        for (connections, threads) in [(1, 1), (7, 3), (64, 2), (5, 5), (100, 7)] {
            let scenario = Scenario::plain(connections, 1, 1, Kind::Text);
            let mut next = 0;
            for index in 0..threads {
                let (share, first) = share(&scenario, threads, index);
                assert_eq!(first, next);
                assert!(share.connections >= connections / threads);
                next += share.connections;
            }
            assert_eq!(next, connections);
        }
    }
}
