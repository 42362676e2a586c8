//! Implementations that others wrote, each with ringws at the other end.

pub(crate) mod certificate;
pub(crate) mod fast;
pub(crate) mod install;
pub(crate) mod openssl;
pub(crate) mod ours;
pub(crate) mod report;
pub(crate) mod rows;
pub(crate) mod script;
pub(crate) mod socket;
pub(crate) mod tls;
pub(crate) mod tungstenite;

use certificate::Certificates;
use std::path::Path;

/// How two ends speak with each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Mode {
    /// Shown above the column.
    pub(crate) name: &'static str,
    pub(crate) tls: bool,
    /// permessage-deflate (RFC 7692).
    pub(crate) deflate: bool,
    /// With it, and our end remembers the messages before.
    pub(crate) takeover: bool,
}

const PLAIN: Mode = Mode { name: "plain", tls: false, deflate: false, takeover: false };
const DEFLATE: Mode = Mode { name: "deflate", deflate: true, ..PLAIN };

pub(crate) const MODES: [Mode; 5] = [
    PLAIN,
    DEFLATE,
    Mode { name: "takeover", takeover: true, ..DEFLATE },
    Mode { name: "TLS", tls: true, ..PLAIN },
    Mode { name: "TLS, deflate", tls: true, ..DEFLATE },
];

impl Mode {
    /// The flags of our programs for what they share.
    pub(crate) fn flags(self) -> &'static [&'static str] {
        match self {
            Self { takeover: true, .. } => &["--takeover"],
            Self { deflate: true, .. } => &["--deflate"],
            _ => &[],
        }
    }
}

/// A server, as a client must know it.
pub(crate) struct Target {
    pub(crate) mode: Mode,
    pub(crate) port: u16,
}

impl Target {
    pub(crate) fn url(&self) -> String {
        let scheme = if self.mode.tls { "wss" } else { "ws" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Whom its clients trust.
    pub(crate) fn roots(&self) -> Option<&'static Path> {
        self.mode.tls.then(|| Certificates::get().root.as_path())
    }
}
