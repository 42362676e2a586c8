//! Why an engine could not do what it was asked.

use crate::ring::{Errno, Refused};
use crate::succession::SuccessionError;

/// Why the engine could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A bad argument or configuration value.
    #[error("{0}")]
    Invalid(String),
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// The `errno`.
        source: Errno,
    },
    /// The kernel lacks, or forbids, what is required: the text says why and what to do.
    #[error(transparent)]
    Kernel(#[from] Refused),
    /// Not now: started twice, listening after the start; or not here: listening, starting and
    /// waiting on a reactor's own thread, so in any callback.
    #[error("{0}")]
    State(&'static str),
    /// A callback panicked and took its reactor with it.
    #[error("a callback panicked on reactor {0}")]
    Panicked(u32),
    /// The process that this one was to succeed, or be succeeded by, has not done its part.
    #[error(transparent)]
    Succession(#[from] SuccessionError),
}
