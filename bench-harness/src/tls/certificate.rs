//! A certificate for the servers under test.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Files with a self-signed certificate for `localhost` and its key (ECDSA, P-256), in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes one, and writes it into a directory, which is made if it is not there.
    pub fn write(directory: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()])
            .map_err(|error| Error::Usage(format!("making a certificate: {error}")))?;
        let name = directory.display();
        std::fs::create_dir_all(directory).map_err(Error::io(format!("creating {name}")))?;
        let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        write(&certificate, &made.cert.pem())?;
        write(&key, &made.signing_key.serialize_pem())?;
        Ok(Self { certificate, key })
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Error::io(format!("writing {}", path.display())))
}
