//! What a reactor holds, counted for the simulator.

use super::Reactor;
use crate::ring::Kernel;

/// A reactor's holdings at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    /// Tenants of the slab, in whatever phase.
    pub(crate) slots: usize,
    /// Nodes on the wheel: deadlines of connections, timers, retries.
    pub(crate) deadlines: usize,
}

impl<K: Kernel> Reactor<K> {
    pub(crate) fn census(&self) -> Census {
        Census { slots: self.ctx.slab.len(), deadlines: self.ctx.wheel.len() }
    }
}
