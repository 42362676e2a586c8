//! Compressed messages that come in, RFC 7692 §6.2: whole ones are collected and inflated under
//! their limit; in stream mode they are inflated as they come.

use super::part::Found;
use super::progress::Progress;
use crate::codec::{InflateError, Inflater};
use crate::conn::{Data, Env};
use crate::proto::{Input, Opcode, Piece, Violation, mask, utf8};

/// Bytes of one part in stream mode, at most.
const PART_MAX: usize = 64 << 10;

/// What the last byte of a piece can bring: what an inflater holds back of the bytes before, and
/// two bits for each 258 bytes.
const HELD_MAX: usize = 20 << 10;

/// What a byte is expected to become, in stream mode.
const RATIO: usize = 16;

impl From<InflateError> for Violation {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::Malformed => Self::MalformedDeflate,
            InflateError::TooBig => Self::MessageTooBig,
        }
    }
}

impl Progress {
    /// A part of a compressed message, unmasked.
    pub(super) fn compressed_part<'b>(
        &mut self,
        data: &'b mut [u8],
        last: bool,
        env: &mut Env<'_>,
    ) -> Result<Option<Found<'b>>, Violation> {
        let inflated = if last && self.bytes.is_empty() {
            self.inflate(data, env)?
        } else {
            self.append(data, true, env);
            if !last {
                return Ok(None);
            }
            let bytes = std::mem::take(&mut self.bytes);
            self.inflate_assembled(bytes, env)?
        };
        let (opcode, data) = (self.opcode, Data::Owned(inflated));
        Ok(Some(Found::Message { opcode, data, first: true, last: true }))
    }

    /// Inflates a message that was assembled, whose memory goes back to the pool.
    pub(super) fn inflate_assembled(
        &mut self,
        bytes: Vec<u8>,
        env: &mut Env<'_>,
    ) -> Result<Vec<u8>, Violation> {
        let inflated = self.inflate(&bytes, env);
        env.pool.put(bytes);
        inflated
    }

    /// Inflates a whole message and checks it if it is text.
    fn inflate(&mut self, bytes: &[u8], env: &mut Env<'_>) -> Result<Vec<u8>, Violation> {
        let max = usize::try_from(env.limits.message_bytes()).unwrap_or(usize::MAX);
        let codec = &mut env.tools.codec;
        codec.done.inflated += 1;
        codec.done.wire += bytes.len() as u64;
        let inflated = match &mut self.inflation {
            Some(own) => {
                let inflater = own.inflater.get_or_insert_with(Inflater::new);
                inflater.inflate(bytes, false, max, env.pool)
            }
            None => codec.inflate(bytes, max, env.pool),
        };
        codec.done.bytes += match &inflated {
            Ok(inflated) => inflated.len() as u64,
            Err(InflateError::TooBig) => max as u64,
            Err(InflateError::Malformed) => 0,
        };
        let inflated = inflated?;
        if self.opcode == Opcode::Text
            && let Err(violation) = utf8::check(&inflated)
        {
            env.pool.put(inflated);
            return Err(violation);
        }
        Ok(inflated)
    }

    /// As [`Progress::next`], in stream mode: what a piece inflates to may be more than one part,
    /// so of compressed frames only the header is taken at once.
    #[inline(never)]
    pub(super) fn next_streamed<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Found<'b>>, Violation> {
        loop {
            let found = if self.compressed && self.remaining() > 0 {
                if input.is_empty() {
                    return Ok(None);
                }
                self.inflate_part(input, env)?
            } else {
                let Some(piece) = self.reader.next_apart(input)? else { return Ok(None) };
                self.streamed(piece, env)?
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// A control frame or a part of one, a part of a plain message, or the header of a data frame.
    fn streamed<'b>(
        &mut self,
        piece: Piece<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Found<'b>>, Violation> {
        if piece.header.opcode.is_control() {
            return Ok(self.control(piece, env));
        }
        if piece.first {
            let place = self.place(&piece.header, env.limits)?;
            if place.first {
                self.begin(place.opcode, piece.header.rsv1);
                if piece.header.rsv1 {
                    self.begin_inflating(env);
                }
            }
        }
        if !self.compressed {
            return self.part(piece, env);
        }
        if !(piece.last && piece.header.fin) {
            return Ok(None);
        }
        // Its last frame is empty.
        let mut out = env.pool.get();
        out.resize(HELD_MAX, 0);
        let inflation = self.inflation.as_mut().ok_or(Violation::MalformedDeflate)?;
        let written = inflation.inflater.get_or_insert_with(Inflater::new).end(&mut out)?;
        out.truncate(written);
        self.inflated_part(out, true, env)
    }

    fn begin_inflating(&mut self, env: &mut Env<'_>) {
        env.tools.codec.done.inflated += 1;
        if let Some(inflation) = &mut self.inflation {
            inflation.come = 0;
            let inflater = inflation.inflater.get_or_insert_with(Inflater::new);
            if !inflation.takeover {
                inflater.forget();
            }
            inflater.begin();
        }
    }

    /// Inflates what has come of a frame, as far as one part goes. What is left stays in the input
    /// as it came: a connection that is paused now keeps nothing but that.
    fn inflate_part<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Found<'b>>, Violation> {
        let (left, key, fin) = self.reader.rest();
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len()).min(PART_MAX);
        let inflation = self.inflation.as_mut().ok_or(Violation::MalformedDeflate)?;
        let inflater = inflation.inflater.get_or_insert_with(Inflater::new);
        let data = input.peek_mut().get_mut(..here).unwrap_or_default();
        mask::unmask(data, key);
        let mut out = env.pool.get();
        out.resize((HELD_MAX + RATIO * here).min(PART_MAX), 0);
        // With the last byte held back, nothing is held in the inflater when the part is full.
        let (before, last) = data.split_at(here.saturating_sub(1));
        let step = inflater.step(before, &mut out)?;
        let (mut read, mut written) = (step.read, step.written);
        if read == before.len() && written < out.len() {
            // All of it is out. The last byte goes with it, so that the end is no part of its own.
            out.resize(out.len().max(written + HELD_MAX), 0);
        }
        let mut ended = false;
        if let Some(room) = out.get_mut(written..).filter(|room| room.len() >= HELD_MAX) {
            let step = inflater.step(last, room)?;
            read += step.read;
            written += step.written;
            ended = fin && here as u64 == left;
        }
        if ended {
            written += inflater.end(out.get_mut(written..).unwrap_or_default())?;
        }
        if let Some(rest) = data.get_mut(read..) {
            mask::unmask(rest, mask::rotate(key, read));
        }
        input.take(read);
        self.reader.advance(read);
        env.tools.codec.done.wire += read as u64;
        out.truncate(written);
        self.inflated_part(out, ended, env)
    }

    fn inflated_part<'b>(
        &mut self,
        out: Vec<u8>,
        last: bool,
        env: &mut Env<'_>,
    ) -> Result<Option<Found<'b>>, Violation> {
        env.tools.codec.done.bytes += out.len() as u64;
        if let Some(inflation) = &mut self.inflation {
            inflation.come = inflation.come.saturating_add(out.len() as u64);
            if inflation.come > env.limits.message_bytes() {
                return Err(Violation::MessageTooBig);
            }
        }
        if self.opcode == Opcode::Text {
            self.utf8.push(&out)?;
            if last {
                self.utf8.finish()?;
            }
        }
        if out.is_empty() && !last {
            env.pool.put(out);
            return Ok(None);
        }
        let first = !std::mem::replace(&mut self.begun, true);
        Ok(Some(Found::Message { opcode: self.opcode, data: Data::Owned(out), first, last }))
    }
}
