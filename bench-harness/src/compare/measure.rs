//! One server, once: started, loaded in the way of the row, ended.

use super::sample::Figures;
use super::{Contender, Cpus, idle};
use crate::error::{Error, Result};
use crate::load::closed::{self, Plan};
use crate::scenario::{Geometry, Mode, Row, Suite};
use crate::server::Server;
use std::time::Duration;

/// What is measured.
pub(super) struct Turn<'a> {
    pub(super) suite: &'a Suite,
    pub(super) row: &'a Row,
    pub(super) contender: &'a Contender,
    pub(super) geometry: Option<Geometry>,
    pub(super) cpus: Cpus,
    /// Messages per second of an open loop.
    pub(super) rate: Option<f64>,
}

impl Turn<'_> {
    /// Measures it.
    pub(super) fn take(&self) -> Result<Figures> {
        match self.row.mode {
            Mode::Closed | Mode::Latency => self.closed(),
            Mode::Idle => {
                let memory = idle::measure(self.contender, self.row.connections, self.cpus)?;
                Ok(Figures::from(&memory))
            }
            Mode::Open | Mode::Churn | Mode::Broadcast => {
                Err(Error::Usage(format!("this load is not available: {:?}", self.row.mode)))
            }
        }
    }

    fn closed(&self) -> Result<Figures> {
        let server = self.start()?;
        let report = closed::run(&Plan {
            server: server.address,
            scenario: self.row.scenario(self.contender.raw),
            warmup: self.warmup(),
            timed: self.timed(),
            pid: Some(server.pid()),
        })?;
        server.interrupt()?;
        Ok(Figures::from(&report))
    }

    fn start(&self) -> Result<Server> {
        Server::start(&self.contender.launch(self.geometry, self.cpus.server))
    }

    fn warmup(&self) -> Duration {
        Duration::from_secs_f64(self.suite.warmup)
    }

    fn timed(&self) -> Duration {
        Duration::from_secs_f64(self.suite.seconds_of(self.row))
    }
}
