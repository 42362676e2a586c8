//! One server, once: started, loaded in the way of the row, ended.

use super::sample::Figures;
use super::{Contender, Cpus, convert, idle};
use crate::error::{Error, Result};
use crate::load::broadcast::{self, BroadcastPlan};
use crate::load::churn::{self, ChurnPlan, Ends};
use crate::load::closed::{self, Plan};
use crate::load::control::Control;
use crate::load::open::{self, OpenPlan};
use crate::scenario::{Geometry, Mode, Row, Suite};
use crate::server::{Launch, Server};
use crate::tls::Certificate;
use std::time::Duration;

/// How long one answer may take, and what was due when the clock stopped.
const GRACE: Duration = Duration::from_secs(2);

/// What is measured.
pub(super) struct Turn<'a> {
    pub(super) suite: &'a Suite,
    pub(super) row: &'a Row,
    pub(super) contender: &'a Contender,
    pub(super) geometry: Option<Geometry>,
    pub(super) cpus: Cpus,
    /// Messages per second of an open loop.
    pub(super) rate: Option<f64>,
    /// For servers with TLS.
    pub(super) certificate: Option<&'a Certificate>,
}

impl Turn<'_> {
    /// Measures it.
    pub(super) fn take(&self) -> Result<Figures> {
        match self.row.mode {
            Mode::Closed | Mode::Latency => self.closed(),
            Mode::Idle => {
                let scenario = self.row.scenario(self.contender.raw);
                let name = &self.contender.name;
                let memory = idle::measure(name, &self.launch(), &scenario, self.cpus.load)?;
                Ok(Figures::from(&memory))
            }
            Mode::Open => self.open(),
            Mode::Churn => self.churn(),
            Mode::Broadcast => self.broadcast(),
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

    fn open(&self) -> Result<Figures> {
        let server = self.start()?;
        let plan = OpenPlan {
            server: server.address,
            scenario: self.row.scenario(self.contender.raw),
            rate: self.rate.ok_or_else(|| Error::Usage("an open loop needs a rate".into()))?,
            warmup: self.warmup(),
            timed: self.timed(),
            grace: GRACE,
            // It needs a CPU of its own.
            spin: self.cpus.load != self.cpus.server,
            pid: Some(server.pid()),
        };
        let report = open::run(&plan, &Control::default())?;
        server.interrupt()?;
        Ok(Figures::from(&report))
    }

    fn churn(&self) -> Result<Figures> {
        let server = self.start()?;
        let plan = ChurnPlan {
            server: server.address,
            scenario: self.row.scenario(self.contender.raw),
            message: true,
            // Not all servers end TCP themselves, as RFC 6455 §7.1.1 asks: all are spared it.
            ends: Ends::Client,
            warmup: self.warmup(),
            timed: self.timed(),
            patience: GRACE,
            pid: Some(server.pid()),
        };
        let report = churn::run(&plan, &Control::default())?;
        server.interrupt()?;
        convert::churn(&report)
    }

    fn broadcast(&self) -> Result<Figures> {
        let server = self.start()?;
        let plan = BroadcastPlan {
            server: server.address,
            scenario: self.row.scenario(self.contender.raw),
            rate: None,
            warmup: self.warmup(),
            timed: self.timed(),
            pid: Some(server.pid()),
        };
        let report = broadcast::run(&plan, &Control::default())?;
        server.interrupt()?;
        Ok(Figures::from(&report))
    }

    fn start(&self) -> Result<Server> {
        Server::start(&self.launch())
    }

    fn launch(&self) -> Launch {
        let cpu = self.cpus.server;
        self.contender.launch(self.row, self.geometry, cpu, self.certificate)
    }

    fn warmup(&self) -> Duration {
        Duration::from_secs_f64(self.suite.warmup)
    }

    fn timed(&self) -> Duration {
        Duration::from_secs_f64(self.suite.seconds_of(self.row))
    }
}
