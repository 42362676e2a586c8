//! The figures behind the drawings.

use super::family::Family;
use super::svg::escape;
use crate::compare::{CEILING, CEILING_OF_FRAMES, Comparison, Metric, Ratio, Spread, Summary};
use crate::publish::numbers;
use crate::scenario::{Mode, Row};
use std::fmt::Write;

/// A column: its heading, and what stands in it.
type Column = (&'static str, fn(&Summary) -> String);

/// The first column of each table but that of memory.
const CHEAPER: Column = ("CPU of uWebSockets over its own", |it| ratio(it.of_reference.efficiency));
/// Starvation hides in a mean: these stand in every row with messages.
const LEAST: Column = ("least served connection", |it| ratio(it.get(Metric::LeastServed)));
const MOST: Column = ("most served connection", |it| ratio(it.get(Metric::MostServed)));

const CLOSED: [Column; 17] = [
    CHEAPER,
    ("messages/s", |it| counts(it.get(Metric::MessagesPerSecond))),
    ("server CPU per message", |it| times(it.get(Metric::CpuUsPerMessage))),
    ("p50", |it| time(it.get(Metric::LatencyP50))),
    ("p99", |it| time(it.get(Metric::LatencyP99))),
    ("p99.9", |it| time(it.get(Metric::LatencyP999))),
    LEAST,
    MOST,
    ("throughput of ceiling", |it| ratio(it.of_ceiling.throughput)),
    ("CPU of ceiling", |it| ratio(it.of_ceiling.efficiency)),
    ("throughput of frames", |it| ratio(it.of_frames.throughput)),
    ("CPU of frames", |it| ratio(it.of_frames.efficiency)),
    ("switches/s", |it| count(it.get(Metric::ContextSwitchesPerSecond))),
    ("resident", |it| bytes(it.get(Metric::Resident))),
    ("server busy", |it| share(it.get(Metric::ServerCpu))),
    ("load busy", |it| share(it.get(Metric::LoadCpu))),
    ("disturbed", |it| share(it.get(Metric::Disturbed))),
];

const OPEN: [Column; 15] = [
    CHEAPER,
    ("offered/s", |it| count(it.get(Metric::OfferedPerSecond))),
    ("messages/s", |it| counts(it.get(Metric::MessagesPerSecond))),
    ("server CPU per message", |it| times(it.get(Metric::CpuUsPerMessage))),
    ("p50", |it| times(it.get(Metric::LatencyP50))),
    ("p90", |it| time(it.get(Metric::LatencyP90))),
    ("p99", |it| times(it.get(Metric::LatencyP99))),
    ("p99.9", |it| time(it.get(Metric::LatencyP999))),
    ("longest", |it| time(it.get(Metric::LatencyMax))),
    LEAST,
    MOST,
    ("unanswered", |it| count(it.get(Metric::Unanswered))),
    ("sent late", |it| share(it.get(Metric::Late))),
    ("server busy", |it| share(it.get(Metric::ServerCpu))),
    ("load busy", |it| share(it.get(Metric::LoadCpu))),
];

const BROADCAST: [Column; 13] = [
    CHEAPER,
    ("deliveries/s", |it| counts(it.get(Metric::MessagesPerSecond))),
    ("server CPU per delivery", |it| times(it.get(Metric::CpuUsPerMessage))),
    ("first receiver: p50", |it| times(it.get(Metric::FirstP50))),
    ("p99", |it| time(it.get(Metric::FirstP99))),
    ("p99.9", |it| time(it.get(Metric::FirstP999))),
    ("last receiver: p50", |it| times(it.get(Metric::LatencyP50))),
    ("p99", |it| time(it.get(Metric::LatencyP99))),
    ("p99.9", |it| time(it.get(Metric::LatencyP999))),
    LEAST,
    MOST,
    ("server busy", |it| share(it.get(Metric::ServerCpu))),
    ("load busy", |it| share(it.get(Metric::LoadCpu))),
];

const CHURN: [Column; 11] = [
    CHEAPER,
    ("connections/s", |it| counts(it.get(Metric::ConnectionsPerSecond))),
    ("server CPU per connection", |it| times(it.get(Metric::CpuUsPerConnection))),
    ("failed", |it| count(it.get(Metric::Failures))),
    ("p50", |it| time(it.get(Metric::LatencyP50))),
    ("p99", |it| time(it.get(Metric::LatencyP99))),
    ("p99.9", |it| time(it.get(Metric::LatencyP999))),
    LEAST,
    MOST,
    ("server busy", |it| share(it.get(Metric::ServerCpu))),
    ("load busy", |it| share(it.get(Metric::LoadCpu))),
];

const IDLE: [Column; 3] = [
    ("bytes per connection, opened", |it| memory(it.get(Metric::BytesPerOpen))),
    ("after one message", |it| memory(it.get(Metric::BytesPerQuiet))),
    ("resident in all", |it| bytes(it.get(Metric::Resident))),
];

/// A row's servers, in the order they were measured in.
pub(super) fn table(row: &Row, summaries: &[&Summary]) -> String {
    let columns: &[Column] = match row.mode {
        Mode::Closed | Mode::Latency => &CLOSED,
        Mode::Open => &OPEN,
        Mode::Broadcast => &BROADCAST,
        Mode::Churn => &CHURN,
        Mode::Idle => &IDLE,
    };
    let mut out = String::from("<div class=\"scroll\"><table><thead><tr><th>server</th>");
    for (heading, _) in columns {
        let _ = write!(out, "<th>{heading}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for it in summaries {
        let name = match it.geometry {
            Some(shape) => format!("{} <small>{shape}</small>", escape(&it.server)),
            None => escape(&it.server),
        };
        let _ = write!(out, "<tr class=\"{}\"><td>{name}</td>", Family::of(&it.server).class());
        match &it.failure {
            Some(why) => {
                let (span, why) = (columns.len(), escape(why));
                let _ = write!(out, "<td class=\"failed\" colspan=\"{span}\">failed: {why}</td>");
            }
            None => {
                for (_, cell) in columns {
                    let _ = write!(out, "<td>{}</td>", cell(it));
                }
            }
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    out
}

/// How close each server comes to the ceiling of bytes, in all rows.
pub(super) fn ratios(comparison: &Comparison, rows: &[&Row]) -> String {
    let mut out = String::from("<div class=\"scroll\"><table><thead><tr><th>server</th>");
    for row in rows {
        let _ = write!(out, "<th>{}</th>", escape(&row.name));
    }
    out.push_str("</tr></thead><tbody>");
    let servers = comparison.servers.iter().map(|it| it.name.as_str());
    for server in servers.filter(|name| *name != CEILING) {
        let class = Family::of(server).class();
        let _ = write!(out, "<tr class=\"{class}\"><td>{}</td>", escape(server));
        for row in rows {
            let summary = comparison.of_row(row).into_iter().find(|it| it.server == server);
            let cell = match summary {
                Some(it) if it.failure.is_some() => "failed".to_owned(),
                Some(it) => both(it.of_ceiling),
                None => "–".to_owned(),
            };
            let _ = write!(out, "<td>{cell}</td>");
        }
        out.push_str("</tr>");
    }
    let _ = write!(
        out,
        "</tbody></table></div><p class=\"fine\">CPU per message of <code>{CEILING}</code> over \
         the server's, then its throughput over that of <code>{CEILING}</code>: medians of the \
         ratios within each round. <code>{CEILING_OF_FRAMES}</code> unmasks and frames, without \
         checks, limits or callbacks.</p>"
    );
    out
}

fn both(of: Ratio) -> String {
    let text = |it: Option<Spread>| it.map_or("–".into(), |it| numbers::ratio(it.median));
    format!("{} <small>{}</small>", text(of.efficiency), text(of.throughput))
}

/// The median with the range and the typical deviation.
fn full(spread: Option<Spread>, show: fn(f64) -> String) -> String {
    spread.map_or("–".into(), |Spread { median, min, max, mad, .. }| {
        let (median, min, max, mad) = (show(median), show(min), show(max), show(mad));
        format!("{median} <small>{min}–{max}, ±{mad}</small>")
    })
}

fn plain(spread: Option<Spread>, show: fn(f64) -> String) -> String {
    spread.map_or("–".into(), |it| show(it.median))
}

fn counts(spread: Option<Spread>) -> String {
    full(spread, numbers::count)
}

fn count(spread: Option<Spread>) -> String {
    plain(spread, numbers::count)
}

fn times(spread: Option<Spread>) -> String {
    full(spread, numbers::microseconds)
}

fn time(spread: Option<Spread>) -> String {
    plain(spread, numbers::microseconds)
}

fn ratio(spread: Option<Spread>) -> String {
    full(spread, numbers::ratio)
}

fn memory(spread: Option<Spread>) -> String {
    full(spread, numbers::bytes)
}

fn bytes(spread: Option<Spread>) -> String {
    plain(spread, numbers::bytes)
}

fn share(spread: Option<Spread>) -> String {
    plain(spread, numbers::share)
}
