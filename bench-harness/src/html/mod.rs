//! The report as one file: no script, nothing from elsewhere, drawings inline.

mod bars;
mod curves;
mod family;
mod host;
mod lines;
mod row;
mod strips;
pub(crate) mod svg;
mod tables;

use crate::compare::Comparison;
use crate::report::DISTURBED;
use crate::scenario::{Deflate, Mode, Row};
pub(crate) use host::{machine_line, table};
pub(crate) use lines::{lines, lines_over};
use std::fmt::Write;
pub(crate) use svg::escape;

const STYLE: &str = include_str!("style.css");

/// A page with a title, a line under it, and a body.
pub(crate) fn document(title: &str, line: &str, body: &str) -> String {
    let (title, line) = (escape(title), escape(line));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>ringws: {title}</title><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1><p class=\"sub\">{line}</p>{body}</main></body></html>\n"
    )
}

/// The whole page.
pub fn page(comparison: &Comparison) -> String {
    let closed = comparison.rows(Mode::Closed);
    let mut out = String::new();
    out += &contents(comparison);
    out += &warnings(comparison);
    out += &family::legend(comparison.servers.iter().map(|it| it.name.as_str()));
    if comparison.rows(Mode::Closed).iter().any(|row| has_ratios(comparison, row)) {
        out += "<h2 id=\"ceiling\">How close to the ceiling</h2>\
                <p>The ceiling is a bare io_uring echo of bytes: no server on this kernel can be \
                far beyond it. A dot is a server; 1.00 is the ceiling, 0.50 is half of it. Values \
                are those of the engine's C example.</p>";
        out += &strips::strips(
            "CPU of the ceiling over CPU of the server",
            "per message, of the server's process; further right is better",
            comparison,
            &closed,
            |ratio| ratio.efficiency,
        );
        out += &strips::strips(
            "Throughput of the server over that of the ceiling",
            "messages per second; further right is better",
            comparison,
            &closed,
            |ratio| ratio.throughput,
        );
        out += &tables::ratios(comparison, &closed);
    }
    for row in &comparison.suite.row {
        if !comparison.of_row(row).is_empty() {
            let (anchor, name) = (anchor(comparison, row), escape(&row.name));
            let what = describe(row);
            let _ = write!(out, "<h2 id=\"{anchor}\">{name}</h2><p class=\"sub\">{what}</p>");
            out += &row::section(comparison, row);
        }
    }
    out += &host::facts(comparison);
    document("WebSocket servers compared", &host::line(comparison), &out)
}

fn has_ratios(comparison: &Comparison, row: &Row) -> bool {
    comparison.of_row(row).iter().any(|it| it.of_ceiling.efficiency.is_some())
}

fn anchor(comparison: &Comparison, row: &Row) -> String {
    let index = comparison.suite.row.iter().position(|other| other.name == row.name);
    format!("row-{}", index.unwrap_or_default() + 1)
}

fn contents(comparison: &Comparison) -> String {
    let mut out = String::from("<nav>");
    for row in comparison.suite.row.iter().filter(|row| !comparison.of_row(row).is_empty()) {
        let (anchor, name) = (anchor(comparison, row), escape(&row.name));
        let _ = write!(out, "<a href=\"#{anchor}\">{name}</a>");
    }
    out + "<a href=\"#host\">host and versions</a></nav>"
}

fn warnings(comparison: &Comparison) -> String {
    let mut all: Vec<String> = comparison
        .missing
        .iter()
        .map(|it| format!("{} did not take part: {}", it.name, it.reason))
        .collect();
    all.extend(comparison.notes.iter().cloned());
    for server in &comparison.servers {
        let own = comparison.summaries.iter().filter(|it| it.server == server.name);
        let failed: Vec<_> =
            own.filter(|it| it.failure.is_some()).map(|it| it.row.as_str()).collect();
        if !failed.is_empty() {
            all.push(format!("{} failed in: {}", server.name, failed.join("; ")));
        }
    }
    let disturbed = comparison.disturbed();
    if disturbed >= DISTURBED {
        all.push(format!(
            "Other work had a CPU for up to {:.0} % of a measurement, in spite of repetitions: \
             small differences mean nothing here.",
            disturbed * 100.0
        ));
    }
    all.iter().map(|text| format!("<p class=\"warn\">{}</p>", escape(text))).collect()
}

/// What is done to the servers in a row.
fn describe(row: &Row) -> String {
    let Row { connections, size, depth, .. } = row;
    let kind = format!("{:?}", row.kind).to_lowercase();
    let wire = row.wire().map(|wire| format!(" With {wire}.")).unwrap_or_default();
    // Of compressed answers a sixteenth is inflated, see `load::answers`.
    let checked = match row.deflate {
        Deflate::Off => "every echoed byte is checked",
        _ => "every answer is read, one in sixteen inflated and compared",
    };
    let busy = "Behind a value: which side was busy all the time, and so the limit.";
    let what = match row.mode {
        Mode::Closed => format!(
            "Closed loop: {connections} connections, {kind} messages of {size} bytes, {depth} in \
             flight on each; {checked}. {busy}"
        ),
        Mode::Latency => format!(
            "{connections} connection, {kind} messages of {size} bytes, {depth} at a time: how \
             long an echo takes when nothing else goes on."
        ),
        Mode::Open => format!(
            "Open loop: {connections} connections, {kind} messages of {size} bytes that leave when \
             they are due, at the same rate for all servers; latency counts from when a message \
             was due, so that a server that stalls is not spared."
        ),
        Mode::Churn => format!(
            "{connections} at a time: connect, upgrade, one {kind} message of {size} bytes, close."
        ),
        Mode::Idle => format!(
            "{connections} connections that do nothing: growth of the resident memory over a \
             server that has had traffic and has none, per connection."
        ),
        Mode::Broadcast => format!(
            "One {kind} message of {size} bytes to {connections} connections at once. {busy}"
        ),
    };
    what + &wire
}
