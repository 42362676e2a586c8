//! Scenarios: what is measured, as data.

mod suite;

pub use suite::{Geometry, Mode, Rate, Row, Suite};

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The most connections of one run: the file descriptors and the /proc readings stay reasonable.
pub const CONNECTIONS_MAX: usize = 15_000;
/// The largest payload, in bytes.
pub const SIZE_MAX: usize = 16 << 20;
/// The most bytes in flight of one connection.
pub const IN_FLIGHT_MAX: usize = 64 << 20;

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A WebSocket text message of printable ASCII.
    Text,
    /// A WebSocket binary message of random bytes.
    #[default]
    Binary,
    /// A record as long as the masked frame of a message would be, without handshake and without
    /// WebSocket: the server sends the bytes back as they came.
    Raw,
}

/// A closed loop: every connection keeps `depth` messages in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Connections, all open before the clock starts.
    pub connections: usize,
    /// Payload bytes of a message.
    pub size: usize,
    /// Messages in flight on each connection.
    pub depth: usize,
    /// What a message is.
    #[serde(default)]
    pub kind: Kind,
}

impl Scenario {
    /// Refuses what cannot be run.
    pub fn check(&self) -> Result<()> {
        let Self { connections, size, depth, .. } = *self;
        if !(1..=CONNECTIONS_MAX).contains(&connections) {
            return Err(Error::Usage(format!("connections: 1 to {CONNECTIONS_MAX}")));
        }
        if size > SIZE_MAX || depth == 0 || depth.saturating_mul(size + 14) > IN_FLIGHT_MAX {
            return Err(Error::Usage(format!(
                "size: at most {SIZE_MAX} bytes; depth: at least 1; together at most \
                 {IN_FLIGHT_MAX} bytes in flight"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_run_is_refused() {
        let row = |connections, size, depth| {
            Scenario { connections, size, depth, kind: Kind::Text }.check()
        };
        row(64, 20, 64).expect("legal");
        for (connections, size, depth) in
            [(0, 20, 1), (100_000, 20, 1), (1, 20, 0), (1, usize::MAX / 2, 1), (1, 1 << 20, 1000)]
        {
            assert!(row(connections, size, depth).is_err(), "{connections} {size} {depth}");
        }
    }
}
