//! The bus of an engine, from its making to its end.

use super::Bus;
use super::port::{Inbound, Link};
use super::settings::BusConfig;
use crate::config::Config;
use crate::engine::{Engine, Error};
use crate::reactor::log::Logger;
use crate::reactor::{Handle, ToBus};
use crate::tick::Tick;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// The bus of an engine, if it has one.
#[derive(Default)]
pub(crate) struct Wire {
    link: OnceLock<Arc<Link>>,
    stands: Mutex<Stands>,
}

#[derive(Default)]
enum Stands {
    #[default]
    Nowhere,
    /// The client of a broker, before it has its thread.
    Waits(Box<dyn Bus>),
    Runs(JoinHandle<()>),
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, Stands> {
        // It is replaced whole: a poisoned lock guards nothing half done.
        self.stands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is published with the handle goes there.
    pub(crate) fn set(
        &self,
        handle: &Handle,
        engine: &Config,
        config: BusConfig,
        bus: Box<dyn Bus>,
    ) -> Result<(), Error> {
        let settings = config.settings()?;
        let to_bus = Arc::new(ToBus::new(&config.prefix, config.queue_max()));
        if !handle.set_bus(Arc::clone(&to_bus), settings.origin) {
            return Err(Error::State("there is a bus already"));
        }
        let log = Logger::new(engine.log.clone(), 0);
        let start = Instant::now();
        let clock = Box::new(move || start.elapsed().as_millis() as Tick);
        let told = (engine.on_bus.clone(), log);
        let link = Link::new(settings, to_bus, handle.clone(), clock, told);
        // The first one, or the handle had refused.
        let _ = self.link.set(link);
        *self.lock() = Stands::Waits(bus);
        Ok(())
    }

    /// Gives it its thread.
    pub(crate) fn start(&self) -> Result<(), Error> {
        let stands = &mut *self.lock();
        if let (Stands::Waits(bus), Some(link)) = (std::mem::take(stands), self.link.get()) {
            *stands = Stands::Runs(link.spawn(bus)?);
        }
        Ok(())
    }

    /// Behind the last reactor: what was published is sent, and others need not wait for more.
    pub(crate) fn end(&self) {
        let stands = std::mem::take(&mut *self.lock());
        if let (Stands::Runs(thread), Some(link)) = (stands, self.link.get()) {
            link.stop();
            // A panic was reported by the panic hook, and caught.
            let _ = thread.join();
        }
    }

    pub(crate) fn inbound(&self) -> Option<Inbound> {
        self.link.get().map(|link| link.port().inbound())
    }
}

impl Engine {
    /// Topics cross machines over this bus from the start on: before it, once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value out of its range; [`Error::State`] after the start, and when
    /// there is one already.
    pub fn set_bus(&self, config: BusConfig, bus: Box<dyn Bus>) -> Result<(), Error> {
        self.must_be_new()?;
        self.wire.set(self.handle(), &self.config, config, bus)
    }

    /// Where frames of other engines are put, if there is a bus: as
    /// [`Port::inbound`](super::Port::inbound).
    pub fn inbound(&self) -> Option<Inbound> {
        self.wire.inbound()
    }
}
