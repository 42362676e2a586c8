//! How a socket receives: a strategy per connection, changed while it lives.
//!
//! Most receive multishot into the small provided buffers. A connection that has shown large frames
//! receives once, so much that a header fits and little more; what remains of a large frame is then
//! received into the memory that its message is assembled in, piece by piece, each unmasked while
//! it is in the cache. Between messages such a connection holds no memory at all.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::Reactor;
use crate::reactor::core::slab::{Phase, Slot};
use crate::reactor::deliver::deliver::{act, handle_of, park, with_env};
use crate::reactor::io::settle::token_of;
use crate::ring::{Errno, Kernel, Token};
use std::collections::VecDeque;

/// The receive that is armed, or was last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Into small buffers, until cancelled.
    Multishot,
    /// Once, into a large buffer.
    Large,
    /// Once, for the head of a frame.
    Head,
    /// Once, into the memory of the message in progress.
    Direct,
    /// Not yet: its direct receive waits for its turn.
    Waiting,
    /// Not at all: the end is watched for.
    Watch,
}

/// When to receive how, and when to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// A connection whose frames are of this length, a power of two, is received otherwise. Above
    /// what fits into a small buffer.
    pub(crate) large_min: u64,
    /// So is one in the middle of a frame of which this remains, and of which a sixteenth of this
    /// has come.
    pub(crate) huge_min: u64,
    /// What is received for the head of a frame.
    pub(crate) head: u32,
    /// What must remain of a frame behind what has come to be received on its own.
    pub(crate) rest_min: u64,
    /// What is received at a time: with what unmasking it takes, less than the second-level cache.
    pub(crate) piece_max: usize,
    /// What is received so within one turn. The kernel receives before we unmask, so what one turn
    /// receives must stay in the cache together.
    pub(crate) turn_max: usize,
    /// Turns in which messages that have begun may go on while the same one waits to begin. One
    /// that is received, unmasked and sent on in one go is in the cache all the while.
    pub(crate) overtakes_max: u8,
    /// Memory of one reactor for messages that are expected to be as large as those before them.
    /// Beyond it, memory only doubles with what has come.
    pub(crate) known_max: usize,
    /// After so many receives without a large frame a connection is received as most are.
    pub(crate) quiet_max: u8,
    /// A message of this length that lies whole in its buffer is sent back out of it: see `Source`.
    pub(crate) echo_min: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            large_min: 32 << 10,
            huge_min: 1 << 20,
            head: 512,
            rest_min: 4 << 10,
            piece_max: 256 << 10,
            turn_max: 256 << 10,
            overtakes_max: 4,
            known_max: 64 << 20,
            quiet_max: 8,
            echo_min: 4 << 10,
        }
    }
}

/// What a reactor receives into the memory of messages.
#[derive(Debug, Default)]
pub(crate) struct DirectReceives {
    pub(crate) sizes: Sizes,
    /// Bytes asked for in this turn.
    turn: usize,
    /// Slots that wait for their turn, in the order in which they came. May hold some that have
    /// stopped waiting.
    waiting: VecDeque<u32>,
    /// Turns in which the first of them was overtaken.
    overtaken: u8,
    /// Granted to the messages in progress: see `Sizes::known_max`.
    known: usize,
    #[cfg(feature = "sim")]
    pub(crate) seen: Seen,
}

/// What has happened since the start, for the simulator.
#[cfg(feature = "sim")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Direct receives that brought something.
    pub(crate) direct: u64,
    /// Those that had to wait for their turn.
    pub(crate) waited: u64,
    /// The most turns in which one of those was overtaken.
    pub(crate) overtaken: u8,
}

impl DirectReceives {
    /// Whether some wait for the next turn.
    pub(crate) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a connection is to be received otherwise than most.
    #[inline]
    fn suits(&self, slot: &Slot) -> bool {
        let direct = slot.conn.direct_receive();
        let large = direct.size_hint >= self.sizes.large_min || {
            let huge_min = self.sizes.huge_min;
            direct.remaining >= huge_min && direct.received as u64 >= huge_min / 16
        };
        // What is encrypted does not lie in the message as it comes.
        large && !slot.is_secure()
    }

    /// How a connection that suits is to be received now. A frame that lies whole in its buffer is
    /// neither copied nor waited for twice, so that is for all that fit into a large one.
    fn way(&self, slot: &Slot, large_capacity: usize) -> How {
        // The end of a frame that is received directly is so as well, however short.
        let rest_min = if slot.fresh > 0 { 1 } else { self.sizes.rest_min };
        let receive = slot.conn.direct_receive();
        let longest = receive.size_hint.saturating_mul(2);
        if receive.remaining >= rest_min {
            How::Direct
        } else if (1..=large_capacity as u64).contains(&longest) {
            How::Large
        } else {
            How::Head
        }
    }

    /// Memory for the message in progress, at once: what the connection has shown that it sends.
    fn grant(&mut self, slot: &mut Slot) -> usize {
        if slot.known == 0 {
            let direct = slot.conn.direct_receive();
            let most = direct.remaining.saturating_add(direct.received as u64);
            let known = direct.size_hint.saturating_mul(2).min(most);
            let known = usize::try_from(known).unwrap_or(usize::MAX);
            if known <= self.sizes.known_max - self.known {
                self.known += known;
                slot.known = known;
            }
        }
        slot.known
    }

    /// Whether one must wait for its turn. What has begun goes on before others begin, but not
    /// for ever.
    fn must_wait(&self, has_begun: bool) -> bool {
        let overtakes = has_begun && self.overtaken < self.sizes.overtakes_max;
        self.turn >= self.sizes.turn_max || !self.waiting.is_empty() && !overtakes
    }

    /// Bytes granted now.
    #[cfg(feature = "sim")]
    pub(crate) fn known(&self) -> usize {
        self.known
    }

    /// The message in progress has come, or never will.
    pub(crate) fn revoke(&mut self, slot: &mut Slot) {
        self.known -= std::mem::take(&mut slot.known);
    }
}

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

    /// At the end of a turn, when messages that have begun have asked for their next piece: as
    /// many of those that wait as there is room for, in the order in which they came.
    pub(crate) fn begin_waiting(&mut self) {
        let mut served = false;
        while self.direct.turn < self.direct.sizes.turn_max
            && let Some(index) = self.direct.waiting.pop_front()
        {
            let slot = self.ctx.slab.at(index);
            if slot.phase != Phase::Live || slot.how != How::Waiting {
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
        slot.how == How::Multishot
            && self.direct.suits(slot)
            && !self.ctx.limits.of(slot.endpoint).stream
    }

    /// Receives, in the way that suits the connection now.
    pub(crate) fn arm_receive(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        let token = token_of(index, slot);
        let stream = self.ctx.limits.of(slot.endpoint).stream;
        if !self.direct.suits(slot) || stream {
            slot.how = How::Multishot;
            slot.receiving = true;
            return self.kernel.receive(slot.socket, token);
        }
        match self.direct.way(slot, self.ctx.source.buffers.large_capacity()) {
            // Something else has happened to it meanwhile.
            How::Direct if slot.how == How::Waiting => {}
            How::Direct if self.direct.must_wait(slot.fresh > 0) => {
                #[cfg(feature = "sim")]
                (self.direct.seen.waited += 1);
                slot.how = How::Waiting;
                self.direct.waiting.push_back(index);
            }
            How::Direct => self.receive_direct(index),
            how => {
                self.direct.revoke(slot);
                slot.how = how;
                slot.fresh = 0;
                slot.receiving = true;
                if how == How::Large {
                    self.kernel.receive_large(slot.socket, token);
                } else {
                    self.kernel.receive_once(slot.socket, token, self.direct.sizes.head);
                }
            }
        }
    }

    /// The next piece of a large message goes where the message is.
    fn receive_direct(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        let known = self.direct.grant(slot);
        let piece_max = self.direct.sizes.piece_max;
        let (memory, most) = slot.conn.lend_direct(known, piece_max, &mut self.ctx.pool);
        // A message that goes on takes its place in the turn by what it brought: one that trickles
        // must not keep others waiting.
        self.direct.turn += if slot.fresh > 0 { most.min(slot.fresh as usize) } else { most };
        slot.how = How::Direct;
        slot.receiving = true;
        self.kernel.receive_into(slot.socket, token_of(index, slot), memory, most);
    }

    /// A receive that was not armed for good has brought `len` bytes: notes whether they were, or
    /// begin, a large frame.
    pub(crate) fn note_size(&mut self, index: u32, len: usize) {
        let slot = self.ctx.slab.at(index);
        let sizes = &self.direct.sizes;
        let begun = slot.conn.direct_receive().remaining >= sizes.rest_min;
        if begun || len as u64 >= sizes.large_min / 2 {
            slot.quiet = 0;
            return;
        }
        slot.quiet += 1;
        if slot.quiet >= sizes.quiet_max {
            slot.quiet = 0;
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
        slot.receiving = false;
        slot.cancelling = false;
        self.ctx.mark_dirty(token.slot);
        match result {
            Ok(fresh @ 1..) => self.feed_direct(token.slot, memory, fresh),
            ended => {
                self.ctx.slab.at(token.slot).conn.take_back(memory, &mut self.ctx.pool);
                self.receive_ended(token.slot, ended.map(|_| ()));
            }
        }
    }

    fn feed_direct(&mut self, index: u32, mut memory: Vec<u8>, fresh: usize) {
        let slot = self.ctx.slab.at(index);
        if slot.phase != Phase::Live || slot.abort {
            return slot.conn.take_back(memory, &mut self.ctx.pool);
        }
        slot.fresh = fresh as u32;
        if slot.holds() || slot.has_parked() {
            let held = memory.len() - fresh;
            park(&mut self.ctx, index, memory.get(held..).unwrap_or_default());
            memory.truncate(held);
            let slot = self.ctx.slab.at(index);
            return slot.conn.take_back(memory, &mut self.ctx.pool);
        }
        #[cfg(feature = "sim")]
        (self.direct.seen.direct += 1);
        let found =
            with_env(&mut self.ctx, index, |conn, env| conn.received_directly(memory, fresh, env));
        let slot = self.ctx.slab.at(index);
        if slot.conn.direct_receive().remaining == 0 {
            self.direct.revoke(slot);
        }
        if let Ok(Some(event)) = found {
            let handler = self.endpoints.handler(slot.endpoint);
            let conn = handle_of(&mut self.ctx, index);
            act(&mut self.ctx, handler, conn, event);
        }
    }
}
