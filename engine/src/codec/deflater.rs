//! Messages into DEFLATE blocks.

use super::{BITS_MIN, Setting, TAIL};
use std::fmt;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

/// A compressor. Between messages it may remember those before.
pub struct Deflater {
    inner: Deflate,
    /// Nothing was compressed since it was made or reset.
    fresh: bool,
    made: (Setting, u8),
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

/// What an empty message is compressed to (RFC 7692 §7.2.3.6).
const EMPTY: u8 = 0;

/// Bytes that the output grows by when it has turned out too short.
const STEP: usize = 4 << 10;

impl Deflater {
    /// `mem_level` is zlib's, from 1 to 9: how much of a message is looked at as one block.
    pub fn new(setting: Setting, mem_level: u8) -> Self {
        let config = DeflateConfig {
            level: i32::from(setting.level),
            // Negative: without the wrapping of zlib.
            window_bits: -i32::from(setting.bits.max(BITS_MIN)),
            mem_level: i32::from(mem_level),
            ..DeflateConfig::default()
        };
        Self { inner: Deflate::new_with_config(config), fresh: true, made: (setting, mem_level) }
    }

    /// Bytes that one needs: two windows with the chain of each position, a table of hashes of a
    /// fixed size, and what it has found of the block in progress.
    pub const fn memory(bits: u8, mem_level: u8) -> usize {
        (4 << if bits > BITS_MIN { bits } else { BITS_MIN })
            + (128 << 10)
            + (7 << (mem_level as usize + 6))
            + (8 << 10)
    }

    /// Compresses a message on its own into `out`, which grows to its size, in place of what is
    /// there. The length of the result; `None` when it is not smaller than the message.
    pub fn deflate_alone(&mut self, message: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        if !std::mem::replace(&mut self.fresh, false) {
            self.inner.reset();
        }
        if message.len() <= 1 {
            return None;
        }
        // Nine bits for each byte at worst.
        let room = message.len() + message.len() / 8 + 64;
        if out.len() < room {
            out.resize(room, 0);
        }
        let before = self.inner.total_out();
        self.inner.compress(message, out, DeflateFlush::SyncFlush).ok()?;
        let written = (self.inner.total_out() - before) as usize;
        // Should it not be all, the compressor is inside a block, which a reset does not mend.
        if written >= out.len() {
            let (setting, mem_level) = self.made;
            *self = Self::new(setting, mem_level);
            return None;
        }
        let len = written.saturating_sub(TAIL.len());
        (len < message.len()).then_some(len)
    }

    /// Compresses a message into `out`, in place of what it holds, and remembers it.
    pub fn deflate(&mut self, message: &[u8], out: &mut Vec<u8>) {
        out.clear();
        if message.is_empty() {
            // Never asked for: with nothing new there is nothing to flush.
            return out.push(EMPTY);
        }
        self.fresh = false;
        let (mut read, mut written) = (0, 0);
        out.resize(message.len() / 2 + 64, 0);
        loop {
            let (in_before, out_before) = (self.inner.total_in(), self.inner.total_out());
            let rest = message.get(read..).unwrap_or_default();
            let room = out.get_mut(written..).unwrap_or_default();
            // It fails for misuse alone.
            let compressed = self.inner.compress(rest, room, DeflateFlush::SyncFlush);
            read += (self.inner.total_in() - in_before) as usize;
            written += (self.inner.total_out() - out_before) as usize;
            if compressed.is_err() || written < out.len() {
                break;
            }
            out.resize(out.len() + out.len() / 2 + STEP, 0);
        }
        out.truncate(written.saturating_sub(TAIL.len()));
    }
}
