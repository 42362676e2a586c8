//! What a reactor holds, counted for the simulator.

use crate::reactor::core::name::Conn;
use crate::reactor::core::receive_mode::ReceiveMode;
use crate::reactor::io::direct::Seen;
use crate::reactor::state::Reactor;
use crate::ring::Kernel;

/// A reactor's holdings at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    /// Tenants of the slab, in whatever phase.
    pub(crate) slots: usize,
    /// Nodes on the wheel: deadlines of connections, timers, retries.
    pub(crate) deadlines: usize,
    /// Memory granted to messages in progress, in bytes.
    pub(crate) granted: usize,
    /// What is counted against the budget of the engine, of connections, in bytes.
    pub(crate) held: usize,
    /// Large buffers that are being filled further.
    pub(crate) rests: u16,
    /// What direct receives have done.
    pub(crate) direct: Seen,
    /// Messages sent back out of their buffers, since the start.
    pub(crate) echoed: u64,
}

impl<K: Kernel> Reactor<K> {
    pub(crate) fn census(&self) -> Census {
        Census {
            slots: self.ctx.slab.len(),
            deadlines: self.ctx.wheel.len(),
            granted: self.direct.granted,
            held: self.ctx.memory.holdings.total(),
            rests: self.direct.rests.out,
            direct: self.direct.seen,
            echoed: self.ctx.source.echoed,
        }
    }

    /// Whether the input of a connection that is live is held back.
    pub(crate) fn is_held(&mut self, conn: Conn) -> bool {
        self.ctx.slab.live(conn).is_some_and(|slot| slot.holds())
    }

    /// Whether a receive is armed for a connection that is live and whose input is held back.
    pub(crate) fn is_receiving(&mut self, conn: Conn) -> bool {
        let slot = self.ctx.slab.live(conn);
        let receives = |mode| mode != ReceiveMode::Watch;
        slot.is_some_and(|slot| slot.holds() && slot.receive.mode().is_some_and(receives))
    }
}
