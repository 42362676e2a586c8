//! Two engines, the broker between them, and their clients.

use super::Plan;
use super::bare::Bare;
use crate::cluster::children::{Process, Site};
use crate::cluster::client::Client;
use crate::cluster::{FIRST_WITHIN, Tuning};
use crate::error::{Error, Result};
use crate::machine;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long an engine or a broker may take for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// The topic that crosses, and one that does not, by their numbers.
pub(super) const TOPIC: u8 = 0;
pub(super) const WITHIN: u8 = FIRST_WITHIN;
/// A bus waits so long until an answer of other engines comes no more: then all is owed.
const SETTLED: Duration = Duration::from_millis(2_500);

/// Keeps CPUs from sleeping while nobody runs on them: to wake one takes longer than a message. It
/// runs behind everybody (`SCHED_IDLE`).
pub(super) struct Awake(Arc<AtomicBool>);

impl Awake {
    pub(super) fn keep(cpus: Option<[usize; 2]>) -> Self {
        let over = Arc::<AtomicBool>::default();
        for cpu in cpus.into_iter().flatten() {
            let over = Arc::clone(&over);
            std::thread::spawn(move || -> Result<()> {
                machine::pin(cpu)?;
                machine::run_behind_all_others()?;
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                Ok(())
            });
        }
        Self(over)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The processes; they end with it.
pub(super) struct Pair {
    site: Site,
    /// Where the engines listen.
    ports: [u16; 2],
    _processes: [Process; 3],
}

impl Pair {
    pub(super) fn start(plan: &Plan) -> Result<Self> {
        let site = Site::new(&plan.program, &plan.directory, 1, Tuning::Defaults)?;
        if let Some([servers, _]) = plan.cpus {
            machine::pin(servers)?;
        }
        let broker = site.broker(0)?;
        let ((first, one), (second, two)) = (site.engine(0)?, site.engine(1)?);
        if let Some([_, clients]) = plan.cpus {
            machine::pin(clients)?;
        }
        Ok(Self { site, ports: [one, two], _processes: [broker, first, second] })
    }

    /// A client of an engine.
    pub(super) fn client(&self, engine: usize) -> Result<Client> {
        Client::connect(self.ports[engine])
    }

    /// One that is a member of a topic, and is told of gaps.
    pub(super) fn member(&self, engine: usize, topic: u8) -> Result<Client> {
        let mut client = self.client(engine)?;
        client.hello();
        client.join(topic);
        client.flush()?;
        while client.receive(PATIENCE)?.ok_or_else(silent)?.first() != Some(&b'j') {}
        Ok(client)
    }

    pub(super) fn bare(&self, subscribes: bool) -> Result<Bare> {
        Bare::connect(self.site.ports[0], subscribes)
    }

    /// Until whatever is published must come to new members.
    pub(super) fn settle(&self) {
        std::thread::sleep(SETTLED);
    }
}

fn silent() -> Error {
    Error::Stalled("an engine says nothing".into())
}
