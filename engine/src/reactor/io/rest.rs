//! The rest of a message that has begun in a large buffer is received behind what has come: so it
//! lies whole in its buffer, is delivered and sent on from there, and nothing of it is copied.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::api::call::with_env;
use crate::reactor::core::receive_mode::{ReceiveMode, ReceiveState};
use crate::reactor::core::slab::Phase;
use crate::reactor::state::Reactor;
use crate::ring::{Destination, Errno, Kernel, Lease, Token};

impl<K: Kernel> Reactor<K> {
    /// A large buffer has been filled, `again` or for the first time: receives the rest of the
    /// message in it, or feeds what there is to its connection.
    pub(crate) fn received_large(&mut self, index: u32, mut lease: Lease, again: bool) {
        let room = self.ctx.source.buffers.large_capacity() - lease.len();
        let missing = self.missing(index, &mut lease, again);
        if missing == 0 || missing > room {
            let len = lease.len();
            self.feed(index, lease);
            return self.note_size(index, len);
        }
        let token = self.ctx.slab.token(index);
        let now = self.ctx.served.waits;
        let slot = self.ctx.slab.at(index);
        if !again {
            slot.rare().large.rest_since = now;
            self.direct.rests.since.push_back((token, now));
        }
        self.direct.rests.out += 1;
        #[cfg(feature = "sim")]
        (self.direct.seen.rests += 1);
        slot.receive = ReceiveState::Armed(ReceiveMode::Rest);
        self.kernel.receive_into(slot.socket, token, Destination::Buffer(lease), missing);
    }

    /// How many bytes are to be received behind those in a large buffer; 0: none, there or at all.
    fn missing(&mut self, index: u32, lease: &mut Lease, again: bool) -> usize {
        let now = self.ctx.served.waits;
        let slot = self.ctx.slab.at(index);
        let may = match again {
            true => {
                now.wrapping_sub(slot.rare().large.rest_since) < self.direct.sizes.rest_turns_max
            }
            // The other half is for those who begin.
            false => self.direct.rests.out < self.ctx.source.buffers.large_count().div_ceil(2),
        };
        if !may || slot.abort || slot.has_parked() {
            return 0;
        }
        let bytes = self.kernel.bytes(lease);
        with_env(&mut self.ctx, index, |conn, env| conn.missing(bytes, env))
    }

    /// A receive behind what a large buffer holds has ended.
    pub(crate) fn received_rest(
        &mut self,
        token: Token,
        lease: Lease,
        result: Result<usize, Errno>,
    ) {
        self.direct.rests.out -= 1;
        let Some(slot) = self.ctx.slab.by_token(token) else { return self.kernel.release(lease) };
        slot.receive = ReceiveState::Down;
        let live = slot.phase == Phase::Live;
        self.ctx.mark_dirty(token.slot);
        match result {
            Ok(1..) if live => return self.received_large(token.slot, lease, true),
            _ if live => self.feed(token.slot, lease),
            _ => self.kernel.release(lease),
        }
        if !matches!(result, Ok(1..)) {
            self.receive_ended(token.slot, result.map(|_| ()));
        }
    }

    /// Once per turn: those that have kept their buffers for too long are to go on elsewhere.
    pub(crate) fn end_slow_rests(&mut self) {
        let now = self.ctx.served.waits;
        while let Some(&(token, since)) = self.direct.rests.since.front()
            && now.wrapping_sub(since) >= self.direct.sizes.rest_turns_max
        {
            self.direct.rests.since.pop_front();
            let Some(slot) = self.ctx.slab.by_token(token) else { continue };
            let same = slot.rare.as_ref().is_some_and(|rare| rare.large.rest_since == since);
            if same
                && slot.receive == ReceiveState::Armed(ReceiveMode::Rest)
                && slot.receive.cancel()
            {
                self.kernel.cancel_receive(token);
                #[cfg(feature = "sim")]
                (self.direct.seen.slow += 1);
            }
        }
    }
}
