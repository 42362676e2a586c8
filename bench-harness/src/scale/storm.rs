//! All come back at once: a server is killed and started anew while tens of thousands were
//! connected. How long it takes until all are in, and how those are served who are.

use super::fleet::{Fleet, Where};
use super::subject::{Settings, Subject};
use super::watch::{self, Counters};
use super::watcher::{Watched, watch};
use crate::error::{Error, Result};
use crate::process;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Attempts at a time before the storm.
const AT_ONCE: usize = 512;
/// How long all may take to come.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long one attempt may take: longer than a SYN that is sent four times.
const ATTEMPT: Duration = Duration::from_secs(20);
/// How often the server's memory is read.
const LOOK: Duration = Duration::from_millis(50);

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Connections.
    pub connections: usize,
    /// The most of them in one process.
    pub each: usize,
    /// Of the server.
    pub settings: Settings,
    /// The server's program.
    pub program: PathBuf,
    /// The server's CPU.
    pub cpu: usize,
    /// Where the clients run.
    pub clients: Where,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Connections.
    pub connections: usize,
    /// Upgrades that are let in in a second; 0: all.
    pub admitted_per_second: u64,
    /// From the kill to the moment in which the next server listened, in seconds.
    pub down_seconds: f64,
    /// From that moment until half, 99 % and all were in, in seconds.
    pub half_seconds: f64,
    /// See above.
    pub most_seconds: f64,
    /// See above.
    pub all_seconds: f64,
    /// How those who were in were served meanwhile.
    pub watched: Watched,
    /// Upgrades that were answered with 503, those that were told when to come, and those that the
    /// server has counted.
    pub refused: u64,
    /// See above.
    pub told: u64,
    /// See above.
    pub refused_counted: f64,
    /// Connects that found nobody, as long as nobody listened.
    pub unheard: u64,
    /// Attempts that broke, or from which nothing came for 20 s.
    pub broken: u64,
    /// See above.
    pub stuck: u64,
    /// Connections for which the kernel had no room in a backlog.
    pub overflows: u64,
    /// CPU of the server for each that is in, in microseconds.
    pub cpu_us_each: f64,
    /// Resident memory of the server, in bytes: when it listened, at most, and in the end.
    pub resident: [u64; 3],
    /// Who was in when, in tenths of seconds since the kill.
    pub opened_by_tenth: Vec<u32>,
}

/// Measures it.
pub fn run(plan: &Plan, say: &dyn Fn(&str)) -> Result<Report> {
    // Before the storm they may all come as fast as they can.
    let easy = Settings { admitted_per_second: 0, ..plan.settings };
    let before = Subject::start(&plan.program, easy, plan.cpu, None)?;
    let echo = before.echo.ok_or_else(|| Error::Usage("a server without an echo".into()))?;
    let ports = (echo.port(), before.members.port());
    let mut fleet = Fleet::start(&plan.clients, before.members, plan.connections, plan.each)?;
    fleet.open(AT_ONCE, true, ATTEMPT)?;
    let all = plan.connections as u64;
    let (counts, reached) = fleet.wait(PATIENCE, |counts| counts.open >= all)?;
    if !reached {
        return Err(Error::Stalled(format!("not all are open: {counts:?}")));
    }
    say(&format!("{all} are connected"));
    fleet.at_once(plan.connections)?;
    fleet.mark()?;
    let (overflows, killed) = (watch::backlog_overflows(), Instant::now());
    // As by kill -9.
    drop(before);
    let server = Subject::start(&plan.program, plan.settings, plan.cpu, Some(ports))?;
    let down = killed.elapsed();
    say(&format!("killed, and started anew after {:.0} ms", down.as_secs_f64() * 1e3));
    let pid = server.server.pid();
    let (over, first) = (AtomicBool::new(false), process::resident(pid)?);
    let (counts, watched, most) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(echo, &over));
        let waited = in_again(&mut fleet, pid, all);
        over.store(true, Ordering::Relaxed);
        let panicked = |_| Err(Error::Server("the watcher panicked".into()));
        let watched = watcher.join().unwrap_or_else(panicked);
        let (counts, most) = waited?;
        Ok::<_, Error>((counts, watched?, most))
    })?;
    let cpu = process::usage(pid)?.running;
    let counters = Counters::read(echo)?;
    let tenths = &counts.opened_by_tenth;
    let after = |share: f64| reached_at(tenths, share * all as f64) - down.as_secs_f64();
    Ok(Report {
        connections: plan.connections,
        admitted_per_second: plan.settings.admitted_per_second,
        down_seconds: down.as_secs_f64(),
        half_seconds: after(0.5),
        most_seconds: after(0.99),
        all_seconds: after(1.0),
        watched,
        refused: counts.refused,
        told: counts.refused_with_time,
        refused_counted: counters.sum("ringws_refused_by_reason_total{reason=\"rate\"}"),
        unheard: counts.unheard,
        broken: counts.broken,
        stuck: counts.stuck,
        overflows: watch::backlog_overflows() - overflows,
        cpu_us_each: cpu.as_secs_f64() * 1e6 / all as f64,
        resident: [first, most, process::resident(pid)?],
        opened_by_tenth: counts.opened_by_tenth,
    })
}

/// Waits until all are in; the most memory of the server until then.
fn in_again(fleet: &mut Fleet, pid: u32, all: u64) -> Result<(super::Counts, u64)> {
    let (mut most, end) = (0, Instant::now() + PATIENCE);
    loop {
        most = most.max(process::resident(pid)?);
        let counts = fleet.counts()?;
        if counts.open >= all && counts.opened >= all {
            return Ok((counts, most));
        }
        if Instant::now() >= end {
            return Err(Error::Stalled(format!("not all are in again: {counts:?}")));
        }
        std::thread::sleep(LOOK);
    }
}

/// The end of the tenth of a second in which so many had come, in seconds.
fn reached_at(tenths: &[u32], wanted: f64) -> f64 {
    let mut sum = 0.0;
    let reached = tenths.iter().position(|count| {
        sum += f64::from(*count);
        sum >= wanted
    });
    reached.map_or(f64::NAN, |index| (index + 1) as f64 / 10.0)
}

#[cfg(test)]
mod tests {
    use super::reached_at;

    #[test]
    fn shares_are_found_in_tenths_of_seconds() {
        let tenths = [0, 50, 49, 1];
        let at = |wanted| reached_at(&tenths, wanted);
        assert_eq!([at(50.0), at(99.0), at(100.0)], [0.2, 0.3, 0.4]);
        assert!(at(101.0).is_nan());
    }
}
