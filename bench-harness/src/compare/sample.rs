//! One server in one round of one row, in figures that all modes share.

use super::convert;
use super::idle::Memory;
use crate::report::{Bottleneck, Latency, Report, Served, ServerUse};
use crate::scenario::Geometry;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// What a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Messages that came back in a second.
    MessagesPerSecond,
    /// The server's CPU time per message, in microseconds.
    CpuUsPerMessage,
    /// Messages that were to be sent in a second.
    OfferedPerSecond,
    /// Connections opened, used and closed in a second.
    ConnectionsPerSecond,
    /// The server's CPU time per such connection, in microseconds.
    CpuUsPerConnection,
    /// Half of the messages took no longer, in microseconds.
    LatencyP50,
    /// 90 % took no longer.
    LatencyP90,
    /// 99 % took no longer.
    LatencyP99,
    /// 99.9 % took no longer.
    LatencyP999,
    /// The longest.
    LatencyMax,
    /// In a broadcast the latencies above are those of the last receiver; these are the first's.
    FirstP50,
    /// 99 % took no longer to the first receiver.
    FirstP99,
    /// 99.9 % took no longer to the first receiver.
    FirstP999,
    /// Messages of the connection that was served least, as a share of the median connection's.
    LeastServed,
    /// The same of the connection that was served most.
    MostServed,
    /// Messages that never came back.
    Unanswered,
    /// Share of the messages that the load generator itself sent too late.
    Late,
    /// Connections that did not go in order.
    Failures,
    /// CPU time of the server over wall time.
    ServerCpu,
    /// CPU time of the load generator over wall time.
    LoadCpu,
    /// Share of the time in which other work had a CPU that the server or the load wanted.
    Disturbed,
    /// Context switches of the server per second.
    ContextSwitchesPerSecond,
    /// Resident memory of the server, in bytes, with all connections open.
    Resident,
    /// Resident bytes per connection that was opened and has not spoken.
    BytesPerOpen,
    /// Resident bytes per connection that has exchanged a message and fallen quiet.
    BytesPerQuiet,
}

impl Metric {
    /// All, in the order of the columns.
    pub const ALL: [Self; 25] = [
        Self::MessagesPerSecond,
        Self::CpuUsPerMessage,
        Self::OfferedPerSecond,
        Self::ConnectionsPerSecond,
        Self::CpuUsPerConnection,
        Self::LatencyP50,
        Self::LatencyP90,
        Self::LatencyP99,
        Self::LatencyP999,
        Self::LatencyMax,
        Self::FirstP50,
        Self::FirstP99,
        Self::FirstP999,
        Self::LeastServed,
        Self::MostServed,
        Self::Unanswered,
        Self::Late,
        Self::Failures,
        Self::ServerCpu,
        Self::LoadCpu,
        Self::Disturbed,
        Self::ContextSwitchesPerSecond,
        Self::Resident,
        Self::BytesPerOpen,
        Self::BytesPerQuiet,
    ];

    /// As in the files.
    pub fn name(self) -> &'static str {
        match self {
            Self::MessagesPerSecond => "messages_per_second",
            Self::CpuUsPerMessage => "cpu_us_per_message",
            Self::OfferedPerSecond => "offered_per_second",
            Self::ConnectionsPerSecond => "connections_per_second",
            Self::CpuUsPerConnection => "cpu_us_per_connection",
            Self::LatencyP50 => "latency_p50",
            Self::LatencyP90 => "latency_p90",
            Self::LatencyP99 => "latency_p99",
            Self::LatencyP999 => "latency_p999",
            Self::LatencyMax => "latency_max",
            Self::FirstP50 => "first_p50",
            Self::FirstP99 => "first_p99",
            Self::FirstP999 => "first_p999",
            Self::LeastServed => "least_served",
            Self::MostServed => "most_served",
            Self::Unanswered => "unanswered",
            Self::Late => "late",
            Self::Failures => "failures",
            Self::ServerCpu => "server_cpu",
            Self::LoadCpu => "load_cpu",
            Self::Disturbed => "disturbed",
            Self::ContextSwitchesPerSecond => "context_switches_per_second",
            Self::Resident => "resident",
            Self::BytesPerOpen => "bytes_per_open",
            Self::BytesPerQuiet => "bytes_per_quiet",
        }
    }
}

/// What a measurement found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// What the mode measures; the rest is not there.
    #[serde(flatten)]
    pub of: BTreeMap<Metric, f64>,
    /// Latencies: share of the messages that took no longer, and microseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(f64, f64)>,
}

impl Figures {
    /// One of them.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.of.get(&metric).copied()
    }

    /// Which side had nothing left to give.
    pub fn bottleneck(&self) -> Bottleneck {
        let server = self.get(Metric::ServerCpu);
        self.get(Metric::LoadCpu)
            .map_or(Bottleneck::Unknown, |load| Bottleneck::judge(server, load))
    }

    /// Share of the time in which other work interfered.
    pub fn disturbed(&self) -> f64 {
        self.get(Metric::Disturbed).unwrap_or(0.0)
    }

    pub(super) fn with(mut self, figures: impl IntoIterator<Item = (Metric, f64)>) -> Self {
        self.of.extend(figures);
        self
    }

    pub(super) fn with_latency(self, latency: &Latency) -> Self {
        let Latency { p50, p90, p99, p999, p9999, max } = *latency;
        let mut figures = self.with([
            (Metric::LatencyP50, p50),
            (Metric::LatencyP90, p90),
            (Metric::LatencyP99, p99),
            (Metric::LatencyP999, p999),
            (Metric::LatencyMax, max),
        ]);
        figures.curve = vec![(0.5, p50), (0.9, p90), (0.99, p99), (0.999, p999), (0.9999, p9999)];
        figures
    }

    pub(super) fn with_served(self, served: Option<Served>) -> Self {
        self.with(served.into_iter().flat_map(|Served { least, most }| {
            [(Metric::LeastServed, least), (Metric::MostServed, most)]
        }))
    }

    pub(super) fn with_server(self, server: Option<&ServerUse>) -> Self {
        self.with(server.into_iter().flat_map(|server| {
            [
                (Metric::ServerCpu, server.cpu),
                (Metric::Resident, server.resident as f64),
                (Metric::ContextSwitchesPerSecond, server.context_switches_per_second),
            ]
        }))
    }
}

impl From<&Report> for Figures {
    fn from(report: &Report) -> Self {
        let server = report.server.as_ref();
        let cost = server.and_then(|it| convert::server_cost(Metric::CpuUsPerMessage, it));
        Self::default()
            .with([
                (Metric::MessagesPerSecond, report.messages_per_second),
                (Metric::LoadCpu, report.load_cpu),
                (Metric::Disturbed, report.disturbed),
            ])
            .with(cost)
            .with_latency(&report.latency)
            .with_served(report.served)
            .with_server(report.server.as_ref())
    }
}

impl From<&Memory> for Figures {
    fn from(memory: &Memory) -> Self {
        Self::default().with([
            (Metric::BytesPerOpen, memory.per_open()),
            (Metric::BytesPerQuiet, memory.per_quiet()),
            (Metric::Resident, memory.quiet as f64),
        ])
    }
}

/// How it went.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Every byte was right.
    Done(Figures),
    /// It did not work, and why.
    Failed(String),
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Done(figures) => figures.serialize(serializer),
            Self::Failed(reason) => BTreeMap::from([("failed", reason)]).serialize(serializer),
        }
    }
}

/// One server in one round of one row.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Name of the row.
    pub row: String,
    /// Name of the server.
    pub server: String,
    /// Buffers of a ceiling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geometry: Option<Geometry>,
    /// From 0.
    pub round: usize,
    /// Seconds since the start of the comparison.
    pub at: f64,
    /// Whether it counts. One that other work disturbed does not when a repetition was disturbed
    /// less: what is chosen by is the disturbance, never the figures.
    pub counts: bool,
    /// What was found.
    pub outcome: Outcome,
}

impl Sample {
    /// The figures, if it worked and counts.
    pub fn figures(&self) -> Option<&Figures> {
        match &self.outcome {
            Outcome::Done(figures) if self.counts => Some(figures),
            _ => None,
        }
    }

    /// Why it failed.
    pub fn failure(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Failed(reason) => Some(reason),
            Outcome::Done(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_json() {
        for (index, metric) in Metric::ALL.iter().enumerate() {
            let json = serde_json::to_string(metric).expect("a string");
            assert_eq!(json, format!("\"{}\"", metric.name()));
            assert!(!Metric::ALL[..index].contains(metric));
        }
    }

    #[test]
    fn figures_say_which_side_was_the_limit() {
        let figures = |server, load| {
            Figures::default().with([(Metric::ServerCpu, server), (Metric::LoadCpu, load)])
        };
        assert_eq!(figures(1.0, 0.5).bottleneck(), Bottleneck::Server);
        assert_eq!(figures(0.5, 1.0).bottleneck(), Bottleneck::Load);
        assert_eq!(Figures::default().bottleneck(), Bottleneck::Unknown);
    }
}
