//! An authority and a server's certificate that it signed, made anew each time.

use crate::common::{scratch, succeed};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Where they lie, PEM.
pub(crate) struct Certificates {
    /// The authority's certificate, for clients to trust.
    pub(crate) root: PathBuf,
    /// The server's, for localhost and 127.0.0.1.
    pub(crate) chain: PathBuf,
    /// The server's private key.
    pub(crate) key: PathBuf,
}

impl Certificates {
    pub(crate) fn get() -> &'static Self {
        static MADE: OnceLock<Certificates> = OnceLock::new();
        MADE.get_or_init(Self::make)
    }

    fn make() -> Self {
        let folder = scratch("peers");
        let file = |name: &str| folder.join(name);
        let openssl = || {
            let mut openssl = Command::new("openssl");
            openssl.args(["req", "-x509", "-nodes", "-days", "7", "-newkey", "ec"]);
            openssl.args(["-pkeyopt", "ec_paramgen_curve:prime256v1"]);
            openssl
        };
        let (root, root_key) = (file("root.pem"), file("root-key.pem"));
        let mut authority = openssl();
        authority.args(["-subj", "/CN=ringws test authority"]);
        succeed(authority.arg("-keyout").arg(&root_key).arg("-out").arg(&root));

        let (chain, key) = (file("chain.pem"), file("key.pem"));
        let mut server = openssl();
        server.args(["-subj", "/CN=localhost", "-CA"]).arg(&root).arg("-CAkey").arg(&root_key);
        server.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        server.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        succeed(server.arg("-keyout").arg(&key).arg("-out").arg(&chain));
        Self { root, chain, key }
    }
}
