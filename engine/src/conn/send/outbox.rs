//! What is queued to be sent. A frame enters the queue in one of two ways: its payload is copied
//! behind its header, or it is referred to.

use super::stalled::Stalled;
use crate::conn::{Env, Queued, SendError};
use crate::memory::{Outgoing, Pool, Queue, SHARE_MIN, Shared};
use crate::proto::header::{self, CONTROL_MAX, HEADER_MAX};
use crate::proto::utf8::{self, Utf8};
use crate::proto::{Header, Opcode, Role};

/// What control frames of the application may exceed the limit of the queue by: they are not held
/// back by data, but every queue has an end.
const CONTROL_RESERVE: usize = 64 << 10;

/// What the header of a frame says beside its length.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    pub(super) fin: bool,
    /// The message is compressed.
    pub(super) rsv1: bool,
}

impl Head {
    /// The header of a frame with a payload of `len` bytes.
    #[inline(always)]
    fn encode(self, len: usize, mask: Option<[u8; 4]>, room: &mut [u8; HEADER_MAX]) -> &[u8] {
        let Self { opcode, fin, rsv1 } = self;
        let fields = Header { len: len as u64, mask, opcode, fin, rsv1 };
        let header_len = header::encode(&fields, room);
        room.get(..header_len).unwrap_or_default()
    }

    /// Of a whole message, or a control frame.
    pub(super) fn of(opcode: Opcode) -> Self {
        Self { opcode, fin: true, rsv1: false }
    }

    /// Of a message that was made before.
    #[inline]
    pub(super) fn made(m: &Outgoing) -> Self {
        Self { opcode: m.opcode(), fin: m.fin(), rsv1: m.rsv1() }
    }

    /// Whether it is that of a whole message of data.
    pub(super) fn is_whole(self) -> bool {
        self.fin && matches!(self.opcode, Opcode::Text | Opcode::Binary)
    }
}

/// Frames to be sent. Owns no heap memory when all is sent.
#[derive(Debug)]
pub(in crate::conn) struct Outbox {
    pub(super) queue: Queue,
    pub(super) stalled: Option<Box<Stalled>>,
    /// Bytes in `queue`, in `stalled` and in the batch that is out.
    pub(super) buffered: usize,
    /// Those of them that are not in `queue`.
    pub(super) ahead: usize,
    /// The text message that is being sent in fragments.
    text: Utf8,
    /// The opcode of the message that is being sent in fragments.
    pub(super) message: Option<Opcode>,
    /// Bytes of the Close frame.
    pub(super) close_len: u8,
    pub(super) flags: Flags,
    /// Since the end of the connection began, all that was queued has left.
    pub(in crate::conn) all_left: bool,
}

/// What holds of an outbox: six bits in one byte, since each connection has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags(u8);

/// A batch is out.
pub(super) const OUT: Flags = Flags(1);
/// The queue begins with what no control frame may overtake: the HTTP head that goes before all
/// frames, or an earlier control frame.
pub(super) const HEADING: Flags = Flags(2);
/// Nothing can be sent any more: nothing is queued.
pub(super) const MUTE: Flags = Flags(4);
/// The application was told that the queue is full, and not yet that it has drained.
pub(super) const FULL: Flags = Flags(8);
/// With `HEADING`: before the queue wait answers to earlier requests, so that more than the next
/// batch must leave before a control frame may.
pub(super) const BEHIND: Flags = Flags(32);
/// Both.
pub(super) const HEADING_BEHIND: Flags = Flags(HEADING.0 | BEHIND.0);
/// Frames are masked: they are a client's (RFC 6455 §5.3).
const MASKS: Flags = Flags(16);

impl Flags {
    #[inline]
    pub(super) fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    #[inline]
    pub(super) fn set(&mut self, one: Self) {
        self.0 |= one.0;
    }

    #[inline]
    pub(super) fn clear(&mut self, one: Self) {
        self.0 &= !one.0;
    }
}

impl Outbox {
    pub(in crate::conn) fn new(role: Role) -> Self {
        Self {
            queue: Queue::default(),
            stalled: None,
            buffered: 0,
            ahead: 0,
            text: Utf8::new(),
            message: None,
            close_len: 0,
            all_left: false,
            flags: match role {
                Role::Client => MASKS,
                Role::Server => Flags(0),
            },
        }
    }

    /// Whether its frames are a client's.
    #[inline]
    pub(in crate::conn) fn masks(&self) -> bool {
        self.flags.has(MASKS)
    }

    #[inline]
    pub(in crate::conn) fn buffered(&self) -> usize {
        self.buffered
    }

    /// Queues one frame of the application, if it may be sent now. The text of a whole message that
    /// is `checked` is not looked at again.
    ///
    /// `share` is asked for the payload in memory that can be referred to, and for the number of
    /// bytes in front of it there that are the frame's header. A whole message that it has is
    /// checked. It is told whether what is queued now leaves at the end of the turn, as far as the
    /// peer takes it: if memory that others wait for is referred to only then, no more than one
    /// batch of a connection does. Never of a client: it cannot send what it has not masked.
    #[inline(always)]
    pub(super) fn send(
        &mut self,
        head: Head,
        payload: &[u8],
        checked: bool,
        env: &mut Env<'_>,
        share: impl FnOnce(bool) -> Option<(Shared, usize)>,
    ) -> Result<Queued, SendError> {
        let (max, Head { opcode, fin, .. }) = (send_queue_max(env), head);
        self.admit(opcode, payload.len(), fin, max)?;
        if opcode.is_control() {
            self.control(opcode, payload, env);
            return Ok(self.queued(max));
        }
        let shared = share(!self.is_out() && !self.masks());
        let whole = self.message.is_none() && fin && opcode != Opcode::Continuation;
        if !(whole && (checked || shared.is_some())) {
            self.check(opcode, payload, fin)?;
        }
        match shared {
            Some((frame, headed)) if !self.masks() => self.append_shared(head, frame, headed, env),
            _ => self.append(head, payload, env),
        }
        Ok(self.queued(max))
    }

    /// The one way: a copy of the payload, to the end of the queue. For the answers of a callback
    /// it is kept open: see [`Writer`](super::Writer).
    #[inline(always)]
    pub(super) fn append(&mut self, head: Head, payload: &[u8], env: &mut Env<'_>) {
        if self.masks() {
            return self.append_masked(head, payload, env);
        }
        let mut header = [0; HEADER_MAX];
        let header = head.encode(payload.len(), None, &mut header);
        let len = header.len() + payload.len();
        self.open(len, env.pool);
        let end = self.queue.end();
        end.extend_from_slice(header);
        end.extend_from_slice(payload);
        self.buffered += len;
    }

    /// The same, masked with a key that nobody can predict (RFC 6455 §5.3).
    #[inline(never)]
    fn append_masked(&mut self, head: Head, payload: &[u8], env: &mut Env<'_>) {
        let key = env.tools.keys.next_key();
        self.append_header(head, payload.len(), payload.len(), Some(key), env.pool);
        self.queue.copy_masked(payload, key);
        self.buffered += payload.len();
    }

    /// The other way: by reference. `headed` bytes at the front of `frame` are its header; when
    /// there are none, that is copied. Not for frames that are masked.
    fn append_shared(&mut self, head: Head, frame: Shared, headed: usize, env: &mut Env<'_>) {
        self.seal_if_long(env.pool);
        if headed == 0 {
            self.append_header(head, frame.len(), 0, None, env.pool);
        }
        self.buffered += frame.len();
        self.queue.share(frame, env.pool);
    }

    /// Appends a frame that was made before in one piece: by reference where the queue has nothing.
    /// What others follow is copied: they need memory anyway. Not for frames that are masked.
    #[inline]
    pub(super) fn append_frame(&mut self, frame: Shared, pool: &mut Pool) {
        self.buffered += frame.len();
        if self.queue.is_vacant() {
            return self.queue.share(frame, pool);
        }
        self.open(frame.len(), pool);
        self.queue.copy(frame.bytes());
    }

    /// How long the frame of a message is if it is sent as it was made.
    pub(super) fn frame_len(&self, m: &Outgoing) -> usize {
        let (len, mask) = (m.payload().len(), self.masks().then_some([0; 4]));
        Head::of(m.opcode()).encode(len, mask, &mut [0; HEADER_MAX]).len() + len
    }

    /// Appends a whole message that was made before.
    pub(super) fn append_message(&mut self, m: &Outgoing, env: &mut Env<'_>) {
        if let Some(frame) = m.frame()
            && !self.masks()
        {
            return self.append_frame(frame, env.pool);
        }
        let head = Head::made(m);
        match m.payload().len() >= SHARE_MIN && !self.masks() {
            true => self.append_shared(head, m.shared().clone(), 0, env),
            false => self.append(head, m.payload(), env),
        }
    }

    /// Asks for a sign of life.
    pub(in crate::conn) fn ping(&mut self, says: &[u8], env: &mut Env<'_>) {
        self.control(Opcode::Ping, says, env);
    }

    /// Queues a Close frame behind all that is queued.
    pub(in crate::conn) fn close(&mut self, payload: &[u8], env: &mut Env<'_>) {
        if !self.is_mute() {
            env.tools.tally.control_out(Opcode::Close);
            let before = self.buffered;
            self.append(Head::of(Opcode::Close), payload, env);
            self.close_len = (self.buffered - before) as u8;
        }
    }

    /// Queues bytes that are no frame: the upgrade or the answer to it, before all frames.
    pub(in crate::conn) fn answer(&mut self, bytes: &[u8], pool: &mut Pool) {
        if self.is_mute() {
            return;
        }
        self.flags.set(if self.buffered == 0 { HEADING } else { HEADING_BEHIND });
        self.open(bytes.len(), pool);
        self.queue.copy(bytes);
        self.buffered += bytes.len();
    }

    /// Whether a frame of this kind and size may be queued now.
    #[inline]
    pub(super) fn admit(
        &mut self,
        opcode: Opcode,
        len: usize,
        fin: bool,
        max: usize,
    ) -> Result<(), SendError> {
        let mut end = max;
        if opcode.is_control() {
            if opcode == Opcode::Close || !fin {
                return Err(SendError::Sequence);
            }
            if len > CONTROL_MAX {
                return Err(SendError::TooBig);
            }
            end = max.saturating_add(CONTROL_RESERVE);
        } else if u32::try_from(len).is_err() {
            return Err(SendError::TooBig);
        }
        if self.buffered > end {
            self.flags.set(FULL);
            return Err(SendError::Full);
        }
        Ok(())
    }

    /// Checks the order of fragments (RFC 6455 §5.4) and the text in them. Changes nothing when
    /// it refuses.
    #[inline]
    pub(super) fn check(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        fin: bool,
    ) -> Result<(), SendError> {
        let message = match (self.message, opcode) {
            (None, Opcode::Text) if fin => {
                return utf8::check(payload).map_err(|_| SendError::Utf8);
            }
            (None, Opcode::Text | Opcode::Binary) => opcode,
            (Some(message), Opcode::Continuation) => message,
            _ => return Err(SendError::Sequence),
        };
        if message == Opcode::Text {
            let mut text = if self.message.is_some() { self.text } else { Utf8::new() };
            text.push(payload).map_err(|_| SendError::Utf8)?;
            if fin {
                text.finish().map_err(|_| SendError::Utf8)?;
            }
            self.text = text;
        }
        self.message = (!fin).then_some(message);
        Ok(())
    }

    /// Writes a frame's header to the end of the queue, with room for `copied` bytes behind it.
    #[inline(always)]
    fn append_header(
        &mut self,
        head: Head,
        len: usize,
        copied: usize,
        mask: Option<[u8; 4]>,
        pool: &mut Pool,
    ) {
        let mut header = [0; HEADER_MAX];
        let header = head.encode(len, mask, &mut header);
        self.open(header.len() + copied, pool);
        self.queue.copy(header);
        self.buffered += header.len();
    }

    /// Makes room at the end of the queue.
    #[inline]
    fn open(&mut self, len: usize, pool: &mut Pool) {
        if self.queue.room() < len {
            self.make_room(len, pool);
        }
    }

    /// For what is queued by reference; what is copied comes to `make_room`.
    #[inline]
    fn seal_if_long(&mut self, pool: &Pool) {
        if self.buffered - self.ahead >= pool.batch_max() {
            self.seal();
        }
    }

    #[inline(never)]
    fn make_room(&mut self, len: usize, pool: &mut Pool) {
        self.seal_if_long(pool);
        if self.queue.capacity() == 0 {
            // Not a fresh batch: this one may refer to memory.
            self.queue.attach(pool.get());
        }
        self.queue.reserve(len, pool);
    }

    #[inline]
    pub(super) fn queued(&mut self, max: usize) -> Queued {
        if self.buffered <= max {
            return Queued::Ok;
        }
        self.flags.set(FULL);
        Queued::Full
    }

    /// The memory of what waits, without what is out.
    pub(in crate::conn) fn weight(&self) -> usize {
        self.queue.weight() + self.stalled.as_ref().map_or(0, |stalled| stalled.weight())
    }

    /// Bytes of heap memory, used or not.
    #[cfg(test)]
    pub(in crate::conn) fn heap_bytes(&self) -> usize {
        let stalled = |s: &Stalled| {
            let sealed: usize = s.sealed.iter().map(|sealed| sealed.queue.capacity()).sum();
            size_of::<Stalled>() + s.rest.capacity() + s.control.capacity() + sealed
        };
        self.queue.capacity() + self.stalled.as_deref().map_or(0, stalled)
    }
}

#[inline]
pub(super) fn send_queue_max(env: &Env<'_>) -> usize {
    usize::try_from(env.limits.send_queue_max).unwrap_or(usize::MAX)
}
