//! The end of a connection: the closing handshake of either side, and failures.

use super::state::{Expecting, NEVER};
use super::{Cause, CloseInfo, Connection, Disposition, Env, Failure, SendError};
use crate::proto::close::{self, REASON_MAX};
use crate::proto::header::CONTROL_MAX;
use crate::proto::{CloseCode, Input, Violation};
use crate::tick::Tick;

impl Connection {
    /// Begins the closing handshake: the Close frame goes behind all that is queued. `code` must be
    /// allowed on the wire, `reason` ≤ 123 bytes; [`CloseCode::NO_STATUS`] and no reason make an
    /// empty frame.
    ///
    /// # Errors
    /// [`SendError::TooBig`] for the reason, [`SendError::Sequence`] for a code that must not be
    /// sent, or a reason without a code, [`SendError::Closing`] when either side has begun
    /// already, [`SendError::NotOpen`].
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        env: &mut Env<'_>,
    ) -> Result<(), SendError> {
        self.close_for(Cause::Close, code, reason, env)
    }

    /// The same, for whatever reason of ours.
    pub(crate) fn close_for(
        &mut self,
        cause: Cause,
        code: CloseCode,
        reason: &str,
        env: &mut Env<'_>,
    ) -> Result<(), SendError> {
        self.begin_send(env)?;
        if !code.can_say(reason) {
            return Err(SendError::Sequence);
        }
        if reason.len() > REASON_MAX {
            return Err(SendError::TooBig);
        }
        let mut payload = [0; CONTROL_MAX];
        let len = close::encode(code, reason, &mut payload);
        self.queue_close(cause, payload.get(..len).unwrap_or_default(), code, env);
        self.clock.mark(env.now);
        self.discard_input();
        Ok(())
    }

    pub(super) fn closed_by_peer(
        &mut self,
        code: Option<CloseCode>,
        reason: &str,
        env: &mut Env<'_>,
    ) {
        self.received = code.unwrap_or(CloseCode::NO_STATUS).0;
        // Also where ours cannot be sent any more.
        self.begin_closing(Cause::PeerClose, env);
        self.finish(reason, env);
        if self.close_sent() {
            return;
        }
        // RFC 6455 §5.5.1: "it typically echos the status code it received".
        match code {
            Some(code) => self.queue_close(Cause::PeerClose, &code.0.to_be_bytes(), code, env),
            None => self.queue_close(Cause::PeerClose, &[], CloseCode::NO_STATUS, env),
        }
    }

    /// The end of an open connection begins.
    fn begin_closing(&mut self, cause: Cause, env: &mut Env<'_>) {
        if self.opened && self.closing.is_none() {
            self.closing = Some(cause);
            env.tools.tally.closes();
        }
    }

    /// Queues our Close frame behind all that is queued.
    pub(super) fn queue_close(
        &mut self,
        cause: Cause,
        payload: &[u8],
        code: CloseCode,
        env: &mut Env<'_>,
    ) {
        self.begin_closing(cause, env);
        if self.holds_latest() {
            self.queue_all_latest(env);
        }
        self.outbox.close(payload, env);
        self.sent = code.0;
        self.outbox.all_left = false;
    }

    /// Fails the WebSocket Connection (RFC 6455 §7.1.7).
    #[cold]
    pub(super) fn violate(
        &mut self,
        violation: Violation,
        input: &mut Input<'_>,
        env: &mut Env<'_>,
    ) -> Failure {
        let failure = Failure::Violation(violation);
        self.rare().failure = Some(failure);
        self.finish("", env);
        if !self.close_sent() {
            let code = violation.close_code();
            self.queue_close(Cause::Protocol, &code.0.to_be_bytes(), code, env);
        }
        input.take(usize::MAX);
        failure
    }

    /// Nothing more is received, and nothing but an answer will be queued.
    pub(super) fn finish(&mut self, reason: &str, env: &mut Env<'_>) {
        self.expecting = Expecting::Done;
        // A failed connection is ended by whoever has failed it (RFC 6455 §7.1.7).
        let awaits = self.outbox.masks() && self.failure().is_none();
        self.disposition = if awaits { Disposition::Await } else { Disposition::Finish };
        self.clock.mark(env.now);
        self.outbox.drop_pong();
        self.inbound.end(env.pool);
        if !reason.is_empty() {
            self.rare().reason = reason.into();
        }
    }

    /// The transport is to end now. A failure that is held already stays.
    pub(super) fn give_up(&mut self, failure: Option<Failure>) {
        self.expecting = Expecting::Done;
        self.disposition = Disposition::Abort;
        if self.failure().is_none() && failure.is_some() {
            self.rare().failure = failure;
        }
    }

    /// What carries the connection cannot carry it any more: what is queued is dropped, what comes
    /// is discarded, and the transport is to be ended as after a last message.
    #[cfg(feature = "tls")]
    pub(crate) fn break_off(&mut self, failure: Failure, env: &mut Env<'_>) {
        if self.failure().is_none() {
            self.rare().failure = Some(failure);
        }
        self.cannot_send(env.now, env.pool);
        if self.expecting != Expecting::Done {
            self.finish("", env);
        }
    }

    /// The transport's receiving direction has ended. In order only when nothing more was expected
    /// from the peer; else [`Failure::EndOfStream`] is held. The disposition is `Abort`, now or,
    /// since the peer may still read, when what was queued for it has left.
    pub fn end_of_stream(&mut self, now: Tick) {
        self.ended = true;
        if self.expecting == Expecting::Done {
            return;
        }
        let answered = self.opened || self.has_requests();
        self.give_up(Some(self.cut_short().unwrap_or(Failure::EndOfStream)));
        if answered && self.buffered() > 0 {
            self.disposition = Disposition::Finish;
            self.clock.mark(now);
        }
    }

    /// What to do with the transport.
    #[inline]
    pub fn disposition(&self) -> Disposition {
        // Both directions are done with: there is nothing to wait for.
        if self.ended && self.buffered() == 0 {
            return Disposition::Abort;
        }
        self.disposition
    }

    /// How it closed, so far as is known now.
    pub fn close_info(&self) -> CloseInfo<'_> {
        let code = match self.received {
            0 => CloseCode::ABNORMAL,
            code => CloseCode(code),
        };
        let reason = self.rare.as_ref().map_or("", |rare| &rare.reason);
        let left = self.sent != 0 && self.sent != NEVER && self.outbox.all_left;
        CloseInfo { code, sent: left.then_some(CloseCode(self.sent)), reason }
    }

    /// Whether our Close frame is queued or sent, or cannot be sent any more.
    #[inline]
    pub(super) fn close_sent(&self) -> bool {
        self.sent != 0
    }
}
