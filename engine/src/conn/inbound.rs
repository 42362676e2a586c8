//! From frames to messages: unmasked and checked where they lie, assembled when they came split.

use super::deflate::Inflation;
use super::{Data, Env, Limits};
use crate::memory::Pool;
use crate::proto::sequence::{Place, Sequence};
use crate::proto::utf8::{self, Utf8};
use crate::proto::{FrameReader, Header, Input, Opcode, Piece, Role, Violation, Whole, mask};

/// What the peer said.
#[derive(Debug)]
pub(super) enum Found<'b> {
    /// A message, or a part of one.
    Message { opcode: Opcode, data: Data<'b>, first: bool, last: bool },
    /// A control frame, whole.
    Control { opcode: Opcode, payload: Data<'b> },
}

/// The receiving direction of an open connection.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) reader: FrameReader,
    sequence: Sequence,
    /// What had to be copied of the message in progress, and behind it of a control frame in
    /// progress: while a control frame is incomplete, no data can come.
    pub(super) bytes: Vec<u8>,
    /// Of the text message in progress; at its start between messages.
    pub(super) utf8: Utf8,
    /// Of the message in progress.
    pub(super) opcode: Opcode,
    /// In stream mode: a part of the message in progress was delivered.
    pub(super) begun: bool,
    /// The message in progress is compressed.
    pub(super) compressed: bool,
    role: Role,
    pub(super) inflation: Option<Box<Inflation>>,
}

impl Inbound {
    pub(super) fn new(role: Role) -> Self {
        Self {
            reader: FrameReader::new(role),
            sequence: Sequence::new(),
            bytes: Vec::new(),
            utf8: Utf8::new(),
            opcode: Opcode::Binary,
            begun: false,
            compressed: false,
            role,
            inflation: None,
        }
    }

    /// Compressed messages may come from now on.
    pub(super) fn allow_compressed(&mut self, own: Option<Box<Inflation>>) {
        self.reader.allow_rsv1(true);
        self.inflation = own;
    }

    /// None will come any more.
    pub(super) fn forbid_compressed(&mut self) {
        self.inflation = None;
    }

    /// Whether small whole messages may come now, none of them longer than `message_max`.
    pub(super) fn takes_runs(&self, limits: &Limits) -> bool {
        let between = self.reader.at_boundary() && self.sequence.message().is_none();
        // A limit of 0 may mean none: not decided here. Only clients mask.
        between && limits.fragments_max > 0 && self.role == Role::Server
    }

    /// Takes a message of one frame below 64 KiB that lies whole in the input: the way most
    /// messages come, in a fraction of the instructions that all the others take. `None` means
    /// nothing but that this is for [`Inbound::next`].
    #[inline]
    pub(super) fn next_whole<'b>(
        &mut self,
        input: &mut Input<'b>,
        limits: &Limits,
    ) -> Option<Whole<'b>> {
        if !self.takes_runs(limits) {
            return None;
        }
        self.reader.next_whole(input, limits.message_max)
    }

    /// Consumes input until there is something to report; `None` when it is used up.
    #[inline]
    pub(super) fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Found<'b>>, Violation> {
        if env.limits.stream && self.inflation.is_some() {
            return self.next_streamed(input, env);
        }
        while let Some(piece) = self.reader.next(input)? {
            let found = if piece.header.opcode.is_control() {
                self.control(piece, env)
            } else {
                self.data(piece, env)?
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    #[inline]
    fn data<'b>(
        &mut self,
        piece: Piece<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Found<'b>>, Violation> {
        if piece.first {
            let place = self.place(&piece.header, env.limits)?;
            if place.first {
                if place.last && piece.last && !piece.header.rsv1 {
                    return whole(place.opcode, piece.data, piece.key).map(Some);
                }
                self.begin(place.opcode, piece.header.rsv1);
            }
        }
        self.part(piece, env)
    }

    /// Takes the header of a data frame.
    #[inline]
    pub(super) fn place(&mut self, header: &Header, limits: &Limits) -> Result<Place, Violation> {
        // RSV1 is on the first frame of a message alone (RFC 7692 §6.1).
        let compressed = match header.opcode {
            Opcode::Continuation => self.compressed,
            _ => header.rsv1,
        };
        let message_max = match compressed {
            true => limits.compressed_bytes(),
            false => limits.message_bytes(),
        };
        self.sequence.take(header, message_max, limits.fragments_max)
    }

    /// A message begins that is not whole in one piece, or is compressed.
    pub(super) fn begin(&mut self, opcode: Opcode, compressed: bool) {
        self.opcode = opcode;
        self.begun = false;
        self.compressed = compressed;
    }

    /// A part of a message that came split, or in fragments, or is compressed.
    pub(super) fn part<'b>(
        &mut self,
        piece: Piece<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Found<'b>>, Violation> {
        let (opcode, last) = (self.opcode, piece.last && piece.header.fin);
        let data = self.unmask(piece)?;
        if self.compressed {
            return self.compressed_part(data, last, env);
        }
        if env.limits.stream {
            if data.is_empty() && !last {
                return Ok(None);
            }
            let first = !std::mem::replace(&mut self.begun, true);
            return Ok(Some(Found::Message { opcode, data: Data::Lent(data), first, last }));
        }
        // Whole in its buffer after all: only its header, or empty fragments, came before.
        let data = if last && self.bytes.is_empty() {
            Data::Lent(data)
        } else {
            self.append(data, true, env);
            if !last {
                return Ok(None);
            }
            Data::Owned(std::mem::take(&mut self.bytes))
        };
        Ok(Some(Found::Message { opcode, data, first: true, last: true }))
    }

    /// Unmasks a part where it lies, and checks it if it is text.
    fn unmask<'b>(&mut self, piece: Piece<'b>) -> Result<&'b mut [u8], Violation> {
        let Piece { header, data, key, last, .. } = piece;
        if self.opcode == Opcode::Text && !self.compressed {
            self.utf8.unmask_and_push(data, key)?;
            if last && header.fin {
                self.utf8.finish()?;
            }
        } else {
            mask::unmask(data, key);
        }
        Ok(data)
    }

    /// What is known of the length of frames: see [`FrameReader::shown`].
    #[inline]
    pub(super) fn shown(&self) -> u64 {
        self.reader.shown()
    }

    /// The peer has sent nothing of that size for a while.
    pub(super) fn forget_shown(&mut self) {
        self.reader.forget_shown();
    }

    /// Payload bytes still to come of the data frame in progress; 0 when there is none.
    pub(super) fn remaining(&self) -> u64 {
        if self.reader.in_control() { 0 } else { self.reader.remaining() }
    }

    /// Bytes of the message in progress that have come.
    pub(super) fn come(&self) -> usize {
        self.bytes.len()
    }

    /// Lends out the memory that the message in progress is assembled in, to receive the rest of
    /// its frame into, with room behind what it holds: for all of the message when it will be at
    /// most `known` bytes, else for as much again as has come.
    pub(super) fn lend(&mut self, known: usize, pool: &mut Pool) -> Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.get();
        }
        let come = self.bytes.len();
        if come == self.bytes.capacity() || known > self.bytes.capacity() {
            let left = usize::try_from(self.reader.remaining()).unwrap_or(usize::MAX);
            let room = known.max(2 * come).max(self.bytes.capacity());
            pool.grow(&mut self.bytes, room.min(come.saturating_add(left)));
        }
        std::mem::take(&mut self.bytes)
    }

    /// Takes lent memory back, with nothing received.
    pub(super) fn take_back(&mut self, memory: Vec<u8>, pool: &mut Pool) {
        pool.put(std::mem::replace(&mut self.bytes, memory));
    }

    /// Takes lent memory back in which the last `fresh` bytes are new, none of them beyond the
    /// frame in progress. The message, when they have completed it.
    pub(super) fn landed(
        &mut self,
        mut memory: Vec<u8>,
        fresh: usize,
        env: &mut Env<'_>,
    ) -> Result<Option<(Opcode, Vec<u8>)>, Violation> {
        let start = memory.len().saturating_sub(fresh);
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

    #[inline]
    pub(super) fn control<'b>(&mut self, piece: Piece<'b>, env: &mut Env<'_>) -> Option<Found<'b>> {
        let Piece { header, data, key, last, .. } = piece;
        mask::unmask(data, key);
        let opcode = header.opcode;
        if last && data.len() as u64 == header.len {
            return Some(Found::Control { opcode, payload: Data::Lent(data) });
        }
        self.append(data, false, env);
        // At most 125 (RFC 6455 §5.5), and so many are there now.
        let start = self.bytes.len().saturating_sub(header.len as usize);
        last.then(|| Found::Control {
            opcode,
            payload: Data::Owned(self.split_off(start, env.pool)),
        })
    }

    /// Copies a piece. The peer's word for a length reserves nothing: memory at most doubles with
    /// what has come, and is made to fit once half of a message is there. Before its last frame
    /// that is not known: memory made to fit each of many small fragments would be moved with each.
    pub(super) fn append(&mut self, data: &[u8], of_message: bool, env: &mut Env<'_>) {
        if data.is_empty() {
            return;
        }
        if self.bytes.capacity() == 0 {
            self.bytes = env.pool.get();
        }
        let come = self.bytes.len() + data.len();
        if come > self.bytes.capacity() {
            let (left, _, last) = self.reader.rest();
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            let room = match of_message && last && left <= come {
                true => come + left,
                false => come.max(2 * self.bytes.capacity()),
            };
            env.pool.grow(&mut self.bytes, room);
        }
        self.bytes.extend_from_slice(data);
        *env.copied += data.len() as u64;
    }

    /// The bytes from `start` on, in a vector of the pool.
    fn split_off(&mut self, start: usize, pool: &mut Pool) -> Vec<u8> {
        if start == 0 {
            return std::mem::take(&mut self.bytes);
        }
        let mut tail = pool.get();
        tail.extend(self.bytes.drain(start..));
        tail
    }

    /// Nothing more is received: what was begun is dropped and `reason` is kept in its place.
    pub(super) fn end(&mut self, reason: &str, pool: &mut Pool) {
        // To the size: an ended connection may linger, and nobody adds to it.
        pool.put(std::mem::replace(&mut self.bytes, reason.as_bytes().to_vec()));
    }

    /// What `end` kept.
    pub(super) fn reason(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// Memory for what had to be copied, in bytes.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// A message of one frame that lies whole in its buffer: the way most messages come.
#[inline]
fn whole(opcode: Opcode, data: &mut [u8], key: [u8; 4]) -> Result<Found<'_>, Violation> {
    unmask_and_check(opcode, data, key)?;
    Ok(Found::Message { opcode, data: Data::Lent(data), first: true, last: true })
}

/// Unmasks a whole payload where it lies, and checks it if it is text.
#[inline]
pub(super) fn unmask_and_check(
    opcode: Opcode,
    data: &mut [u8],
    key: [u8; 4],
) -> Result<(), Violation> {
    if opcode == Opcode::Text {
        return utf8::unmask_and_check(data, key);
    }
    mask::unmask(data, key);
    Ok(())
}
