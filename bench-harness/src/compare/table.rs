//! The comparison as people read it in a terminal.

use super::{CEILING, CEILING_OF_FRAMES, Comparison, Metric, REFERENCE, Ratio, Spread, Summary};
use crate::publish::numbers;
use crate::report::DISTURBED;
use crate::scenario::Mode;
use std::fmt::Write;

/// Medians, some with the range behind them.
pub fn table(comparison: &Comparison) -> String {
    let mut out = String::new();
    let machine = &comparison.machine;
    let _ = writeln!(
        out,
        "{}; Linux {}; server on CPU {}, load on CPU {}\n\
         medians (range); ratios are taken within a round. First: the server CPU of {REFERENCE} \
         over the server's\n\
         own, higher is cheaper. Of {CEILING} and of {CEILING_OF_FRAMES}: throughput, and their \
         CPU over the server's.\n\
         served: the least and the most served connection, 1.00 being the median one",
        machine.cpu, machine.kernel, comparison.cpus.server, comparison.cpus.load
    );
    for row in &comparison.suite.row {
        let summaries = comparison.of_row(row);
        if summaries.is_empty() {
            continue;
        }
        let wire = row.wire().map(|wire| format!(" ({wire})")).unwrap_or_default();
        let _ = writeln!(out, "\n{}{wire}", row.name);
        if row.mode != Mode::Idle {
            heading(&mut out, row.mode);
        }
        for summary in summaries {
            match (&summary.failure, row.mode) {
                (Some(why), _) => {
                    let why = why.lines().next().unwrap_or_default();
                    let _ = writeln!(out, "  {:<18} failed: {why}", summary.server);
                }
                (None, Mode::Idle) => memory(&mut out, summary),
                (None, mode) => line(&mut out, summary, mode),
            }
        }
    }
    out + &notes(comparison)
}

fn notes(comparison: &Comparison) -> String {
    let mut notes: Vec<String> = comparison.notes.clone();
    notes.extend(comparison.missing.iter().map(|it| format!("{}: {}", it.name, it.reason)));
    let disturbed = comparison.disturbed();
    if disturbed >= DISTURBED {
        notes.push(format!(
            "Other work had a CPU for up to {:.0} % of a measurement: repeat on a quiet machine.",
            disturbed * 100.0
        ));
    }
    notes.iter().map(|note| format!("\n{note}\n")).collect()
}

fn heading(out: &mut String, mode: Mode) {
    let (unit, what) = match mode {
        Mode::Churn => ("connections/s", "to 101:"),
        Mode::Broadcast => ("deliveries/s", "to the last:"),
        _ => ("messages/s", ""),
    };
    let _ = writeln!(
        out,
        "  {:<18} {:>16}  {unit:>21}  {:>22}  {what:>12} {:>8} {:>8} {:>8}  {:>11}  {:>10}  \
         {:>10}  busy: server, load",
        "",
        "CPU: x cheaper",
        "server CPU, us",
        "p50",
        "p99",
        "p99.9",
        "served",
        "of bytes",
        "of frames",
    );
}

fn line(out: &mut String, summary: &Summary, mode: Mode) {
    let (speed, cost) = match mode {
        Mode::Churn => (Metric::ConnectionsPerSecond, Metric::CpuUsPerConnection),
        _ => (Metric::MessagesPerSecond, Metric::CpuUsPerMessage),
    };
    let range = |spread: Option<Spread>, digits| spread.map_or("-".into(), |it| text(it, digits));
    let cheaper = range(summary.of_reference.efficiency, 2);
    let speed = range(summary.get(speed), 0);
    let cost = range(summary.get(cost), 3);
    let [p50, p99, p999] =
        [Metric::LatencyP50, Metric::LatencyP99, Metric::LatencyP999].map(|it| time(summary, it));
    let served = served(summary);
    let (bytes, frames) = (both(summary.of_ceiling), both(summary.of_frames));
    let busy = |metric| {
        let share = summary.get(metric);
        share.map_or("-".into(), |share| format!("{:.0} %", share.median * 100.0))
    };
    let busy = [busy(Metric::ServerCpu), busy(Metric::LoadCpu)].join(", ");
    let _ = writeln!(
        out,
        "  {:<18} {cheaper:>16}  {speed:>21}  {cost:>22}  {:>12} {p50:>8} {p99:>8} {p999:>8}  \
         {served:>11}  {bytes:>10}  {frames:>10}  {busy}",
        summary.server, "",
    );
    if summary.get(Metric::FirstP50).is_some() {
        let [p50, p99, p999] =
            [Metric::FirstP50, Metric::FirstP99, Metric::FirstP999].map(|it| time(summary, it));
        let what = "to the first:";
        let _ = writeln!(out, "  {:<83} {what:>13} {p50:>8} {p99:>8} {p999:>8}", "");
    }
}

/// The least and the most served connection: medians of the rounds.
pub(crate) fn served(summary: &Summary) -> String {
    let share = |metric| summary.get(metric).map(|it| numbers::ratio(it.median));
    match (share(Metric::LeastServed), share(Metric::MostServed)) {
        (Some(least), Some(most)) => format!("{least}-{most}"),
        _ => "-".into(),
    }
}

/// Medians of throughput and of CPU.
fn both(ratio: Ratio) -> String {
    let median = |spread: Option<Spread>| {
        spread.map_or("-".into(), |spread| format!("{:.2}", spread.median))
    };
    [median(ratio.throughput), median(ratio.efficiency)].join(", ")
}

fn time(summary: &Summary, metric: Metric) -> String {
    summary.get(metric).map_or("-".into(), |it| numbers::microseconds(it.median))
}

fn memory(out: &mut String, summary: &Summary) {
    let shown = [Metric::BytesPerOpen, Metric::BytesPerQuiet]
        .into_iter()
        .filter_map(|metric| Some(format!("{} {}", metric.name(), text(summary.get(metric)?, 1))));
    let _ = writeln!(out, "  {:<18} {}", summary.server, shown.collect::<Vec<_>>().join("; "));
}

fn text(Spread { median, min, max, .. }: Spread, digits: usize) -> String {
    format!("{median:.digits$} ({min:.digits$}-{max:.digits$})")
}
