//! What can be wrong with certificates, keys and roots, and with a peer.

use std::path::PathBuf;

/// Why settings were refused. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("reading {path}: {why}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        why: String,
        /// The system's number; 0 when there is none.
        errno: i32,
    },
    /// What should be PEM is not.
    #[error("{what} is not valid PEM: {why}")]
    NotPem {
        /// What was read.
        what: String,
        /// Why it is none.
        why: String,
    },
    /// PEM without what was looked for.
    #[error("{what}: no \"BEGIN {label}\" in it")]
    Missing {
        /// What was read.
        what: String,
        /// Of the section that is missing.
        label: &'static str,
    },
    /// A certificate that cannot be parsed.
    #[error("{what}: the certificate cannot be used: {why}")]
    BadCertificate {
        /// Where it came from.
        what: String,
        /// Why.
        why: String,
    },
    /// A key of a kind that is not supported, or damaged.
    #[error(
        "{what}: the private key cannot be used ({why}): an unencrypted RSA (2048 bits or more), \
         ECDSA (P-256, P-384, P-521) or Ed25519 key is needed"
    )]
    BadKey {
        /// Where it came from.
        what: String,
        /// Why.
        why: String,
    },
    /// Certificate and key are not of the same pair.
    #[error(
        "{what}: the private key does not belong to the first certificate of the chain: the end \
         entity's must come first, its issuers behind it"
    )]
    KeyMismatch {
        /// Where the chain came from.
        what: String,
    },
    /// A server needs at least one identity.
    #[error("a server needs a certificate chain and its private key")]
    NoIdentity,
    /// A client shows at most one.
    #[error("a client has at most one certificate chain")]
    ManyIdentities,
    /// Certificates of clients are asked for, but by whom they must be issued is not said.
    #[error("certificates of clients cannot be verified without roots: give those that issue them")]
    NoRoots,
    /// The system keeps no certificates that could be used.
    #[error("the system has no usable root certificates ({0}): give roots, or install them")]
    SystemRoots(String),
    /// Whatever the library refuses else.
    #[error("{0}")]
    Other(String),
}

/// Why a session has ended before its time: for people. An alert has been queued for the peer
/// unless it was the peer's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Alert(pub String);
