//! What is asked of one connection, with what it borrows from its reactor.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::tools::Policed;
use crate::conn::{Connection, Env, TALLIED};
use crate::proto::handshake::Refusal;
use crate::reactor::api::contract::{Context, Job};
use crate::reactor::core::adopt::Given;
use crate::reactor::core::histogram::Measure;
use crate::reactor::core::key;
use crate::reactor::core::labels::{CLOSING, HANDSHAKING, OPEN};
use crate::reactor::core::name::Conn;

/// The handle of a slot's tenant.
pub(crate) fn handle_of(ctx: &Context, index: u32) -> Conn {
    Conn::new(ctx.index, index, ctx.slab.token(index).generation)
}

/// Runs a call on a slot's connection with what it borrows from the reactor.
#[inline(always)]
pub(crate) fn with_env<T>(
    ctx: &mut Context,
    index: u32,
    call: impl FnOnce(&mut Connection, &mut Env<'_>) -> T,
) -> T {
    let slot = ctx.slab.at(index);
    let mut copied = 0;
    let limits = ctx.limits.of(slot.endpoint);
    let (pool, tools) = (&mut ctx.pool, &mut ctx.tools);
    let mut env = Env { now: ctx.served.now, limits, pool, tools, copied: &mut copied };
    let done = call(&mut slot.conn, &mut env);
    if copied > 0 {
        ctx.counters.bytes_copied.add(copied);
    }
    done
}

impl Context {
    /// The answer to an upgrade that comes during a drain.
    #[cold]
    pub(crate) fn turn_down(&mut self) -> Refusal {
        self.ending.drained.refused += 1;
        match self.post.handle.plan() {
            Some(plan) => Refusal::busy(503, plan.retry_after.as_secs()),
            None => Refusal::new(503),
        }
    }

    /// Publishes what the codec has counted, once per turn.
    #[inline]
    pub(crate) fn count_codec(&mut self) {
        let codec = &self.tools.codec;
        if codec.done != self.codec_counted.0 || codec.budget.spent() != self.codec_counted.1 {
            self.codec_counted = (codec.done, codec.budget.spent());
            let (done, spent) = self.codec_counted;
            self.counters.codec_memory.set(spent as u64);
            self.counters.deflated_in.set(done.inflated);
            self.counters.deflated_in_wire.set(done.wire);
            self.counters.deflated_in_plain.set(done.bytes);
            self.counters.deflated_out_plain.set(done.plain);
            self.counters.deflated_out.set(done.deflated);
            self.counters.deflate_saved.set(done.saved);
            self.counters.takeover_refused.set(done.refused);
        }
    }

    /// Publishes what policies of full queues have done: when one has done something.
    #[inline]
    pub(crate) fn count_policed(&mut self) {
        if self.tools.policed != self.policed_counted {
            self.policed_counted = self.tools.policed;
            let Policed { newest, oldest, closed, aborted } = self.policed_counted;
            self.counters.dropped_newest.set(newest);
            self.counters.dropped_oldest.set(oldest);
            self.counters.closed_full.set(closed);
            self.counters.aborted_full.set(aborted);
        }
    }

    /// Publishes what connections have counted, once per turn.
    #[inline]
    pub(crate) fn count_tally(&mut self) {
        if std::mem::take(&mut self.tools.tally.moved) {
            self.publish_tally();
        }
    }

    #[inline(never)]
    fn publish_tally(&mut self) {
        let counters = &self.counters;
        let tally = &mut self.tools.tally;
        for at in 0..TALLIED {
            let (come, gone) = (tally.controls_in.get(at), tally.controls_out.get(at));
            counters.controls_in.of(at).set(come.copied().unwrap_or_default());
            counters.controls_out.of(at).set(gone.copied().unwrap_or_default());
        }
        for (at, refused) in tally.refused.iter().enumerate() {
            counters.refused_by_reason.of(at).set(*refused);
        }
        for rtt in tally.rtts.drain(..) {
            counters.histograms.record(Measure::PingUs, rtt);
        }
        let closing = std::mem::take(&mut tally.closing);
        counters.connections_by_state.of(OPEN).sub(closing);
        counters.connections_by_state.of(CLOSING).add(closing);
    }

    /// What an open connection is asked for by the clock, if its endpoint wants that.
    pub(crate) fn begin_lifetime(&mut self, index: u32) {
        let limits = self.limits.of(self.slab.at(index).endpoint);
        let (lifetime, every) = (limits.lifetime_max_ms, limits.ping_interval_ms);
        if lifetime != u32::MAX {
            let at = self.now + u64::from(lifetime - self.up_to(lifetime / 10));
            let node = self.wheel.insert(at, key::of_lifetime(index));
            self.slab.at(index).rare().lifetime = Some(node);
        }
        if every != u32::MAX {
            // Not all at once, where all have come at once.
            let at = self.now + u64::from(every - self.up_to(every / 2));
            let node = self.wheel.insert(at, key::of_ping(index));
            self.slab.at(index).rare().pings = Some(node);
        }
    }

    /// A connection that the application has handed over has ended before it was open.
    pub(crate) fn was_unopened(&mut self, given: Option<Box<Given<Job>>>) {
        if let Some(unopened) = given.and_then(|given| given.unopened) {
            unopened(self);
        }
    }

    /// The user word that a connection has where that of its endpoint is this.
    pub(crate) fn user_at(&self, index: u32, of_endpoint: usize) -> usize {
        self.given.get(&index).and_then(|given| given.user).unwrap_or(of_endpoint)
    }

    /// A number that nobody can predict, at most this.
    fn up_to(&mut self, most: u32) -> u32 {
        let random = u64::from(u32::from_ne_bytes(self.tools.keys.next_key()));
        ((random * (u64::from(most) + 1)) >> 32) as u32
    }

    /// A connection is open; a server's has taken so long from the accept.
    pub(crate) fn count_opened(&mut self, took_ms: Option<u64>) {
        self.counters.connections_by_state.of(HANDSHAKING).sub(1);
        self.counters.connections_by_state.of(OPEN).add(1);
        if let Some(took_ms) = took_ms {
            self.counters.histograms.record(Measure::HandshakeUs, took_ms * 1_000);
        }
    }
}
