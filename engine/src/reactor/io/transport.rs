//! What the transport brings and takes, and what becomes of a connection when it fails.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::Disposition;
use crate::memory::Batch;
use crate::reactor::api::call::{handle_of, with_env};
use crate::reactor::core::receive_mode::{ReceiveMode, ReceiveState};
use crate::reactor::core::slab::{EndsBy, Incoming, Phase};
use crate::reactor::deliver::deliver::{deliver, park};
use crate::reactor::deliver::shared::Delivery;
use crate::reactor::state::Reactor;
use crate::ring::{Errno, Kernel, Lease, Token};

impl<K: Kernel> Reactor<K> {
    pub(crate) fn received(
        &mut self,
        token: Token,
        result: Result<Option<Lease>, Errno>,
        more: bool,
    ) {
        let Some(slot) = self.ctx.slab.by_token(token) else {
            // Stale: the slot has another tenant, whose bytes these are not.
            if let Ok(Some(lease)) = result {
                self.kernel.release(lease);
            }
            return;
        };
        let mode = slot.receive.mode();
        if !more {
            slot.receive = ReceiveState::Down;
            self.ctx.mark_dirty(token.slot);
        }
        let slot = self.ctx.slab.at(token.slot);
        match result {
            Ok(Some(lease)) if slot.phase == Phase::Live => {
                if mode == Some(ReceiveMode::Large) {
                    return self.received_large(token.slot, lease, false);
                }
                let len = lease.len();
                self.feed(token.slot, lease);
                if mode == Some(ReceiveMode::Head) {
                    self.note_size(token.slot, len);
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
    pub(crate) fn receive_ended(&mut self, index: u32, result: Result<(), Errno>) {
        let slot = self.ctx.slab.at(index);
        match result {
            Err(Errno::CANCELED) => return,
            // The closing handshake is complete: how the peer then drops TCP is its affair.
            Err(_) if slot.is_closed() => slot.abort = true,
            Err(errno) => self.transport_failed(index, EndsBy::Receiving, errno),
            Ok(()) => {}
        }
        let now = self.ctx.served.now;
        let slot = self.ctx.slab.at(index);
        slot.incoming = Incoming::Ended;
        if slot.phase != Phase::Live {
            return;
        }
        if !slot.has_backlog() {
            slot.conn.end_of_stream(now);
        }
    }

    /// The poll of a connection that is not read has ended.
    pub(crate) fn hung_up(&mut self, token: Token, result: Result<(), Errno>) {
        let Some(slot) = self.ctx.slab.by_token(token) else { return };
        slot.receive = ReceiveState::Down;
        if slot.phase == Phase::Live && result != Err(Errno::CANCELED) {
            if slot.incoming == Incoming::Open {
                slot.incoming = Incoming::Ending;
            }
            if let Err(errno) = result {
                self.transport_failed(token.slot, EndsBy::Receiving, errno);
            }
        }
        self.ctx.mark_dirty(token.slot);
    }

    /// The transport has failed: nothing can be sent any more. What the kernel still holds of the
    /// peer's words is read to its end, since the peer's Close may be in it (RFC 6455 §7.1.5).
    fn transport_failed(&mut self, index: u32, while_it: EndsBy, errno: Errno) {
        let slot = self.ctx.slab.at(index);
        if slot.ends_by == EndsBy::Itself {
            slot.ends_by = while_it;
            slot.set_errno(errno);
        }
        slot.send_ended = true;
        slot.conn.cannot_send(self.ctx.served.now, &mut self.ctx.pool);
        self.ctx.mark_dirty(index);
    }

    /// Gives a filled buffer to its connection for as long as its callbacks run.
    pub(crate) fn feed(&mut self, index: u32, lease: Lease) {
        if self.ctx.slab.at(index).rare.is_some() {
            return self.feed_rare(index, lease);
        }
        self.feed_plain(index, lease, 0);
    }

    /// The same for one that has something that few have.
    #[inline(never)]
    fn feed_rare(&mut self, index: u32, mut lease: Lease) {
        let mut from = 0;
        if self.ctx.slab.at(index).awaits_proxy() {
            match self.take_proxy_header(index, &mut lease) {
                Some(end) if end < lease.len() => from = end,
                _ => return self.kernel.release(lease),
            }
        }
        #[cfg(feature = "tls")]
        if self.ctx.slab.at(index).is_secure() {
            return self.feed_tls(index, lease, from);
        }
        self.feed_plain(index, lease, from);
    }

    /// Delivers what lies in a buffer from there on.
    #[inline(always)]
    fn feed_plain(&mut self, index: u32, mut lease: Lease, from: usize) {
        let buffer = lease.id();
        let bytes = self.kernel.bytes(&mut lease).get_mut(from..).unwrap_or_default();
        if self.ctx.must_be_kept(index) {
            park(&mut self.ctx, index, bytes);
            return self.kernel.release(lease);
        }
        self.ctx.source.begin(Delivery::of_buffer(buffer, bytes));
        deliver(&mut self.ctx, &self.endpoints.served, index, bytes);
        self.ctx.source.end(None);
        self.kernel.release(lease);
    }

    pub(crate) fn sent(&mut self, token: Token, batch: Batch, result: Result<usize, Errno>) {
        let waits = self.ctx.served.waits;
        let (live, had_to_wait) = match self.ctx.slab.by_token(token) {
            Some(slot) => {
                slot.sending = false;
                (slot.phase == Phase::Live, slot.sent_in != waits)
            }
            None => (false, false),
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
        self.ctx.is_back(token.slot);
        self.ctx.counters.bytes_out.add(taken as u64);
        #[cfg(feature = "tls")]
        let (batch, taken) = match self.ctx.slab.at(token.slot).is_secure() {
            false => (batch, taken),
            true => match self.ctx.ciphertext_sent(token.slot, batch, taken) {
                Some(sent) => sent,
                None => return,
            },
        };
        let drained =
            with_env(&mut self.ctx, token.slot, |conn, env| conn.transmitted(batch, taken, env));
        if let Err(errno) = result {
            self.transport_failed(token.slot, EndsBy::Sending, errno);
        } else if had_to_wait {
            self.ctx.slab.at(token.slot).conn.room_made(self.ctx.served.now);
        }
        let slot = self.ctx.slab.at(token.slot);
        if slot.abort || slot.conn.buffered() > 0 || slot.conn.disposition() != Disposition::Open {
            self.ctx.mark_dirty(token.slot);
        }
        self.publish_mailed(token.slot);
        self.ctx.weigh(token.slot);
        if self.ctx.topics.are_replaying() {
            let conn = handle_of(&self.ctx, token.slot);
            self.ctx.replay_for(conn);
        }
        let slot = self.ctx.slab.at(token.slot);
        if drained && !slot.conn.opened() {
            // A peer that has taken its answers may ask on.
            self.ctx.mark_dirty(token.slot);
        } else if drained && !slot.abort && !slot.send_ended {
            let endpoint = slot.endpoint;
            let conn = handle_of(&self.ctx, token.slot);
            self.endpoints.handler(endpoint).on_drain(&mut self.ctx, conn);
        }
    }
}
