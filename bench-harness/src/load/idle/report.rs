//! Figures of idle connections.

use crate::report::Latency;
use serde::Serialize;
use std::fmt;

/// What idle connections cost. Without the server's process there are no figures of its own.
#[derive(Clone, Debug, Serialize)]
pub struct IdleReport {
    /// Open connections.
    pub connections: usize,
    /// How long they were held without a byte.
    pub seconds: f64,
    /// Resident bytes of the server before the first connection. Of a server that has just
    /// started it lacks what the first traffic touches.
    pub resident_before: Option<u64>,
    /// With all connections open.
    pub resident_open: Option<u64>,
    /// After one message on each, if there was one.
    pub resident_quiet: Option<u64>,
    /// What that is more than before, per connection: after the message, if there was one.
    pub bytes_per_connection: Option<f64>,
    /// The same with all open, before any message.
    pub bytes_per_open_connection: Option<f64>,
    /// The server's CPU time over wall time while all were quiet.
    pub idle_cpu: Option<f64>,
    /// The same per connection, in microseconds per second.
    pub idle_cpu_us_per_connection_second: Option<f64>,
    /// The server's context switches per second while all were quiet.
    pub idle_switches_per_second: Option<f64>,
    /// What Pings cost, if any were sent.
    pub ping: Option<PingReport>,
}

/// What it costs to answer a Ping per connection and interval.
#[derive(Clone, Debug, Serialize)]
pub struct PingReport {
    /// Seconds between two Pings of a connection.
    pub interval: f64,
    /// Pings per second on all connections together.
    pub pings_per_second: f64,
    /// Pings that were due.
    pub pings: u64,
    /// Those without a Pong.
    pub unanswered: u64,
    /// How long it took.
    pub seconds: f64,
    /// From the time a Ping was to leave to its Pong, every byte checked.
    pub latency: Latency,
    /// The server's CPU time over wall time.
    pub cpu: Option<f64>,
    /// The server's CPU time per Ping, in microseconds.
    pub cpu_us_per_ping: Option<f64>,
    /// The same without what the server uses while nothing happens.
    pub cpu_us_per_ping_beyond_idle: Option<f64>,
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connections idle for {:.1} s", self.connections, self.seconds)?;
        if let Some(bytes) = self.bytes_per_open_connection {
            write!(f, "\nmemory        {bytes:.0} bytes per connection after the handshake")?;
        }
        if let (Some(bytes), Some(_)) = (self.bytes_per_connection, self.resident_quiet) {
            write!(f, ", {bytes:.0} after a message")?;
        }
        if let (Some(cpu), Some(switches)) = (self.idle_cpu, self.idle_switches_per_second) {
            write!(f, "\nidle          busy {:.3} %, {switches:.1} switches/s", cpu * 100.0)?;
        }
        if let Some(ping) = &self.ping {
            write!(
                f,
                "\npings         {} in {:.1} s, {} unanswered; us {}",
                ping.pings, ping.seconds, ping.unanswered, ping.latency
            )?;
            if let Some(us) = ping.cpu_us_per_ping {
                write!(f, "\nserver        {us:.2} us CPU/ping")?;
            }
            if let Some(us) = ping.cpu_us_per_ping_beyond_idle {
                write!(f, ", {us:.2} without what it uses anyway")?;
            }
        }
        Ok(())
    }
}
