//! Floor 2: one thread, where connections and the kernel meet.
//!
//! A turn: settle what changed with the kernel, wait, copy the completions out, act on each,
//! read the mail, fire the timers, settle again. Callbacks run from here only, never from inside
//! a call that the application makes.

mod accept;
#[cfg(feature = "sim")]
pub(crate) mod census;
mod connect;
mod cork;
pub mod ctx;
mod deliver;
mod dials;
mod endpoints;
pub mod handle;
pub mod handler;
mod key;
pub(crate) mod landing;
mod lent;
pub mod log;
mod mailbox;
mod name;
mod refused;
mod settle;
mod setup;
mod slab;
pub mod stats;
mod stop;
pub mod target;
mod timers;
#[cfg(feature = "tls")]
mod tls;
mod wheel;

pub use ctx::Context;
pub use dials::{Busy, Found, Resolve};
pub use handle::Handle;
pub use handler::{Closed, Handler, Message, Upgrade};
pub use name::{CallError, Conn, Timer};
pub use setup::{Served, Setup};
pub use stats::Stats;
pub use target::{ConnectError, NotConnected, Target, TargetError};

use crate::buffer::{Batch, Pool};
use crate::conn::{Cork, Disposition, Tools};
use crate::ring::{Completion, Errno, Kernel, KernelError, Lease, Token};
use accept::Listener;
use deliver::{deliver, handle_of, park, with_env};
use dials::Dials;
use endpoints::Endpoints;
use landing::{How, Landings, Sizes};
use lent::{Delivery, Lent};
use mailbox::Mail;
use slab::{Phase, Slab};
use std::sync::Arc;
use std::time::Duration;
use timers::Timers;
use wheel::Wheel;

/// Capacity that a reactor keeps for recycling: enough for every core's hot connections, little
/// beside its receive buffers.
const POOL_BYTES_MAX: usize = 8 << 20;

/// Large vectors that were not needed for so long are freed.
const TRIM_MS: u64 = 1_000;

/// One thread's loop over a kernel.
pub struct Reactor<K: Kernel> {
    kernel: K,
    ctx: Context,
    endpoints: Endpoints,
    resolver: Arc<dyn Resolve>,
    listeners: Vec<Listener>,
    completions: Vec<Completion>,
    mails: Vec<Mail>,
    landings: Landings,
    #[cfg(feature = "tls")]
    handshakes: tls::Handshakes,
    /// The pool is to be trimmed: a node is on the wheel.
    trimming: bool,
    /// The grace of the stop that is being carried out.
    grace_ms: Option<u64>,
}

impl<K: Kernel> Reactor<K> {
    /// Takes mail from here on; accepts with the first turn.
    pub fn new(kernel: K, setup: Setup) -> Self {
        let now = kernel.now();
        let counters = Arc::clone(&setup.handle.0.counters[setup.index as usize]);
        setup.handle.0.mailboxes[setup.index as usize].open();
        let ctx = Context {
            slab: Slab::new(setup.connections_max),
            pool: Pool::new(POOL_BYTES_MAX),
            tools: Tools::new(setup.random).with_codec_memory(setup.codec_memory_max),
            codec_counted: Default::default(),
            dirty: Vec::new(),
            wheel: Wheel::new(now),
            timers: Timers::default(),
            limits: setup.endpoints.iter().map(|served| served.limits).collect(),
            origins: setup.endpoints.iter().map(|served| served.origins.clone()).collect(),
            handle: setup.handle,
            log: setup.log,
            counters,
            buffers: kernel.buffers(),
            delivery: None,
            echo_min: Sizes::default().echo_min,
            #[cfg(feature = "sim")]
            echoed: 0,
            delivering: Conn::NONE,
            run_stopped: false,
            run_user: 0,
            corked: Conn::NONE,
            cork: Cork::default(),
            dials: Dials::new(),
            answer: None,
            lending: None,
            lent: Lent::default(),
            to_wake: Vec::new(),
            now,
            draining: false,
            index: setup.index,
            user: setup.user,
        };
        let listeners = setup.listeners.into_iter().map(Listener::new).collect();
        let mut reactor = Self {
            kernel,
            ctx,
            endpoints: Endpoints::new(setup.endpoints),
            resolver: setup.resolver,
            listeners,
            completions: Vec::new(),
            mails: Vec::new(),
            landings: Landings::default(),
            #[cfg(feature = "tls")]
            handshakes: tls::Handshakes::default(),
            trimming: false,
            grace_ms: None,
        };
        reactor.arm_listeners();
        reactor
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
        if self.landings.is_deferred() {
            timeout = Some(Duration::ZERO);
        }
        let mut completions = std::mem::take(&mut self.completions);
        if let Err(error) = self.kernel.wait(timeout, &mut completions) {
            self.give_up(error.errno);
            return Err(error);
        }
        self.ctx.now = self.kernel.now();
        self.ctx.counters.turns.add(1);
        self.ctx.counters.buffers_exhausted.set(self.kernel.buffers_exhausted());
        self.ctx.count_codec();
        for completion in completions.drain(..) {
            self.act(completion);
        }
        #[cfg(feature = "tls")]
        self.run_handshakes();
        self.resume_landings();
        self.ctx.lent.reclaim(&mut self.ctx.pool);
        self.trim_later();
        self.completions = completions;
        self.read_mail();
        self.fire_timers();
        self.settle_dirty();
        Ok(true)
    }

    fn act(&mut self, completion: Completion) {
        match completion {
            Completion::Received { token, result, more } => self.received(token, result, more),
            Completion::Landed { token, memory, result } => self.landed(token, memory, result),
            Completion::Sent { token, batch, result } => self.sent(token, batch, result),
            Completion::Accepted { listener, result, more } => {
                self.accepted(listener, result, more);
            }
            Completion::Connected { attempt, result } => self.connected(attempt, result),
            Completion::Closed { token } => self.closed(token),
            Completion::Woken => {}
        }
    }

    fn received(&mut self, token: Token, result: Result<Option<Lease>, Errno>, more: bool) {
        let Some(slot) = self.ctx.slab.by_token(token) else {
            // Stale: the slot has another tenant, whose bytes these are not.
            if let Ok(Some(lease)) = result {
                self.kernel.release(lease);
            }
            return;
        };
        if !more {
            slot.receiving = false;
            slot.cancelling = false;
            self.ctx.mark_dirty(token.slot);
        }
        let slot = self.ctx.slab.at(token.slot);
        match result {
            Ok(Some(lease)) if slot.phase == Phase::Live => {
                let how = slot.how;
                self.feed(token.slot, lease);
                if how == How::Head {
                    self.note_head(token.slot);
                } else if self.must_move(token.slot) {
                    self.ctx.mark_dirty(token.slot);
                }
            }
            Ok(Some(lease)) => self.kernel.release(lease),
            Ok(None) => self.receive_ended(token.slot, Ok(())),
            Err(errno) => self.receive_ended(token.slot, Err(errno)),
        }
    }

    /// A receive has brought no more bytes: the end of the stream, a cancel or an error.
    fn receive_ended(&mut self, index: u32, result: Result<(), Errno>) {
        let slot = self.ctx.slab.at(index);
        match result {
            Ok(()) => {
                slot.end_of_stream = true;
                if slot.phase == Phase::Live && !slot.has_backlog() {
                    slot.conn.end_of_stream();
                }
            }
            Err(Errno::CANCELED) => {}
            // The closing handshake is complete: how the peer then drops TCP is its affair.
            Err(_) if slot.is_closed() => slot.abort = true,
            Err(errno) => {
                slot.errno = errno.raw_os_error();
                slot.abort = true;
            }
        }
    }

    /// Lends a filled buffer to its connection for as long as its callbacks run.
    fn feed(&mut self, index: u32, mut lease: Lease) {
        #[cfg(feature = "tls")]
        if self.ctx.slab.at(index).is_secure() {
            return self.feed_tls(index, lease);
        }
        let buffer = lease.id();
        let bytes = self.kernel.bytes(&mut lease);
        let slot = self.ctx.slab.at(index);
        if slot.paused || !slot.parked.is_empty() {
            park(&mut self.ctx, index, bytes);
            return self.kernel.release(lease);
        }
        let start = bytes.as_ptr() as usize;
        let memory = start..start + bytes.len();
        self.ctx.delivery = Some(Delivery::new(buffer, memory));
        deliver(&mut self.ctx, &self.endpoints.served, index, bytes);
        let delivery = self.ctx.delivery.take();
        if delivery.is_some_and(|delivery| delivery.is_kept()) {
            self.kernel.forget(lease);
        } else {
            self.kernel.release(lease);
        }
    }

    fn sent(&mut self, token: Token, batch: Batch, result: Result<usize, Errno>) {
        let live = match self.ctx.slab.by_token(token) {
            Some(slot) => {
                slot.sending = false;
                slot.phase == Phase::Live
            }
            None => false,
        };
        if !live {
            batch.recycle(&mut self.ctx.pool);
            if self.ctx.slab.by_token(token).is_some() {
                self.ctx.mark_dirty(token.slot);
            }
            return;
        }
        // A stream socket takes at least one byte or fails: 0 would be tried for ever.
        let result = result.and_then(|n| if n == 0 { Err(Errno::PIPE) } else { Ok(n) });
        let taken = result.unwrap_or(0);
        self.ctx.counters.bytes_out.add(taken as u64);
        #[cfg(feature = "tls")]
        let (batch, taken) = match self.ctx.slab.at(token.slot).is_secure() {
            false => (batch, taken),
            true => match self.ctx.uncover(token.slot, batch, taken) {
                Some(sent) => sent,
                None => return,
            },
        };
        let drained =
            with_env(&mut self.ctx, token.slot, |conn, env| conn.transmitted(batch, taken, env));
        let slot = self.ctx.slab.at(token.slot);
        if let Err(errno) = result {
            slot.errno = errno.raw_os_error();
            slot.abort = true;
        }
        if slot.abort || slot.conn.buffered() > 0 || slot.conn.disposition() != Disposition::Open {
            self.ctx.mark_dirty(token.slot);
        }
        let slot = self.ctx.slab.at(token.slot);
        if drained && slot.announced && !slot.abort {
            let endpoint = slot.endpoint;
            let conn = handle_of(&mut self.ctx, token.slot);
            self.endpoints.handler(endpoint).on_drain(&mut self.ctx, conn);
        }
    }

    fn read_mail(&mut self) {
        let mut mails = std::mem::take(&mut self.mails);
        self.ctx.handle.0.mailboxes[self.ctx.index as usize].take(&mut mails);
        for mail in mails.drain(..) {
            self.ctx.deliver_mail(mail);
        }
        self.mails = mails;
    }

    /// Sees to it that large vectors do not outlast the traffic that they were made for.
    #[inline]
    fn trim_later(&mut self) {
        if !self.trimming && self.ctx.pool.has_large() {
            self.trimming = true;
            self.ctx.wheel.insert(self.ctx.now + TRIM_MS, key::TRIM);
        }
    }

    fn fire_timers(&mut self) {
        while let Some(due) = self.ctx.wheel.pop_due(self.ctx.now) {
            match key::decode(due) {
                key::Due::Slot(index) => self.expired(index),
                key::Due::Listener(index) => self.retry_accept(index),
                key::Due::Dial(index) => self.dial_due(index),
                key::Due::Grace => self.grace_is_over(),
                key::Due::Trim => {
                    self.ctx.pool.trim();
                    self.trimming = false;
                    self.trim_later();
                }
                key::Due::Timer(due) => {
                    if let Some(callback) = self.ctx.timers.fire(due) {
                        callback(&mut self.ctx);
                    }
                }
            }
        }
    }
}
