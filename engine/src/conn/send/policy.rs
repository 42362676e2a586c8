//! What becomes of a message that finds the queue full, as the limits say, or what the connection
//! has of its own in their place.

use super::outbox::{FULL, Head};
use super::waiting::Waiting;
use crate::conn::{
    Cause, Connection, Env, Failure, Limits, QueuePolicy, Queued, SendError, WhenFull,
};
use crate::proto::{CloseCode, Opcode};
use crate::tick::Tick;

/// What our Close says.
const REASON: &str = "send queue full";

impl Connection {
    /// From now on this in the place of what the limits of its endpoint say.
    ///
    /// # Errors
    /// [`SendError::NotOpen`].
    pub(crate) fn set_policy(
        &mut self,
        policy: QueuePolicy,
        env: &mut Env<'_>,
    ) -> Result<(), SendError> {
        if !self.opened {
            return Err(SendError::NotOpen);
        }
        self.rare().policy = Some(policy);
        self.reroute(env.limits);
        Ok(())
    }

    /// The limits that apply: those of the endpoint, or its own.
    pub(crate) fn limits(&self, of_endpoint: &Limits) -> Limits {
        let own = self.rare.as_ref().and_then(|rare| rare.policy);
        own.map_or(*of_endpoint, |policy| policy.over(of_endpoint))
    }

    /// Finds out which way messages take from now on: the short one does not know of a line, nor of
    /// limits other than the endpoint's, nor what time it is.
    pub(in crate::conn) fn reroute(&mut self, of_endpoint: &Limits) {
        let has_own = self.rare.as_ref().is_some_and(|rare| rare.policy.is_some());
        let all = has_own
            || of_endpoint.when_full == WhenFull::DropOldest
            || of_endpoint.queue_age_max_ms != u32::MAX
            || self.outbox.line_keeps_order();
        self.deflation = self.deflation.routed(all, of_endpoint);
    }

    /// Something stands in line.
    pub(super) fn take_the_long_way(&mut self, limits: &Limits) {
        self.deflation = self.deflation.routed(true, limits);
    }

    /// What a send has come to: if the queue is full, that is for the policy to say.
    pub(super) fn unless_full(
        &mut self,
        sent: Result<Queued, SendError>,
        head: Head,
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        match sent {
            Err(SendError::Full) => self.full_for(head, env),
            sent => sent,
        }
    }

    #[cold]
    #[inline(never)]
    fn full_for(&mut self, head: Head, env: &mut Env<'_>) -> Result<Queued, SendError> {
        // Control frames have a limit of their own, and are no message.
        match head.opcode.is_control() {
            true => Err(SendError::Full),
            false => self.full(head.is_whole() && !self.in_message(), env),
        }
    }

    /// There is no room for a message, or for a fragment of one, which is not dropped: what is left
    /// of its message would pass for whole.
    ///
    /// # Errors
    /// [`SendError::Full`], or [`SendError::Closing`] where the connection ends.
    #[cold]
    pub(crate) fn full(&mut self, whole: bool, env: &mut Env<'_>) -> Result<Queued, SendError> {
        self.outbox.flags.set(FULL);
        match env.limits.when_full {
            WhenFull::DropNewest | WhenFull::DropOldest if whole => {
                env.tools.policed.newest += 1;
                self.count_dropped();
                Ok(Queued::Dropped)
            }
            WhenFull::Refuse | WhenFull::DropNewest | WhenFull::DropOldest => Err(SendError::Full),
            WhenFull::Close => {
                self.close_for(Cause::Full, CloseCode::TRY_AGAIN, REASON, env)?;
                env.tools.policed.closed += 1;
                Err(SendError::Closing)
            }
            WhenFull::Abort => {
                env.tools.policed.aborted += 1;
                self.give_up(Some(Failure::QueueFull));
                Err(SendError::Closing)
            }
        }
    }

    /// The same, of what is to wait beside the connection for the end of somebody's message: there
    /// none is older than what cannot be dropped.
    #[cfg(feature = "uring")]
    pub(crate) fn full_in_line(
        &mut self,
        whole: bool,
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        let limits = self.limits(env.limits);
        self.full(whole, &mut env.within(&limits))
    }

    /// What begins a message finds one that has waited for too long.
    pub(super) fn too_old(
        &mut self,
        head: Head,
        env: &mut Env<'_>,
    ) -> Option<Result<Queued, SendError>> {
        let begins = matches!(head.opcode, Opcode::Text | Opcode::Binary) && !self.in_message();
        if !begins || !self.is_too_old(env.limits, env.now) {
            return None;
        }
        if env.limits.when_full == WhenFull::DropOldest {
            self.drop_too_old(env);
            return None;
        }
        Some(self.full(head.fin, env))
    }

    /// Whether something has waited for too long, within these limits.
    pub(super) fn is_too_old(&self, limits: &Limits, now: Tick) -> bool {
        let max = limits.queue_age_max_ms;
        max != u32::MAX && self.queue_age(now) >= max
    }

    fn drop_too_old(&mut self, env: &mut Env<'_>) {
        let max = Tick::from(env.limits.queue_age_max_ms);
        while let Some((number, since)) = self.outbox.line().and_then(Waiting::ageing)
            && since.tick(env.now).is_some_and(|since| since + max <= env.now)
        {
            self.drop_from_line(number, env);
        }
    }

    /// When what waits will have waited for too long, if something has to be done about it then.
    pub(in crate::conn) fn too_old_at(&self, of_endpoint: &Limits) -> Option<Tick> {
        let limits = self.limits(of_endpoint);
        if limits.queue_age_max_ms == u32::MAX || !self.takes_messages() {
            return None;
        }
        let near = self.clock.heard;
        let since = match limits.when_full {
            WhenFull::Refuse | WhenFull::DropNewest => None,
            WhenFull::DropOldest => self.outbox.line()?.ageing()?.1.tick(near),
            WhenFull::Close | WhenFull::Abort => self.waits_since(near),
        };
        Some(since? + Tick::from(limits.queue_age_max_ms))
    }

    /// That instant has come, perhaps: whether it has. `expired` asks this first; alone, where what
    /// the peer may have said is not read yet.
    pub(crate) fn act_on_age(&mut self, env: &mut Env<'_>) -> bool {
        if self.too_old_at(env.limits).is_none_or(|at| at > env.now) {
            return false;
        }
        let limits = self.limits(env.limits);
        let within = &mut env.within(&limits);
        match limits.when_full {
            WhenFull::DropOldest => self.drop_too_old(within),
            // It is told by how it ends.
            _ => _ = self.full(false, within),
        }
        self.reroute(env.limits);
        true
    }
}
