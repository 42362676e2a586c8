//! How a socket receives: a strategy per connection, changed while it lives.
//!
//! Most receive multishot into the small provided buffers. A connection that has shown large frames
//! receives once, so much that a header fits and little more; what remains of a large frame is then
//! received into the memory that its message is assembled in, piece by piece, each unmasked while
//! it is in the cache. Between messages such a connection holds no memory at all.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

#[cfg(feature = "sim")]
use super::direct::Sizes;
use crate::reactor::api::call::{handle_of, with_env};
use crate::reactor::core::receive_mode::{ReceiveMode, ReceiveState};
use crate::reactor::core::slab::Phase;
use crate::reactor::deliver::deliver::{act, park};
use crate::reactor::state::Reactor;
use crate::ring::{Destination, Errno, Kernel, Token};

impl<K: Kernel> Reactor<K> {
    /// Other sizes than the default ones, for tests.
    #[cfg(feature = "sim")]
    pub(crate) fn receive_by(&mut self, sizes: Sizes) {
        self.direct.sizes = sizes;
        self.ctx.source.echo_min = sizes.echo_min;
    }

    /// Another size of batches than the default one, for tests.
    #[cfg(feature = "sim")]
    pub(crate) fn send_in_batches_of(&mut self, bytes: usize) {
        self.ctx.pool.set_batch_max(bytes);
    }

    /// What many connections are, for tests: so many and more.
    #[cfg(feature = "sim")]
    pub(crate) fn many_are_above(&mut self, many: usize) {
        self.ctx.early.many = many;
        self.ctx.early.first = many.div_ceil(16);
    }

    /// At the end of a turn, when messages that have begun have asked for their next piece: as
    /// many of those that wait as there is room for, in the order in which they came.
    pub(crate) fn begin_waiting(&mut self) {
        let mut served = false;
        while self.direct.turn < self.direct.sizes.turn_max
            && let Some(index) = self.direct.waiting.pop_front()
        {
            let Some(slot) = self.ctx.slab.get(index) else { continue };
            if slot.phase != Phase::Live || slot.receive != ReceiveState::Waiting {
                continue;
            }
            if slot.conn.direct_receive().remaining == 0 {
                // The connection has failed meanwhile.
                self.ctx.mark_dirty(index);
                continue;
            }
            served = true;
            self.receive_direct(index);
        }
        let served = served || self.direct.waiting.is_empty();
        self.direct.overtaken = if served { 0 } else { self.direct.overtaken + 1 };
        #[cfg(feature = "sim")]
        {
            let seen = &mut self.direct.seen;
            seen.overtaken = seen.overtaken.max(self.direct.overtaken);
        }
        self.direct.turn = 0;
    }

    /// Whether the armed receive is not the one that this connection should have. The others end
    /// by themselves.
    #[inline]
    pub(crate) fn must_move(&mut self, index: u32) -> bool {
        let slot = self.ctx.slab.at(index);
        slot.receive.mode() == Some(ReceiveMode::Multishot)
            && self.direct.suits(slot)
            && !self.ctx.limits.of(slot.endpoint).stream
    }

    /// Receives, in the way that suits the connection now.
    pub(crate) fn arm_receive(&mut self, index: u32) {
        let token = self.ctx.slab.token(index);
        let slot = self.ctx.slab.at(index);
        let stream = self.ctx.limits.of(slot.endpoint).stream;
        if !self.direct.suits(slot) || stream {
            slot.receive = ReceiveState::Armed(ReceiveMode::Multishot);
            return self.kernel.receive(slot.socket, token);
        }
        match self.direct.way(slot, self.ctx.source.buffers.large_capacity()) {
            // Something else has happened to it meanwhile.
            ReceiveMode::Direct if slot.receive == ReceiveState::Waiting => {}
            ReceiveMode::Direct if self.direct.must_wait(slot.latest_direct() > 0) => {
                #[cfg(feature = "sim")]
                (self.direct.seen.waited += 1);
                slot.receive = ReceiveState::Waiting;
                self.direct.waiting.push_back(index);
            }
            ReceiveMode::Direct => self.receive_direct(index),
            mode => {
                self.direct.revoke(slot);
                slot.rare().large.latest = 0;
                slot.receive = ReceiveState::Armed(mode);
                if mode == ReceiveMode::Large {
                    self.kernel.receive_large(slot.socket, token);
                } else {
                    self.kernel.receive_once(slot.socket, token, self.direct.sizes.head);
                }
            }
        }
    }

    /// The next piece of a large message goes where the message is.
    fn receive_direct(&mut self, index: u32) {
        let token = self.ctx.slab.token(index);
        let slot = self.ctx.slab.at(index);
        let (tight, piece_max) = (self.ctx.memory.is_tight(), self.direct.sizes.piece_max);
        // Where memory is short, none is taken ahead of what comes but for one piece.
        let wanted = match tight {
            true => (0, piece_max),
            false => (self.direct.grant(slot), usize::MAX),
        };
        let (memory, most) = slot.conn.begin_direct(wanted, piece_max, &mut self.ctx.pool);
        let large = &mut slot.rare().large;
        (large.lent, large.lent_len) = (memory.capacity(), memory.len());
        // A message that goes on takes its place in the turn by what it brought: one that trickles
        // must not keep others waiting.
        self.direct.turn += match slot.latest_direct() {
            0 => most,
            latest => most.min(latest),
        };
        slot.receive = ReceiveState::Armed(ReceiveMode::Direct);
        self.kernel.receive_into(slot.socket, token, Destination::Vector(memory), most);
        self.ctx.weigh(index);
    }

    /// A receive that was not armed for good has brought `len` bytes: notes whether they were, or
    /// begin, a large frame.
    pub(crate) fn note_size(&mut self, index: u32, len: usize) {
        let slot = self.ctx.slab.at(index);
        let sizes = &self.direct.sizes;
        let begun = slot.conn.direct_receive().remaining >= sizes.rest_min;
        let small_in_a_row = &mut slot.rare().large.small_in_a_row;
        if begun || len as u64 >= sizes.large_min / 2 {
            *small_in_a_row = 0;
            return;
        }
        *small_in_a_row += 1;
        if *small_in_a_row >= sizes.small_max {
            *small_in_a_row = 0;
            slot.conn.forget_size_hint();
        }
    }

    /// A receive into the memory of a message has ended.
    pub(crate) fn received_into(
        &mut self,
        token: Token,
        memory: Vec<u8>,
        result: Result<usize, Errno>,
    ) {
        let Some(slot) = self.ctx.slab.by_token(token) else {
            return self.ctx.pool.put(memory);
        };
        slot.receive = ReceiveState::Down;
        let large = &mut slot.rare().large;
        (large.lent, large.lent_len) = (0, 0);
        self.ctx.mark_dirty(token.slot);
        match result {
            Ok(received @ 1..) => self.feed_direct(token.slot, memory, received),
            ended => {
                self.ctx.slab.at(token.slot).conn.cancel_direct(memory, &mut self.ctx.pool);
                self.receive_ended(token.slot, ended.map(|_| ()));
            }
        }
    }

    fn feed_direct(&mut self, index: u32, mut memory: Vec<u8>, received: usize) {
        let slot = self.ctx.slab.at(index);
        if slot.phase != Phase::Live || slot.abort {
            return slot.conn.cancel_direct(memory, &mut self.ctx.pool);
        }
        slot.rare().large.latest = received as u32;
        if slot.keeps_back() {
            let held = memory.len() - received;
            park(&mut self.ctx, index, memory.get(held..).unwrap_or_default());
            memory.truncate(held);
            let slot = self.ctx.slab.at(index);
            return slot.conn.cancel_direct(memory, &mut self.ctx.pool);
        }
        #[cfg(feature = "sim")]
        (self.direct.seen.direct += 1);
        let found = with_env(&mut self.ctx, index, |conn, env| {
            conn.received_directly(memory, received, env)
        });
        let slot = self.ctx.slab.at(index);
        if slot.conn.direct_receive().remaining == 0 {
            self.direct.revoke(slot);
        }
        if let Ok(Some(event)) = found {
            let handler = self.endpoints.handler(slot.endpoint);
            let conn = handle_of(&self.ctx, index);
            act(&mut self.ctx, handler, conn, event);
            self.ctx.has_inflated(index);
        }
    }
}
