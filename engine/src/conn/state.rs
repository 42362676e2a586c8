//! A connection from its first byte to its last: which calls mean something when.

use super::asking::Asked;
use super::deadline::{Clock, Ping};
use super::inbound::{Found, Inbound, unmask_and_check};
use super::reading::{Losses, Reading};
use super::send::{Deflation, IDLE_PING, Outbox};
use super::{Data, Disposition, Env, Event, Failure, Limits, run};
use crate::memory::Pool;
use crate::proto::close;
use crate::proto::head::HeadReader;
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

    /// Whether `accept` was called: `on_open` belongs to it, and so `on_close`.
    pub fn opened(&self) -> bool {
        self.opened
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
