//! What came of a campaign.

use super::Kind;
use super::oracle::Balance;
use super::scene::{Rest, Scene};
use crate::machine::Description;
use crate::report::{DISTURBED, Latency, Served};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// What a point of the drawings sums up.
const STEP: Duration = Duration::from_millis(100);

/// No answer takes longer.
const HOUR_NS: u64 = 3_600_000_000_000;

/// Whether a kind was as it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was.
    Passed,
    /// It was not: see the violations.
    Failed,
    /// It cannot be tried on this machine.
    NotPossibleHere,
}

/// One kind.
#[derive(Clone, Debug, Serialize)]
pub struct KindReport {
    /// Its name.
    pub name: &'static str,
    /// What was done.
    pub what: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was not as it has to be, or what this machine lacks.
    pub violations: Vec<String>,
    /// What else was seen.
    pub notes: Vec<String>,
    /// `uring` or `epoll`.
    pub backend: &'static str,
    /// How long all of it took.
    pub seconds: f64,
    /// Since the begin, in seconds: when the fault began and ended.
    pub period: [f64; 2],
    /// What became of all messages.
    pub balance: Balance,
    /// Share of the fault's time in which threads of the server and of the load were ready to run
    /// and had no processor: the sum of all.
    pub disturbed: f64,
    /// Bystanders' answers while it lasted.
    pub under_fault: Option<Bystanders>,
    /// Before and after.
    pub in_calm: Option<Bystanders>,
    /// Seconds from the end of the last connection to rest.
    pub settled: f64,
    /// What the server held before and after.
    pub rest: [Rest; 2],
    /// In steps of 100 ms: answers, and the 99th percentile in milliseconds.
    pub curve: Vec<(u64, f64)>,
}

/// How bystanders were served.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bystanders {
    /// Answers in a second.
    pub per_second: f64,
    /// From when a message was due, in microseconds.
    pub latency: Latency,
    /// The least and the most served.
    pub served: Option<Served>,
}

/// All kinds.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When it began, seconds of Unix.
    pub started_unix: u64,
    /// Of messages and faults.
    pub seed: u64,
    /// How long all took.
    pub seconds: f64,
    /// The machine.
    pub machine: Description,
    /// One after the other.
    pub kinds: Vec<KindReport>,
}

impl Report {
    /// How many have that verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.kinds.iter().filter(|kind| kind.verdict == verdict).count()
    }

    /// In one line.
    pub fn summary(&self) -> String {
        format!(
            "{} kinds of fault: {} ran, {} passed, {} failed, {} not possible here; {} messages \
             sent, {} came back, of {} more both sides were told; {:.0} s",
            self.kinds.len(),
            self.kinds.len() - self.count(Verdict::NotPossibleHere),
            self.count(Verdict::Passed),
            self.count(Verdict::Failed),
            self.count(Verdict::NotPossibleHere),
            self.kinds.iter().map(|kind| kind.balance.sent).sum::<u64>(),
            self.kinds.iter().map(|kind| kind.balance.returned).sum::<u64>(),
            self.kinds.iter().map(|kind| kind.balance.told).sum::<u64>(),
            self.seconds,
        )
    }

    /// A table for documents.
    pub fn markdown(&self) -> String {
        let mut out = String::from(
            "| fault | verdict | sent | came back | loss told | connections | bystanders p50 ms | \
             p99 | max | least served | what else |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for kind in &self.kinds {
            out += &kind.row();
        }
        out
    }
}

impl KindReport {
    pub(super) fn impossible(kind: &Kind, lacks: String) -> Self {
        Self {
            name: kind.name,
            what: kind.what,
            verdict: Verdict::NotPossibleHere,
            violations: vec![lacks],
            notes: Vec::new(),
            backend: "",
            seconds: 0.0,
            period: [0.0; 2],
            balance: Balance::default(),
            disturbed: 0.0,
            under_fault: None,
            in_calm: None,
            settled: 0.0,
            rest: [Rest::default(); 2],
            curve: Vec::new(),
        }
    }

    pub(super) fn of(kind: &Kind, scene: &mut Scene<'_>, took: Duration) -> Self {
        let mut violations = std::mem::take(&mut scene.violations);
        // Without an end there are no accounts to compare.
        let balance = if scene.books.stats.is_empty() {
            Balance::default()
        } else {
            let (balance, wrong) = scene.books.balance();
            violations.extend(wrong);
            balance
        };
        let within = |inside: bool| Bystanders::of(scene, inside);
        let (under_fault, in_calm) = (within(true), within(false));
        if let (Some(limit), Some(seen)) = (kind.limits.p99_ms, &under_fault)
            && seen.latency.p99 > limit * 1e3
        {
            let waited = format!(
                "bystanders waited {:.0} ms at the 99th percentile, {limit:.0} are allowed",
                seen.latency.p99 / 1e3
            );
            // Where others had the processors it is not the server that kept them waiting.
            if scene.disturbed > DISTURBED {
                let share = scene.disturbed * 100.0;
                scene.note(format!("{waited}, but the machine was busy otherwise: {share:.0} %"));
            } else {
                violations.push(waited);
            }
        }
        let verdict = if violations.is_empty() { Verdict::Passed } else { Verdict::Failed };
        Self {
            name: kind.name,
            what: kind.what,
            verdict,
            violations,
            notes: std::mem::take(&mut scene.notes),
            backend: if scene.plan.epoll { "epoll" } else { "uring" },
            seconds: took.as_secs_f64(),
            period: scene.period.map(|at| at.as_secs_f64()),
            balance,
            disturbed: scene.disturbed,
            under_fault,
            in_calm,
            settled: scene.settled.as_secs_f64(),
            rest: scene.rest,
            curve: curve(scene),
        }
    }

    fn row(&self) -> String {
        let ms = |us: f64| format!("{:.1}", us / 1e3);
        let seen = self.under_fault;
        let of = |value: fn(&Bystanders) -> f64| seen.map_or("–".into(), |it| ms(value(&it)));
        let least =
            seen.and_then(|it| it.served).map_or("–".into(), |it| format!("{:.2}", it.least));
        let verdict = match self.verdict {
            Verdict::Passed => "passed",
            Verdict::Failed => "**failed**",
            Verdict::NotPossibleHere => "not possible here",
        };
        let said = [self.violations.as_slice(), self.notes.as_slice()].concat().join("; ");
        format!(
            "| {} | {verdict} | {} | {} | {} | {} | {} | {} | {} | {least} | {} |\n",
            self.name,
            self.balance.sent,
            self.balance.returned,
            self.balance.told,
            self.balance.causes.values().sum::<u64>(),
            of(|it| it.latency.p50),
            of(|it| it.latency.p99),
            of(|it| it.latency.max),
            said.replace(['\n', '|'], " "),
        )
    }
}

impl Bystanders {
    /// While the fault lasted, or while it did not.
    fn of(scene: &Scene<'_>, inside: bool) -> Option<Self> {
        let [from, to] = scene.period;
        let mut histogram = Histogram::<u64>::new_with_max(HOUR_NS, 3).ok()?;
        let mut each = std::collections::BTreeMap::new();
        let (mut first, mut last) = (Duration::MAX, Duration::ZERO);
        for sample in &scene.samples {
            // An answer belongs to when it was due: one that comes after a fault waited for it.
            let due = sample.at.saturating_sub(sample.took);
            if (from..to).contains(&due) != inside {
                continue;
            }
            histogram.saturating_record(sample.took.as_nanos() as u64);
            *each.entry(sample.member).or_insert(0u64) += 1;
            (first, last) = (first.min(due), last.max(due));
        }
        if histogram.is_empty() {
            return None;
        }
        let calm = last.saturating_sub(first).saturating_sub(to - from);
        let time = if inside { to - from } else { calm };
        Some(Self {
            per_second: histogram.len() as f64 / time.as_secs_f64().max(1e-3),
            latency: Latency::new(&histogram),
            served: Served::of(each.into_values()),
        })
    }
}

fn curve(scene: &Scene<'_>) -> Vec<(u64, f64)> {
    let mut steps: Vec<Vec<f64>> = Vec::new();
    for sample in &scene.samples {
        let index = (sample.at.as_millis() / STEP.as_millis()) as usize;
        if steps.len() <= index {
            steps.resize(index + 1, Vec::new());
        }
        if let Some(step) = steps.get_mut(index) {
            step.push(sample.took.as_secs_f64() * 1e3);
        }
    }
    let point = |mut step: Vec<f64>| {
        step.sort_by(f64::total_cmp);
        let at = (step.len() * 99 / 100).min(step.len().saturating_sub(1));
        (step.len() as u64, step.get(at).copied().unwrap_or(0.0))
    };
    steps.into_iter().map(point).collect()
}
