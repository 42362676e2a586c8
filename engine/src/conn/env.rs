//! What a connection borrows from its owner for one call.

use super::{Limits, Tools};
use crate::memory::Pool;
use crate::tick::Tick;

/// What a connection borrows from its owner for one call.
#[derive(Debug)]
pub struct Env<'a> {
    /// The time of this turn.
    pub now: Tick,
    /// The limits of the connection's endpoint.
    pub limits: &'a Limits,
    /// Spare memory of the reactor.
    pub pool: &'a mut Pool,
    /// What its connections share.
    pub tools: &'a mut Tools,
    /// Payload bytes that had to be copied on the way in (split messages, paused connections).
    pub copied: &'a mut u64,
}

impl Env<'_> {
    /// The same, within other limits.
    pub(super) fn within<'b>(&'b mut self, limits: &'b Limits) -> Env<'b> {
        let Self { now, pool, tools, copied, .. } = self;
        Env { now: *now, limits, pool, tools, copied }
    }
}
