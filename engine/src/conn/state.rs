//! A connection from its first byte to its last: which calls mean something when.

use super::asking::Asked;
use super::deadline::{Clock, Ping};
use super::deflate::Deflation;
use super::inbound::{Found, Inbound, unmask_and_check};
use super::outbound::{IDLE_PING, Outbox};
use super::reading::{Losses, Reading};
use super::{
    Cork, Data, Disposition, Env, Event, Failure, Limits, Queued, SendError, SendFlags, run,
};
use crate::buffer::{Batch, Loan, Outgoing, Pool};
use crate::proto::close;
use crate::proto::head::HeadReader;
use crate::proto::header::CONTROL_MAX;
use crate::proto::{Header, Input, Opcode, Role, Violation, Whole};
use crate::tick::Tick;

/// What input means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Part of the HTTP head.
    Head,
    /// Nothing yet: the upgrade must be answered first.
    Upgrade,
    /// Frames.
    Open,
    /// Nothing any more.
    Done,
}

/// One connection. Idle, it owns no heap memory.
#[derive(Debug)]
pub struct Connection {
    pub(super) inbound: Inbound,
    pub(super) outbox: Outbox,
    pub(super) deflation: Deflation,
    pub(super) clock: Clock,
    /// A head that did not come whole.
    pub(super) head: Option<Box<HeadReader>>,
    /// Of a client: what it waits for before it is open.
    pub(super) asked: Option<Box<Asked>>,
    pub(super) failure: Option<Failure>,
    /// The code of the peer's Close frame; 0 while none has come.
    pub(super) received: u16,
    /// The code of ours; 0 while none was queued.
    pub(super) sent: u16,
    pub(super) phase: Phase,
    pub(super) disposition: Disposition,
    pub(super) opened: bool,
    pub(super) reading: Reading,
    /// The peer has ended its direction while reading is stopped.
    pub(super) hung_up: bool,
    /// The peer has ended its direction of the transport, and all of it was received.
    pub(super) ended: bool,
    /// Since the end began, all that was queued has left.
    pub(super) all_left: bool,
    /// How far our last Ping is.
    pub(super) ping: Ping,
    pub(super) losses: Option<Box<Losses>>,
}

impl Connection {
    /// The server end, waiting for the HTTP head since `now`.
    pub fn server(now: Tick) -> Self {
        Self {
            inbound: Inbound::new(Role::Server),
            outbox: Outbox::new(Role::Server),
            deflation: Deflation::OFF,
            clock: Clock::new(now),
            head: None,
            asked: None,
            failure: None,
            received: 0,
            sent: 0,
            phase: Phase::Head,
            disposition: Disposition::Open,
            opened: false,
            reading: Reading::Deliver,
            hung_up: false,
            ended: false,
            all_left: false,
            ping: Ping::Left,
            losses: None,
        }
    }

    /// Consumes input until something happened; `Ok(None)` when it is used up. A failure queues
    /// its Close frame or HTTP answer; later calls return the same failure and discard the input.
    /// After the peer's Close, input is discarded and `Ok(None)` returned.
    ///
    /// # Errors
    /// The failure that is held from now on.
    #[inline]
    pub fn receive<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        if let Some(whole) = self.receive_whole(input, env.now, env.limits) {
            return match whole {
                Ok(Whole { header: Header { opcode, .. }, data, .. }) => {
                    let data = Data::Lent(data);
                    Ok(Some(Event::Message { opcode, data, first: true, last: true }))
                }
                Err(violation) => Err(self.violate(violation, input, env)),
            };
        }
        if input.is_empty() {
            return self.failure.map_or(Ok(None), Err);
        }
        self.clock.heard(env.now);
        if self.phase != Phase::Open {
            return self.receive_unopened(input, env);
        }
        self.receive_frames(input, env)
    }

    /// A message of one frame that lies whole in the input, the way most come: unmasked and checked
    /// in place. `None` means nothing but that the input is for [`Connection::receive`]; a
    /// violation is for [`Connection::violate`]. Apart from it because an [`Event`] and an [`Env`]
    /// go through memory, which for 20 bytes is felt.
    #[inline(always)]
    pub(crate) fn receive_whole<'b>(
        &mut self,
        input: &mut Input<'b>,
        now: Tick,
        limits: &Limits,
    ) -> Option<Result<Whole<'b>, Violation>> {
        if self.phase != Phase::Open || self.reading == Reading::Discard {
            return None;
        }
        let whole = self.inbound.next_whole(input, limits)?;
        self.clock.heard(now);
        Some(unmask_and_check(whole.header.opcode, whole.data, whole.key).map(|()| whole))
    }

    /// Unmasks and checks in place the run of small whole messages that `bytes` begins with, if
    /// they may come now. Returns its length in bytes; [`run::next`] takes it apart.
    #[inline]
    pub(crate) fn unmask_run(&mut self, bytes: &mut [u8], now: Tick, limits: &Limits) -> usize {
        let reads = self.phase == Phase::Open && self.reading != Reading::Discard;
        if !reads || !self.inbound.takes_runs(limits) {
            return 0;
        }
        let len = run::unmask(bytes, limits.message_max);
        if len > 0 {
            self.clock.heard(now);
        }
        len
    }

    /// Any frames. Apart, so that the way of whole messages needs few registers.
    #[inline(never)]
    fn receive_frames<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        loop {
            match self.inbound.next(input, env) {
                Ok(Some(Found::Message { data, .. })) if self.reading == Reading::Discard => {
                    self.discard(data, env.pool);
                }
                Ok(Some(Found::Message { opcode, data, first, last })) => {
                    return Ok(Some(Event::Message { opcode, data, first, last }));
                }
                Ok(None) => return Ok(None),
                Ok(Some(Found::Control { opcode, payload })) => {
                    let event = self.control(opcode, payload, input, env)?;
                    if event.is_some() {
                        return Ok(event);
                    }
                }
                Err(violation) => return Err(self.violate(violation, input, env)),
            }
        }
    }

    #[cold]
    fn receive_unopened<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        match self.phase {
            Phase::Head if self.asked.is_some() => self.receive_answer(input, env),
            Phase::Head => self.receive_head(input, env),
            Phase::Upgrade | Phase::Open => Ok(None),
            Phase::Done => {
                input.take(usize::MAX);
                self.failure.map_or(Ok(None), Err)
            }
        }
    }

    fn control<'b>(
        &mut self,
        opcode: Opcode,
        payload: Data<'b>,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        match opcode {
            Opcode::Pong if payload.as_slice() != IDLE_PING && self.reading != Reading::Discard => {
                return Ok(Some(Event::Pong(payload)));
            }
            Opcode::Pong => {}
            Opcode::Close => {
                let parsed = close::parse(payload.as_slice());
                let (code, reason) = parsed.map_err(|v| self.violate(v, input, env))?;
                self.closed_by_peer(code, reason, env);
                input.take(usize::MAX);
            }
            // Until the peer's Close has come, also behind ours (RFC 6455 §5.5.2).
            _ => self.outbox.pong(payload.as_slice(), env),
        }
        if let Data::Owned(bytes) = payload {
            env.pool.put(bytes);
        }
        Ok((opcode == Opcode::Close).then_some(Event::Close))
    }

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
        self.begin_send(env)?;
        if self.deflation.suits(payload.len())
            && flags == SendFlags::default()
            && matches!(opcode, Opcode::Text | Opcode::Binary)
        {
            return self.send_deflated(opcode, payload, env);
        }
        self.outbox.send(opcode, payload, !flags.more, env)
    }

    /// Lends the end of the queue, if whole messages may be sent now. Nothing else may be called
    /// before [`Connection::uncork`].
    #[inline]
    pub(crate) fn cork(&mut self, limits: &Limits, pool: &mut Pool) -> Option<Cork> {
        // Of what is compressed, nothing goes the short way.
        let open =
            self.phase == Phase::Open && !self.close_sent() && !self.deflation.suits(CONTROL_MAX);
        open.then(|| self.outbox.cork(limits.send_queue_max as usize, pool)).flatten()
    }

    /// Takes it back, with the frames in it.
    #[inline]
    pub(crate) fn uncork(&mut self, cork: Cork, pool: &mut Pool) {
        self.outbox.uncork(cork, pool);
    }

    /// Queues a message framed before; copies nothing unless it is small (below 4 KiB). The text
    /// of a whole message is not checked: whoever framed it has done so.
    ///
    /// # Errors
    /// As [`SendError`] says. Nothing was queued then.
    pub fn send_message(&mut self, m: &Outgoing, env: &mut Env<'_>) -> Result<Queued, SendError> {
        self.begin_send(env)?;
        if self.deflation.suits(m.payload().len()) && m.may_deflate() {
            return self.send_message_deflated(m, env);
        }
        self.outbox.send_message(m, env)
    }

    /// Whether what is queued now is handed out by the next `transmit`.
    pub(crate) fn sends_next(&self) -> bool {
        self.outbox.sends_next()
    }

    /// Queues a whole message that lies in memory that is lent, behind `header` bytes that are the
    /// header of its frame, or behind none. Text was checked by the caller.
    ///
    /// # Errors
    /// As [`SendError`] says. Nothing was queued then, and the loan has ended.
    pub(crate) fn send_lent(
        &mut self,
        opcode: Opcode,
        frame: Loan,
        header: usize,
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        self.begin_send(env)?;
        self.outbox.send_lent(opcode, frame, header, env)
    }

    #[inline]
    pub(super) fn begin_send(&mut self, env: &Env<'_>) -> Result<(), SendError> {
        if self.phase != Phase::Open || self.close_sent() {
            return Err(if self.opened { SendError::Closing } else { SendError::NotOpen });
        }
        if self.outbox.buffered() == 0 {
            self.note_first_queued(env.now);
        }
        Ok(())
    }

    /// The next batch to be sent, `None` when there is nothing or one is out already.
    #[inline]
    pub fn transmit(&mut self) -> Option<Batch> {
        let is_rest = self.outbox.has_rest();
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
        let drained = self.outbox.transmitted(batch, bytes, env);
        if bytes > 0 {
            self.note_progress(env.now);
        }
        drained
    }

    /// Whether `accept` was called: `on_open` belongs to it, and so `on_close`.
    pub fn opened(&self) -> bool {
        self.opened
    }

    /// Bytes queued or handed out and not yet sent.
    #[inline]
    pub fn buffered(&self) -> usize {
        self.outbox.buffered()
    }

    /// Releases all memory into the pool, but the peer's reason. Nothing but `close_info` may be
    /// called after.
    pub fn release(&mut self, pool: &mut Pool) {
        self.phase = Phase::Done;
        // Neither goes to the pool: what is queued may be shared, and heads are not kept.
        let head = self.head.as_ref().map_or(0, |head| head.collected());
        pool.count_freed(self.outbox.buffered() + head);
        (self.head, self.asked) = (None, None);
        self.deflation = Deflation::OFF;
        self.inbound.forbid_compressed();
        self.outbox.release(pool);
        if self.received == 0 {
            self.inbound.end("", pool);
        }
    }

    /// Bytes of heap memory, used or not.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |_| size_of::<HeadReader>());
        head + self.inbound.capacity() + self.outbox.heap_bytes()
    }
}
