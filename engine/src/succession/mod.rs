//! A restart that closes nobody: a process takes over the listening sockets and the open
//! connections of the one before it.
//!
//! Both have a Unix socket to the other, by which descriptors pass. The old process describes its
//! endpoints and sends their listening sockets (`HELLO`, `LISTENER`); the new one listens with
//! them, says that it is about to accept, from where on what is published in either is for both
//! (`LANE`, `PUBLISHED`), starts, and says what of that it serves (`READY`). From then on the old
//! one accepts nobody, and each of its connections goes, when it stands between two messages and
//! nothing is queued (`CONNECTION`, `ANSWER`), until nobody is left who could, or the time is over
//! (`END`). Those that are left are drained.
//!
//! The new process touches a connection when it has said that it is its own, and the old one keeps
//! its copy of the descriptor, with all that is known of the connection, until it has heard that:
//! so where the new one ends in between, the old one has what was under way, and goes on with it.

pub(crate) mod coding;
pub(crate) mod desk;
pub(crate) mod giver;
pub(crate) mod line;
pub(crate) mod own;
pub(crate) mod relay;
pub(crate) mod taker;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use crate::reactor::Drain;
use crate::ring::{BadSocket, Errno};
use std::sync::Arc;
use std::time::Duration;

/// Why an engine was not succeeded, or succeeds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// The descriptor is no connected socket.
    #[error(transparent)]
    Socket(BadSocket),
    /// It is a socket of another kind.
    #[error("the descriptor is no connected Unix stream socket")]
    NoUnixSocket,
    /// The process at the other end belongs to another user, of this number.
    #[error("the process at the other end belongs to user {0}")]
    Stranger(u32),
    /// It speaks a version of the format that is not known here.
    #[error("the other process speaks version {0} of the hand-over, which is not known here")]
    Version(u16),
    /// It has said what means nothing.
    #[error("the other process has said what means nothing: {0}")]
    Malformed(&'static str),
    /// It has ended, or closed the socket.
    #[error("the other process has gone")]
    Gone,
    /// It has not said in time what it has to.
    #[error("the other process was not ready in time")]
    TimedOut,
    /// The engine was stopped or drained meanwhile, or reactors are not attached yet.
    #[error("the engine does not run, or not any more")]
    Stopped,
    /// A system call has failed.
    #[error("talking to the other process: {0}")]
    System(Errno),
}

/// Told how a hand-over went.
pub type OnHandedOver = Arc<dyn Fn(&HandedOver) + Send + Sync>;

/// How an engine is handed over.
#[derive(Clone)]
pub struct HandOver {
    /// For how long is waited until the other process has started its engine.
    pub ready: Duration,
    /// From then on, for how long connections that are busy are asked again.
    pub within: Duration,
    /// How those that are left then are drained: by default with 1012 (Service Restart), spread
    /// over 10 of 30 seconds.
    pub drain: Drain,
    /// Called once, on a thread of the engine: before the drain, or when it goes on as before.
    pub on_handed_over: Option<OnHandedOver>,
}

impl Default for HandOver {
    fn default() -> Self {
        Self {
            ready: Duration::from_secs(60),
            within: Duration::from_secs(10),
            drain: Drain {
                code: crate::proto::CloseCode::SERVICE_RESTART,
                spread: Duration::from_secs(10),
                ..Drain::default()
            },
            on_handed_over: None,
        }
    }
}

impl std::fmt::Debug for HandOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ready, within, drain, .. } = self;
        write!(f, "HandOver {{ {ready:?} {within:?} {drain:?} }}")
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandedOver {
    /// Why the other process does not succeed this one, which goes on as before; `None`: it does.
    pub failed: Option<SuccessionError>,
    /// Connections that are the other process's now.
    pub passed: u64,
    /// Those that were under way and came back.
    pub back: u64,
    /// Open connections that are left; they are drained, unless it has failed.
    pub left: u64,
}
