//! From frames to messages: whole ones where they lie, others assembled of their parts.

use super::batch::{self, MessageBatch};
use super::progress::Progress;
use crate::conn::send::deflation::Inflation;
use crate::conn::{Data, Env, Limits};
use crate::memory::Pool;
use crate::proto::header::{self, Decoded};
use crate::proto::sequence::Place;
use crate::proto::{
    Boundary, Header, Input, Opcode, Piece, Role, Violation, WholeFrame, mask, utf8,
};

/// What the peer said.
#[derive(Debug)]
pub(in crate::conn) enum Found<'b> {
    /// A message that lies whole in the input, unmasked and checked.
    Whole { opcode: Opcode, data: &'b mut [u8] },
    /// A message that had to be assembled or inflated, or a part of one.
    Message { opcode: Opcode, data: Data<'b>, first: bool, last: bool },
    /// A control frame, whole.
    Control { opcode: Opcode, payload: Data<'b> },
}

/// The receiving direction of an open connection.
#[derive(Debug)]
pub(in crate::conn) struct Inbound {
    /// As of the latest frame.
    pub(super) boundary: Boundary,
    /// None between messages, but with an inflater of its own.
    pub(super) progress: Option<Box<Progress>>,
}

impl Inbound {
    pub(in crate::conn) fn new(role: Role) -> Self {
        Self { boundary: Boundary::new(role), progress: None }
    }

    /// Compressed messages may come from now on.
    pub(in crate::conn) fn allow_compressed(&mut self, own: Option<Box<Inflation>>) {
        self.boundary.allow_rsv1(true);
        let progress =
            |own| Box::new(Progress { inflation: Some(own), ..Progress::new(self.boundary) });
        self.progress = own.map(progress);
    }

    /// Takes the whole messages that the input begins with, if they may come now: short ones as
    /// many as there are, else one of less than 64 KiB. That is how most messages come, in a
    /// fraction of the instructions that all the others take. `None` means nothing but that what
    /// comes is for [`Inbound::next`].
    #[inline(always)]
    pub(super) fn next_batch<'b>(
        &mut self,
        input: &mut Input<'b>,
        limits: &Limits,
    ) -> Option<Result<MessageBatch<'b>, Violation>> {
        // A message that has begun must not be interrupted by another (RFC 6455 §5.4). A limit of 0
        // may mean none: not decided here. Only clients mask.
        if !self.is_between() || limits.fragments_max == 0 || self.boundary.role() != Role::Server {
            return None;
        }
        let len = batch::unmask(input.peek_mut(), limits.message_max);
        if len > 0 {
            return Some(Ok(MessageBatch::short(input.take(len))));
        }
        let WholeFrame { header, room, data, key } =
            self.boundary.next_whole(input, limits.message_max)?;
        let checked = unmask_and_check(header.opcode, data, key);
        Some(checked.map(|()| MessageBatch::lone(header.opcode, room, data)))
    }

    /// Whether compressed messages may come.
    pub(in crate::conn) fn may_inflate(&self) -> bool {
        self.boundary.rsv1_allowed
    }

    /// Whether no message is in progress.
    #[inline(always)]
    fn is_between(&self) -> bool {
        self.progress.as_ref().is_none_or(|progress| progress.is_over())
    }

    /// How many bytes are missing of the binary message that `bytes` begin with, if it may come now
    /// and is in one frame, not compressed, of which the header has come; else 0, and when it is
    /// wrong. Text is not waited for: it is checked as it comes, to fail at the offending byte.
    pub(super) fn missing(&self, bytes: &[u8], limits: &Limits) -> u64 {
        if !self.is_between() || limits.fragments_max == 0 || limits.stream {
            return 0;
        }
        match header::decode(bytes, self.boundary.role(), false) {
            Ok(Decoded::Complete(header, start)) if header.len <= limits.message_bytes() => {
                let alone = header.fin && header.opcode == Opcode::Binary;
                let here = (bytes.len() - start) as u64;
                if alone { header.len.saturating_sub(here) } else { 0 }
            }
            _ => 0,
        }
    }

    /// Consumes input until there is something to report; `None` when it is used up.
    #[inline]
    pub(in crate::conn) fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Found<'b>>, Violation> {
        if self.progress.is_none() {
            if input.is_empty() {
                return Ok(None);
            }
            if let Some(found) = self.next_alone(input, env.limits)? {
                return Ok(Some(found));
            }
        }
        self.next_in_progress(input, env)
    }

    /// A frame that nothing is to be remembered of: a whole message, or a control frame, that lies
    /// whole in the input. `None` means nothing but that what comes has to be put together.
    #[inline]
    fn next_alone<'b>(
        &mut self,
        input: &mut Input<'b>,
        limits: &Limits,
    ) -> Result<Option<Found<'b>>, Violation> {
        if limits.fragments_max == 0 {
            return Ok(None);
        }
        let Some(piece) = self.boundary.next_alone(input, limits.message_bytes())? else {
            return Ok(None);
        };
        let Piece { header, data, key, .. } = piece;
        if header.opcode.is_control() {
            mask::unmask(data, key);
            return Ok(Some(Found::Control {
                opcode: header.opcode,
                payload: Data::Borrowed(data),
            }));
        }
        unmask_and_check(header.opcode, data, key)?;
        Ok(Some(Found::Whole { opcode: header.opcode, data }))
    }

    #[inline(never)]
    fn next_in_progress<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Found<'b>>, Violation> {
        let boundary = self.boundary;
        let mut progress = self.progress.take().unwrap_or_else(|| env.tools.spare.get(boundary));
        let found = progress.next(input, env);
        self.keep(progress, env);
        found
    }

    /// Keeps what is in progress, if it still is.
    pub(super) fn keep(&mut self, mut progress: Box<Progress>, env: &mut Env<'_>) {
        self.boundary = progress.reader.boundary();
        if !progress.is_over() {
            self.progress = Some(progress);
            return;
        }
        // It was lent out, perhaps, and nothing came of that.
        env.pool.put(std::mem::take(&mut progress.bytes));
        match progress.inflation {
            Some(_) => self.progress = Some(progress),
            None => env.tools.spare.put(progress),
        }
    }

    /// Nothing more is received: what was begun is dropped.
    pub(in crate::conn) fn end(&mut self, pool: &mut Pool) {
        if let Some(progress) = self.progress.take() {
            pool.put(progress.bytes);
        }
    }

    /// Whether something may be in progress.
    #[inline]
    pub(in crate::conn) fn has_progress(&self) -> bool {
        self.progress.is_some()
    }

    /// Bytes held of the message in progress.
    pub(in crate::conn) fn message_len(&self) -> usize {
        self.progress.as_ref().map_or(0, |progress| progress.bytes.len())
    }

    /// Memory for what had to be copied, in bytes.
    pub(in crate::conn) fn capacity(&self) -> usize {
        self.progress.as_ref().map_or(0, |progress| progress.bytes.capacity())
    }

    /// Bytes of heap memory, used or not.
    #[cfg(test)]
    pub(in crate::conn) fn heap_bytes(&self) -> usize {
        self.capacity() + self.progress.as_ref().map_or(0, |_| size_of::<Progress>())
    }
}

impl Progress {
    /// Consumes input until there is something to report; `None` when it is used up.
    fn next<'b>(
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
                    unmask_and_check(place.opcode, piece.data, piece.key)?;
                    return Ok(Some(Found::Whole { opcode: place.opcode, data: piece.data }));
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
            return Ok(Some(match first && last {
                true => Found::Whole { opcode, data },
                false => Found::Message { opcode, data: Data::Borrowed(data), first, last },
            }));
        }
        if last && self.bytes.is_empty() {
            // Whole in its buffer after all: only its header, or empty fragments, came before.
            return Ok(Some(Found::Whole { opcode, data }));
        }
        self.append(data, true, env);
        if !last {
            return Ok(None);
        }
        let data = Data::Owned(std::mem::take(&mut self.bytes));
        Ok(Some(Found::Message { opcode, data, first: true, last: true }))
    }

    /// Unmasks a part where it lies, and checks it if it is text.
    pub(super) fn unmask<'b>(&mut self, piece: Piece<'b>) -> Result<&'b mut [u8], Violation> {
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

    #[inline]
    pub(super) fn control<'b>(&mut self, piece: Piece<'b>, env: &mut Env<'_>) -> Option<Found<'b>> {
        let Piece { header, data, key, last, .. } = piece;
        mask::unmask(data, key);
        let opcode = header.opcode;
        if last && data.len() as u64 == header.len {
            return Some(Found::Control { opcode, payload: Data::Borrowed(data) });
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
}

/// Unmasks a whole payload where it lies, and checks it if it is text. Always inlined: as a call, a
/// binary message takes 7 instructions more.
#[inline(always)]
fn unmask_and_check(opcode: Opcode, data: &mut [u8], key: [u8; 4]) -> Result<(), Violation> {
    if opcode == Opcode::Text {
        return utf8::unmask_and_check(data, key);
    }
    mask::unmask(data, key);
    Ok(())
}
