//! Scenarios: what is measured, as data.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

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

/// One row of a comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// As printed.
    pub name: String,
    /// Connections.
    pub connections: usize,
    /// Payload bytes of a message.
    pub size: usize,
    /// Messages in flight on each connection.
    pub depth: usize,
    /// What a message is, for the servers that speak WebSocket.
    #[serde(default)]
    pub kind: Kind,
    /// Arguments of both ceilings for this row: the buffers at which the bare echo is fastest.
    #[serde(default)]
    pub ceiling: Vec<String>,
}

impl Row {
    /// The scenario for a server; `raw` for one that only returns bytes.
    pub fn scenario(&self, raw: bool) -> Scenario {
        Scenario {
            connections: self.connections,
            size: self.size,
            depth: self.depth,
            kind: if raw { Kind::Raw } else { self.kind },
        }
    }
}

/// A file of rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Seconds of load before the clock starts.
    pub warmup: f64,
    /// Seconds that are measured.
    pub seconds: f64,
    /// How often each server is measured, in turn.
    pub pairs: usize,
    /// What is measured.
    pub row: Vec<Row>,
}

impl Suite {
    /// Reads and checks a TOML file.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(Error::io(format!("reading {name}")))?;
        Self::parse(&text).map_err(|error| Error::Usage(format!("{name}: {error}")))
    }

    /// The same from memory.
    pub fn parse(text: &str) -> Result<Self> {
        let suite: Self = toml::from_str(text).map_err(|error| Error::Usage(error.to_string()))?;
        let seconds = 0.0..=600.0;
        if !seconds.contains(&suite.warmup) || !seconds.contains(&suite.seconds) {
            return Err(Error::Usage("warmup and seconds: 0 to 600".into()));
        }
        for row in &suite.row {
            row.scenario(false).check()?;
        }
        Ok(suite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_scenarios_are_legal() {
        let suite = Suite::parse(include_str!("../scenarios/first.toml")).expect("legal");
        assert!(suite.pairs >= 5, "fewer pairs decide nothing");
        assert!(!suite.row.is_empty());
    }

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
        assert!(Suite::parse("warmup = 1\nseconds = 1\npairs = 1\nrow = []\nrows = 1").is_err());
    }
}
