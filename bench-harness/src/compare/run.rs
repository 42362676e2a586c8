//! The order of the measurements: row by row, round by round, server by server.

use super::measure::Turn;
use super::sample::{Figures, Metric, Outcome, Sample};
use super::stats::Spread;
use super::{Comparison, Contender, Cpus, Party, summary};
use crate::error::Result;
use crate::machine;
use crate::report::DISTURBED;
use crate::scenario::{Geometry, Rate, Row, Suite};
use crate::tls::Certificate;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where a comparison stands.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Measurements done.
    pub done: usize,
    /// Measurements in all, if none fails.
    pub of: usize,
    /// Name of the row.
    pub row: &'a str,
    /// Name of the server.
    pub server: &'a str,
    /// From 0.
    pub round: usize,
    /// The measurement, when it is done; `None` before.
    pub sample: Option<&'a Sample>,
}

/// How many measurements a suite takes, without repetitions, and about how many seconds.
pub fn effort(suite: &Suite, contenders: &[Contender]) -> (usize, f64) {
    /// To start and end a server and to open connections.
    const AROUND: f64 = 0.15;
    suite.row.iter().fold((0, 0.0), |(count, seconds), row| {
        let turns = turns(row, contenders).len() * suite.pairs_of(row);
        let each = suite.warmup + suite.seconds_of(row) + AROUND;
        (count + turns, seconds + turns as f64 * each)
    })
}

/// Who is measured in each round of a row, in this order.
fn turns<'a>(row: &Row, contenders: &'a [Contender]) -> Vec<(&'a Contender, Option<Geometry>)> {
    let admitted = contenders.iter().filter(|one| row.admits(&one.name, one.raw));
    let admitted = admitted.filter(|one| one.speaks(row));
    admitted
        .flat_map(|one| one.geometries(row).into_iter().map(move |geometry| (one, geometry)))
        .collect()
}

/// Runs every row of the suite. A measurement that other work disturbed is repeated up to
/// `retries` times, and the least disturbed one counts. A server that fails in a row is left out of
/// the rest of that row. `progress` is called before and after each measurement.
pub fn run(
    suite: &Suite,
    contenders: &[Contender],
    cpus: Cpus,
    retries: usize,
    mut progress: impl FnMut(&Step<'_>),
) -> Result<Comparison> {
    let machine = machine::Description::read();
    machine::pin(cpus.load)?;
    let started_unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let of = effort(suite, contenders).0;
    let secrets = Secrets::make(suite)?;
    let mut run = Run { retries, start: Instant::now(), samples: Vec::new() };
    let mut notes = Vec::new();
    let mut done = 0;
    for row in &suite.row {
        let turns = turns(row, contenders);
        let planned = turns.len() * suite.pairs_of(row);
        let rate = match run.rate(row) {
            Ok(rate) => rate,
            Err(why) => {
                notes.push(why);
                done += planned;
                continue;
            }
        };
        for round in 0..suite.pairs_of(row) {
            for (contender, geometry) in &turns {
                let server = &contender.name;
                let mut step = Step { done, of, row: &row.name, server, round, sample: None };
                done += 1;
                if run.has_failed(row, contender, *geometry) {
                    continue;
                }
                progress(&step);
                let geometry = *geometry;
                let certificate = secrets.certificate.as_ref();
                let turn = Turn { suite, row, contender, geometry, cpus, rate, certificate };
                run.take(round, &turn);
                step.done = done;
                step.sample = run.samples.iter().rev().find(|sample| sample.counts);
                progress(&step);
            }
        }
    }
    let summaries = summary::summarize(suite, contenders, &run.samples);
    Ok(Comparison {
        started_unix,
        seconds: run.start.elapsed().as_secs_f64(),
        machine,
        cpus,
        suite: suite.clone(),
        servers: contenders.iter().map(Party::from).collect(),
        missing: Vec::new(),
        notes,
        summaries,
        samples: run.samples,
    })
}

/// A certificate for the time of a run, if any row needs one.
struct Secrets {
    directory: PathBuf,
    certificate: Option<Certificate>,
}

impl Secrets {
    fn make(suite: &Suite) -> Result<Self> {
        let name = format!("ringws-bench-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let needed = suite.row.iter().any(|row| row.tls);
        let certificate = needed.then(|| Certificate::write(&directory)).transpose()?;
        Ok(Self { directory, certificate })
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        if self.certificate.is_some() {
            // Nobody trusts it: one that stays behind does no harm.
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

struct Run {
    retries: usize,
    start: Instant,
    samples: Vec<Sample>,
}

impl Run {
    /// The rate of an open loop, or why there is none.
    fn rate(&self, row: &Row) -> std::result::Result<Option<f64>, String> {
        match &row.rate {
            None => Ok(None),
            Some(Rate::Absolute(rate)) => Ok(Some(*rate)),
            Some(Rate::Share { share, of, row: top }) => {
                let samples = self.samples.iter();
                let right = samples.filter(|it| it.row == *top && it.server == *of);
                let figures = right.filter_map(Sample::figures);
                let reached = figures.filter_map(|it| it.get(Metric::MessagesPerSecond));
                let top = Spread::of(reached).ok_or_else(|| {
                    format!("{}: left out, {of} was not measured in `{top}`", row.name)
                })?;
                Ok(Some((share * top.median).max(1.0)))
            }
        }
    }

    fn has_failed(&self, row: &Row, contender: &Contender, geometry: Option<Geometry>) -> bool {
        self.samples.iter().any(|sample| {
            sample.row == row.name
                && sample.server == contender.name
                && sample.geometry == geometry
                && sample.failure().is_some()
        })
    }

    /// Measures, again while other work disturbs it, and keeps all. The failure of a repetition is
    /// a failure.
    fn take(&mut self, round: usize, turn: &Turn<'_>) {
        let first = self.samples.len();
        for _ in 0..=self.retries {
            let outcome = match turn.take() {
                Ok(figures) => Outcome::Done(figures),
                Err(error) => Outcome::Failed(error.to_string()),
            };
            let again = matches!(&outcome, Outcome::Done(it) if it.disturbed() >= DISTURBED);
            self.samples.push(Sample {
                row: turn.row.name.clone(),
                server: turn.contender.name.clone(),
                geometry: turn.geometry,
                round,
                at: self.start.elapsed().as_secs_f64(),
                counts: false,
                outcome,
            });
            if !again {
                break;
            }
        }
        let attempts = self.samples.get_mut(first..).unwrap_or_default();
        if let Some(best) = best(attempts) {
            best.counts = true;
        }
    }
}

/// The failed one, or the least disturbed one.
fn best(attempts: &mut [Sample]) -> Option<&mut Sample> {
    let disturbed = |sample: &Sample| match &sample.outcome {
        Outcome::Failed(_) => -1.0,
        Outcome::Done(figures) => Figures::disturbed(figures),
    };
    attempts.iter_mut().min_by(|a, b| disturbed(a).total_cmp(&disturbed(b)))
}
