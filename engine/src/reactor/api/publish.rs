//! What is published gets its place: in the mailboxes of all reactors that have members, and on its
//! way to other machines, or nowhere.

use crate::bus::Name;
use crate::conn::{SendError, WhenFull};
use crate::memory::Outgoing;
use crate::proto::Opcode;
use crate::proto::header::CONTROL_MAX;
use crate::reactor::api::contract::{Handle, Mail};
use crate::reactor::core::crossing::From;
use crate::reactor::core::directory::{Interest, Ordered, Reactors};
use crate::reactor::core::mail::{Manner, Publication};
use crate::reactor::core::name::{CallError, Conn};
use std::sync::Arc;

/// What has its place among all that is published on a topic.
pub(crate) struct Placed {
    /// Who must be woken for it.
    pub(crate) wake: Reactors,
    /// So must the bus, once the members here have it.
    pub(crate) wakes_bus: bool,
    /// As members get it.
    pub(crate) what: Arc<Publication>,
}

/// What is published, as it goes to another process.
struct Crosses<'a> {
    topic: &'a [u8],
    what: &'a Arc<Publication>,
    /// A bus brings it to other machines.
    is_on_bus: bool,
    from: Option<From>,
}

impl Handle {
    /// As [`Context::publish`](crate::reactor::Context::publish), from any thread. In a callback
    /// it is done before the next call on a connection that is made through the context, and when
    /// the callback has returned at the latest; what it cannot tell by then it counts, in
    /// `Stats::publish_refused`.
    ///
    /// # Errors
    /// As [`Context::publish`](crate::reactor::Context::publish).
    pub fn publish(
        &self,
        topic: &[u8],
        message: &Outgoing,
        except: Option<Conn>,
    ) -> Result<(), CallError> {
        self.publish_in(topic, message, except, Manner::Queued)
    }

    /// As [`Context::publish_by`](crate::reactor::Context::publish_by), from any thread.
    ///
    /// # Errors
    /// As [`Context::publish`](crate::reactor::Context::publish).
    pub fn publish_by(
        &self,
        topic: &[u8],
        message: &Outgoing,
        except: Option<Conn>,
        when_full: WhenFull,
    ) -> Result<(), CallError> {
        self.publish_in(topic, message, except, Manner::By(when_full))
    }

    /// As [`Context::publish_latest`](crate::reactor::Context::publish_latest), from any thread.
    ///
    /// # Errors
    /// As [`Context::publish_latest`](crate::reactor::Context::publish_latest).
    pub fn publish_latest(
        &self,
        topic: &[u8],
        key: u64,
        message: &Outgoing,
        except: Option<Conn>,
    ) -> Result<(), CallError> {
        self.publish_in(topic, message, except, Manner::Latest(key))
    }

    fn publish_in(
        &self,
        topic: &[u8],
        message: &Outgoing,
        except: Option<Conn>,
        manner: Manner,
    ) -> Result<(), CallError> {
        self.check(topic, message, manner)?;
        let what = Arc::new(Publication::new(message, except, manner));
        if let Some(here) = self.here() {
            return self.0.owns[here as usize].put(Mail::Publish(topic.into(), what));
        }
        let placed = self.put_in_order(topic, &what, |_| false)?;
        self.wake_for(&placed);
        Ok(())
    }

    /// Wakes all who have something to do for what was published: the bus last.
    pub(crate) fn wake_for(&self, placed: &Placed) {
        self.wake(placed.wake);
        if placed.wakes_bus {
            self.wake_bus();
        }
    }

    /// How many members a topic has on all reactors together: a moment ago, since they come and go.
    pub fn members(&self, topic: &[u8]) -> usize {
        self.0.directory.members(topic)
    }

    pub(crate) fn check(
        &self,
        topic: &[u8],
        message: &Outgoing,
        manner: Manner,
    ) -> Result<(), CallError> {
        self.0.directory.check(topic)?;
        let (opcode, len) = (message.opcode(), message.payload().len());
        let control = opcode.is_control() && matches!(manner, Manner::Latest(_));
        if !message.fin() || matches!(opcode, Opcode::Continuation | Opcode::Close) || control {
            return Err(SendError::Sequence.into());
        }
        if opcode.is_control() && len > CONTROL_MAX || u32::try_from(len).is_err() {
            return Err(SendError::TooBig.into());
        }
        Ok(())
    }

    /// Gives a message its place among all that is published on a topic: puts it into the mailboxes
    /// of all reactors that have members, into the topic's history and out to other machines, or
    /// nowhere; which reactors must be woken. `is_done` takes care of a reactor in another way.
    pub(crate) fn put_in_order(
        &self,
        topic: &[u8],
        what: &Arc<Publication>,
        is_done: impl FnMut(&Interest) -> bool,
    ) -> Result<Placed, CallError> {
        self.put_from(None, topic, what, is_done)
    }

    /// The same; perhaps it was published in another process, and came `from` there.
    pub(crate) fn put_from(
        &self,
        from: Option<From>,
        topic: &[u8],
        what: &Arc<Publication>,
        is_done: impl FnMut(&Interest) -> bool,
    ) -> Result<Placed, CallError> {
        let directory = &self.0.directory;
        let bus = match directory.bus.get().filter(|bus| bus.carries(topic)) {
            Some(bus) if bus.check(what)? => Some(bus),
            _ => None,
        };
        let history = directory.history_of(topic, what);
        if bus.is_none() && history.is_none() {
            let crosses = Crosses { topic, what, is_on_bus: false, from };
            let put = |all: &[Interest]| self.put_across(&crosses, all, what, is_done, || Ok(()));
            let wake = directory.in_order(topic, put)?;
            return Ok(Placed { wake, wakes_bus: false, what: Arc::clone(what) });
        }
        directory.in_order_everywhere(topic, bus.is_some(), |ordered| {
            let Ordered { name, interests, spoken, log } = ordered;
            let own = log.as_ref().map(|log| log.spoken.upcoming(&directory.floor));
            let number = spoken.as_ref().map(|of| of.upcoming(&directory.floor)).or(own);
            let logged = log.zip(history).zip(number);
            let placed = match &logged {
                Some(((log, history), number)) => log.place(what, history.origin, number.seq),
                None => Arc::clone(what),
            };
            let mut is_sent = false;
            let crosses = Crosses { topic, what, is_on_bus: bus.is_some(), from };
            let wake = self.put_across(&crosses, interests, &placed, is_done, || {
                let Some(bus) = bus else { return Ok(()) };
                let room = bus.reserve(topic, what);
                is_sent = room.inspect_err(|_| {
                    self.bus_counters().bus_refused.add_from_any_thread(1);
                })?;
                Ok(())
            })?;
            let mut wakes_bus = false;
            if let (Some(bus), Some(spoken), Some(number)) = (bus, spoken, number) {
                spoken.give(number, is_sent);
                match is_sent {
                    true => wakes_bus = bus.put(Name::clone(name), number, Arc::clone(what)),
                    false => self.bus_counters().bus_unsent.add_from_any_thread(1),
                }
            }
            if let Some(((log, history), number)) = logged {
                log.spoken.give(number, true);
                log.append(history, (history.origin, number), Arc::clone(&placed));
            }
            Ok(Placed { wake, wakes_bus, what: placed })
        })
    }

    /// The same as [`Handle::put_here`], and into what goes to other processes.
    fn put_across(
        &self,
        crosses: &Crosses<'_>,
        interests: &[Interest],
        placed: &Arc<Publication>,
        is_done: impl FnMut(&Interest) -> bool,
        elsewhere: impl FnOnce() -> Result<(), CallError>,
    ) -> Result<Reactors, CallError> {
        let Crosses { topic, what, is_on_bus, from } = *crosses;
        let Some(crossing) = self.0.directory.crossings.open() else {
            return self.put_here(interests, placed, is_done, elsewhere);
        };
        crossing.check(topic, what, is_on_bus, from).inspect_err(|_| {
            self.0.counters[0].publish_refused.add_from_any_thread(1);
        })?;
        let wake = self.put_here(interests, placed, is_done, elsewhere)?;
        crossing.put(topic, (placed, what), is_on_bus, from);
        Ok(wake)
    }

    /// Puts a message into the mailboxes of reactors, if there is room in all of them, and
    /// `elsewhere`.
    pub(crate) fn put_here(
        &self,
        interests: &[Interest],
        what: &Arc<Publication>,
        mut is_done: impl FnMut(&Interest) -> bool,
        elsewhere: impl FnOnce() -> Result<(), CallError>,
    ) -> Result<Reactors, CallError> {
        let weight = Mail::weight_with(what.message.payload().len());
        let mailbox = |reactor: u32| &self.0.mailboxes[reactor as usize];
        let mut reserved = Reactors::default();
        let give_up =
            |reserved: Reactors| reserved.iter().for_each(|at| mailbox(at).give_up(weight));
        for interest in interests {
            if is_done(interest) {
                continue;
            }
            match mailbox(interest.reactor).reserve(weight) {
                Ok(()) => reserved.insert(interest.reactor),
                // It has ended, and its connections with it.
                Err(CallError::Stopped) => {}
                Err(error) => {
                    give_up(reserved);
                    let counters = &self.0.counters[interest.reactor as usize];
                    counters.publish_refused.add_from_any_thread(1);
                    return Err(error);
                }
            }
        }
        elsewhere().inspect_err(|_| give_up(reserved))?;
        let mut wake = Reactors::default();
        for interest in interests.iter().filter(|of| reserved.contains(of.reactor)) {
            let mail = Mail::Published(interest.topic, Arc::clone(what));
            if mailbox(interest.reactor).push_reserved(mail) == Ok(true) {
                wake.insert(interest.reactor);
            }
        }
        Ok(wake)
    }
}
