//! A certificate for the runs over TLS, made anew each time.

use crate::command::capture;
use crate::error::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where it lies.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate itself, PEM; who trusts it needs no other.
    pub chain: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes one for this machine, valid for a week, with `openssl`.
    pub fn make(folder: &Path) -> Result<Self> {
        let made = Self { chain: folder.join("certificate.pem"), key: folder.join("key.pem") };
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-nodes", "-days", "7", "-subj", "/CN=localhost"]);
        openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        // A server's own certificate may not be that of an authority (RFC 5280 §4.2.1.9).
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        capture(openssl.arg("-keyout").arg(&made.key).arg("-out").arg(&made.chain))?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_not_an_authority_and_names_this_machine() {
        let folder = std::env::temp_dir().join(format!("ringws-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let made = Certificate::make(&folder).expect("openssl is there");
        let mut openssl = Command::new("openssl");
        let shown = capture(openssl.args(["x509", "-noout", "-text", "-in"]).arg(&made.chain));
        let shown = shown.expect("a certificate");
        assert!(shown.contains("CA:FALSE") && !shown.contains("CA:TRUE"), "{shown}");
        assert!(shown.contains("DNS:localhost, IP Address:127.0.0.1"), "{shown}");
        std::fs::remove_dir_all(&folder).expect("it was made");
    }
}
