//! The long way of a send: for what is compressed, and for all that is sent to a connection whose
//! messages may have to stand in line. The short way pays one comparison for it.

use super::outbox::{Head, send_queue_max};
use crate::conn::{Connection, Env, Limits, Queued, SendError, SendFlags, WhenFull};
use crate::memory::{Batch, Outgoing, Shared};
use crate::proto::{Opcode, utf8};

impl Connection {
    /// As `send_from`, when it has begun. Not generic: the short way is compiled where it is
    /// called, and is to have all that it calls to itself there.
    #[inline(never)]
    pub(super) fn send_long_way(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        flags: SendFlags,
        env: &mut Env<'_>,
        share: &mut dyn FnMut(bool) -> Option<(Shared, usize)>,
    ) -> Result<Queued, SendError> {
        let limits = self.limits(env.limits);
        let env = &mut env.within(&limits);
        let head = Head { opcode, fin: !flags.more, rsv1: false };
        if let Some(full) = self.too_old(head, env) {
            return full;
        }
        if head.is_whole() && !self.in_message() {
            if self.stands_in_line(payload.len(), env) {
                if opcode == Opcode::Text && utf8::check(payload).is_err() {
                    return Err(SendError::Utf8);
                }
                let message = Outgoing::copied(opcode, payload);
                let message = if flags.plain { message.into_plain() } else { message };
                return self.line_up(message, env);
            }
            if self.deflation.suits(payload.len(), env.limits) && !flags.plain {
                let sent = self.send_deflated(opcode, payload, env);
                return self.unless_full(sent, head, env);
            }
        }
        self.commit_line_before(head, payload.len(), env);
        let sent = self.outbox.send(head, payload, false, env, share);
        self.unless_full(sent, head, env)
    }

    /// As `send_message`, when it has begun.
    #[inline(never)]
    pub(super) fn send_message_long_way(
        &mut self,
        m: &Outgoing,
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        let limits = self.limits(env.limits);
        self.send_message_within(m, &mut env.within(&limits))
    }

    /// As [`Connection::send_message`], with a policy of its own in the place of the connection's.
    ///
    /// # Errors
    /// As [`Connection::send_message`].
    pub(crate) fn send_message_by(
        &mut self,
        m: &Outgoing,
        when_full: WhenFull,
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        self.begin_send(env)?;
        let limits = Limits { when_full, ..self.limits(env.limits) };
        self.send_message_within(m, &mut env.within(&limits))
    }

    fn send_message_within(
        &mut self,
        m: &Outgoing,
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        let head = Head::made(m);
        if let Some(full) = self.too_old(head, env) {
            return full;
        }
        let len = m.payload().len();
        if head.is_whole() && !self.in_message() {
            if self.stands_in_line(len, env) {
                return self.line_up(m.clone(), env);
            }
            if self.deflation.suits(len, env.limits) && m.may_deflate() {
                let sent = self.send_message_deflated(m, env);
                return self.unless_full(sent, head, env);
            }
        }
        self.commit_line_before(head, len, env);
        let sent = self.send_made(m, env);
        self.unless_full(sent, head, env)
    }

    /// As `transmitted` of the outbox, where other limits may apply than the endpoint's.
    #[inline(never)]
    pub(super) fn transmitted_the_long_way(
        &mut self,
        batch: Batch,
        bytes: usize,
        env: &mut Env<'_>,
    ) -> bool {
        let limits = self.limits(env.limits);
        self.outbox.transmitted(batch, bytes, &mut env.within(&limits))
    }

    /// The first fragment of a message goes behind all that stands in line, and those that follow
    /// go behind it: so the line is framed first, and nothing of it is taken back any more.
    fn commit_line_before(&mut self, head: Head, len: usize, env: &mut Env<'_>) {
        let begins = matches!(head.opcode, Opcode::Text | Opcode::Binary) && !head.fin;
        if begins && !self.in_message() && self.outbox.line_keeps_order() {
            let max = send_queue_max(env);
            if self.outbox.admit(head.opcode, len, head.fin, max).is_ok() {
                self.frame_line(env);
            }
        }
    }
}
