//! Figures of one run.

use crate::compare::Spread;
use crate::scenario::{Deflate, Scenario};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// From this utilisation on, a side counts as busy all the time.
const BUSY: f64 = 0.95;

/// What a closed loop measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was run.
    pub scenario: Scenario,
    /// Messages that came back while the clock ran.
    pub messages: u64,
    /// How long the clock ran.
    pub seconds: f64,
    /// Messages that came back in a second.
    pub messages_per_second: f64,
    /// Share of the time in which the load generator's thread was running; the mean of several.
    pub load_cpu: f64,
    /// The load generator's own CPU time per message, in microseconds.
    pub load_us_per_message: f64,
    /// The same in detail.
    pub load: LoadUse,
    /// From the turn a message was handed to the kernel to the turn its echo was taken.
    pub latency: Latency,
    /// How evenly the connections were served.
    pub served: Option<Served>,
    /// What the server used, if its process is known.
    pub server: Option<ServerUse>,
    /// Which side had nothing left to give.
    pub bottleneck: Bottleneck,
    /// Share of the time in which the load or the server was ready to run and something else had
    /// its CPU: the worse of the two. More than a few hundredths, and the figures are doubtful.
    pub disturbed: f64,
}

/// From this share of disturbed time on, a measurement is doubtful.
pub const DISTURBED: f64 = 0.05;

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of the messages took no longer.
    pub p50: f64,
    /// 90 % took no longer.
    pub p90: f64,
    /// 99 % took no longer.
    pub p99: f64,
    /// 99.9 % took no longer.
    pub p999: f64,
    /// 99.99 % took no longer.
    pub p9999: f64,
    /// The longest.
    pub max: f64,
}

/// The connections that were served least and most, as shares of what the median connection got
/// back. A mean hides a server that keeps some waiting for the good of the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Served {
    /// 1 is what the median got, 0 nothing.
    pub least: f64,
    /// The same of the connection that was served most.
    pub most: f64,
}

/// What the server's process used while the clock ran.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerUse {
    /// CPU time over wall time; more than 1 with several threads.
    pub cpu: f64,
    /// The part of `cpu` outside the kernel.
    pub user: f64,
    /// The part of `cpu` inside the kernel.
    pub system: f64,
    /// CPU time per message, in microseconds; in other modes per handshake, delivery or ping.
    pub cpu_us_per_message: f64,
    /// Resident memory at the end, in bytes.
    pub resident: u64,
    /// Context switches per second, of both kinds.
    pub context_switches_per_second: f64,
    /// Those by waiting.
    pub voluntary_switches_per_second: f64,
    /// Those by being preempted.
    pub involuntary_switches_per_second: f64,
}

/// What the load generator's own threads used while the clock ran.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LoadUse {
    /// Threads.
    pub threads: usize,
    /// Share of the time in which a thread was running: the mean of all.
    pub cpu: f64,
    /// CPU time of all threads per message, in microseconds; in other modes per handshake,
    /// delivery or ping.
    pub us_per_message: f64,
    /// Its part outside the kernel. From ticks of 10 ms.
    pub user_us_per_message: f64,
    /// Its part inside the kernel. From ticks of 10 ms.
    pub system_us_per_message: f64,
}

/// What both sides used, and what that says about the figures.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sides {
    /// The server, if its process is known.
    pub server: Option<ServerUse>,
    /// The load generator.
    pub load: LoadUse,
    /// Which side had nothing left to give.
    pub bottleneck: Bottleneck,
    /// Share of the time in which the load or the server was ready to run and something else had
    /// its CPU: the worse of the two. More than [`DISTURBED`], and the figures are doubtful.
    pub disturbed: f64,
}

/// Which side was busy all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bottleneck {
    /// The throughput is the server's.
    Server,
    /// The throughput is the load generator's: only the server's cost per message says something.
    Load,
    /// Both.
    Both,
    /// Each waits for the other, or something else holds both.
    Neither,
    /// The server's process is not known.
    Unknown,
}

impl Bottleneck {
    /// Judges by the utilisation of both sides.
    pub fn judge(server: Option<f64>, load: f64) -> Self {
        match (server.map(|server| server >= BUSY), load >= BUSY) {
            (None, _) => Self::Unknown,
            (Some(true), false) => Self::Server,
            (Some(false), true) => Self::Load,
            (Some(true), true) => Self::Both,
            (Some(false), false) => Self::Neither,
        }
    }
}

impl Latency {
    /// From a histogram of nanoseconds.
    pub fn new(histogram: &Histogram<u64>) -> Self {
        let us = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1e6;
        let at = |quantile| us(histogram.value_at_quantile(quantile));
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: us(histogram.max()),
        }
    }
}

impl Served {
    /// From the messages of each connection. `None` if half of them got nothing: then there is no
    /// median to compare with.
    pub fn of(messages: impl IntoIterator<Item = u64>) -> Option<Self> {
        let spread = Spread::of(messages.into_iter().map(|count| count as f64))?;
        let Spread { median, min, max, .. } = spread;
        (median > 0.0).then(|| Self { least: min / median, most: max / median })
    }

    /// Writes it in a line, if there is anything to say.
    pub(crate) fn write(served: Option<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Self { least, most }) = served else { return Ok(()) };
        writeln!(f, "served        {least:.2} to {most:.2} of the median connection")
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, p999, p9999, max } = self;
        write!(
            f,
            "p50 {p50:.0}  p90 {p90:.0}  p99 {p99:.0}  p99.9 {p999:.0}  p99.99 {p9999:.0}  \
             max {max:.0}"
        )
    }
}

impl Sides {
    /// Writes it in lines, `unit` being what was counted.
    pub fn write(&self, f: &mut fmt::Formatter<'_>, unit: &str) -> fmt::Result {
        if let Some(server) = self.server {
            writeln!(
                f,
                "server        {:.3} us CPU/{unit}, busy {:.0} % ({:.0} user, {:.0} system), \
                 switches/s {:.0} voluntary, {:.0} not; {:.1} MiB resident",
                server.cpu_us_per_message,
                server.cpu * 100.0,
                server.user * 100.0,
                server.system * 100.0,
                server.voluntary_switches_per_second,
                server.involuntary_switches_per_second,
                server.resident as f64 / 1048576.0
            )?;
        }
        let LoadUse { threads, cpu, us_per_message, user_us_per_message, .. } = self.load;
        write!(
            f,
            "load          {us_per_message:.3} us CPU/{unit} ({user_us_per_message:.3} user), \
             busy {:.0} %, threads {threads}",
            cpu * 100.0
        )?;
        if self.bottleneck != Bottleneck::Unknown {
            write!(f, "; bottleneck: {}", format!("{:?}", self.bottleneck).to_lowercase())?;
        }
        if self.disturbed >= DISTURBED {
            write!(f, "\ndisturbed     {:.0} % of the time by other work", self.disturbed * 100.0)?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { connections, size, depth, kind, deflate, tls } = self.scenario;
        write!(f, "{connections} connections x {size} B x depth {depth}, {kind:?}")?;
        let checked = match deflate {
            Deflate::Off => "all checked",
            deflate => {
                write!(f, ", deflate {}", deflate.name())?;
                "all read, a sixteenth inflated"
            }
        };
        writeln!(f, "{}", if tls { ", TLS" } else { "" })?;
        writeln!(
            f,
            "messages      {} in {:.2} s, {checked}: {:.0} /s",
            self.messages, self.seconds, self.messages_per_second
        )?;
        writeln!(f, "latency, us   {}", self.latency)?;
        Served::write(self.served, f)?;
        let Self { server, load, bottleneck, disturbed, .. } = *self;
        Sides { server, load, bottleneck, disturbed }.write(f, "message")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_and_the_most_served_are_beside_the_median() {
        assert_eq!(Served::of([10, 0, 10, 25, 10]), Some(Served { least: 0.0, most: 2.5 }));
        assert_eq!(Served::of([7]), Some(Served { least: 1.0, most: 1.0 }));
        assert_eq!(Served::of([4, 2]), Some(Served { least: 2.0 / 3.0, most: 4.0 / 3.0 }));
        assert_eq!(Served::of([0, 0, 9]), None);
        assert_eq!(Served::of([]), None);
    }
}
