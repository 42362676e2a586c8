//! The one way in: what the peer's bytes come to.
//!
//! [`Connection::receive`] answers a batch of whole messages where they lie (`batch`), a message
//! that had to be assembled (`part`) or inflated (`inflate`), a part of one, or an event of the
//! handshakes and of control frames. `direct` is for who receives a large message into the memory
//! that it is assembled in, `hold` for who does not want to be given any.

pub(super) mod batch;
mod carry;
pub(super) mod direct;
mod hold;
mod inflate;
pub(super) mod part;
pub(super) mod progress;
pub(super) mod reading;

use self::part::Found;
use self::reading::Reading;
use super::state::Expecting;
use super::{Connection, Data, Env, Event, Failure, MessageBatch};
use crate::proto::close;
use crate::proto::{Input, Opcode};

impl Connection {
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
        if self.expecting == Expecting::Open
            && self.reading != Reading::Discard
            && let Some(batch) = self.inbound.next_batch(input, env.limits)
        {
            self.clock.heard(env.now);
            return match batch {
                Ok(batch) => Ok(Some(Event::Batch(batch))),
                Err(violation) => Err(self.violate(violation, input, env)),
            };
        }
        if input.is_empty() {
            return self.failure().map_or(Ok(None), Err);
        }
        self.clock.heard(env.now);
        if self.expecting != Expecting::Open {
            return self.receive_unopened(input, env);
        }
        self.receive_frames(input, env)
    }

    /// Any frames. Apart, so that the way of batches needs few registers.
    #[inline(never)]
    fn receive_frames<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        loop {
            match self.inbound.next(input, env) {
                Ok(Some(Found::Message { data, .. })) if self.reading == Reading::Discard => {
                    let owned = matches!(data, Data::Owned(_));
                    self.discard(data, env.pool);
                    if owned {
                        return Ok(Some(Event::Batch(MessageBatch::short(&mut []))));
                    }
                }
                Ok(Some(Found::Whole { data, .. })) if self.reading == Reading::Discard => {
                    self.discard(Data::Borrowed(data), env.pool);
                }
                Ok(Some(Found::Whole { opcode, data })) => {
                    let batch = MessageBatch::lone(opcode, &mut [], data);
                    return Ok(Some(Event::Batch(batch)));
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
        match self.expecting {
            Expecting::Head if self.asked().is_some() => self.receive_answer(input, env),
            Expecting::Head => self.receive_head(input, env),
            Expecting::Body => self.receive_body(input, env),
            Expecting::Upgrade | Expecting::Answer | Expecting::Open => Ok(None),
            Expecting::Done => {
                input.take(usize::MAX);
                self.failure().map_or(Ok(None), Err)
            }
        }
    }

    /// Apart, so that the way of messages needs few registers.
    #[inline(never)]
    fn control<'b>(
        &mut self,
        opcode: Opcode,
        payload: Data<'b>,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        env.tools.tally.control_in(opcode);
        match opcode {
            Opcode::Pong if self.is_answer(payload.as_slice(), env) => {}
            Opcode::Pong if self.reading != Reading::Discard => {
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
}
