//! How often a value came, by size: buckets that are an eighth of their value wide at most, so that
//! a quantile is known to that, from a microsecond to an hour. Written by one thread, read by any.

use super::counter::{By, Counter};
use std::ops::AddAssign;

/// Each power of two has `2^SPLIT_BITS` buckets.
const SPLIT_BITS: u32 = 3;
/// Larger values are counted as this one.
const VALUE_MAX: u64 = u32::MAX as u64;
const BUCKETS: usize = ((32 - SPLIT_BITS as usize) + 1) << SPLIT_BITS;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How long a turn took, from what has come to what is asked for, in microseconds.
    TurnUs,
    /// Completions that a turn has found.
    TurnCompletions,
    /// From when a Ping of ours has left until its Pong has come, in microseconds.
    PingUs,
    /// From accept to the answer of the upgrade, TLS included, in microseconds; to a millisecond.
    HandshakeUs,
}

/// A row of the table of histograms.
#[derive(Clone, Copy, Debug)]
pub struct HistogramRow {
    /// What is measured.
    pub of: Measure,
    /// As the text for Prometheus has it.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Whether values are microseconds, which the text has as seconds.
    pub is_time: bool,
    /// The bounds in the text are the powers of two between these two.
    pub(crate) bounds: (u32, u32),
}

/// All that is measured, in the order of [`Measure`].
pub static HISTOGRAMS: [HistogramRow; 4] = [
    HistogramRow {
        of: Measure::TurnUs,
        name: "ringws_turn_seconds",
        help: "How long turns took, from what has come to what is asked for: callbacks, mostly.",
        is_time: true,
        bounds: (4, 24),
    },
    HistogramRow {
        of: Measure::TurnCompletions,
        name: "ringws_turn_completions",
        help: "Completions of the kernel that turns have found.",
        is_time: false,
        bounds: (0, 12),
    },
    HistogramRow {
        of: Measure::PingUs,
        name: "ringws_ping_seconds",
        help: "From when a Ping of ours has left until its Pong has come.",
        is_time: true,
        bounds: (6, 26),
    },
    HistogramRow {
        of: Measure::HandshakeUs,
        name: "ringws_handshake_seconds",
        help: "From accept to the 101, with TLS if there is any; to a millisecond.",
        is_time: true,
        bounds: (10, 26),
    },
];

/// The live histograms of a reactor.
#[derive(Debug, Default)]
pub(crate) struct Histograms([Live; HISTOGRAMS.len()]);

#[derive(Debug, Default)]
struct Live {
    buckets: By<BUCKETS>,
    sum: Counter,
    max: Counter,
}

impl Histograms {
    /// One more of that size.
    pub(crate) fn record(&self, what: Measure, value: u64) {
        let Some(live) = self.0.get(what as usize) else { return };
        live.buckets.count(bucket_of(value));
        live.sum.add(value);
        if value > live.max.get() {
            live.max.set(value);
        }
    }

    pub(crate) fn snapshot(&self, what: Measure) -> Histogram {
        let live = &self.0[what as usize];
        Histogram { buckets: live.buckets.get(), sum: live.sum.get(), max: live.max.get() }
    }
}

/// A snapshot of one histogram.
#[derive(Clone, Copy, Debug)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    sum: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum: 0, max: 0 }
    }
}

impl Histogram {
    /// How many values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All values together.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// A value that so large a part of all values do not exceed, from 0 to 1: exact for 1, the
    /// largest; else at most an eighth too large. 0 without values.
    pub fn quantile(&self, part: f64) -> u64 {
        let count = self.count();
        let rank = ((count as f64 * part).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for (at, of) in self.buckets.iter().enumerate() {
            seen += of;
            if seen >= rank {
                return last_of(at).min(self.max);
            }
        }
        self.max
    }

    /// How many values are below a power of two.
    pub(crate) fn below(&self, bits: u32) -> u64 {
        self.buckets.iter().take(bucket_of(1 << bits)).sum()
    }
}

impl AddAssign for Histogram {
    fn add_assign(&mut self, other: Self) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(to, from)| *to += from);
        self.sum = self.sum.wrapping_add(other.sum);
        self.max = self.max.max(other.max);
    }
}

/// Up to twice the split each value has a bucket, then each power of two as many as the split.
fn bucket_of(value: u64) -> usize {
    let value = value.min(VALUE_MAX);
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(SPLIT_BITS + 1);
    ((u64::from(shift) << SPLIT_BITS) + (value >> shift)) as usize
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket >> SPLIT_BITS).saturating_sub(1);
    let first = (bucket - (shift << SPLIT_BITS)) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            assert_eq!((bucket_of(next), bucket_of(last_of(bucket))), (bucket, bucket));
            let width = last_of(bucket) + 1 - next;
            assert!(width == 1 || width << SPLIT_BITS <= next, "{bucket}");
            next = last_of(bucket) + 1;
        }
        assert_eq!(next, VALUE_MAX + 1);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_known_to_an_eighth() {
        let live = Histograms::default();
        assert_eq!(live.snapshot(Measure::PingUs).quantile(0.5), 0);
        (1..=10_000).for_each(|value| live.record(Measure::PingUs, value));
        let all = live.snapshot(Measure::PingUs);
        assert_eq!((all.count(), all.sum(), all.quantile(1.0)), (10_000, 50_005_000, 10_000));
        for part in [0.0_f64, 0.001, 0.25, 0.5, 0.99, 0.9999] {
            let (exact, told) = ((10_000.0 * part).max(1.0), all.quantile(part) as f64);
            assert!(told >= exact.floor() && told <= exact * 1.125 + 1.0, "{part}: {told}");
        }
        assert_eq!((all.below(0), all.below(10), all.below(20)), (0, 1_023, 10_000));
        let mut twice = all;
        twice += all;
        assert_eq!((twice.count(), twice.quantile(1.0)), (20_000, 10_000));
        assert_eq!(live.snapshot(Measure::TurnUs).count(), 0);
    }

    #[test]
    fn rows_stand_in_the_order_of_what_they_measure() {
        for (at, row) in HISTOGRAMS.iter().enumerate() {
            assert_eq!(row.of as usize, at);
            assert_eq!(row.is_time, row.name.ends_with("_seconds"));
        }
    }
}
