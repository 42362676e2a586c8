//! What crosses machines, as the bus sees this engine, and what the application is told of it.

use crate::bus::{Delivery, Full, Gap, Name, Number, Origin, Topics};
use crate::reactor::api::contract::{Handle, Mail};
use crate::reactor::core::counters::Counters;
use crate::reactor::core::directory::Reactors;
use crate::reactor::core::mail::Publication;
use crate::reactor::core::name::CallError;
use crate::reactor::core::to_bus::ToBus;
use std::sync::Arc;

impl Handle {
    /// What is published goes there, too; before the start, once.
    pub(crate) fn set_bus(&self, bus: Arc<ToBus>, origin: Origin) -> bool {
        let is_first = self.0.directory.bus.set(bus).is_ok();
        is_first && self.0.directory.origin.set(origin).is_ok()
    }

    /// Where the bus counts: among those of the first reactor, which leaves these alone.
    pub(crate) fn bus_counters(&self) -> &Counters {
        &self.0.counters[0]
    }

    /// Whether a topic has members here.
    pub(crate) fn is_joined(&self, topic: &[u8]) -> bool {
        self.0.directory.is_joined(topic)
    }

    pub(crate) fn wake(&self, reactors: Reactors) {
        reactors.iter().for_each(|reactor| self.0.wakers[reactor as usize].wake());
    }

    pub(crate) fn wake_bus(&self) {
        if let Some(bus) = self.0.directory.bus.get() {
            bus.wake();
        }
    }
}

impl Topics for Handle {
    fn deliver(&self, topic: &[u8], delivery: &Delivery<'_>) -> Result<(), Full> {
        let Delivery { origin, number, message, manner } = *delivery;
        let what = Arc::new(Publication::new(message, None, manner));
        let directory = &self.0.directory;
        let put = directory.in_order_here(topic, |interests, log| {
            let logged = log.zip(directory.history_of(topic, &what));
            let placed = match &logged {
                Some((log, _)) => log.place(&what, origin, number.seq),
                None => what,
            };
            let wake = self.put_here(interests, &placed, |_| false, || Ok(()))?;
            if let Some((log, history)) = logged {
                log.append(history, (origin, number), placed);
            }
            Ok(wake)
        });
        self.wake(put.map_err(|_: CallError| Full)?);
        Ok(())
    }

    fn tell(&self, topic: &[u8], gap: &Gap) {
        let wake = self.0.directory.in_order_here(topic, |interests, log| {
            if let Some(log) = log {
                log.miss(gap);
            }
            let mut wake = Reactors::default();
            for interest in interests {
                let mail = Mail::Missing(interest.topic, Box::new(*gap));
                // One that has ended has no members any more.
                if self.0.mailboxes[interest.reactor as usize].push_anyway(mail) == Ok(true) {
                    wake.insert(interest.reactor);
                }
            }
            wake
        });
        self.wake(wake);
    }

    fn forget(&self, topic: &[u8], last: u64) -> bool {
        self.0.directory.forget(topic, last)
    }

    fn unsent(&self, each: &mut dyn FnMut(&Name, Number)) {
        self.0.directory.unsent(each);
    }
}
