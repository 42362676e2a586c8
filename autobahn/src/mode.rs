//! The ways in which the library can work, each a flag of `programs/server.c` and its client.

use crate::certificate::Certificate;
use std::ffi::OsString;

/// What a run turns on.
#[derive(clap::Args, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Mode {
    /// Over TLS, wss://
    #[arg(long)]
    pub tls: bool,
    /// With permessage-deflate (RFC 7692)
    #[arg(long)]
    pub deflate: bool,
    /// With it, and a compressor for each connection that remembers the messages before
    #[arg(long)]
    pub takeover: bool,
    /// With messages compressed from so many bytes on
    #[arg(long, value_name = "BYTES")]
    pub min: Option<u32>,
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
        let switches = [("--tls", self.tls)].into_iter().chain(self.switches());
        let set = switches.filter(|(_, set)| *set).map(|(flag, _)| flag.to_owned());
        let numbers = self.numbers().into_iter();
        let set = set.chain(numbers.filter_map(|(flag, n)| Some(format!("{flag}{}", n?))));
        set.map(|flag| flag.replacen("--", "-", 1)).collect()
    }

    fn switches(self) -> [(&'static str, bool); 3] {
        let Self { deflate, takeover, stream, .. } = self;
        [("--deflate", deflate), ("--takeover", takeover), ("--stream", stream)]
    }

    fn numbers(self) -> [(&'static str, Option<u32>); 2] {
        [("--min", self.min), ("--buffer", self.buffer)]
    }

    /// The flags of the programs, but for those about TLS.
    fn flags(self) -> Vec<OsString> {
        let set = self.switches().into_iter().filter(|(_, set)| *set);
        let mut flags: Vec<OsString> = set.map(|(flag, _)| flag.into()).collect();
        for (flag, number) in self.numbers() {
            if let Some(number) = number {
                flags.extend([flag.into(), number.to_string().into()]);
            }
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
        assert_eq!(mode.suffix(), "-stream-buffer64");
        assert_eq!(mode.server_flags(None), ["--stream", "--buffer", "64"]);
        let mode = Mode { deflate: true, takeover: true, min: Some(1), ..plain };
        assert_eq!(mode.server_flags(None), ["--deflate", "--takeover", "--min", "1"]);
        assert_eq!(mode.client_flags(None), mode.server_flags(None));
        let certificate = Certificate { chain: "c.pem".into(), key: "k.pem".into() };
        let mode = Mode { tls: true, ..plain };
        assert_eq!(mode.server_flags(Some(&certificate)), ["--tls", "c.pem", "k.pem"]);
        assert_eq!(mode.client_flags(Some(&certificate)), ["--roots", "c.pem"]);
    }
}
