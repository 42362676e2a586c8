//! The tables worth showing first, as Markdown.

use super::numbers;
use crate::compare::{self, CEILING, Comparison, Metric, OWN, REFERENCE, Spread, Summary};
use crate::scenario::{Mode, Row};
use std::fmt::Write;

/// The engine beside uWebSockets, the ceiling and the best of the others, then all servers by their
/// cost in the closed loop, and memory.
pub fn headline(comparison: &Comparison) -> String {
    let mut out = String::new();
    let machine = &comparison.machine;
    let _ = writeln!(
        out,
        "{}, Linux {}{}; server on one CPU, load on another; medians of interleaved rounds.\n",
        machine.cpu,
        machine.kernel,
        if machine.virtual_machine { ", in a VM" } else { "" }
    );
    let rows = comparison.rows(Mode::Closed);
    beside(&mut out, comparison);
    costs(&mut out, comparison, &rows);
    wires(&mut out, &rows);
    memory(&mut out, comparison);
    out
}

/// The figures of a server in a row, if it has any.
fn find<'a>(comparison: &'a Comparison, row: &Row, server: &str) -> Option<&'a Summary> {
    let mut summaries = comparison.of_row(row).into_iter();
    summaries.find(|it| it.server == server && it.failure.is_none())
}

/// The cheapest of the others in a row.
pub fn best_peer<'a>(comparison: &'a Comparison, row: &Row) -> Option<(&'a Summary, f64)> {
    let peers = comparison.of_row(row).into_iter().filter(|it| is_peer(&it.server));
    peers
        .filter_map(|it| Some((it, it.get(Metric::CpuUsPerMessage)?.median)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Neither a ceiling nor a server on the engine.
pub fn is_peer(server: &str) -> bool {
    !server.starts_with("ceiling-") && !server.starts_with("ringws")
}

/// The engine, uWebSockets, the ceiling of bytes and the cheapest of the others, row by row.
fn beside(out: &mut String, comparison: &Comparison) {
    let modes = [Mode::Closed, Mode::Latency, Mode::Open, Mode::Broadcast, Mode::Churn];
    let rows: Vec<&Row> = modes.into_iter().flat_map(|mode| comparison.rows(mode)).collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "CPU: the server CPU per message (delivery, connection) of {REFERENCE} over the server's \
         own, higher is cheaper. Served: the least and the most served connection, 1.00 being the \
         median one. Of a broadcast the latency is the last receiver's, and in brackets the first \
         one's.\n\n\
         | connections x bytes x in flight | server | CPU | of ceiling | messages/s | server CPU | \
         p50 | p99 | p99.9 | served |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    for row in rows {
        let best = best_peer(comparison, row).map(|(peer, _)| peer.server.as_str());
        let mut servers = vec![OWN, REFERENCE, CEILING];
        servers.extend(best.filter(|name| *name != REFERENCE));
        for server in servers {
            if let Some(summary) = find(comparison, row, server) {
                line(out, row, summary);
            }
        }
    }
    out.push('\n');
}

fn line(out: &mut String, row: &Row, it: &Summary) {
    let median = |spread: Option<Spread>| spread.map_or("-".into(), |it| numbers::ratio(it.median));
    let figure = |metric, show: fn(f64) -> String| it.get(metric).map(|it| show(it.median));
    let either = |one, other, show| {
        figure(one, show).or_else(|| figure(other, show)).unwrap_or_else(|| "-".into())
    };
    let latency = |last, first| {
        let time = numbers::microseconds;
        let last = figure(last, time).unwrap_or_else(|| "-".into());
        figure(first, time).map_or(last.clone(), |first| format!("{last} ({first})"))
    };
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        row.name,
        it.server,
        median(it.of_reference.efficiency),
        median(it.of_ceiling.efficiency),
        either(Metric::MessagesPerSecond, Metric::ConnectionsPerSecond, numbers::count),
        either(Metric::CpuUsPerMessage, Metric::CpuUsPerConnection, numbers::microseconds),
        latency(Metric::LatencyP50, Metric::FirstP50),
        latency(Metric::LatencyP99, Metric::FirstP99),
        latency(Metric::LatencyP999, Metric::FirstP999),
        compare::served(it),
    );
}

fn costs(out: &mut String, comparison: &Comparison, rows: &[&Row]) {
    if rows.is_empty() {
        return;
    }
    out.push_str("Server CPU per message, µs (failed: wrong bytes, a crash or no answer):\n\n|");
    let servers: Vec<_> = comparison.servers.iter().map(|it| it.name.as_str()).collect();
    let _ = writeln!(out, " | {} |", servers.join(" | "));
    let _ = writeln!(out, "|---|{}", "---|".repeat(servers.len()));
    for row in rows {
        let summaries = comparison.of_row(row);
        let cell = |server: &&str| {
            let Some(it) = summaries.iter().find(|it| it.server == *server) else {
                return "-".to_owned();
            };
            match it.get(Metric::CpuUsPerMessage) {
                Some(cost) => numbers::significant(cost.median),
                None if it.failure.is_some() => "failed".to_owned(),
                None => "-".to_owned(),
            }
        };
        let cells: Vec<_> = servers.iter().map(cell).collect();
        let _ = writeln!(out, "| {} | {} |", row.name, cells.join(" | "));
    }
}

/// What the rows are that are not plain.
fn wires(out: &mut String, rows: &[&Row]) {
    let mut first = true;
    for (row, wire) in rows.iter().filter_map(|row| Some((row, row.wire()?))) {
        let _ = write!(out, "{}{}: {wire}", if first { "\n" } else { "; " }, row.name);
        first = false;
    }
    out.push_str(if first { "" } else { ".\n" });
}

fn memory(out: &mut String, comparison: &Comparison) {
    for row in comparison.rows(Mode::Idle) {
        let _ = writeln!(
            out,
            "\n{}{}: resident bytes per connection, after the handshake and after one message:\n\n\
             | server | opened | quiet |\n|---|---|---|",
            row.name,
            row.wire().map(|wire| format!(" ({wire})")).unwrap_or_default(),
        );
        for it in comparison.of_row(row) {
            let figure = |metric| match it.get(metric) {
                Some(spread) => numbers::bytes(spread.median),
                None => "failed".to_owned(),
            };
            let (open, quiet) = (figure(Metric::BytesPerOpen), figure(Metric::BytesPerQuiet));
            let _ = writeln!(out, "| {} | {open} | {quiet} |", it.server);
        }
    }
}
