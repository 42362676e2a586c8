//! Whether an upgrade is heard at all: before its origin is looked at and the application asked.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::proto::handshake::Refusal;
use crate::reactor::api::contract::Context;
use crate::reactor::core::addresses::Counted;
use crate::reactor::core::adopt::Lost;
use crate::reactor::core::labels::{BY_ADDRESS, BY_MEMORY, BY_RATE, BY_STOP};

/// In so many seconds there may be memory again.
const MEMORY_SECONDS: u64 = 5;

impl Context {
    /// Refuses a request, of whatever kind, in a stop and where memory is short.
    pub(crate) fn admit_request(&mut self) -> Result<(), Refusal> {
        if self.draining {
            self.counters.refused_by_reason.count(BY_STOP);
            return Err(self.turn_down());
        }
        if self.memory.is_tight() {
            self.counters.budget_refused.add(1);
            self.counters.refused_by_reason.count(BY_MEMORY);
            return Err(Refusal::busy(503, MEMORY_SECONDS).because("memory is short"));
        }
        Ok(())
    }

    /// Refuses an upgrade then, too, and where its address asks too often, or all together do.
    pub(crate) fn admit(&mut self, index: u32) -> Result<(), Refusal> {
        self.admit_request()?;
        if let Some(moved) = self.given.get(&index).and_then(|given| given.moved.as_ref()) {
            // Its address has asked where it was.
            return match moved.lost {
                None => Ok(()),
                Some(lost) => Err(self.refuse_lost(lost)),
            };
        }
        let slot = self.slab.at(index);
        let (home, peer) = (*self.homes.of(slot.endpoint), slot.peer.get());
        let limits = self.per_address.of(home);
        if let (true, Some(peer)) = (limits.upgrades_per_second > 0, peer) {
            let who = Counted::new(home, peer);
            let asked = self.post.handle.0.addresses.ask(who, limits, self.now);
            asked.map_err(|seconds| {
                self.counters.address_refused.add(1);
                self.counters.refused_by_reason.count(BY_ADDRESS);
                Refusal::busy(429, seconds).because("too many upgrades from this address")
            })?;
        }
        // Behind that: who asks too often by himself uses up nothing that is everybody's.
        let Some(door) = self.doors.of(home) else { return Ok(()) };
        door.ask(self.now).map_err(|seconds| {
            self.counters.refused_by_reason.count(BY_RATE);
            Refusal::busy(503, seconds).because("too many upgrades")
        })
    }

    #[cold]
    fn refuse_lost(&self, lost: Lost) -> Refusal {
        let reason = match lost {
            Lost::Ended => BY_STOP,
            Lost::Short => BY_MEMORY,
        };
        self.counters.refused_by_reason.count(reason);
        Refusal::busy(503, MEMORY_SECONDS).because("it could not be moved to its reactor")
    }
}
