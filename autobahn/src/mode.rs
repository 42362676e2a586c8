//! The ways in which the library can work, each a flag of `programs/server.c` and its client.

use crate::certificate::Certificate;
use std::ffi::OsString;

/// What a run turns on.
#[derive(clap::Args, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Mode {
    /// Over TLS, wss://
    #[arg(long)]
    pub tls: bool,
    /// With messages echoed in the parts that they come in, RWS_OPT_STREAM
    #[arg(long)]
    pub stream: bool,
    /// With receive buffers of so many bytes, from 64
    #[arg(long, value_name = "BYTES")]
    pub buffer: Option<u32>,
}

impl Mode {
    /// Whether it is not what the examples do.
    pub fn is_special(self) -> bool {
        self != Self::default()
    }

    /// Names it in reports, after the name of the program.
    pub fn suffix(self) -> String {
        let flags = [("-tls", self.tls), ("-stream", self.stream)];
        let set = flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| name);
        let buffer = self.buffer.map(|bytes| format!("-{bytes}")).unwrap_or_default();
        set.collect::<String>() + &buffer
    }

    /// The flags of the programs, but for those about TLS.
    fn flags(self) -> Vec<OsString> {
        let mut flags = Vec::new();
        if self.stream {
            flags.push("--stream".into());
        }
        if let Some(bytes) = self.buffer {
            flags.extend(["--buffer".into(), bytes.to_string().into()]);
        }
        flags
    }

    /// The flags of the server.
    pub fn server_flags(self, certificate: Option<&Certificate>) -> Vec<OsString> {
        let mut flags = self.flags();
        if let Some(Certificate { chain, key }) = certificate {
            flags.extend(["--tls".into(), chain.into(), key.into()]);
        }
        flags
    }

    /// The flags of the client.
    pub fn client_flags(self, certificate: Option<&Certificate>) -> Vec<OsString> {
        let mut flags = self.flags();
        if let Some(Certificate { chain, .. }) = certificate {
            flags.extend(["--roots".into(), chain.into()]);
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_names() {
        let plain = Mode::default();
        assert!(!plain.is_special() && plain.suffix().is_empty());
        assert!(plain.server_flags(None).is_empty());
        let mode = Mode { stream: true, buffer: Some(64), ..plain };
        assert!(mode.is_special());
        assert_eq!(mode.suffix(), "-stream-64");
        assert_eq!(mode.server_flags(None), ["--stream", "--buffer", "64"]);
        let certificate = Certificate { chain: "c.pem".into(), key: "k.pem".into() };
        let mode = Mode { tls: true, ..plain };
        assert_eq!(mode.server_flags(Some(&certificate)), ["--tls", "c.pem", "k.pem"]);
        assert_eq!(mode.client_flags(Some(&certificate)), ["--roots", "c.pem"]);
    }
}
