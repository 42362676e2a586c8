//! Figures of opening and closing.

use crate::report::{Latency, Served, Sides};
use serde::Serialize;
use std::fmt;

/// What opening and closing measured. A handshake counts when its response has come and is right.
#[derive(Clone, Debug, Serialize)]
pub struct ChurnReport {
    /// Connections at a time.
    pub connections: usize,
    /// Payload bytes of the message that is echoed on each connection, if one is.
    pub message: Option<usize>,
    /// How long the clock ran.
    pub seconds: f64,
    /// Opening handshakes.
    pub handshakes: u64,
    /// The same per second.
    pub handshakes_per_second: f64,
    /// Connections that were closed in order, to the end.
    pub completed: u64,
    /// From the start of connecting to the whole response with status 101.
    pub latency: Latency,
    /// From the start of connecting to the end of the connection.
    pub whole: Latency,
    /// Connections follow each other in as many slots as are open at a time: how evenly these got
    /// through.
    pub served: Option<Served>,
    /// Connections that did not go in order, by what went wrong.
    pub failures: Failures,
    /// What went wrong last, for people.
    pub last_failure: Option<String>,
    /// What both sides used, per handshake. On the loopback interface the kernel does both ends of
    /// TCP's handshake on the CPU of the one that connects.
    #[serde(flatten)]
    pub sides: Sides,
}

/// Connections that did not go in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// TCP did not connect.
    pub connect: u64,
    /// The response was not one that accepts (RFC 6455 §4.1).
    pub refused: u64,
    /// The echo was a wrong one.
    pub echo: u64,
    /// The answer to the Close frame was not one (RFC 6455 §5.5.1).
    pub close: u64,
    /// The connection was reset, or sending failed.
    pub reset: u64,
    /// The server ended the connection too early.
    pub ended: u64,
    /// An answer did not come in time.
    pub timeout: u64,
    /// After the closing handshake the server left the end of TCP to the client, against RFC 6455
    /// §7.1.1, for longer than the patience.
    pub left_open: u64,
}

/// One of [`Failures`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Connect,
    Refused,
    Echo,
    Close,
    Reset,
    Ended,
    Timeout,
    LeftOpen,
}

impl Failures {
    /// Of all kinds.
    pub fn total(&self) -> u64 {
        let Self { connect, refused, echo, close, reset, ended, timeout, left_open } = self;
        connect + refused + echo + close + reset + ended + timeout + left_open
    }

    pub(super) fn count(&mut self, failure: Failure) {
        let counter = match failure {
            Failure::Connect => &mut self.connect,
            Failure::Refused => &mut self.refused,
            Failure::Echo => &mut self.echo,
            Failure::Close => &mut self.close,
            Failure::Reset => &mut self.reset,
            Failure::Ended => &mut self.ended,
            Failure::Timeout => &mut self.timeout,
            Failure::LeftOpen => &mut self.left_open,
        };
        *counter += 1;
    }
}

impl fmt::Display for ChurnReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connections at a time", self.connections)?;
        match self.message {
            Some(size) => writeln!(f, ", each echoes one message of {size} B")?,
            None => writeln!(f, ", no messages")?,
        }
        writeln!(
            f,
            "handshakes    {} in {:.2} s: {:.0} /s; {} closed in order",
            self.handshakes, self.seconds, self.handshakes_per_second, self.completed
        )?;
        writeln!(f, "to 101, us    {}", self.latency)?;
        writeln!(f, "to end, us    {}", self.whole)?;
        Served::write(self.served, f)?;
        if self.failures.total() > 0 {
            let last = self.last_failure.as_deref().unwrap_or_default();
            writeln!(f, "failures      {:?}; the last: {last}", self.failures)?;
        }
        self.sides.write(f, "handshake")
    }
}
