//! Certificates and keys in PEM (RFC 7468), from memory or from files.

use super::error::Error;
use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;

/// Where PEM is.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file, read when the settings are.
    File(PathBuf),
}

impl std::fmt::Debug for Pem {
    /// Without the bytes, which may be a private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl Pem {
    /// For texts.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Bytes(bytes) => format!("PEM of {} bytes", bytes.len()),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn read(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::File(path) => std::fs::read(path).map_err(|error| Error::File {
                path: path.clone(),
                why: error.to_string(),
                errno: error.raw_os_error().unwrap_or(0),
            }),
        }
    }

    fn broken(&self, error: &PemError) -> Error {
        Error::NotPem { what: self.name(), why: error.to_string() }
    }

    /// All certificates in it; at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let bytes = self.read()?;
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match all {
            Ok(all) if all.is_empty() => {
                Err(Error::Missing { what: self.name(), label: "CERTIFICATE" })
            }
            all => all.map_err(|error| self.broken(&error)),
        }
    }

    /// The first private key in it.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        match PrivateKeyDer::from_pem_slice(&self.read()?) {
            Err(PemError::NoItemsFound) => {
                Err(Error::Missing { what: self.name(), label: "PRIVATE KEY" })
            }
            key => key.map_err(|error| self.broken(&error)),
        }
    }

    /// The certificates in it as those of servers, which can be told from others.
    pub(super) fn end_entities(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let all = self.certificates()?;
        for certificate in &all {
            // One that cannot be read cannot prove its key either.
            webpki::EndEntityCert::try_from(certificate).map_err(|error| {
                Error::BadCertificate { what: self.name(), why: error.to_string() }
            })?;
        }
        Ok(all)
    }

    /// The certificates in it as those that others must be issued by.
    pub(super) fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| Error::BadCertificate {
                what: self.name(),
                why: error.to_string(),
            })?;
        }
        Ok(roots)
    }
}

/// Those of the system.
pub(super) fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // One that cannot be parsed does not spoil the others: systems keep old ones too.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or("none found".into(), ToString::to_string);
        return Err(Error::SystemRoots(why));
    }
    Ok(roots)
}
