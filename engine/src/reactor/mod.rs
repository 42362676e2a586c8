//! Floor 2: one thread, where connections and the kernel meet.
//!
//! A turn: settle what changed with the kernel, wait, copy the completions out, act on each,
//! read the mail, fire the timers, settle again. Callbacks run from here only, never from inside
//! a call that the application makes.

mod api;
#[cfg(feature = "sim")]
pub(crate) mod census;
mod client;
mod core;
mod deliver;
mod io;

pub use self::core::counters::Stats;
pub use self::core::log;
pub use self::core::mail::Found;
pub use self::core::name::{CallError, Conn, DialId, Timer};
pub use api::closed::{Cause, Closed};
pub use api::handler::{Context, Handle, Handler, Target};
pub use api::setup::{Served, Setup};
pub use api::upgrade::{Message, Upgrade};
pub use client::dials::{Busy, Resolve};
pub use client::refusal::{ConnectError, NotConnected, TargetError};
#[cfg(feature = "sim")]
pub(crate) use io::receive_mode::Sizes;

use self::core::endpoints::ByEndpoint;
use self::core::lines::Lines;
use self::core::slab::Slab;
use self::core::timers::Timers;
use self::core::wheel::{NodeId, Wheel};
use self::core::{key, served};
use crate::conn::{Tools, Writer};
use crate::memory::Pool;
use crate::ring::{Completion, Kernel, KernelError};
use api::endpoints::Endpoints;
use api::handler::Mail;
use client::dials::Dials;
use deliver::shared::Source;
#[cfg(feature = "tls")]
use deliver::tls;
use io::accept::{self, Listeners};
use io::receive_mode::DirectReceives;
use std::collections::{TryReserveError, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Capacity that a reactor keeps for recycling: enough for every core's hot connections, little
/// beside its receive buffers.
const POOL_BYTES_MAX: usize = 8 << 20;

/// One thread's loop over a kernel.
pub struct Reactor<K: Kernel> {
    kernel: K,
    ctx: Context,
    endpoints: Endpoints,
    resolver: Arc<dyn Resolve>,
    listeners: Listeners,
    completions: Vec<Completion>,
    mails: VecDeque<Mail>,
    direct: DirectReceives,
    #[cfg(feature = "tls")]
    handshakes: tls::Handshakes,
    /// The pool is to be trimmed: a node is on the wheel.
    trimming: bool,
    /// Most mail that came at once since vectors were last trimmed.
    mails_peak: usize,
    /// The stop that is being carried out, and its node on the wheel.
    stop_word: u64,
    grace: Option<NodeId>,
}

impl<K: Kernel> Reactor<K> {
    /// Takes mail from here on; accepts with the first turn.
    ///
    /// # Errors
    /// There is no memory for so many connections.
    pub fn new(kernel: K, setup: Setup) -> Result<Self, TryReserveError> {
        let slab = Slab::new(setup.connections_max)?;
        let now = kernel.now();
        let counters = Arc::clone(&setup.handle.0.counters[setup.index as usize]);
        let own = Arc::clone(&setup.handle.0.owns[setup.index as usize]);
        own.mail.open();
        setup.handle.0.mailboxes[setup.index as usize].open();
        let ctx = Context {
            slab,
            pool: Pool::new(POOL_BYTES_MAX),
            tools: Tools::new(setup.random).with_codec_memory(setup.codec_memory_max),
            codec_counted: Default::default(),
            dirty: Vec::new(),
            wheel: Wheel::new(now),
            timers: Timers::new(setup.index),
            limits: ByEndpoint::new(setup.endpoints.iter().map(|served| served.limits).collect()),
            origins: ByEndpoint::new(
                setup.endpoints.iter().map(|served| served.origins.clone()).collect(),
            ),
            handle: setup.handle,
            own,
            lines: Lines::default(),
            log: setup.log,
            counters,
            source: Source::new(kernel.buffers(), io::receive_mode::Sizes::default().echo_min),
            delivering: Conn::NONE,
            run_stopped: false,
            run_user: 0,
            written: Conn::NONE,
            writer: Writer::default(),
            dials: Dials::new(),
            answer: None,
            to_wake: Vec::new(),
            now,
            served: served::Served::new(now),
            draining: false,
            index: setup.index,
            user: setup.user,
        };
        let listeners = Listeners::new(setup.listeners);
        let mut reactor = Self {
            kernel,
            ctx,
            endpoints: Endpoints::new(setup.endpoints),
            resolver: setup.resolver,
            listeners,
            completions: Vec::new(),
            mails: VecDeque::new(),
            direct: DirectReceives::default(),
            #[cfg(feature = "tls")]
            handshakes: tls::Handshakes::default(),
            trimming: false,
            mails_peak: 0,
            stop_word: 0,
            grace: None,
        };
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
        self.heed_stop();
        self.run_dials();
        self.settle_dirty();
        if self.is_finished() {
            self.finish();
            return Ok(false);
        }
        for reactor in self.ctx.to_wake.drain(..) {
            self.kernel.wake(reactor as usize);
        }
        let next = self.ctx.wheel.next();
        let mut timeout = next.map(|at| Duration::from_millis(at.saturating_sub(self.ctx.now)));
        #[cfg(feature = "tls")]
        if self.handshakes.is_waiting() {
            timeout = Some(Duration::ZERO);
        }
        let due = self.ctx.own.mail.has_some() || self.ctx.dials.are_due();
        if self.direct.are_waiting() || due {
            timeout = Some(Duration::ZERO);
        }
        let mut completions = std::mem::take(&mut self.completions);
        if let Err(error) = self.kernel.wait(timeout, &mut completions) {
            self.give_up(Some(error.errno));
            return Err(error);
        }
        let now = self.kernel.now();
        self.ctx.served.waited(self.ctx.now, now, timeout);
        self.ctx.now = now;
        self.ctx.counters.turns.add(1);
        self.ctx.counters.buffers_exhausted.set(self.kernel.buffers_exhausted());
        self.ctx.count_codec();
        for completion in completions.drain(..) {
            self.act(completion);
        }
        #[cfg(feature = "tls")]
        self.run_handshakes();
        self.ctx.pool.reclaim();
        self.trim_later();
        self.completions = completions;
        self.read_mail();
        self.fire_timers();
        self.settle_dirty();
        self.begin_waiting();
        self.ctx.log.turned(self.ctx.now, self.kernel.clock());
        Ok(true)
    }

    fn act(&mut self, completion: Completion) {
        match completion {
            Completion::Received { token, result, more } => self.received(token, result, more),
            Completion::ReceivedInto { token, memory, result } => {
                self.received_into(token, memory, result)
            }
            Completion::HungUp { token, result } => self.hung_up(token, result),
            Completion::Sent { token, batch, result } => self.sent(token, batch, result),
            Completion::Accepted { listener, result } => self.accepted(listener, result),
            Completion::Connected { attempt, result } => {
                self.connected(attempt, result);
                self.arm_listeners();
            }
            Completion::Closed { token: accept::NO_SLOT } => self.arm_listeners(),
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
                key::Due::Timer(due) => {
                    if let Some(callback) = self.ctx.timers.fire(due) {
                        callback(&mut self.ctx);
                    }
                }
            }
        }
    }
}
