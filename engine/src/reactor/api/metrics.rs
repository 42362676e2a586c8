//! The counters as the text that Prometheus reads.

use crate::reactor::api::contract::Handle;
use crate::reactor::core::counters::{Kind, ROWS, Row, Stats};
use crate::reactor::core::histogram::{HISTOGRAMS, Histogram, HistogramRow, Measure};
use std::fmt::Write as _;

impl Handle {
    /// The counters of one reactor, or the sum of all with `None`. `None` when there is no such
    /// reactor.
    pub fn stats(&self, reactor: Option<u32>) -> Option<Stats> {
        if let Some(bus) = self.0.directory.bus.get() {
            self.bus_counters().bus_queued.set(bus.bytes() as u64);
        }
        if let Some(index) = reactor {
            return Some(self.0.counters.get(index as usize)?.snapshot());
        }
        let mut sum = Stats::default();
        self.0.counters.iter().for_each(|counters| sum += counters.snapshot());
        Some(sum)
    }

    /// All counters of all reactors in the text format of Prometheus, version 0.0.4: to be answered
    /// with the type `text/plain; version=0.0.4`. Any thread; no reactor is asked or held up.
    pub fn metrics(&self) -> String {
        let stats: Vec<Stats> =
            (0..self.reactors()).filter_map(|reactor| self.stats(Some(reactor))).collect();
        let mut text = String::new();
        for row in ROWS {
            family(&mut text, row, &stats);
        }
        for row in &HISTOGRAMS {
            let Self(shared) = self;
            let of = shared.counters.iter().map(|of| of.histograms.snapshot(row.of));
            histogram(&mut text, row, of);
        }
        text
    }

    /// What was measured on one reactor, or on all together with `None`. `None` when there is no
    /// such reactor.
    pub fn histogram(&self, reactor: Option<u32>, of: Measure) -> Option<Histogram> {
        let counters = &self.0.counters;
        if let Some(index) = reactor {
            return Some(counters.get(index as usize)?.histograms.snapshot(of));
        }
        let mut sum = Histogram::default();
        counters.iter().for_each(|counters| sum += counters.histograms.snapshot(of));
        Some(sum)
    }
}

/// A bucket for each power of two. Whole microseconds are shorter than they were measured, so what
/// is below a bound in them is in seconds, too; numbers are at most what is before the bound.
fn histogram(text: &mut String, row: &HistogramRow, reactors: impl Iterator<Item = Histogram>) {
    let HistogramRow { name, help, is_time, bounds: (first, last), .. } = *row;
    let seconds = |us: u64| us as f64 / 1e6;
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
    for (reactor, of) in reactors.enumerate() {
        let of_reactor = format!("reactor=\"{reactor}\"");
        for bits in first..=last {
            let bound = 1 << bits;
            let le = if is_time { seconds(bound) } else { (bound - 1) as f64 };
            let below = of.below(bits);
            let _ = writeln!(text, "{name}_bucket{{{of_reactor},le=\"{le}\"}} {below}");
        }
        let (count, sum) = (of.count(), if is_time { seconds(of.sum()) } else { of.sum() as f64 });
        let _ = writeln!(text, "{name}_bucket{{{of_reactor},le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum{{{of_reactor}}} {sum}");
        let _ = writeln!(text, "{name}_count{{{of_reactor}}} {count}");
    }
}

/// What belongs to one name stands together.
fn family(text: &mut String, row: &Row, reactors: &[Stats]) {
    let Row { name, help, label, .. } = row;
    let kind = match row.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    };
    // Nothing is to be escaped: a test of the table sees to that.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (reactor, stats) in reactors.iter().enumerate() {
        let values = row.values(stats);
        if label.is_empty() {
            let _ = values
                .iter()
                .try_for_each(|value| writeln!(text, "{name}{{reactor=\"{reactor}\"}} {value}"));
        }
        for (of, value) in row.label_values.iter().zip(values) {
            let _ = writeln!(text, "{name}{{reactor=\"{reactor}\",{label}=\"{of}\"}} {value}");
        }
    }
}
