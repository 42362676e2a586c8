//! Figures of an open loop.

use crate::report::{Bottleneck, Latency, Served, Sides};
use crate::scenario::Scenario;
use serde::Serialize;
use std::fmt;

/// From this share of late sends on, the load generator itself was too slow.
pub const LATE_MAX: f64 = 0.01;

/// What an open loop measured.
#[derive(Clone, Debug, Serialize)]
pub struct OpenReport {
    /// Connections, size and kind. `depth` says how many messages one send may carry.
    pub scenario: Scenario,
    /// Messages per second that were to be sent.
    pub rate: f64,
    /// How long the clock ran.
    pub seconds: f64,
    /// Messages whose intended time lies in it. Each is in `latency`.
    pub messages: u64,
    /// Messages that came back in a second, while the clock ran.
    pub achieved_per_second: f64,
    /// From the intended time of a message to the turn its echo was taken. Those that never came
    /// are in it with the time that was waited for them.
    pub latency: Latency,
    /// How evenly the connections were served while the clock ran.
    pub served: Option<Served>,
    /// Messages that had not come back when the wait after the end was over.
    pub unanswered: u64,
    /// The most messages that were due and had not come back, looked at ten times per second.
    pub backlog_max: u64,
    /// Share of the messages that left more than 50 us after their time because of the load
    /// generator: not because the server had not taken what was sent before.
    pub late: f64,
    /// The longest such delay, in microseconds.
    pub late_max: f64,
    /// Whether the last microseconds before a message were waited for in a loop: then the load
    /// generator's CPU is always busy, and that says nothing.
    pub spin: bool,
    /// What both sides used, per message. The load is the bottleneck when [`LATE_MAX`] is reached.
    #[serde(flatten)]
    pub sides: Sides,
}

impl OpenReport {
    pub(super) fn judge(server: Option<f64>, late: f64) -> Bottleneck {
        // The share of time says nothing about a load that spins.
        Bottleneck::judge(server, if late >= LATE_MAX { 1.0 } else { 0.0 })
    }
}

impl fmt::Display for OpenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { connections, size, kind, .. } = self.scenario;
        writeln!(f, "{connections} connections x {size} B, {kind:?}, {:.0} messages/s", self.rate)?;
        writeln!(
            f,
            "messages      {} due in {:.2} s: {:.0} /s came back, {} never did; backlog at most {}",
            self.messages,
            self.seconds,
            self.achieved_per_second,
            self.unanswered,
            self.backlog_max
        )?;
        writeln!(f, "latency, us   {}", self.latency)?;
        Served::write(self.served, f)?;
        writeln!(
            f,
            "sent late     {:.3} % by the load's own fault, at most {:.0} us",
            self.late * 100.0,
            self.late_max
        )?;
        self.sides.write(f, "message")
    }
}
