//! The comparison as people read it in a terminal.

use super::{CEILING, CEILING_OF_FRAMES, Comparison, Metric, Spread, Summary};
use crate::report::DISTURBED;
use crate::scenario::Mode;
use std::fmt::Write;

/// Medians, with the range behind them.
pub fn table(comparison: &Comparison) -> String {
    let mut out = String::new();
    let machine = &comparison.machine;
    let _ = writeln!(
        out,
        "{}; Linux {}; server on CPU {}, load on CPU {}\n\
         medians (range); ratios are taken within a round: 1.00 is at {CEILING};\n\
         the last column has the medians of both ratios to {CEILING_OF_FRAMES}",
        machine.cpu, machine.kernel, comparison.cpus.server, comparison.cpus.load
    );
    for row in &comparison.suite.row {
        let summaries = comparison.of_row(row);
        if summaries.is_empty() {
            continue;
        }
        let wire = row.wire().map(|wire| format!(" ({wire})")).unwrap_or_default();
        let _ = writeln!(out, "\n{}{wire}", row.name);
        if matches!(row.mode, Mode::Closed | Mode::Latency) {
            let _ = writeln!(
                out,
                "  {:<18} {:>31}  {:>25}  {:>18}  {:>18}  busy: server, load  of frames",
                "", "messages/s", "server CPU us/message", "throughput", "efficiency"
            );
        }
        for summary in summaries {
            match (&summary.failure, row.mode) {
                (Some(why), _) => {
                    let why = why.lines().next().unwrap_or_default();
                    let _ = writeln!(out, "  {:<18} failed: {why}", summary.server);
                }
                (None, Mode::Closed | Mode::Latency) => line(&mut out, summary),
                (None, _) => figures(&mut out, summary),
            }
        }
    }
    let mut notes: Vec<String> = comparison.notes.clone();
    notes.extend(comparison.missing.iter().map(|it| format!("{}: {}", it.name, it.reason)));
    let disturbed = comparison.disturbed();
    if disturbed >= DISTURBED {
        notes.push(format!(
            "Other work had a CPU for up to {:.0} % of a measurement: repeat on a quiet machine.",
            disturbed * 100.0
        ));
    }
    for note in notes {
        let _ = write!(out, "\n{note}\n");
    }
    out
}

fn line(out: &mut String, summary: &Summary) {
    let ratio = |spread: Option<Spread>| spread.map_or("-".into(), |spread| text(spread, 2));
    let median = |spread: Option<Spread>| {
        spread.map_or("-".into(), |spread| format!("{:.2}", spread.median))
    };
    let figure =
        |metric, digits| summary.get(metric).map_or("-".into(), |spread| text(spread, digits));
    let busy = |metric| {
        let share = summary.get(metric);
        share.map_or("-".into(), |share| format!("{:.0} %", share.median * 100.0))
    };
    let _ = writeln!(
        out,
        "  {:<18} {:>31}  {:>25}  {:>18}  {:>18}  {:>18}  {:>10}",
        summary.server,
        figure(Metric::MessagesPerSecond, 0),
        figure(Metric::CpuUsPerMessage, 3),
        ratio(summary.of_ceiling.throughput),
        ratio(summary.of_ceiling.efficiency),
        [busy(Metric::ServerCpu), busy(Metric::LoadCpu)].join(", "),
        [median(summary.of_frames.throughput), median(summary.of_frames.efficiency)].join(", "),
    );
}

/// What a mode of its own measures.
fn figures(out: &mut String, summary: &Summary) {
    const SHOWN: [Metric; 10] = [
        Metric::MessagesPerSecond,
        Metric::OfferedPerSecond,
        Metric::CpuUsPerMessage,
        Metric::ConnectionsPerSecond,
        Metric::CpuUsPerConnection,
        Metric::LatencyP50,
        Metric::LatencyP99,
        Metric::LatencyP999,
        Metric::BytesPerOpen,
        Metric::BytesPerQuiet,
    ];
    let shown = SHOWN
        .iter()
        .filter_map(|metric| Some(format!("{} {}", metric.name(), text(summary.get(*metric)?, 1))));
    let _ = writeln!(out, "  {:<18} {}", summary.server, shown.collect::<Vec<_>>().join("; "));
}

fn text(Spread { median, min, max, .. }: Spread, digits: usize) -> String {
    format!("{median:.digits$} ({min:.digits$}-{max:.digits$})")
}
