//! The tables worth showing first, as Markdown.

use super::numbers;
use crate::compare::{Comparison, Metric, OWN, Ratio, Spread, Summary};
use crate::scenario::{Mode, Row};
use std::fmt::Write;

/// Rows of the closed loop: the engine beside the ceilings and the best of the others, then all
/// servers by their cost.
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
    if rows.iter().any(|row| find(comparison, row, OWN).is_some()) {
        own(&mut out, comparison, &rows);
    }
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

fn own(out: &mut String, comparison: &Comparison, rows: &[&Row]) {
    out.push_str(
        "| connections x bytes x in flight | messages/s | server CPU per message | of the ceiling \
         of bytes: throughput, CPU | of frames | cheapest other server | its CPU over ours |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let median = |spread: Option<Spread>| spread.map_or("-".into(), |it| numbers::ratio(it.median));
    let both = |ratio: Ratio| format!("{}, {}", median(ratio.throughput), median(ratio.efficiency));
    for row in rows {
        let Some(own) = find(comparison, row, OWN) else { continue };
        let figure = |metric| own.get(metric).map_or(f64::NAN, |it| it.median);
        let cost = figure(Metric::CpuUsPerMessage);
        let peer = best_peer(comparison, row).map_or(("-".into(), "-".into()), |(peer, theirs)| {
            let name = format!("{} {}", peer.server, numbers::microseconds(theirs));
            (name, if cost > 0.0 { numbers::ratio(theirs / cost) } else { "-".into() })
        });
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            numbers::count(figure(Metric::MessagesPerSecond)),
            if cost > 0.0 { numbers::microseconds(cost) } else { "-".into() },
            both(own.of_ceiling),
            both(own.of_frames),
            peer.0,
            peer.1,
        );
    }
    out.push('\n');
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
