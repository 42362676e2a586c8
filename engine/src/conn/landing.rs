//! Large frames: what remains of one is received into the memory that its message is assembled in,
//! without a copy.

use super::reading::Reading;
use super::state::Phase;
use super::{Connection, Data, Env, Event, Failure};
use crate::memory::Pool;
use crate::proto::Input;

impl Connection {
    /// What the peer has shown to send: the length of a frame that came whole but in several
    /// pieces, rounded down to a power of two and halved with every shorter one after it. 0 when
    /// no frames are expected.
    #[inline]
    pub fn shown(&self) -> u64 {
        if self.phase == Phase::Open { self.inbound.shown() } else { 0 }
    }

    /// Forgets what was shown.
    pub fn forget_shown(&mut self) {
        self.inbound.forget_shown();
    }

    /// Payload bytes still to come of the data frame in progress; 0 when there is none.
    pub fn remaining(&self) -> u64 {
        if self.phase == Phase::Open { self.inbound.remaining() } else { 0 }
    }

    /// Bytes held of the message in progress.
    pub fn come(&self) -> usize {
        self.inbound.come()
    }

    /// Lends out the memory of the message in progress, with room behind what it holds, for the
    /// frame in progress to be received into: it must come back by [`Connection::landed`] or
    /// [`Connection::take_back`] before anything else is received. Room is made for messages of
    /// `known` bytes at once, for others as they come. Only while something remains of a data
    /// frame, and not in stream mode.
    pub fn lend(&mut self, known: usize, pool: &mut Pool) -> Vec<u8> {
        self.inbound.lend(known, pool)
    }

    /// Takes lent memory back, with nothing received.
    pub fn take_back(&mut self, memory: Vec<u8>, pool: &mut Pool) {
        // What came before was given up when the connection failed.
        if self.phase == Phase::Open {
            self.inbound.take_back(memory, pool);
        } else {
            pool.put(memory);
        }
    }

    /// Takes lent memory back in which the last `fresh` bytes are new, no more of them than
    /// [`Connection::remaining`]. As [`Connection::receive`] otherwise.
    pub fn landed(
        &mut self,
        memory: Vec<u8>,
        fresh: usize,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'static>>, Failure> {
        if self.phase != Phase::Open {
            env.pool.put(memory);
            return self.failure.map_or(Ok(None), Err);
        }
        self.clock.heard(env.now);
        match self.inbound.landed(memory, fresh, env) {
            Ok(Some((_, bytes))) if self.reading == Reading::Discard => {
                self.discard(Data::Owned(bytes), env.pool);
                Ok(None)
            }
            Ok(whole) => Ok(whole.map(|(opcode, bytes)| Event::Message {
                opcode,
                data: Data::Owned(bytes),
                first: true,
                last: true,
            })),
            Err(violation) => Err(self.violate(violation, &mut Input::default(), env)),
        }
    }
}
