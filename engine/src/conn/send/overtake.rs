//! What only a connection needs whose peer reads more slowly than we send: what is ahead of the
//! queue, and the answers to Pings that overtake it.

use super::outbox::{HEADING, Head, Outbox, send_queue_max};
use super::stalled::{Control, Sealed, Stalled};
use crate::conn::Env;
use crate::memory::Pool;
use crate::proto::Opcode;
use crate::proto::header::CONTROL_MAX;

impl Outbox {
    /// Answers a Ping.
    pub(in crate::conn) fn pong(&mut self, payload: &[u8], env: &mut Env<'_>) {
        if self.is_mute() || self.buffered <= send_queue_max(env) {
            if let Some(stalled) = &mut self.stalled {
                // An older one must not come behind this one, and need not come at all.
                stalled.pong = None;
            }
            return self.control(Opcode::Pong, payload, env);
        }
        let mut pong = Control { payload: [0; CONTROL_MAX], len: 0 };
        for (to, from) in pong.payload.iter_mut().zip(payload) {
            *to = *from;
            pong.len += 1;
        }
        self.stalled.get_or_insert_default().pong = Some(pong);
    }

    /// Queues a control frame, other than Close, to leave before the messages that wait.
    pub(super) fn control(&mut self, opcode: Opcode, payload: &[u8], env: &mut Env<'_>) {
        if self.is_mute() {
            return;
        }
        env.tools.tally.control_out(opcode);
        if !self.is_out() && self.buffered - self.ahead >= env.pool.batch_max() {
            self.seal();
        }
        if !self.is_out() && self.leaves_next() {
            // Usually there is nothing in it.
            self.flags.set(HEADING);
            return self.append(Head::of(opcode), payload, env);
        }
        // It is written as any other frame, only elsewhere: for as long, that is the queue.
        let (ahead, before) = (self.ahead, self.buffered);
        self.ahead = before;
        let mut lane = std::mem::take(&mut self.stalled.get_or_insert_default().control);
        std::mem::swap(&mut self.queue, &mut lane);
        self.append(Head::of(opcode), payload, env);
        std::mem::swap(&mut self.queue, &mut lane);
        self.ahead = ahead + (self.buffered - before);
        self.stalled.get_or_insert_default().control = lane;
    }

    /// Whether the queue is what leaves next: nothing is ahead of it, or nothing that may overtake
    /// what it begins with.
    fn leaves_next(&self) -> bool {
        self.stalled.as_ref().is_none_or(|stalled| {
            self.flags.has(HEADING) && stalled.rest.is_empty() && stalled.sealed.is_empty()
        })
    }

    /// The queue has come to the size of a batch, at the end of a frame: what follows is a batch
    /// of its own, so that control frames can leave between the two.
    #[inline(never)]
    pub(super) fn seal(&mut self) {
        let queue = std::mem::take(&mut self.queue);
        let weight = queue.weight();
        let stalled = self.stalled.get_or_insert_default();
        let since = std::mem::take(&mut stalled.queued);
        stalled.sealed.push_back(Sealed { queue, weight, since });
        self.ahead = self.buffered;
    }

    /// The peer has closed, or is to be closed upon: it wants no answer any more.
    pub(in crate::conn) fn drop_pong(&mut self) {
        if let Some(stalled) = &mut self.stalled {
            stalled.pong = None;
        }
        self.drop_empty_stalled();
    }

    /// A batch has left: the answer that was held back goes next, unless a rest does.
    #[cold]
    pub(super) fn release_pong(&mut self, env: &mut Env<'_>) {
        if let Some(stalled) = &mut self.stalled
            && stalled.rest.is_empty()
            && let Some(pong) = stalled.pong.take()
        {
            let payload = pong.payload.get(..usize::from(pong.len)).unwrap_or_default();
            self.control(Opcode::Pong, payload, env);
        }
        self.drop_empty_stalled();
    }

    /// Frees what a slow peer made necessary, once it no longer is.
    pub(super) fn drop_empty_stalled(&mut self) {
        if self.stalled.as_ref().is_some_and(|stalled| stalled.is_empty()) {
            self.stalled = None;
        }
    }

    /// Gives the memory of all that waits back.
    pub(in crate::conn) fn release(&mut self, pool: &mut Pool) {
        std::mem::take(&mut self.queue).recycle(pool);
        if let Some(stalled) = self.stalled.take() {
            let Stalled { rest, control, sealed, .. } = *stalled;
            rest.recycle(pool);
            let sealed = sealed.into_iter().map(|sealed| sealed.queue);
            for queue in sealed.chain([control]) {
                queue.recycle(pool);
            }
        }
    }

    /// Bytes of the control frames that wait apart from the queue.
    pub(super) fn control_len(&self) -> usize {
        self.stalled.as_ref().map_or(0, |stalled| stalled.control.len())
    }

    /// Whether the end of what is to be sent next was left over by a short send.
    #[inline]
    pub(in crate::conn) fn has_rest(&self) -> bool {
        self.stalled.as_ref().is_some_and(|stalled| !stalled.rest.is_empty())
    }

    /// Whether nothing but control frames is left to be sent.
    pub(in crate::conn) fn has_sent_data(&self) -> bool {
        let ahead = |stalled: &Stalled| {
            let waits = !stalled.rest.is_empty() || !stalled.sealed.is_empty();
            waits || stalled.latest.is_some()
        };
        !self.is_out() && self.queue.is_empty() && !self.stalled.as_deref().is_some_and(ahead)
    }
}
