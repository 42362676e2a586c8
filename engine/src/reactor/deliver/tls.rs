//! Connections with TLS: between the kernel's bytes and the connection's.
//!
//! Received bytes become plaintext where they lie, and are delivered as if they had come so. What a
//! connection has queued is encrypted when it is sent, a part at a time: the connection hears that
//! it was sent when its ciphertext was.
//!
//! A handshake costs the server a signature, as much time as a thousand messages. So bytes of
//! connections that have not finished theirs are put aside, and a bounded number of them goes on in
//! each turn, behind what has come for all the others: a storm of reconnecting peers does not
//! starve those that are connected.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::{Disposition, Failure};
use crate::memory::Batch;
use crate::reactor::api::call::with_env;
use crate::reactor::api::contract::Context;
use crate::reactor::api::setup::Served;
use crate::reactor::client::greet::greet;
use crate::reactor::core::endpoints::ByEndpoint;
use crate::reactor::core::labels::BY_TLS;
use crate::reactor::core::slab::NO_DIAL;
use crate::reactor::core::slab::{EndsBy, Incoming, Phase};
use crate::reactor::deliver::deliver::{deliver, park};
use crate::reactor::deliver::handshakes::Handshakes;
use crate::reactor::deliver::shared::Delivery;
use crate::reactor::state::Reactor;
use crate::ring::{Kernel, Lease};

/// Steps of handshakes within one turn. The longest, a signature with RSA, takes half a
/// millisecond.
const TURN_MAX: usize = 4;

/// What a peer may send before it has heard from us: more than a greeting has.
const UNHEARD_MAX: usize = 128 << 10;

/// What is encrypted at a time: with what that adds, no more than the pool keeps as a small vector.
const PIECE_MAX: usize = (64 << 10) - 256;

impl<K: Kernel> Reactor<K> {
    /// As `feed`, for a connection with TLS, of what lies in the buffer from there on.
    pub(crate) fn feed_tls(&mut self, index: u32, mut lease: Lease, from: usize) {
        let buffer = lease.id();
        let bytes = self.kernel.bytes(&mut lease).get_mut(from..).unwrap_or_default();
        let (ctx, endpoints) = (&mut self.ctx, &self.endpoints.served);
        if is_established(ctx, index) {
            let used = complete(ctx, endpoints, index, bytes);
            let delivery = Delivery::of_buffer(buffer, bytes);
            let rest = bytes.get_mut(used..).unwrap_or_default();
            let slot = ctx.slab.at(index);
            if let (Some(link), false) = (slot.link_mut(), rest.is_empty()) {
                let plain = link.session.receive(rest, &mut ctx.pool);
                ctx.source.begin(delivery);
                take_in(ctx, endpoints, index, rest.get_mut(plain).unwrap_or_default());
                ctx.source.end(None);
            }
            after_records(ctx, index);
        } else {
            put_aside(ctx, endpoints, &mut self.handshakes, index, bytes);
        }
        self.kernel.release(lease);
    }

    /// As many handshakes go on as a turn allows.
    #[inline]
    pub(crate) fn run_handshakes(&mut self) {
        if self.handshakes.is_waiting() {
            self.run_some();
        }
    }

    #[inline(never)]
    fn run_some(&mut self) {
        for _ in 0..TURN_MAX {
            let Some(token) = self.handshakes.0.pop_front() else { return };
            let (ctx, index) = (&mut self.ctx, token.slot);
            // It may have ended meanwhile.
            let Some(slot) = ctx.slab.by_token(token) else { continue };
            let Some(link) = slot.link_mut() else { continue };
            link.queued = false;
            open_carried(ctx, &self.endpoints.served, index);
            after_records(ctx, index);
            let now = ctx.served.now;
            let slot = ctx.slab.at(index);
            if slot.has_ended() && !slot.has_backlog() {
                slot.conn.end_of_stream(now);
                ctx.mark_dirty(index);
            }
        }
    }
}

/// Keeps bytes of a handshake until its turn comes. A peer whose last flight is among them may send
/// at once as much as it likes: where that is too much to be kept, the turn is now.
pub(crate) fn put_aside(
    ctx: &mut Context,
    endpoints: &ByEndpoint<Served>,
    handshakes: &mut Handshakes,
    index: u32,
    bytes: &[u8],
) {
    let token = ctx.slab.token(index);
    let Some(link) = ctx.slab.at(index).link_mut() else { return };
    link.session.carry(bytes, &mut ctx.pool);
    if link.session.carried() > UNHEARD_MAX && link.session.is_ready() {
        open_carried(ctx, endpoints, index);
        after_records(ctx, index);
    }
    let slot = ctx.slab.at(index);
    let Some(link) = slot.link_mut() else { return };
    if link.session.carried() > UNHEARD_MAX {
        (slot.abort, slot.ends_by) = (true, EndsBy::Tls);
        ctx.mark_dirty(index);
    } else if !link.queued && link.session.is_ready() {
        link.queued = true;
        handshakes.0.push_back(token);
    }
    ctx.weigh(index);
}

fn is_established(ctx: &mut Context, index: u32) -> bool {
    ctx.slab.at(index).link_mut().is_some_and(|link| link.session.is_established())
}

/// Takes in records of which parts came before, as far as `bytes` go with them. How far that is.
fn complete(ctx: &mut Context, endpoints: &ByEndpoint<Served>, index: u32, bytes: &[u8]) -> usize {
    let mut used = 0;
    while let Some(link) = ctx.slab.at(index).link_mut()
        && link.session.carried() > 0
        && used < bytes.len()
    {
        used += link.session.complete(bytes.get(used..).unwrap_or_default(), &mut ctx.pool);
        open_carried(ctx, endpoints, index);
    }
    used
}

/// Takes in what was carried.
fn open_carried(ctx: &mut Context, endpoints: &ByEndpoint<Served>, index: u32) {
    let Some(link) = ctx.slab.at(index).link_mut() else { return };
    if let Some((mut memory, plain)) = link.session.receive_carried(&mut ctx.pool) {
        note_established(ctx, index);
        take_in(ctx, endpoints, index, memory.get_mut(plain).unwrap_or_default());
        ctx.pool.put(memory);
    }
}

/// Delivers plaintext, or parks it behind what is parked.
fn take_in(ctx: &mut Context, endpoints: &ByEndpoint<Served>, index: u32, plain: &mut [u8]) {
    if plain.is_empty() {
        return;
    }
    if ctx.must_be_kept(index) {
        park(ctx, index, plain);
    } else {
        deliver(ctx, endpoints, index, plain);
    }
}

/// The handshake counts once it is done.
fn note_established(ctx: &mut Context, index: u32) {
    if let Some(link) = ctx.slab.at(index).link_mut()
        && !link.counted
        && link.session.is_established()
    {
        link.counted = true;
        ctx.counters.tls_handshakes.add(1);
        ctx.counters.tls_resumed.add(u64::from(link.session.is_resumed()));
        greet(ctx, index);
    }
}

/// Sees to what the session has come to by what was taken in.
fn after_records(ctx: &mut Context, index: u32) {
    note_established(ctx, index);
    ctx.weigh(index);
    let now = ctx.served.now;
    let slot = ctx.slab.at(index);
    let Some(link) = slot.link_mut() else { return };
    let has_output = link.session.has_output();
    if link.session.failure().is_some() {
        // What the connection has queued cannot be sent any more, only the alert.
        if let Some(batch) = link.batch.take() {
            batch.recycle(&mut ctx.pool);
        }
        with_env(ctx, index, |conn, env| conn.break_off(Failure::Tls, env));
        return ctx.mark_dirty(index);
    }
    if link.session.is_peer_closed() && slot.incoming != Incoming::Ended {
        // As good as the end of the stream, which comes next: nothing else does.
        slot.incoming = Incoming::Ended;
        if slot.phase == Phase::Live && !slot.has_parked() {
            slot.conn.end_of_stream(now);
        }
        return ctx.mark_dirty(index);
    }
    if has_output {
        ctx.mark_dirty(index);
    }
}

impl Context {
    /// What a connection with TLS sends next: what it has queued, encrypted; what TLS itself has to
    /// say; and at the end the close_notify.
    pub(crate) fn next_ciphertext(&mut self, index: u32) -> Option<Batch> {
        let slot = self.slab.at(index);
        let ours = slot.dial() != NO_DIAL;
        let link = slot.rare.as_mut()?.tls.as_mut()?;
        if let Some(rest) = link.rest.take() {
            return Some(rest);
        }
        let session = &mut link.session;
        if session.is_established() && !session.is_closed() && session.failure().is_none() {
            if let Some(batch) = slot.conn.transmit() {
                match session.encrypt(&batch, PIECE_MAX, &mut self.pool) {
                    Ok(taken) => (link.batch, link.taken) = (Some(batch), taken),
                    // Only when keys are worn out that cannot be renewed (TLS 1.2).
                    Err(_) => {
                        (slot.abort, slot.ends_by) = (true, EndsBy::Tls);
                        batch.recycle(&mut self.pool);
                        self.mark_dirty(index);
                        return None;
                    }
                }
            } else if slot.conn.disposition() != Disposition::Open {
                session.close(&mut self.pool);
            }
        } else if session.failure().is_some() && !session.has_output() && ours {
            // The server knows, and the application wants to.
            slot.abort = true;
            self.mark_dirty(index);
            return None;
        }
        session.take_output().map(Batch::new)
    }

    /// A send has ended that took `sent` bytes of the ciphertext. What the connection is to be
    /// given back, and how much of that was sent; `None` when the rest must be sent first.
    pub(crate) fn ciphertext_sent(
        &mut self,
        index: u32,
        mut ciphertext: Batch,
        sent: usize,
    ) -> Option<(Batch, usize)> {
        let slot = self.slab.at(index);
        let link = slot.rare.as_mut()?.tls.as_mut()?;
        if std::mem::take(&mut link.plain) {
            // What is left of it must not be encrypted.
            slot.abort |= sent < ciphertext.len();
            self.mark_dirty(index);
            return Some((ciphertext, sent));
        }
        ciphertext.advance(sent);
        if ciphertext.is_empty() {
            ciphertext.recycle(&mut self.pool);
            let taken = std::mem::take(&mut link.taken);
            let batch = link.batch.take().unwrap_or_default();
            if link.session.has_output() {
                self.mark_dirty(index);
            }
            return Some((batch, taken));
        }
        if sent > 0 {
            link.rest = Some(ciphertext);
            self.mark_dirty(index);
            return None;
        }
        ciphertext.recycle(&mut self.pool);
        Some((link.batch.take().unwrap_or_default(), 0))
    }

    /// The connection is gone: so is its TLS.
    pub(crate) fn drop_tls(&mut self, index: u32) {
        let slot = self.slab.at(index);
        if let Some(link) = slot.rare.as_mut().and_then(|rare| rare.tls.take()) {
            let failure = link.session.failure().map(|alert| alert.0.as_str());
            self.log.tls_ended(self.now, slot.peer.get(), link.counted, failure);
            if !link.counted {
                self.counters.tls_failed.add(1);
                if slot.dial() == NO_DIAL
                    && !matches!(slot.conn.failure(), Some(Failure::TimedOut(_)))
                {
                    self.counters.refused_by_reason.count(BY_TLS);
                }
            }
            link.release(&mut self.pool);
        }
    }
}
