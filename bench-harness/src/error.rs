//! What can go wrong while measuring. Each message says what to do where there is something to do.

use std::io;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a measurement, or a program around it, could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call or a file failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The server answered with other bytes than it should have.
    #[error("connection {connection}: {mismatch}")]
    Echo {
        /// Index of the connection, from 0.
        connection: usize,
        /// What was wrong with the bytes.
        mismatch: crate::stream::Mismatch,
    },
    /// The peer broke RFC 6455, or refused.
    #[error("{0}")]
    Protocol(String),
    /// A server process did not start, or ended too early, or not as it should.
    #[error("{0}")]
    Server(String),
    /// Nothing came back for too long.
    #[error("{0}")]
    Stalled(String),
    /// The caller ended the run.
    #[error("interrupted after {elapsed:.1?}: {done} done, no figures")]
    Interrupted {
        /// Since the load began.
        elapsed: std::time::Duration,
        /// Messages, handshakes or deliveries until then.
        done: u64,
    },
    /// What was asked for makes no sense, or the machine does not allow it.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// For `map_err`: names what was being done when the call failed.
    pub fn io<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source: source.into() }
    }
}
