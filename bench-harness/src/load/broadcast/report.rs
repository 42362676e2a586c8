//! Figures of a broadcast.

use crate::report::{Latency, Served, Sides};
use crate::scenario::Scenario;
use serde::Serialize;
use std::fmt;

/// What a broadcast measured.
#[derive(Clone, Debug, Serialize)]
pub struct BroadcastReport {
    /// `connections` are the receivers; `depth` says how many messages were under way at most.
    pub scenario: Scenario,
    /// Messages per second that were to be published; without it, each when the one `depth` before
    /// it had reached all.
    pub rate: Option<f64>,
    /// Whether the server sends a message to its publisher, too; it counts as a receiver then.
    pub to_publisher: bool,
    /// How long the clock ran.
    pub seconds: f64,
    /// Messages that reached all receivers meanwhile.
    pub messages: u64,
    /// Messages that reached a receiver meanwhile, each checked to the last byte.
    pub deliveries: u64,
    /// The same per second.
    pub deliveries_per_second: f64,
    /// From handing a message to the kernel, or with a rate from when it was due, to its first
    /// delivery.
    pub first: Latency,
    /// The same to its last delivery.
    pub last: Latency,
    /// The same over all deliveries.
    pub each: Latency,
    /// How evenly the receivers were served.
    pub served: Option<Served>,
    /// What both sides used, per delivery.
    #[serde(flatten)]
    pub sides: Sides,
}

impl fmt::Display for BroadcastReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { connections, size, depth, kind, .. } = self.scenario;
        writeln!(f, "one to {connections} x {size} B x depth {depth}, {kind:?}")?;
        writeln!(
            f,
            "deliveries    {} of {} messages in {:.2} s, all checked: {:.0} /s",
            self.deliveries, self.messages, self.seconds, self.deliveries_per_second
        )?;
        writeln!(f, "first, us     {}", self.first)?;
        writeln!(f, "last, us      {}", self.last)?;
        writeln!(f, "each, us      {}", self.each)?;
        Served::write(self.served, f)?;
        self.sides.write(f, "delivery")
    }
}
