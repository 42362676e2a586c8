//! A server in a row, in few figures, and beside the ceilings.

use super::contender::{CEILING, CEILING_OF_FRAMES, Contender, REFERENCE};
use super::sample::{Figures, Metric, Sample};
use super::stats::Spread;
use crate::report::Bottleneck;
use crate::scenario::{Geometry, Row, Suite};
use serde::Serialize;
use std::collections::BTreeMap;

/// A server in a row.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Name of the row.
    pub row: String,
    /// Name of the server.
    pub server: String,
    /// Buffers of a ceiling: of those measured, the ones at which it costs least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geometry: Option<Geometry>,
    /// Why there are no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What was measured.
    #[serde(flatten)]
    pub figures: BTreeMap<Metric, Spread>,
    /// Latencies: share of the messages that took no longer, and the median of the rounds, in
    /// microseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(f64, f64)>,
    /// Beside uWebSockets.
    pub of_reference: Ratio,
    /// Beside the ceiling of bytes.
    pub of_ceiling: Ratio,
    /// Beside the ceiling of frames.
    pub of_frames: Ratio,
    /// Which side was the limit in the median.
    pub bottleneck: Bottleneck,
}

/// A server beside a ceiling or another server, both in the same round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ratio {
    /// Messages, or connections, per second over those of the other: 1 is as many.
    pub throughput: Option<Spread>,
    /// CPU time per message, or connection, of the other over the server's: 2 is half the cost, 0.5
    /// is twice the cost.
    pub efficiency: Option<Spread>,
}

impl Summary {
    /// One of the figures.
    pub fn get(&self, metric: Metric) -> Option<Spread> {
        self.figures.get(&metric).copied()
    }
}

/// All rows, and in each all servers that take part, in the order they were measured in.
pub(super) fn summarize(
    suite: &Suite,
    contenders: &[Contender],
    samples: &[Sample],
) -> Vec<Summary> {
    let pairs = suite.row.iter().flat_map(|row| contenders.iter().map(move |one| (row, one)));
    pairs.filter_map(|(row, one)| summary(row, one, samples)).collect()
}

/// The figures of one server, by round.
type Rounds<'a> = BTreeMap<usize, &'a Figures>;

fn rounds<'a>(
    samples: &'a [Sample],
    row: &str,
    server: &str,
    geometry: Option<Geometry>,
) -> Rounds<'a> {
    let right = |one: &&Sample| one.row == row && one.server == server && one.geometry == geometry;
    let right = samples.iter().filter(right);
    right.filter_map(|one| Some((one.round, one.figures()?))).collect()
}

/// The geometry at which a ceiling costs least, and its rounds.
fn best<'a>(
    samples: &'a [Sample],
    row: &Row,
    server: &str,
) -> Option<(Option<Geometry>, Rounds<'a>)> {
    let own = samples.iter().filter(|one| one.row == row.name && one.server == server);
    let mut geometries: Vec<_> = own.map(|one| one.geometry).collect();
    geometries.dedup();
    let cost = |rounds: &Rounds<'_>| {
        let costs = rounds.values().filter_map(|it| it.get(Metric::CpuUsPerMessage));
        Spread::of(costs).map_or(f64::INFINITY, |it| it.median)
    };
    geometries
        .into_iter()
        .map(|geometry| (geometry, rounds(samples, &row.name, server, geometry)))
        .filter(|(_, rounds)| !rounds.is_empty())
        .min_by(|(_, a), (_, b)| cost(a).total_cmp(&cost(b)))
}

fn summary(row: &Row, contender: &Contender, samples: &[Sample]) -> Option<Summary> {
    let server = &contender.name;
    let own = samples.iter().filter(|one| one.row == row.name && one.server == *server);
    let failure = own.clone().find_map(Sample::failure).map(str::to_owned);
    own.clone().next()?;
    // One geometry of a ceiling may fail where others do not.
    let (geometry, own) = best(samples, row, server).unwrap_or_default();
    let failure = failure.filter(|_| geometry.is_none());
    let spread = |metric| Spread::of(own.values().filter_map(|it: &&Figures| it.get(metric)));
    let figures: BTreeMap<_, _> = Metric::ALL
        .into_iter()
        .filter(|_| failure.is_none())
        .filter_map(|metric| Some((metric, spread(metric)?)))
        .collect();
    let median = |metric| figures.get(&metric).map(|it: &Spread| it.median);
    let bottleneck = median(Metric::LoadCpu)
        .map_or(Bottleneck::Unknown, |load| Bottleneck::judge(median(Metric::ServerCpu), load));
    let beside = |ceiling| match &failure {
        None => ratio(&own, &best(samples, row, ceiling).unwrap_or_default().1),
        Some(_) => Ratio::default(),
    };
    Some(Summary {
        row: row.name.clone(),
        server: server.clone(),
        geometry,
        of_reference: beside(REFERENCE),
        of_ceiling: beside(CEILING),
        of_frames: beside(CEILING_OF_FRAMES),
        curve: if failure.is_none() { curve(&own) } else { Vec::new() },
        figures,
        failure,
        bottleneck,
    })
}

/// Within each round: both drift with the machine.
fn ratio(own: &Rounds<'_>, ceiling: &Rounds<'_>) -> Ratio {
    let pairs = || own.iter().filter_map(|(round, own)| Some((own, ceiling.get(round)?)));
    // A row counts messages or connections, never both.
    let either = |it: &Figures, one, other| it.get(one).or_else(|| it.get(other));
    let speed = |it| either(it, Metric::MessagesPerSecond, Metric::ConnectionsPerSecond);
    let cost = |it| either(it, Metric::CpuUsPerMessage, Metric::CpuUsPerConnection);
    let throughput = pairs().filter_map(|(own, top)| Some(speed(own)? / speed(top)?));
    let efficiency = pairs().filter_map(|(own, top)| Some(cost(top)? / cost(own)?));
    Ratio { throughput: Spread::of(throughput), efficiency: Spread::of(efficiency) }
}

/// At each share, the median of the rounds.
fn curve(own: &Rounds<'_>) -> Vec<(f64, f64)> {
    let shares = own.values().next().map(|figures| figures.curve.as_slice()).unwrap_or_default();
    let shares = shares.iter().map(|(share, _)| *share);
    shares
        .filter_map(|share| {
            let at = own.values().filter_map(|figures| {
                figures.curve.iter().find(|(other, _)| *other == share).map(|(_, us)| *us)
            });
            Some((share, Spread::of(at)?.median))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::Outcome;
    use super::*;
    use crate::server::Launch;

    const SMALL: Option<Geometry> = Some(Geometry { buffers: 16, size: 4096 });
    const LARGE: Option<Geometry> = Some(Geometry { buffers: 4, size: 65536 });

    fn suite() -> Suite {
        Suite::parse(
            "warmup = 0\nseconds = 1\npairs = 2\n[[row]]\nname = \"a\"\nconnections = 1\nsize = 1",
        )
        .expect("legal")
    }

    fn sample(server: &str, geometry: Option<Geometry>, round: usize, cost: f64) -> Sample {
        let figures = Figures::default().with([
            (Metric::CpuUsPerMessage, cost),
            (Metric::MessagesPerSecond, 1e6 / cost),
            (Metric::LoadCpu, 0.5),
            (Metric::ServerCpu, 1.0),
        ]);
        let (row, server) = ("a".to_owned(), server.to_owned());
        let outcome = Outcome::Done(figures);
        Sample { row, server, geometry, round, at: 0.0, counts: true, outcome }
    }

    fn summaries(samples: &[Sample]) -> Vec<Summary> {
        let named = |name: &str| Contender::new(name, Launch::parse("x {port}"));
        summarize(&suite(), &[named(CEILING), named("peer")], samples)
    }

    #[test]
    fn the_cheapest_geometry_is_the_ceiling() {
        let found = summaries(&[
            sample(CEILING, SMALL, 0, 4.0),
            sample(CEILING, LARGE, 0, 2.0),
            sample("peer", None, 0, 4.0),
            sample(CEILING, SMALL, 1, 8.0),
            sample(CEILING, LARGE, 1, 4.0),
            sample("peer", None, 1, 8.0),
        ]);
        assert_eq!(found[0].geometry, LARGE);
        let ratio = found[1].of_ceiling;
        let half = Some(Spread { median: 0.5, min: 0.5, max: 0.5, mad: 0.0, count: 2 });
        assert_eq!((ratio.efficiency, ratio.throughput), (half, half));
        assert_eq!(found[1].of_frames, Ratio::default());
        assert_eq!(found[1].bottleneck, Bottleneck::Server);
    }

    #[test]
    fn what_does_not_count_is_not_counted_and_a_failure_is_told() {
        let mut disturbed = sample("peer", None, 0, 100.0);
        disturbed.counts = false;
        let found = summaries(&[disturbed.clone(), sample("peer", None, 0, 4.0)]);
        let cost = found[0].get(Metric::CpuUsPerMessage).expect("measured");
        assert_eq!((cost.median, cost.count), (4.0, 1));
        let outcome = Outcome::Failed("wrong bytes".into());
        let failed = Sample { outcome, round: 1, ..sample("peer", None, 1, 1.0) };
        let found = summaries(&[sample("peer", None, 0, 4.0), failed]);
        assert_eq!(found[0].failure.as_deref(), Some("wrong bytes"));
        assert!(found[0].figures.is_empty());
    }

    #[test]
    fn a_round_without_its_ceiling_is_not_paired() {
        let found = summaries(&[
            sample(CEILING, SMALL, 1, 4.0),
            sample("peer", None, 0, 4.0),
            sample("peer", None, 1, 8.0),
        ]);
        let ratio = found[1].of_ceiling.efficiency.expect("one round");
        assert_eq!((ratio.median, ratio.count), (0.5, 1));
    }
}
