//! DEFLATE blocks into messages.

use super::{InflateError, TAIL};
use crate::memory::Pool;
use std::fmt;
use zlib_rs::{Inflate, InflateFlush, Status};

/// An inflater. Between messages it remembers what those before have left in the window, until it
/// is made to forget it.
pub struct Inflater {
    inner: Inflate,
    /// Nothing was inflated since it was made or reset.
    fresh: bool,
    /// Streams that have ended in the message in progress.
    ended: u32,
    /// One has ended, and nothing has come behind it.
    at_end: bool,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self::new()
    }
}

/// The window that every peer may use.
const BITS: u8 = 15;

/// Bytes of output that are made room for at first: as many times what has come, which is what
/// most JSON inflates to, and enough for a message of a few bytes.
const RATIO: usize = 8;
const ROOM_MIN: usize = 1 << 10;

/// Blocks with BFINAL in one message. One is legal (RFC 7692 §7.2.3.4) and some compressors know
/// no other way; thousands only cost time.
pub(super) const ENDED_MAX: u32 = 1_024;

/// What ends a message that is compressed on its own: what was not sent, and a last block that is
/// empty, so that its end is seen to be reached.
const END_ALONE: [u8; 9] = [0, 0, 0xFF, 0xFF, 1, 0, 0, 0xFF, 0xFF];

/// How far one step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inflated {
    /// Bytes read.
    pub read: usize,
    /// Bytes written.
    pub written: usize,
}

impl Inflater {
    /// With an empty window.
    pub fn new() -> Self {
        Self { inner: Inflate::new(false, BITS), fresh: true, ended: 0, at_end: false }
    }

    /// Bytes that one needs: the window, and the tables of the block in progress.
    pub const MEMORY: usize = (32 << 10) + (16 << 10);

    /// Empties the window.
    pub fn forget(&mut self) {
        if !std::mem::replace(&mut self.fresh, true) {
            self.inner.reset(false);
        }
    }

    /// Inflates a whole message into a vector of the pool, as far as `max` bytes. It grows with
    /// what comes out, whatever the message says. What is compressed `alone` has no sequel: the
    /// window is of no use afterwards.
    ///
    /// # Errors
    /// As [`InflateError`] says; forget everything then.
    pub fn inflate(
        &mut self,
        message: &[u8],
        alone: bool,
        max: usize,
        pool: &mut Pool,
    ) -> Result<Vec<u8>, InflateError> {
        self.begin();
        let mut out = pool.get();
        let done = self.inflate_into(message, &mut out, alone, max, pool);
        if let Err(error) = done {
            pool.put(out);
            return Err(error);
        }
        Ok(out)
    }

    fn inflate_into(
        &mut self,
        message: &[u8],
        out: &mut Vec<u8>,
        alone: bool,
        max: usize,
        pool: &mut Pool,
    ) -> Result<(), InflateError> {
        let expected = message.len().saturating_mul(RATIO).max(ROOM_MIN);
        let room = expected.min(max);
        pool.grow(out, room);
        out.resize(room, 0);
        let mut written = self.grow_into(message, out, 0, max, pool)?;
        // Some leave out the byte that has to follow a block with BFINAL (RFC 7692 §7.2.3.4).
        if !self.at_end {
            let end = if alone { &END_ALONE[..] } else { &TAIL };
            let come = written;
            written = self.grow_into(end, out, come, max, pool)?;
            // Else the message ends inside a block. With takeover, the next one will show it.
            if written != come || alone && !self.at_end {
                return Err(InflateError::Malformed);
            }
        }
        out.truncate(written);
        Ok(())
    }

    /// Inflates all of `input` into `out`, behind the first `written` bytes. Returns how many there
    /// are then.
    fn grow_into(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        mut written: usize,
        max: usize,
        pool: &mut Pool,
    ) -> Result<usize, InflateError> {
        loop {
            let room = out.get_mut(written..).unwrap_or_default();
            let (room, over) = match written < max {
                true => (room, false),
                // One byte more shows that it is too much.
                false => (&mut [0][..], true),
            };
            let full = room.len();
            let step = self.step(input, room)?;
            input = input.get(step.read..).unwrap_or_default();
            if over && step.written > 0 {
                return Err(InflateError::TooBig);
            }
            written += step.written;
            if step.written < full {
                return Ok(written);
            }
            let total = written.saturating_mul(2).max(ROOM_MIN).min(max);
            pool.grow(out, total);
            out.resize(total, 0);
        }
    }

    /// A message begins.
    pub fn begin(&mut self) {
        self.ended = 0;
        self.at_end = false;
    }

    /// Inflates a part of a message as far as there is room. Unless `out` is full afterwards, all
    /// of `input` was read and nothing is held back.
    ///
    /// # Errors
    /// [`InflateError::Malformed`]; forget everything then.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Inflated, InflateError> {
        // Also when it fails: what it is then left with is of no use to anybody.
        self.fresh = false;
        let mut all = Inflated { read: 0, written: 0 };
        loop {
            let (in_before, out_before) = (self.inner.total_in(), self.inner.total_out());
            let rest = input.get(all.read..).unwrap_or_default();
            let room = out.get_mut(all.written..).unwrap_or_default();
            let status = self.inner.decompress(rest, room, InflateFlush::SyncFlush);
            let status = status.map_err(|_| InflateError::Malformed)?;
            let read = (self.inner.total_in() - in_before) as usize;
            let written = (self.inner.total_out() - out_before) as usize;
            all.read += read;
            all.written += written;
            self.at_end = status == Status::StreamEnd || self.at_end && read == 0;
            if status == Status::StreamEnd {
                // What follows is another stream: whoever sends one has reset its compressor.
                self.ended += 1;
                if self.ended > ENDED_MAX {
                    return Err(InflateError::Malformed);
                }
                self.inner.reset(false);
            } else if all.written == out.len() {
                return Ok(all);
            } else if read == 0 && written == 0 && all.read < input.len() {
                return Err(InflateError::Malformed);
            }
            if all.read == input.len() {
                return Ok(all);
            }
        }
    }

    /// Takes what ends a message but is not sent. `out` has room for what was held back.
    ///
    /// # Errors
    /// [`InflateError::Malformed`] when the message ends inside a block.
    pub fn end(&mut self, out: &mut [u8]) -> Result<usize, InflateError> {
        if self.at_end {
            return Ok(0);
        }
        let step = self.step(&TAIL, out)?;
        match step.read == TAIL.len() && step.written < out.len() {
            true => Ok(step.written),
            false => Err(InflateError::Malformed),
        }
    }
}
