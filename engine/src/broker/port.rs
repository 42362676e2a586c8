//! What a bus is given to do, and where it puts what comes.

use super::Bus;
use super::settings::{OnBus, State};
use crate::bus::{Call, Counts, Envelope, Node, Received, Settings};
use crate::config::Level;
use crate::engine::Error;
#[cfg(feature = "nats")]
use crate::reactor::Counters;
use crate::reactor::log::Logger;
use crate::reactor::{BusMail, Handle, ToBus, Wake};
use crate::ring::{Errno, signals};
use crate::tick::Tick;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Tells the time: that of the machine, or of a simulation.
pub(crate) type Clock = Box<dyn Fn() -> Tick + Send + Sync>;

/// What the bus's thread and those that bring frames share.
pub(crate) struct Link {
    node: Mutex<Counted>,
    to_bus: Arc<ToBus>,
    handle: Handle,
    clock: Clock,
    on_bus: Option<OnBus>,
    log: Logger,
}

/// The node, and what of it is in the engine's counters.
struct Counted {
    node: Node,
    told: Counts,
}

impl Link {
    pub(crate) fn new(
        settings: Settings,
        to_bus: Arc<ToBus>,
        handle: Handle,
        clock: Clock,
        (on_bus, log): (Option<OnBus>, Logger),
    ) -> Arc<Self> {
        let (node, told) = (Node::new(settings), Counts::default());
        let node = Mutex::new(Counted { node, told });
        Arc::new(Self { node, to_bus, handle, clock, on_bus, log })
    }

    /// For the thread of the bus.
    pub(crate) fn port(self: &Arc<Self>) -> Port {
        Port { link: Arc::clone(self), mails: VecDeque::new(), woken: None }
    }

    /// The thread of the bus.
    pub(crate) fn spawn(self: &Arc<Self>, bus: Box<dyn Bus>) -> Result<JoinHandle<()>, Error> {
        let link = Arc::clone(self);
        let body = move || {
            let port = link.port();
            let ended = catch_unwind(AssertUnwindSafe(|| bus.run(port)));
            link.ended(if ended.is_ok() { "it has ended" } else { "it has panicked" });
        };
        // The host's signals are for the host's threads: ours inherit a full mask.
        let thread = signals::blocked(|| Builder::new().name("rws-bus".into()).spawn(body));
        thread.map_err(|error| {
            let source = Errno::from_io_error(&error).unwrap_or(Errno::AGAIN);
            Error::System { what: "making the thread of the bus".into(), source }
        })
    }

    /// All reactors have ended.
    pub(crate) fn stop(&self) {
        self.to_bus.stop();
    }

    /// The thread of the bus has ended. Nobody is told if it was to.
    fn ended(&self, why: &str) {
        // Not in the head of the match: the lock is taken again there.
        let has_stopped = self.lock().node.has_stopped();
        match has_stopped {
            true => self.handle.bus_counters().bus_up.set(0),
            false => self.down(why),
        }
        self.to_bus.close();
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Tick {
        (self.clock)()
    }

    fn up(&self, frame_max: usize) {
        let mut counted = self.lock();
        if self.to_bus.is_up() {
            counted.node.down(self.now());
        }
        // First: what is published from here on is in the queue, and behind what stayed here.
        self.to_bus.set_up(Some(frame_max.saturating_sub(Envelope::HEAD_MAX)));
        counted.node.up(self.now(), frame_max, &self.handle);
        drop(counted);
        self.handle.bus_counters().bus_up.set(1);
        self.log.line(Level::Info, format_args!("the bus is up"));
        self.tell(&State::Up);
        self.to_bus.wake();
    }

    fn down(&self, why: &str) {
        let mut counted = self.lock();
        if !self.to_bus.is_up() {
            return;
        }
        self.to_bus.set_up(None);
        counted.node.down(self.now());
        drop(counted);
        self.handle.bus_counters().bus_up.set(0);
        self.log.line(Level::Warn, format_args!("the bus is down: {why}"));
        self.tell(&State::Down(why.to_owned()));
    }

    fn tell(&self, state: &State) {
        if let Some(on_bus) = &self.on_bus {
            on_bus(state);
        }
    }

    /// What has happened since is added to the engine's counters.
    fn count(&self, counted: &mut Counted) {
        let (now, of) = (counted.node.counts(), self.handle.bus_counters());
        let before = std::mem::replace(&mut counted.told, now);
        of.bus_sent.add(now.sent - before.sent);
        of.bus_delivered.add(now.delivered - before.delivered);
        of.bus_known.add(now.known - before.known);
        of.bus_own.add(now.own - before.own);
        of.bus_full.add(now.full - before.full);
        of.bus_malformed.add(now.malformed - before.malformed);
        of.bus_gaps.add(now.gaps - before.gaps);
        of.bus_missing.add(now.missing - before.missing);
        of.bus_signs.add(now.signs - before.signs);
        of.bus_said.set(now.said);
        of.bus_heard.set(now.heard);
        // What the reactors find out about that they count themselves.
        of.bus_unsent.add_from_any_thread(now.unsent - before.unsent);
    }
}

/// What a bus is given to do, on its thread.
pub struct Port {
    link: Arc<Link>,
    mails: VecDeque<BusMail>,
    /// How [`Port::wait`] is woken, once it was called.
    woken: Option<Receiver<()>>,
}

impl Port {
    /// The next thing to do. `None`: nothing by now; again when woken, and at [`Port::deadline`].
    pub fn next_call(&mut self) -> Option<Call> {
        let link = Arc::clone(&self.link);
        let counted = &mut *link.lock();
        loop {
            if let Some(call) = counted.node.next_call() {
                return Some(call);
            }
            if self.mails.is_empty() {
                link.to_bus.take(&mut self.mails);
            }
            let now = link.now();
            let Some(mail) = self.mails.pop_front() else {
                counted.node.tick(now, &link.handle);
                link.count(counted);
                return counted.node.next_call();
            };
            match mail {
                BusMail::Published { topic, number, what } => {
                    counted.node.publish(now, &topic, number, (&what.message, what.manner));
                }
                // Others have joined, and may have got something by now: it goes on for them, so
                // that nothing comes twice and whatever is missing is told.
                BusMail::Interest { topic, on: false } if link.handle.is_joined(&topic) => {
                    counted.node.changes_hands(&topic);
                }
                BusMail::Interest { topic, on } => counted.node.interest(now, topic, on),
                BusMail::Stop => counted.node.stop(&link.handle),
            }
        }
    }

    /// When [`Port::next_call`] has something although nobody wakes.
    pub fn deadline(&self) -> Option<Instant> {
        let deadline = self.link.lock().node.deadline()?;
        let left = deadline.saturating_sub(self.link.now());
        Some(Instant::now() + Duration::from_millis(left))
    }

    /// The same on the clock of the simulation.
    #[cfg(feature = "sim")]
    pub(crate) fn due(&self) -> Option<Tick> {
        self.link.lock().node.deadline()
    }

    /// What has happened, and what is.
    #[cfg(feature = "sim")]
    pub(crate) fn counts(&self) -> Counts {
        self.link.lock().node.counts()
    }

    /// Who is woken when there is something: called by any thread, under locks, so it must only
    /// wake. Once.
    pub fn on_wake(&mut self, wake: Wake) {
        self.link.to_bus.on_wake(wake);
    }

    /// Waits for the next thing to do: for a bus that has nothing else to wait for. In the place of
    /// [`Port::on_wake`].
    pub fn wait(&mut self) -> Call {
        loop {
            if let Some(call) = self.next_call() {
                return call;
            }
            let woken = self.woken.get_or_insert_with(|| {
                let (wake, woken) = sync_channel(1);
                // One that was not read yet will do.
                let wake = move || {
                    let _ = wake.try_send(());
                };
                self.link.to_bus.on_wake(Arc::new(wake));
                woken
            });
            let deadline = self.link.lock().node.deadline();
            let woken = match deadline {
                None => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => {
                    let left = deadline.saturating_sub(self.link.now());
                    woken.recv_timeout(Duration::from_millis(left))
                }
            };
            debug_assert!(woken != Err(RecvTimeoutError::Disconnected), "the link has the sender");
        }
    }

    /// Whether [`Call::Stop`] stands in line, perhaps behind what cannot be done now: then no
    /// broker is waited for long.
    pub fn is_stopping(&self) -> bool {
        self.link.to_bus.is_stopping()
    }

    /// Where what comes is put; for any thread.
    pub fn inbound(&self) -> Inbound {
        Inbound(Arc::clone(&self.link))
    }
}

/// Where a bus puts what comes from the broker. From any thread, in the order of each publisher;
/// after the engine's end it comes to nothing.
#[derive(Clone)]
pub struct Inbound(Arc<Link>);

impl Inbound {
    /// A frame that an engine has sent. What it was can be ignored: all of it is counted.
    /// [`Received::Full`]: the engine does not keep up; the frame is dropped, and the members are
    /// told with the next one that comes.
    pub fn deliver(&self, topic: &[u8], frame: &[u8]) -> Received {
        let link = &self.0;
        let counted = &mut *link.lock();
        let sooner = |now: Option<Tick>, before: Option<Tick>| match (now, before) {
            (Some(now), Some(before)) => now < before,
            (now, _) => now.is_some(),
        };
        let before = counted.node.deadline();
        let received = counted.node.receive(link.now(), topic, frame, &link.handle);
        link.count(counted);
        // An answer, or a silence that is to be noticed earlier than what the thread sleeps for.
        if counted.node.has_calls() || sooner(counted.node.deadline(), before) {
            link.to_bus.wake();
        }
        received
    }

    /// The broker is reached, and has been told all interests: what is published goes out, in
    /// frames of so many bytes at most.
    pub fn up(&self, frame_max: usize) {
        self.0.up(frame_max);
    }

    /// It is not, and why; what was on its way may be lost.
    pub fn down(&self, why: &str) {
        self.0.down(why);
    }

    /// Where a client of a broker counts, on the thread of the bus.
    #[cfg(feature = "nats")]
    pub(crate) fn counters(&self) -> &Counters {
        self.0.handle.bus_counters()
    }

    /// Something that an operator should know of.
    pub fn log(&self, level: Level, text: std::fmt::Arguments<'_>) {
        self.0.log.line(level, text);
    }
}
