//! How a server is told to compress and to encrypt.

use crate::scenario::{Deflate, Row};
use crate::tls::Certificate;

/// The level of zlib at which all compress that can be told, the engine's own.
const LEVEL: &str = "1";
/// Stands in a command line for the arguments.
pub(super) const WIRE: &str = "{wire}";

/// What a server can do beyond plain messages, and how it is called then: the command, and behind
/// it, or in place of `{wire}`,
/// `--deflate shared|takeover`, `--level N`, `--tls CERTIFICATE KEY`, as far as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether it knows permessage-deflate.
    pub deflate: bool,
    /// Whether it knows TLS 1.3.
    pub tls: bool,
    /// Whether it compresses as it does when nobody tells it how.
    pub defaults: bool,
}

impl Wire {
    /// A server that knows all of it.
    pub fn all(command: Vec<String>) -> Self {
        Self { command, deflate: true, tls: true, defaults: false }
    }

    /// Whether it can take part in a row.
    pub fn speaks(&self, row: &Row) -> bool {
        let compressed = row.deflate != Deflate::Off;
        (self.deflate || !compressed) && (self.tls || !row.tls) && (compressed || !self.defaults)
    }

    /// The command line for a row. `certificate`: for those with TLS.
    pub fn command(&self, row: &Row, certificate: Option<&Certificate>) -> Vec<String> {
        let mut arguments = Vec::new();
        if row.deflate != Deflate::Off {
            arguments.extend(["--deflate".to_owned(), row.deflate.name().to_owned()]);
            if !self.defaults {
                arguments.extend(["--level".to_owned(), LEVEL.to_owned()]);
            }
        }
        if let Some(Certificate { certificate, key }) = certificate.filter(|_| row.tls) {
            arguments.push("--tls".to_owned());
            arguments.extend([certificate, key].map(|file| file.to_string_lossy().into_owned()));
        }
        match self.command.iter().position(|word| word == WIRE) {
            None => [self.command.as_slice(), &arguments].concat(),
            Some(at) => {
                let (before, after) = self.command.split_at(at);
                [before, &arguments, after.get(1..).unwrap_or_default()].concat()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Suite;

    fn row(rest: &str) -> Row {
        let text = format!(
            "warmup = 0\nseconds = 1\npairs = 1\n[[row]]\nname = \"a\"\nconnections = 1\n\
             size = 1\n{rest}"
        );
        Suite::parse(&text).expect("legal").row.remove(0)
    }

    #[test]
    fn a_server_is_told_what_the_row_asks_for() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let certificate = Certificate { certificate: "c".into(), key: "k".into() };
        let mut wire = Wire::all(words("x 1"));
        let both = row("deflate = \"shared\"\ntls = true");
        let line = wire.command(&both, Some(&certificate));
        assert_eq!(line, words("x 1 --deflate shared --level 1 --tls c k"));
        let line = wire.command(&row(""), Some(&certificate));
        assert_eq!(line, words("x 1"));
        wire.command = words("x {wire} 1");
        wire.defaults = true;
        let line = wire.command(&row("deflate = \"takeover\""), None);
        assert_eq!(line, words("x --deflate takeover 1"));
    }

    #[test]
    fn who_can_takes_part() {
        let mut wire = Wire::all(Vec::new());
        wire.deflate = false;
        assert!(wire.speaks(&row("tls = true")) && wire.speaks(&row("")));
        assert!(!wire.speaks(&row("deflate = \"shared\"")));
        wire = Wire { tls: false, deflate: true, defaults: true, ..wire };
        assert!(wire.speaks(&row("deflate = \"shared\"")));
        assert!(!wire.speaks(&row("")), "there are no other settings without compression");
        assert!(!wire.speaks(&row("deflate = \"shared\"\ntls = true")));
    }
}
