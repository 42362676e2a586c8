//! What only a connection needs whose peer reads slowly.

use super::Env;
use super::outbound::{Outbox, send_queue_max};
use crate::buffer::Batch;
use crate::proto::Opcode;
use crate::proto::header::CONTROL_MAX;

/// What only a connection whose peer reads slowly has.
#[derive(Debug, Default)]
pub(super) struct Stalled {
    /// What a short send left over. Goes before the queue.
    pub(super) rest: Batch,
    /// The answer to the latest Ping, held back while the queue is over its limit: the only one
    /// that must be sent (RFC 6455 §5.5.3).
    pub(super) pong: Option<Control>,
}

#[derive(Debug)]
pub(super) struct Control {
    payload: [u8; CONTROL_MAX],
    len: u8,
}

impl Outbox {
    /// Answers a Ping.
    pub(super) fn pong(&mut self, payload: &[u8], env: &mut Env<'_>) {
        if self.buffered <= send_queue_max(env) {
            return self.frame(Opcode::Pong, true, payload, env);
        }
        let mut pong = Control { payload: [0; CONTROL_MAX], len: 0 };
        for (to, from) in pong.payload.iter_mut().zip(payload) {
            *to = *from;
            pong.len += 1;
        }
        self.stalled.get_or_insert_default().pong = Some(pong);
    }

    /// The peer has closed, or is to be closed upon: it wants no answer any more.
    pub(super) fn drop_pong(&mut self) {
        if let Some(stalled) = &mut self.stalled {
            stalled.pong = None;
        }
        self.settle_stalled();
    }

    #[cold]
    pub(super) fn release_pong(&mut self, env: &mut Env<'_>) {
        if let Some(pong) = self.stalled.as_mut().and_then(|stalled| stalled.pong.take()) {
            let payload = pong.payload.get(..usize::from(pong.len)).unwrap_or_default();
            self.frame(Opcode::Pong, true, payload, env);
        }
        self.settle_stalled();
    }

    /// Frees what a slow peer made necessary, once it no longer is.
    pub(super) fn settle_stalled(&mut self) {
        if self.stalled.as_ref().is_some_and(|s| s.rest.is_empty() && s.pong.is_none()) {
            self.stalled = None;
        }
    }
}
