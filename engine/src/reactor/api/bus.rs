//! What crosses machines, as the bus sees this engine, and what the application is told of it.

use crate::bus::{Full, Gap, Manner, Name, Number, Topics};
use crate::memory::Outgoing;
use crate::reactor::api::contract::{Handle, Mail};
use crate::reactor::core::counters::Counters;
use crate::reactor::core::directory::Reactors;
use crate::reactor::core::mail::Publication;
use crate::reactor::core::name::CallError;
use crate::reactor::core::to_bus::ToBus;
use std::sync::Arc;

impl Handle {
    /// What is published goes there, too; before the start, once.
    pub(crate) fn set_bus(&self, bus: Arc<ToBus>) -> bool {
        self.0.directory.bus.set(bus).is_ok()
    }

    /// Where the bus counts: among those of the first reactor, which leaves these alone.
    pub(crate) fn bus_counters(&self) -> &Counters {
        &self.0.counters[0]
    }

    fn wake(&self, reactors: Reactors) {
        reactors.iter().for_each(|reactor| self.0.wakers[reactor as usize].wake());
    }
}

impl Topics for Handle {
    fn deliver(&self, topic: &[u8], message: &Outgoing, manner: Manner) -> Result<(), Full> {
        let what = Arc::new(Publication::new(message, None, manner));
        let put = self
            .0
            .directory
            .in_order(topic, |interests| self.put_here(interests, &what, |_| false, || Ok(())));
        self.wake(put.map_err(|_: CallError| Full)?);
        Ok(())
    }

    fn tell(&self, topic: &[u8], gap: &Gap) {
        let wake = self.0.directory.in_order(topic, |interests| {
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
