//! When a socket receives in which way, and whose turn it is to be received directly.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::core::receive_mode::ReceiveMode;
use crate::reactor::core::slab::Slot;
use crate::ring::Token;
use std::collections::VecDeque;

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
    pub(crate) granted_max: usize,
    /// After so many receives without a large frame a connection is received as most are.
    pub(crate) small_max: u8,
    /// So many turns a message may keep a large buffer while it has not come whole. One that takes
    /// longer goes on in memory of its own: there are few buffers, and a peer that sends slowly, or
    /// nothing more, must not keep one from others.
    pub(crate) rest_turns_max: u32,
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
            granted_max: 64 << 20,
            small_max: 8,
            rest_turns_max: 16,
            echo_min: 4 << 10,
        }
    }
}

/// What a reactor receives into the memory of messages.
#[derive(Debug, Default)]
pub(crate) struct DirectReceives {
    pub(crate) sizes: Sizes,
    /// Bytes asked for in this turn.
    pub(crate) turn: usize,
    /// Slots that wait for their turn, in the order in which they came. May hold some that have
    /// stopped waiting.
    pub(crate) waiting: VecDeque<u32>,
    /// Turns in which the first of them was overtaken.
    pub(crate) overtaken: u8,
    /// Granted to the messages in progress: see `Sizes::granted_max`.
    pub(crate) granted: usize,
    pub(crate) rests: Rests,
    #[cfg(feature = "sim")]
    pub(crate) seen: Seen,
}

/// The messages whose rest is being received into their buffers.
#[derive(Debug, Default)]
pub(crate) struct Rests {
    /// How many.
    pub(crate) out: u16,
    /// Since which wait each has been, in this order. May hold some that have ended.
    pub(crate) since: VecDeque<(Token, u32)>,
}

/// What has happened since the start, for the simulator.
#[cfg(feature = "sim")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Direct receives that brought something.
    pub(crate) direct: u64,
    /// Those that had to wait for their turn.
    pub(crate) waited: u64,
    /// Receives of the rest of a message into the buffer in which it has begun.
    pub(crate) rests: u64,
    /// Messages that have kept their buffers for too long.
    pub(crate) slow: u64,
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
    pub(crate) fn suits(&self, slot: &Slot) -> bool {
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
    pub(crate) fn way(&self, slot: &Slot, large_capacity: usize) -> ReceiveMode {
        // The end of a frame that is received directly is so as well, however short.
        let rest_min = if slot.latest_direct() > 0 { 1 } else { self.sizes.rest_min };
        let receive = slot.conn.direct_receive();
        let longest = receive.size_hint.saturating_mul(2);
        if receive.remaining >= rest_min {
            ReceiveMode::Direct
        } else if (1..=large_capacity as u64).contains(&longest) {
            ReceiveMode::Large
        } else {
            ReceiveMode::Head
        }
    }

    /// Memory for the message in progress, at once: what the connection has shown that it sends.
    pub(crate) fn grant(&mut self, slot: &mut Slot) -> usize {
        let direct = slot.conn.direct_receive();
        let large = &mut slot.rare().large;
        if large.granted == 0 {
            let most = direct.remaining.saturating_add(direct.received as u64);
            let expected = direct.size_hint.saturating_mul(2).min(most);
            let expected = usize::try_from(expected).unwrap_or(usize::MAX);
            if expected <= self.sizes.granted_max - self.granted {
                self.granted += expected;
                large.granted = expected;
            }
        }
        large.granted
    }

    /// Whether one must wait for its turn. What has begun goes on before others begin, but not
    /// for ever.
    pub(crate) fn must_wait(&self, has_begun: bool) -> bool {
        let overtakes = has_begun && self.overtaken < self.sizes.overtakes_max;
        self.turn >= self.sizes.turn_max || !self.waiting.is_empty() && !overtakes
    }

    /// The message in progress has come, or never will.
    pub(crate) fn revoke(&mut self, slot: &mut Slot) {
        if let Some(rare) = &mut slot.rare {
            self.granted -= std::mem::take(&mut rare.large.granted);
        }
    }
}
