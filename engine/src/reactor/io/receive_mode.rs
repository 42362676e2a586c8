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

/// The receive that is armed, or was last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Into small buffers, until cancelled.
    Multishot,
    /// Once, for the head of a frame.
    Head,
    /// Once, into the memory of the message in progress.
    Landing,
    /// Not at all: the end is watched for.
    Watch,
}

/// When to receive how, and when to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// A connection that has shown a frame of this length, a power of two, is received otherwise.
    /// Above what fits into a small buffer.
    pub(crate) large_min: u64,
    /// So is one in the middle of a frame of which this remains, and of which a sixteenth of this
    /// has come.
    pub(crate) huge_min: u64,
    /// What is received for the head of a frame.
    pub(crate) head: u32,
    /// What must remain of a frame behind its head to be received on its own.
    pub(crate) rest_min: u64,
    /// What is received at a time: with what unmasking it takes, less than the second-level cache.
    pub(crate) piece_max: usize,
    /// What is received so within one turn. The kernel receives before we unmask, so what one turn
    /// receives must stay in the cache together. What waits goes on behind what has begun.
    pub(crate) turn_max: usize,
    /// Memory of one reactor for messages that are expected to be as large as those before them.
    /// Beyond it, memory only doubles with what has come.
    pub(crate) known_max: usize,
    /// After so many heads without a large frame a connection is received as most are.
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
            known_max: 64 << 20,
            quiet_max: 8,
            echo_min: 4 << 10,
        }
    }
}

/// What a reactor has received in this way.
#[derive(Debug, Default)]
pub(crate) struct Landings {
    pub(crate) sizes: Sizes,
    /// Asked for in this turn.
    turn: usize,
    /// Slots that wait for the next turn.
    deferred: Vec<u32>,
    /// Granted to the messages in progress: see `Sizes::known_max`.
    known: usize,
    /// Receives into the memory of messages that brought something, since the start.
    #[cfg(feature = "sim")]
    pub(crate) landed: u64,
    /// Receives that had to wait for the next turn, since the start.
    #[cfg(feature = "sim")]
    pub(crate) waited: u64,
}

impl Landings {
    /// Whether receives wait for the next turn.
    pub(crate) fn is_deferred(&self) -> bool {
        !self.deferred.is_empty()
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
        self.landings.sizes = sizes;
        self.ctx.source.echo_min = sizes.echo_min;
    }

    /// Another size of batches than the default one, for tests.
    #[cfg(feature = "sim")]
    pub(crate) fn send_in_batches_of(&mut self, bytes: usize) {
        self.ctx.pool.set_batch_max(bytes);
    }

    /// What had to wait may go, behind the messages that are coming already: one that is received,
    /// unmasked and sent on in one go is in the cache all the while, and its memory is used again.
    pub(crate) fn resume_landings(&mut self) {
        self.landings.turn = 0;
        for index in self.landings.deferred.drain(..) {
            self.ctx.mark_dirty(index);
        }
    }

    /// Whether the armed receive is not the one that this connection should have. The others end
    /// by themselves.
    #[inline]
    pub(crate) fn must_move(&mut self, index: u32) -> bool {
        let slot = self.ctx.slab.at(index);
        slot.how == How::Multishot
            && self.landings.suits(slot)
            && !self.ctx.limits.of(slot.endpoint).stream
    }

    /// Receives, in the way that suits the connection now.
    pub(crate) fn arm_receive(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        let token = token_of(index, slot);
        let sizes = self.landings.sizes;
        let stream = self.ctx.limits.of(slot.endpoint).stream;
        if !self.landings.suits(slot) || stream {
            slot.how = How::Multishot;
            slot.receiving = true;
            return self.kernel.receive(slot.socket, token);
        }
        // The end of a frame that is landing is received so as well, however short.
        let rest_min = if slot.fresh > 0 { 1 } else { sizes.rest_min };
        if slot.conn.direct_receive().remaining < rest_min {
            self.landings.revoke(slot);
            slot.how = How::Head;
            slot.fresh = 0;
            slot.receiving = true;
            return self.kernel.receive_once(slot.socket, token, sizes.head);
        }
        if self.landings.turn >= sizes.turn_max {
            #[cfg(feature = "sim")]
            (self.landings.waited += 1);
            return self.landings.deferred.push(index);
        }
        let known = self.landings.grant(slot);
        let (memory, most) = slot.conn.lend_direct(known, sizes.piece_max, &mut self.ctx.pool);
        // A message that goes on takes its place in the turn by what it brought: one that trickles
        // must not keep others waiting.
        self.landings.turn += if slot.fresh > 0 { most.min(slot.fresh as usize) } else { most };
        slot.how = How::Landing;
        slot.receiving = true;
        self.kernel.receive_into(slot.socket, token, memory, most);
    }

    /// A receive for a head has brought something: notes whether a large frame has begun.
    pub(crate) fn note_head(&mut self, index: u32) {
        let slot = self.ctx.slab.at(index);
        if slot.conn.direct_receive().remaining >= self.landings.sizes.rest_min {
            slot.quiet = 0;
            return;
        }
        slot.quiet += 1;
        if slot.quiet >= self.landings.sizes.quiet_max {
            slot.quiet = 0;
            slot.conn.forget_size_hint();
        }
    }

    /// A receive into the memory of a message has ended.
    pub(crate) fn landed(&mut self, token: Token, memory: Vec<u8>, result: Result<usize, Errno>) {
        let Some(slot) = self.ctx.slab.by_token(token) else {
            return self.ctx.pool.put(memory);
        };
        slot.receiving = false;
        slot.cancelling = false;
        self.ctx.mark_dirty(token.slot);
        match result {
            Ok(fresh @ 1..) => self.feed_landed(token.slot, memory, fresh),
            ended => {
                self.ctx.slab.at(token.slot).conn.take_back(memory, &mut self.ctx.pool);
                self.receive_ended(token.slot, ended.map(|_| ()));
            }
        }
    }

    fn feed_landed(&mut self, index: u32, mut memory: Vec<u8>, fresh: usize) {
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
        (self.landings.landed += 1);
        let found =
            with_env(&mut self.ctx, index, |conn, env| conn.received_directly(memory, fresh, env));
        let slot = self.ctx.slab.at(index);
        if slot.conn.direct_receive().remaining == 0 {
            self.landings.revoke(slot);
        }
        if let Ok(Some(event)) = found {
            let handler = self.endpoints.handler(slot.endpoint);
            let conn = handle_of(&mut self.ctx, index);
            act(&mut self.ctx, handler, conn, event);
        }
    }
}
