//! Direct receive: what remains of a large frame is received into the memory that its message is
//! assembled in, without a copy. Whoever receives asks [`Connection::direct_receive`] whether that
//! pays, takes the memory by [`Connection::begin_direct`], and returns it by
//! [`Connection::received_directly`] or, when nothing came, by [`Connection::cancel_direct`].

use super::part::Inbound;
use super::progress::Progress;
use super::reading::Reading;
use crate::conn::state::Expecting;
use crate::conn::{Connection, Data, Env, Event, Failure};
use crate::memory::Pool;
use crate::proto::{Input, Opcode, Violation};

/// What is known of the message in progress, and of those before it. All is 0 while no frames are
/// expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DirectReceive {
    /// How long the next frame may be: the length of one that came whole but in several pieces,
    /// rounded down to a power of two and halved with every shorter one after it.
    pub(crate) size_hint: u64,
    /// Bytes held of the message in progress.
    pub(crate) received: usize,
    /// Payload bytes still to come of the data frame in progress; 0 when there is none.
    pub(crate) remaining: u64,
}

impl Connection {
    /// What may be received directly, and what is known for the choice.
    #[inline]
    pub(crate) fn direct_receive(&self) -> DirectReceive {
        match self.expecting {
            Expecting::Open => self.inbound.direct_receive(),
            _ => DirectReceive::default(),
        }
    }

    /// Forgets the size hint: the peer has sent nothing of that size for a while.
    pub(crate) fn forget_size_hint(&mut self) {
        self.inbound.forget_size_hint();
    }

    /// How many bytes are missing of the message that `bytes` begin with, which have come: so many
    /// more behind them, and all of it lies in one place. 0 when that is not to be waited for: it
    /// is no binary message in one frame, or too long, or wrong, or nobody wants it.
    pub(crate) fn missing(&mut self, bytes: &[u8], env: &Env<'_>) -> usize {
        if self.expecting != Expecting::Open || self.reading != Reading::Deliver {
            return 0;
        }
        let missing = self.inbound.missing(bytes, env.limits);
        if missing > 0 {
            self.clock.heard(env.now);
        }
        usize::try_from(missing).unwrap_or(usize::MAX)
    }

    /// Lends out the memory of the message in progress, with room behind what it holds, and says
    /// how much of the frame in progress may be received there, no more than `most`. It must come
    /// back by [`Connection::received_directly`] or [`Connection::cancel_direct`] before anything
    /// else is received. Room is made for messages of `expected` bytes at once, for others as they
    /// come: as much again as has come, and at most `ahead`. Only while something remains of a data
    /// frame, and not in stream mode.
    pub(crate) fn begin_direct(
        &mut self,
        (expected, ahead): (usize, usize),
        most: usize,
        pool: &mut Pool,
    ) -> (Vec<u8>, usize) {
        let memory = self.inbound.room((expected, ahead), pool);
        let room = most.min(memory.capacity() - memory.len());
        let remaining = usize::try_from(self.inbound.remaining()).unwrap_or(usize::MAX);
        (memory, room.min(remaining))
    }

    /// Takes lent memory back, with nothing received.
    pub(crate) fn cancel_direct(&mut self, memory: Vec<u8>, pool: &mut Pool) {
        match &mut self.inbound.progress {
            Some(progress) if self.expecting == Expecting::Open => {
                pool.put(std::mem::replace(&mut progress.bytes, memory));
            }
            // What came before was given up when the connection failed.
            _ => pool.put(memory),
        }
    }

    /// Takes lent memory back in which the last `received` bytes are new, no more of them than
    /// [`Connection::begin_direct`] has said. As [`Connection::receive`] otherwise.
    pub(crate) fn received_directly(
        &mut self,
        memory: Vec<u8>,
        received: usize,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'static>>, Failure> {
        if self.expecting != Expecting::Open {
            env.pool.put(memory);
            return self.failure().map_or(Ok(None), Err);
        }
        self.clock.heard(env.now);
        match self.inbound.received_directly(memory, received, env) {
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

impl Inbound {
    #[inline]
    fn direct_receive(&self) -> DirectReceive {
        let size_hint = self.boundary.size_hint();
        let (received, remaining) = match &self.progress {
            Some(progress) => (progress.bytes.len(), progress.remaining()),
            None => (0, 0),
        };
        DirectReceive { size_hint, received, remaining }
    }

    fn forget_size_hint(&mut self) {
        self.boundary.forget_size_hint();
        if let Some(progress) = &mut self.progress {
            progress.reader.boundary_mut().forget_size_hint();
        }
    }

    fn remaining(&self) -> u64 {
        self.progress.as_ref().map_or(0, |progress| progress.remaining())
    }

    fn room(&mut self, wanted: (usize, usize), pool: &mut Pool) -> Vec<u8> {
        self.progress.as_mut().map_or_else(Vec::new, |progress| progress.room(wanted, pool))
    }

    fn received_directly(
        &mut self,
        memory: Vec<u8>,
        received: usize,
        env: &mut Env<'_>,
    ) -> Result<Option<(Opcode, Vec<u8>)>, Violation> {
        let Some(mut progress) = self.progress.take() else {
            env.pool.put(memory);
            return Ok(None);
        };
        let found = progress.received_directly(memory, received, env);
        self.keep(progress, env);
        found
    }
}

impl Progress {
    #[inline]
    pub(super) fn remaining(&self) -> u64 {
        if self.reader.in_control() { 0 } else { self.reader.remaining() }
    }

    /// The memory that the message in progress is assembled in, with room behind what it holds: for
    /// all of the message when it will be at most `expected` bytes, else for as much again as has
    /// come, and at most `ahead`.
    fn room(&mut self, (expected, ahead): (usize, usize), pool: &mut Pool) -> Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.get();
        }
        let held = self.bytes.len();
        if held == self.bytes.capacity() || expected > self.bytes.capacity() {
            let left = usize::try_from(self.reader.remaining()).unwrap_or(usize::MAX);
            let doubled = held + held.min(ahead);
            let room = expected.max(doubled).max(self.bytes.capacity());
            pool.grow(&mut self.bytes, room.min(held.saturating_add(left)));
        }
        std::mem::take(&mut self.bytes)
    }

    /// The message, when the received bytes have completed it.
    fn received_directly(
        &mut self,
        mut memory: Vec<u8>,
        received: usize,
        env: &mut Env<'_>,
    ) -> Result<Option<(Opcode, Vec<u8>)>, Violation> {
        let start = memory.len().saturating_sub(received);
        let mut input = Input::new(memory.get_mut(start..).unwrap_or_default());
        let mut whole = false;
        if let Some(piece) = self.reader.next(&mut input)? {
            whole = piece.last && piece.header.fin;
            self.unmask(piece)?;
        }
        if whole {
            if self.compressed {
                memory = self.inflate_assembled(memory, env)?;
            }
            return Ok(Some((self.opcode, memory)));
        }
        self.bytes = memory;
        Ok(None)
    }
}
