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
    /// A WebSocket text message: JSON as exchanges send it, see [`crate::json`].
    Json,
    /// A WebSocket binary message of random bytes.
    #[default]
    Binary,
    /// A record as long as the masked frame of a message would be, without handshake and without
    /// WebSocket: the server sends the bytes back as they came.
    Raw,
}

/// What is asked of a server about permessage-deflate (RFC 7692). Messages are compressed by
/// themselves in any case, so that they can be prepared once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deflate {
    /// It is not offered.
    #[default]
    Off,
    /// Offered without context takeover in both directions (RFC 7692 §7.1.1): each message stands
    /// by itself, and one compressor serves all connections.
    Shared,
    /// Offered without restrictions: a server may keep a compressor for each connection.
    Takeover,
}

impl Deflate {
    /// The offer, as the value of `Sec-WebSocket-Extensions`.
    pub fn offer(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Shared => {
                Some("permessage-deflate; client_no_context_takeover; server_no_context_takeover")
            }
            Self::Takeover => Some("permessage-deflate"),
        }
    }

    /// As in names and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shared => "shared",
            Self::Takeover => "takeover",
        }
    }
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
    /// Whether messages are compressed on their way.
    #[serde(default)]
    pub deflate: Deflate,
    /// Whether connections are encrypted: TLS 1.3 (RFC 8446), AES-128-GCM.
    #[serde(default)]
    pub tls: bool,
}

impl Scenario {
    /// Messages as they are, over TCP.
    pub const fn plain(connections: usize, size: usize, depth: usize, kind: Kind) -> Self {
        Self { connections, size, depth, kind, deflate: Deflate::Off, tls: false }
    }

    /// Refuses what a load without frames or with a check of its own cannot do.
    pub(crate) fn uncompressed(&self, what: &str) -> Result<()> {
        match self.deflate {
            Deflate::Off => Ok(()),
            _ => Err(Error::Usage(format!("{what} is not measured with permessage-deflate"))),
        }
    }

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
        if self.kind == Kind::Raw && self.deflate != Deflate::Off {
            return Err(Error::Usage("permessage-deflate needs WebSocket messages".into()));
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
            Scenario::plain(connections, size, depth, Kind::Text).check()
        };
        row(64, 20, 64).expect("legal");
        for (connections, size, depth) in
            [(0, 20, 1), (100_000, 20, 1), (1, 20, 0), (1, usize::MAX / 2, 1), (1, 1 << 20, 1000)]
        {
            assert!(row(connections, size, depth).is_err(), "{connections} {size} {depth}");
        }
        let raw = Scenario { deflate: Deflate::Shared, ..Scenario::plain(1, 1, 1, Kind::Raw) };
        assert!(raw.check().is_err());
    }
}
