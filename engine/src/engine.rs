//! Floor 3: threads, start and stop.

use crate::buffer::Outgoing;
use crate::config::{Config, Endpoint};
use crate::proto::{CloseCode, Opcode};
use crate::reactor::{CallError, Conn, Context, Stats};
use std::time::Duration;

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
        source: rustix::io::Errno,
    },
    /// The kernel lacks, or forbids, what is required: the text says why and what to do.
    #[error("{text}")]
    Kernel {
        /// The diagnosis and its remedy.
        text: String,
        /// The `errno` of the refused call.
        errno: i32,
    },
    /// Not now: started twice, listening after the start.
    #[error("{0}")]
    State(&'static str),
    /// Memory could not be reserved.
    #[error("out of memory: {0}")]
    NoMemory(&'static str),
}

/// N reactors: one thread and one ring each. Dropping it stops and waits.
pub struct Engine {}

impl Engine {
    /// Checks the configuration; makes no thread yet.
    pub fn new(_config: Config) -> Result<Self, Error> {
        unimplemented!()
    }
    /// Binds; returns the port (0 for a Unix socket). Before `start`.
    pub fn listen(&self, _at: Endpoint) -> Result<u16, Error> {
        unimplemented!()
    }
    /// Makes the threads and waits until each has its ring.
    pub fn start(&self) -> Result<(), Error> {
        unimplemented!()
    }
    /// For other threads.
    pub fn handle(&self) -> &Handle {
        unimplemented!()
    }
    /// Begins to stop: no accept, Close 1001 to all, the rest aborted after `grace`.
    /// Async-signal-safe: an atomic store and a write per reactor.
    pub fn stop(&self, _grace: Duration) {
        unimplemented!()
    }
    /// Waits until all reactors have ended. An error if one ended by a failure of its kernel.
    pub fn wait(&self) -> Result<(), Error> {
        unimplemented!()
    }
    /// The counters of one reactor, or the sum of all with `None`.
    pub fn stats(&self, _reactor: Option<u32>) -> Option<Stats> {
        unimplemented!()
    }
    /// Number of reactors.
    pub fn reactors(&self) -> u32 {
        unimplemented!()
    }
}

/// The engine as other threads see it. Calls are queued to the reactor that owns the connection;
/// order is kept per calling thread. Never blocks for long; wakes the reactor once per batch.
#[derive(Clone)]
pub struct Handle {}

impl Handle {
    /// Queues one unfragmented message. `Ok` means handed over; if the connection has gone by
    /// then it is counted in `Stats::forward_dropped`.
    pub fn send(&self, _c: Conn, _op: Opcode, _payload: &[u8]) -> Result<(), CallError> {
        unimplemented!()
    }
    /// Queues a message framed before.
    pub fn send_message(&self, _c: Conn, _m: &Outgoing) -> Result<(), CallError> {
        unimplemented!()
    }
    /// Begins the closing handshake.
    pub fn close(&self, _c: Conn, _code: CloseCode, _reason: &str) -> Result<(), CallError> {
        unimplemented!()
    }
    /// Ends the connection without a handshake.
    pub fn abort(&self, _c: Conn) -> Result<(), CallError> {
        unimplemented!()
    }
    /// Runs `f` on a reactor. Before the start it waits for it; a refused `f` is dropped.
    /// One that was taken runs exactly once, at the latest when the reactor ends.
    pub fn post(
        &self,
        _reactor: u32,
        _f: Box<dyn FnOnce(&mut Context) + Send>,
    ) -> Result<(), CallError> {
        unimplemented!()
    }
    /// As [`Engine::stop`].
    pub fn stop(&self, _grace: Duration) {
        unimplemented!()
    }
}
