//! The section of one row: what is drawn depends on how it was loaded.

use super::bars::{Bar, Labels, Reference, bars};
use super::curves::curves;
use super::tables;
use crate::compare::{CEILING, Comparison, Metric, Summary};
use crate::publish::numbers;
use crate::report::Bottleneck;
use crate::scenario::{Mode, Row};

/// What a chart is of.
struct Chart {
    metric: Metric,
    title: &'static str,
    axis: &'static str,
    show: fn(f64) -> String,
    /// Whether more is better: the best is on top.
    more: bool,
    logarithmic: bool,
    /// Whether the ceiling of bytes is drawn as a line, and the bottleneck told.
    limits: bool,
}

const fn chart(metric: Metric, title: &'static str, axis: &'static str) -> Chart {
    let show = numbers::microseconds;
    Chart { metric, title, axis, show, more: false, logarithmic: false, limits: false }
}

const MESSAGES: Chart = Chart {
    show: numbers::count,
    more: true,
    limits: true,
    ..chart(Metric::MessagesPerSecond, "Messages per second", "messages/s; longer is better")
};
const COST: Chart = Chart {
    limits: true,
    ..chart(Metric::CpuUsPerMessage, "Server CPU per message", "CPU time; shorter is better")
};
const SWITCHES: Chart = Chart {
    show: numbers::count,
    ..chart(Metric::ContextSwitchesPerSecond, "Context switches of the server", "per second")
};
const MEDIAN: Chart =
    Chart { ..chart(Metric::LatencyP50, "Latency, median", "time to the echo; shorter is better") };
const SLOWEST: Chart = Chart {
    ..chart(Metric::LatencyP99, "Latency, 99th percentile", "time to the echo; shorter is better")
};
const SHAKE: Chart = Chart {
    ..chart(Metric::LatencyP99, "Handshake, 99th percentile", "connect to 101; shorter is better")
};
const LEAST: Chart = Chart {
    show: numbers::ratio,
    more: true,
    ..chart(
        Metric::LeastServed,
        "The connection that was served least",
        "of what the median connection got; longer is better",
    )
};
const CONNECTIONS: Chart = Chart {
    show: numbers::count,
    more: true,
    limits: true,
    ..chart(Metric::ConnectionsPerSecond, "Connections per second", "per second; longer is better")
};
const CONNECTION_COST: Chart = Chart {
    ..chart(Metric::CpuUsPerConnection, "Server CPU per connection", "CPU time; shorter is better")
};
const OPENED: Chart = Chart {
    show: numbers::bytes,
    logarithmic: true,
    ..chart(Metric::BytesPerOpen, "Memory per opened connection", "resident, logarithmic")
};
const QUIET: Chart = Chart {
    show: numbers::bytes,
    logarithmic: true,
    ..chart(Metric::BytesPerQuiet, "Memory per quiet connection", "after a message, logarithmic")
};

/// Drawings, then the table.
pub(super) fn section(comparison: &Comparison, row: &Row) -> String {
    let summaries = comparison.of_row(row);
    let charts: &[Chart] = match row.mode {
        Mode::Closed => &[COST, MESSAGES, SLOWEST, LEAST],
        Mode::Latency => &[MEDIAN, SLOWEST, COST, SWITCHES],
        Mode::Open => &[MEDIAN, SLOWEST, COST, SWITCHES],
        Mode::Churn => &[CONNECTIONS, CONNECTION_COST, SHAKE, LEAST],
        Mode::Idle => &[OPENED, QUIET],
        Mode::Broadcast => &[MESSAGES, COST, MEDIAN, SLOWEST],
    };
    let mut out = String::from("<div class=\"charts\">");
    if matches!(row.mode, Mode::Open | Mode::Latency) {
        out += &curves("Latency by percentile, logarithmic axes", &summaries);
    }
    for chart in charts {
        out += &draw(chart, &summaries);
    }
    out + "</div>" + &tables::table(row, &summaries)
}

/// A chart of those that have the figure; nothing if none has.
fn draw(chart: &Chart, summaries: &[&Summary]) -> String {
    let value = |it: &Summary| it.get(chart.metric).map(|spread| spread.median);
    if summaries.iter().all(|it| value(it).is_none()) {
        return String::new();
    }
    let mut sorted: Vec<&Summary> = summaries.to_vec();
    sorted.retain(|it| value(it).is_some() || it.failure.is_some());
    let rank = |it: &Summary| {
        let value = value(it).unwrap_or(f64::INFINITY);
        if chart.more && value.is_finite() { -value } else { value }
    };
    sorted.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    let drawn: Vec<Bar> = sorted
        .iter()
        .map(|it| Bar {
            server: it.server.clone(),
            spread: it.get(chart.metric),
            note: if chart.limits { limit(it.bottleneck).to_owned() } else { String::new() },
        })
        .collect();
    let ceiling = summaries.iter().find(|it| chart.limits && it.server == CEILING);
    let references: Vec<_> = ceiling
        .and_then(|it| {
            let label = match it.geometry {
                Some(shape) => format!("ceiling ({shape})"),
                None => "ceiling".into(),
            };
            Some(Reference { label, value: value(it)? })
        })
        .into_iter()
        .collect();
    let Chart { title, axis, show, logarithmic, .. } = *chart;
    bars(&Labels { title, axis, show, logarithmic }, &drawn, &references)
}

/// Who was busy all the time.
fn limit(bottleneck: Bottleneck) -> &'static str {
    match bottleneck {
        Bottleneck::Server => "server",
        Bottleneck::Load => "load",
        Bottleneck::Both => "both",
        Bottleneck::Neither => "neither",
        Bottleneck::Unknown => "",
    }
}
