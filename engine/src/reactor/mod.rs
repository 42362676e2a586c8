//! Floor 2: one thread, where connections and the kernel meet.
//!
//! A turn: reconcile what changed with the kernel, wait, copy the completions out, act on each,
//! read the mail, fire the timers, reconcile again. Callbacks run from here only, never from inside
//! a call that the application makes.

mod api;
#[cfg(feature = "sim")]
pub(crate) mod census;
mod client;
mod core;
mod deliver;
mod io;
mod state;

pub use self::core::addresses::AddressLimits;
pub use self::core::admission::Admission;
pub(crate) use self::core::admission::Door;
pub(crate) use self::core::adopt::Adopts;
pub(crate) use self::core::carried::{CARRIED_MAX, Carried, CarriedTopic, STATE_MAX};
#[cfg(feature = "nats")]
pub(crate) use self::core::counters::Counters;
pub use self::core::counters::{Kind, ROWS, Row, Stats};
pub(crate) use self::core::crossing::From as CrossedFrom;
pub(crate) use self::core::directory::TopicLimits;
pub use self::core::ending::{Drain, DrainError, Drained, OnDrained};
pub use self::core::histogram::{HISTOGRAMS, Histogram, HistogramRow, Measure};
pub use self::core::history::HistoryRule;
pub(crate) use self::core::lane::Out as CrossesOut;
pub use self::core::later::LaterError;
pub use self::core::log;
pub use self::core::mail::Found;
#[cfg(any(test, feature = "sim"))]
pub(crate) use self::core::mail::Publication;
pub(crate) use self::core::mailbox::MAIL_MAX;
pub use self::core::name::{CallError, Conn, DialId, Later, Timer, TopicError};
pub(crate) use self::core::parting::{Order, Takes, Told};
pub use self::core::proxies::{InvalidProxies, Proxied, Proxies};
pub(crate) use self::core::seam::Cut;
#[cfg(test)]
pub(crate) use self::core::seam::Seam;
pub use self::core::to_bus::Wake;
pub(crate) use self::core::to_bus::{BusMail, ToBus};
#[cfg(feature = "sim")]
pub(crate) use self::core::topics::Begun;
pub use crate::conn::Cause;
pub use api::adopt::{Adopt, AdoptError, NotAdopted, Unopened};
pub use api::closed::{Closed, EndError};
#[cfg(feature = "sim")]
pub(crate) use api::contract::Mail;
pub use api::contract::{Context, GapHook, Handle, Handler, LateHook, Target, TopicHook};
pub(crate) use api::handle::Here;
pub use api::history::Resumed;
pub use api::setup::{Routed, Served, Setup};
pub use api::upgrade::{Asked, Message, MoveError, Upgrade};
pub use client::dials::{Busy, Resolve};
pub use client::refusal::{ConnectError, NotConnected, TargetError};
#[cfg(feature = "sim")]
pub(crate) use io::direct::Sizes;
pub use io::listeners::Listens;
pub use state::Reactor;

use self::core::key;
use self::core::log::LONG_MS;
use self::core::slab::NO_SLOT;
use crate::ring::{Completion, Destination, Kernel, KernelError};
use std::collections::TryReserveError;
use std::time::Duration;

impl<K: Kernel> Reactor<K> {
    /// Takes mail from here on; accepts with the first turn.
    ///
    /// # Errors
    /// There is no memory for so many connections.
    pub fn new(kernel: K, setup: Setup) -> Result<Self, TryReserveError> {
        let mut reactor = Self::with(kernel, setup)?;
        reactor.arm_listeners();
        Ok(reactor)
    }

    /// What callbacks are lent.
    pub fn context(&mut self) -> &mut Context {
        &mut self.ctx
    }

    /// Turns until the engine has stopped.
    ///
    /// # Errors
    /// As [`Reactor::turn`].
    pub fn run(&mut self) -> Result<(), KernelError> {
        while self.turn()? {}
        Ok(())
    }

    /// The kernel underneath.
    pub fn kernel(&mut self) -> &mut K {
        &mut self.kernel
    }

    /// One turn. `Ok(false)` when the engine has stopped and nothing is left to do.
    ///
    /// # Errors
    /// The kernel cannot go on. Every open connection has then been reported closed.
    pub fn turn(&mut self) -> Result<bool, KernelError> {
        if !self.prepare() {
            return Ok(false);
        }
        let patience = self.patience();
        let completions = self.wait(patience, patience)?;
        self.count_delay(patience);
        self.act_on(completions);
        Ok(true)
    }

    /// One turn that does not wait, for a thread that has other work: what there is to do by now is
    /// done, and what that asks of the kernel is submitted before it returns. When the next one is
    /// due the kernel tells: see [`Kernel::leave`]. `Ok(false)` as [`Reactor::turn`].
    ///
    /// # Errors
    /// As [`Reactor::turn`].
    pub fn turn_at_once(&mut self) -> Result<bool, KernelError> {
        let completions = self.wait(Some(Duration::ZERO), self.left_for)?;
        // What this thread has asked for since, as any other thread, comes before what callbacks
        // ask for now.
        self.read_mail();
        self.act_on(completions);
        if !self.prepare() {
            return Ok(false);
        }
        // Nobody knows when the next turn is: what that has come to counts now, and so does whom it
        // closes.
        self.settle_memory();
        if !self.prepare() {
            return Ok(false);
        }
        self.left_for = self.patience();
        if let Err(error) = self.kernel.leave(self.left_for) {
            self.give_up(Some(error.errno));
            return Err(error);
        }
        Ok(true)
    }

    /// What is to be done before the kernel is waited for. `false` when the engine has stopped and
    /// nothing is left to do.
    fn prepare(&mut self) -> bool {
        self.check_stop();
        self.run_dials();
        self.run_adoptees();
        self.run_partings();
        self.reconcile_all();
        if self.is_finished() {
            self.finish();
            return false;
        }
        for reactor in self.ctx.post.to_wake.drain(..) {
            self.kernel.wake(reactor as usize);
        }
        if std::mem::take(&mut self.ctx.post.wakes_bus) {
            self.kernel.hand_over();
            self.ctx.post.handle.wake_bus();
        }
        true
    }

    /// Reconciles all; what the last callbacks of a turn have asked for through a handle is done by
    /// then, too: those of timers, and `on_close`. So is what was published to many, of whom the
    /// first have theirs meanwhile.
    #[inline]
    fn reconcile_all(&mut self) {
        if self.ctx.topics.are_due() {
            self.ctx.replay_due();
        }
        self.reconcile_dirty(true);
        while self.ctx.post.own.mail.has_some() {
            let published = self.ctx.early.published;
            if published {
                self.kernel.hand_over();
            }
            self.ctx.read_own_mail();
            self.reconcile_dirty(!published);
        }
    }

    /// How long nothing is to be done unless something happens; `None`: for ever.
    fn patience(&self) -> Option<Duration> {
        #[cfg(feature = "tls")]
        if self.handshakes.is_waiting() {
            return Some(Duration::ZERO);
        }
        let due = self.ctx.post.own.mail.has_some() || self.ctx.post.inbox.len() > 0;
        let due = due || self.ctx.dials.are_due() || self.ctx.topics.changes() > 0;
        let due = due || self.ctx.topics.are_due();
        let due = due || self.adoptees_are_due() || !self.ctx.moves.ready.is_empty();
        let due = due || self.ctx.succession.is_due();
        if self.direct.are_waiting() || self.ctx.inflating.are_waiting() || due {
            return Some(Duration::ZERO);
        }
        let next = self.ctx.wheel.next();
        next.map(|at| Duration::from_millis(at.saturating_sub(self.ctx.now)))
    }

    /// Waits for `timeout`; what has happened. `asked` is what was to be waited since the turn
    /// before: what is beyond is our delay.
    #[inline]
    fn wait(
        &mut self,
        timeout: Option<Duration>,
        asked: Option<Duration>,
    ) -> Result<Vec<Completion>, KernelError> {
        let mut completions = std::mem::take(&mut self.completions);
        if let Err(error) = self.kernel.wait(timeout, &mut completions) {
            self.give_up(Some(error.errno));
            return Err(error);
        }
        let now = self.kernel.now();
        self.ctx.tools.now_us = self.kernel.now_us();
        self.ctx.served.waited(self.ctx.now, now, asked);
        self.ctx.now = now;
        Ok(completions)
    }

    #[inline]
    fn act_on(&mut self, mut completions: Vec<Completion>) {
        self.ctx.counters.turns.add(1);
        self.count_kernel(completions.len());
        self.ctx.count_codec();
        self.ctx.count_policed();
        self.ctx.inflating.begin_turn();
        for completion in completions.drain(..) {
            self.act(completion);
        }
        #[cfg(feature = "tls")]
        self.run_handshakes();
        self.run_line();
        self.ctx.pool.reclaim();
        self.trim_later();
        self.completions = completions;
        self.read_mail();
        self.fire_timers();
        self.report_topics();
        self.reconcile_all();
        self.begin_waiting();
        self.end_slow_rests();
        self.settle_memory();
        self.ctx.count_tally();
        self.count_turn();
    }

    /// What the kernel has counted, once per turn.
    fn count_kernel(&mut self, completions: usize) {
        let (counters, counts) = (&self.ctx.counters, self.kernel.counts());
        counters.buffers_exhausted.set(counts.buffers_exhausted);
        counters.enters.set(counts.enters);
        counters.cq_overflow.set(counts.cq_overflow);
        counters.histograms.record(Measure::TurnCompletions, completions as u64);
    }

    /// How long the turn took: one look at the clock.
    fn count_turn(&mut self) {
        let now = self.kernel.clock_us();
        self.ctx.served.turned_us = now;
        let took = now.saturating_sub(self.kernel.now_us());
        self.ctx.counters.histograms.record(Measure::TurnUs, took);
        self.ctx.counters.turns_long.add(u64::from(took >= LONG_MS * 1_000));
        self.ctx.log.turned(self.ctx.now, now / 1_000);
    }

    /// A wait that ends long after it was to end is a turn that nobody was served in, too. Without
    /// anything to do at a time, nobody can tell.
    fn count_delay(&mut self, patience: Option<Duration>) {
        let Some(patience) = patience else { return };
        let (now, patience) = (self.kernel.now_us(), patience.as_micros() as u64);
        let due = self.ctx.served.turned_us.saturating_add(patience);
        if now.saturating_sub(due) >= LONG_MS * 1_000 {
            self.ctx.counters.turns_long.add(1);
            self.ctx.log.turned(due / 1_000, now / 1_000);
        }
    }

    fn act(&mut self, completion: Completion) {
        match completion {
            Completion::Received { token, result, more } => self.received(token, result, more),
            Completion::ReceivedInto { token, memory, result } => match memory {
                Destination::Vector(memory) => self.received_into(token, memory, result),
                Destination::Buffer(lease) => self.received_rest(token, lease, result),
            },
            Completion::HungUp { token, result } => self.hung_up(token, result),
            Completion::Sent { token, batch, result } => self.sent(token, batch, result),
            Completion::Accepted { listener, result } => self.accepted(listener, result),
            Completion::Connected { attempt, result } => {
                self.connected(attempt, result);
                self.arm_listeners();
            }
            Completion::Adopted { name, result } => self.adopted(name, result),
            Completion::Progressed { token, ago } => self.progressed(token, ago),
            Completion::TakenOut { name, result } => self.taken_out(name, result),
            Completion::Closed { token: NO_SLOT } => self.arm_listeners(),
            Completion::Closed { token } => self.closed(token),
            Completion::Woken => {}
        }
    }

    fn fire_timers(&mut self) {
        while let Some(due) = self.ctx.wheel.pop_due(self.ctx.now) {
            match key::decode(due) {
                key::Due::Slot(index) => self.expired(index),
                key::Due::Listener(index) => self.retry_accept(index),
                key::Due::Dial(index) => self.dial_due(index),
                key::Due::Grace => self.grace_is_over(),
                key::Due::Trim => self.trim(),
                key::Due::Queues => self.look_at_queues(),
                key::Due::Closes => self.closes_are_due(),
                key::Due::History => self.sweep_history(),
                key::Due::Partings => self.look_for_parting(),
                key::Due::Timer(index) => self.ctx.fire_timer(index),
                key::Due::Lifetime(index) => self.lifetime_is_over(index),
                key::Due::Ping(index) => self.measure(index),
            }
        }
    }
}
