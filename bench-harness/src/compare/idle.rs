//! What connections cost that do nothing: resident memory per connection.

use crate::error::{Error, Result};
use crate::load::closed::{self, Plan};
use crate::load::idle::Idle;
use crate::machine;
use crate::process;
use crate::scenario::Scenario;
use crate::server::{Launch, Server};
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// How long a server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);
/// Traffic that makes the server touch the memory it needs once, whatever the connections: 64
/// connections with 16 messages in flight, then none.
const WARM_UP: (usize, usize) = (64, 16);

/// Resident bytes of a server.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Name of the server.
    pub server: String,
    /// Idle connections.
    pub connections: usize,
    /// Just started.
    pub started: u64,
    /// After some traffic; no connection open.
    pub warm: u64,
    /// With all connections open, after the handshake.
    pub open: u64,
    /// After one message on each, all quiet again.
    pub quiet: u64,
}

impl Memory {
    /// Bytes per connection that was opened and has not spoken.
    pub fn per_open(&self) -> f64 {
        self.open.saturating_sub(self.warm) as f64 / self.connections as f64
    }

    /// Bytes per connection that has exchanged a message and fallen quiet.
    pub fn per_quiet(&self) -> f64 {
        self.quiet.saturating_sub(self.warm) as f64 / self.connections as f64
    }
}

/// Measures the server that `launch` starts, with the connections and messages of `scenario`. The
/// load runs on the CPU `load`.
pub fn measure(name: &str, launch: &Launch, scenario: &Scenario, load: usize) -> Result<Memory> {
    machine::pin(load)?;
    let connections = scenario.connections;
    // The server inherits the limit.
    machine::allow_descriptors(connections as u64 + 128)?;
    let server = Server::start(launch)?;
    let resident = || {
        std::thread::sleep(SETTLE);
        process::resident(server.pid())
    };
    let started = resident()?;
    closed::run(&Plan {
        server: server.address,
        scenario: Scenario { connections: WARM_UP.0, depth: WARM_UP.1, ..*scenario },
        warmup: Duration::ZERO,
        timed: Duration::from_millis(300),
        pid: None,
    })?;
    let warm = resident()?;
    let mut idle = Idle::open(server.address, &Scenario { depth: 1, ..*scenario })?;
    let open = resident()?;
    idle.exchange()?;
    let quiet = resident()?;
    if idle.count() != connections {
        return Err(Error::Stalled(format!("{} of {connections} opened", idle.count())));
    }
    drop(idle);
    server.interrupt()?;
    Ok(Memory { server: name.to_owned(), connections, started, warm, open, quiet })
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / 1048576.0;
        write!(
            f,
            "{:<16} {} idle connections: {:.0} bytes each after the handshake, {:.0} after one \
             message (resident MiB: started {:.1}, warm {:.1}, open {:.1}, quiet {:.1})",
            self.server,
            self.connections,
            self.per_open(),
            self.per_quiet(),
            mib(self.started),
            mib(self.warm),
            mib(self.open),
            mib(self.quiet)
        )
    }
}
