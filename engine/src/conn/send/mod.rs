//! The sending side: frames are put where they are sent from, in the order of the calls.
//!
//! `outbox` is the queue, with the two ways into it: a payload is copied, or referred to. `writer`
//! keeps the first of them open for the callback at work, `deflate` compresses what goes there,
//! `line` and `latest` are for what may be taken back as long as it waits, `policy` is what becomes
//! of a message for which there is no room, `age` since when what is queued has waited, `transmit`
//! is the way out, and `overtake` what goes ahead of the messages that wait for a slow peer.

mod age;
mod deflate;
pub(super) mod deflation;
mod latest;
mod line;
mod long_way;
pub(super) mod outbox;
mod overtake;
mod policy;
mod stalled;
mod transmit;
mod waiting;
mod writer;

#[cfg(feature = "uring")]
pub(crate) use waiting::Key;
pub(crate) use writer::Writer;

use super::state::Expecting;
use super::{Connection, Env, Limits, Queued, SendError, SendFlags};
use crate::memory::{Batch, Outgoing, Pool, SHARE_MIN, Shared};
use crate::proto::Opcode;
use crate::proto::header::CONTROL_MAX;
use outbox::{FULL, Head, send_queue_max};

impl Connection {
    /// Queues one frame: Text, Binary, Continuation, Ping or Pong. Copies `payload`. Ping and Pong
    /// are not held back by a full queue.
    ///
    /// # Errors
    /// As [`SendError`] says. Nothing was queued then.
    #[inline]
    pub fn send(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        flags: SendFlags,
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        self.send_from(opcode, payload, flags, env, |_| None)
    }

    /// As [`Connection::send`], of a payload that may lie in memory which can be referred to. When
    /// it would be sent as it lies, `share` is asked for that: it is told whether it leaves at the
    /// end of the turn, and answers how many bytes in front of the payload are the header of its
    /// frame. It must not have a fragment, nor text that was not checked.
    ///
    /// # Errors
    /// As [`SendError`] says. Nothing was queued then.
    #[inline]
    pub(crate) fn send_from(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        flags: SendFlags,
        env: &mut Env<'_>,
        share: impl FnOnce(bool) -> Option<(Shared, usize)>,
    ) -> Result<Queued, SendError> {
        self.begin_send(env)?;
        if self.deflation.is_long_way(payload.len()) || self.outbox.is_full(env) {
            let mut share = Some(share);
            let mut once = |brief: bool| share.take().and_then(|share| share(brief));
            return self.send_long_way(opcode, payload, flags, env, &mut once);
        }
        let head = Head { opcode, fin: !flags.more, rsv1: false };
        self.outbox.send(head, payload, false, env, share)
    }

    /// Queues a message made before; copies nothing unless it is small (below 4 KiB) and something
    /// else is queued. The text of a whole message is not checked: whoever made it has done so.
    ///
    /// # Errors
    /// As [`SendError`] says. Nothing was queued then.
    pub fn send_message(&mut self, m: &Outgoing, env: &mut Env<'_>) -> Result<Queued, SendError> {
        self.begin_send(env)?;
        if self.deflation.is_long_way(m.payload().len()) || self.outbox.is_full(env) {
            return self.send_message_long_way(m, env);
        }
        self.send_made(m, env)
    }

    /// The same as it was made.
    fn send_made(&mut self, m: &Outgoing, env: &mut Env<'_>) -> Result<Queued, SendError> {
        if let Some(frame) = m.frame()
            && !self.outbox.masks()
            && self.outbox.message.is_none()
        {
            let max = send_queue_max(env);
            self.outbox.admit(m.opcode(), m.shared().len(), true, max)?;
            self.outbox.append_frame(frame, env.pool);
            return Ok(self.outbox.queued(max));
        }
        let (payload, head) = (m.payload(), Head::made(m));
        let share = |_| (payload.len() >= SHARE_MIN).then(|| (m.shared().clone(), 0));
        self.outbox.send(head, payload, true, env, share)
    }

    /// Queues a whole message that was admitted before, compressed if it is to be.
    fn append_made(&mut self, m: &Outgoing, env: &mut Env<'_>) {
        if self.deflation.suits(m.payload().len(), env.limits) && m.may_deflate() {
            self.append_message_deflated(m, env);
        } else {
            self.outbox.append_message(m, env);
        }
    }

    /// Whether anything may be sent now.
    #[inline]
    pub(super) fn begin_send(&mut self, env: &Env<'_>) -> Result<(), SendError> {
        if !self.takes_messages() {
            return Err(if self.opened { SendError::Closing } else { SendError::NotOpen });
        }
        if self.outbox.buffered() == 0 {
            self.note_first_queued(env.now);
        }
        Ok(())
    }

    /// Opens the end of the queue, if whole messages may be sent now. Nothing else may be called
    /// before [`Connection::close_writer`].
    #[inline]
    pub(crate) fn open_writer(&mut self, limits: &Limits, pool: &mut Pool) -> Option<Writer> {
        // Of what is compressed, or may have to stand in line, nothing goes the short way.
        let open = self.takes_messages() && !self.deflation.is_long_way(CONTROL_MAX);
        open.then(|| self.outbox.open_writer(limits.send_queue_max as usize, pool)).flatten()
    }

    /// Queues what was written.
    #[inline]
    pub(crate) fn close_writer(&mut self, writer: Writer, pool: &mut Pool) {
        self.outbox.close_writer(writer, pool);
    }

    /// The next batch to be sent, `None` when there is nothing or one is out already.
    #[inline]
    pub fn transmit(&mut self) -> Option<Batch> {
        let is_rest = self.outbox.has_rest();
        if !is_rest && !self.outbox.is_out() {
            self.out_since = self.outbox.next_since();
        }
        let batch = self.outbox.transmit();
        if batch.is_some() {
            self.note_handed_out(is_rest);
        }
        batch
    }

    /// Gives the batch back with the number of its bytes that were sent; the rest of it is what
    /// `transmit` returns next. `true` once, when the queue was reported full and has now fallen
    /// below half of `send_queue_max`.
    #[inline]
    pub fn transmitted(&mut self, batch: Batch, bytes: usize, env: &mut Env<'_>) -> bool {
        let drained = match self.deflation.all_go_the_long_way() {
            false => self.outbox.transmitted(batch, bytes, env),
            true => self.transmitted_the_long_way(batch, bytes, env),
        };
        if bytes > 0 {
            self.note_progress(env.now, env.tools.now_us);
        }
        if drained && !self.opened {
            self.read_on();
        }
        drained
    }

    /// Bytes queued or handed out and not yet sent.
    #[inline]
    pub fn buffered(&self) -> usize {
        self.outbox.buffered()
    }

    /// Whether a message is being sent in fragments and has not ended: only what continues it, and
    /// control frames, may be sent (RFC 6455 §5.4).
    #[inline]
    pub fn in_message(&self) -> bool {
        self.outbox.message.is_some()
    }

    /// Whether messages may be sent: from when it is open until the closing handshake begins.
    #[inline]
    pub fn takes_messages(&self) -> bool {
        self.expecting == Expecting::Open && !self.close_sent()
    }

    /// Whether nothing is queued, out, or begun.
    pub(in crate::conn) fn sends_nothing(&self) -> bool {
        let outbox = &self.outbox;
        outbox.buffered() == 0 && outbox.message.is_none() && !outbox.is_out() && !outbox.is_mute()
    }

    /// The application was told that there is no room: `transmitted` says when there is some.
    pub(crate) fn told_full(&mut self) {
        self.outbox.flags.set(FULL);
    }
}
