//! The counters as the text that Prometheus reads.

use crate::reactor::api::contract::Handle;
use crate::reactor::core::counters::{Kind, ROWS, Row, Stats};
use std::fmt::Write as _;

impl Handle {
    /// All counters of all reactors in the text format of Prometheus, version 0.0.4: to be answered
    /// with the type `text/plain; version=0.0.4`. Any thread; no reactor is asked or held up.
    pub fn metrics(&self) -> String {
        let stats: Vec<Stats> =
            (0..self.reactors()).filter_map(|reactor| self.stats(Some(reactor))).collect();
        let mut text = String::new();
        for row in ROWS {
            family(&mut text, row, &stats);
        }
        text
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
