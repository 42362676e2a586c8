//! Many measurements in few figures.

use super::{CEILING, CEILING_OF_FRAMES, Contender, Measurement};
use crate::report::{Bottleneck, Report};
use crate::scenario::Suite;
use serde::Serialize;

/// Median and range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// A server in a row.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Name of the row.
    pub row: String,
    /// Name of the server.
    pub server: String,
    /// Messages that came back in a second.
    pub messages_per_second: Spread,
    /// The server's CPU time per message, in microseconds.
    pub cpu_us_per_message: Spread,
    /// Messages per second over those of the ceiling of bytes in the same round: 1 is at the
    /// ceiling.
    pub throughput_of_ceiling: Option<Spread>,
    /// CPU time per message of the ceiling of bytes over the server's, in the same round: 1 is at
    /// the ceiling, 0.5 is twice its cost.
    pub efficiency_of_ceiling: Option<Spread>,
    /// As `throughput_of_ceiling`, of the ceiling of frames.
    pub throughput_of_frames: Option<Spread>,
    /// As `efficiency_of_ceiling`, of the ceiling of frames.
    pub efficiency_of_frames: Option<Spread>,
    /// Busy share of the server's CPU.
    pub server_cpu: Spread,
    /// Busy share of the load generator's CPU.
    pub load_cpu: Spread,
    /// Share of the time in which other work had one of the two CPUs.
    pub disturbed: Spread,
    /// Which side was the limit in the median.
    pub bottleneck: Bottleneck,
}

impl Spread {
    /// `None` without any value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self { median: (lower + upper) / 2.0, min, max })
    }
}

pub(super) fn summarize(
    suite: &Suite,
    contenders: &[Contender],
    measurements: &[Measurement],
) -> Vec<Summary> {
    let pairs = suite.row.iter().flat_map(|row| contenders.iter().map(move |one| (row, one)));
    pairs.filter_map(|(row, one)| summary(&row.name, &one.name, measurements)).collect()
}

fn summary(row: &str, server: &str, measurements: &[Measurement]) -> Option<Summary> {
    let of = |server: &str| -> Vec<&Report> {
        let right = |one: &&Measurement| one.row == row && one.server == server;
        measurements.iter().filter(right).map(|one| &one.report).collect()
    };
    let (own, bytes, frames) = (of(server), of(CEILING), of(CEILING_OF_FRAMES));
    let spread = |figure: fn(&Report) -> f64| Spread::of(own.iter().map(|report| figure(report)));
    // Rounds are paired by their order: every server is measured once in each.
    let throughput = |ceiling: &[&Report]| {
        let pairs = own.iter().zip(ceiling);
        Spread::of(pairs.map(|(own, top)| own.messages_per_second / top.messages_per_second))
    };
    let efficiency = |ceiling: &[&Report]| {
        Spread::of(own.iter().zip(ceiling).map(|(own, top)| cost(top) / cost(own)))
    };
    let server_cpu = spread(busy)?;
    let load_cpu = spread(|report| report.load_cpu)?;
    Some(Summary {
        row: row.to_owned(),
        server: server.to_owned(),
        messages_per_second: spread(|report| report.messages_per_second)?,
        cpu_us_per_message: spread(cost)?,
        throughput_of_ceiling: throughput(&bytes),
        efficiency_of_ceiling: efficiency(&bytes),
        throughput_of_frames: throughput(&frames),
        efficiency_of_frames: efficiency(&frames),
        disturbed: spread(|report| report.disturbed)?,
        bottleneck: Bottleneck::judge(Some(server_cpu.median), load_cpu.median),
        server_cpu,
        load_cpu,
    })
}

fn cost(report: &Report) -> f64 {
    report.server.map_or(f64::NAN, |server| server.cpu_us_per_message)
}

fn busy(report: &Report) -> f64 {
    report.server.map_or(f64::NAN, |server| server.cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
    }
}
