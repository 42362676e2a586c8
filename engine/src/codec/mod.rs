//! Floor 0: DEFLATE (RFC 1951) of whole messages, as permessage-deflate sends them (RFC 7692 §7.2).
//!
//! What connections share lives here: without context takeover one compressor and one inflater
//! serve a whole reactor, each reset before a message, so that nothing of one connection's
//! messages can be seen by another. Connections with takeover have their own, and all of those
//! together are held to a budget.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod deflater;
mod inflater;
#[cfg(test)]
mod tests;

pub use deflater::Deflater;
pub use inflater::{Inflated, Inflater};

use crate::memory::Pool;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a sync flush ends with; it is not sent (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// The smallest window of our compressors: one of 8 bits is none of zlib's. What is compressed with
/// 9 bits can be inflated with 8, because distances stay below 2^9 - 262 = 250.
const BITS_MIN: u8 = 9;

/// Messages up to its size are compressed with a window of as many bits: it costs less to begin
/// with, and they fit into it.
const SMALL_BITS: u8 = 12;

/// The default of [`Budget`]: 64 MiB.
pub const MEMORY_MAX: usize = 64 << 20;

/// Why bytes could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// They are not DEFLATE, or refer to what lies before the window.
    #[error("malformed compressed data")]
    Malformed,
    /// The message is longer than it may be.
    #[error("inflates to more than the limit")]
    TooBig,
}

/// What one compressor is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// From 1, fast, to 9, small.
    pub level: u8,
    /// The window in bits, from 8 to 15.
    pub bits: u8,
}

impl Setting {
    /// That of the shared compressor for a message of `len` bytes: few different ones, because each
    /// costs memory.
    #[must_use]
    pub fn shared(self, len: usize) -> Self {
        let bits = match self.bits {
            // No distance is longer than the message.
            _ if len <= 1 << self.bits.min(SMALL_BITS) => SMALL_BITS,
            15.. => 15,
            SMALL_BITS.. => SMALL_BITS,
            _ => BITS_MIN,
        };
        Self { level: self.level, bits }
    }
}

/// What all connections of one thread share.
#[derive(Debug)]
pub struct Codec {
    deflaters: Vec<(Setting, Deflater)>,
    inflater: Option<Inflater>,
    /// The latest message compressed.
    scratch: Vec<u8>,
    /// What connections have of their own.
    pub budget: Budget,
    /// What was done.
    pub done: Done,
}

/// What was done, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Compressed messages received (in stream mode: begun).
    pub inflated: u64,
    /// Their bytes as they came.
    pub wire: u64,
    /// Bytes that they became.
    pub bytes: u64,
    /// Messages sent compressed.
    pub deflated: u64,
    /// Their bytes before.
    pub plain: u64,
    /// Bytes that were not sent because of that.
    pub saved: u64,
    /// Connections that wanted takeover, or to inflate as a stream, when the budget was spent.
    pub refused: u64,
}

/// Above it, memory for compressed messages is given back after use.
const SCRATCH_MAX: usize = 2 << 20;

impl Codec {
    /// Connections may have `memory_max` bytes of compressors and inflaters of their own.
    pub fn new(memory_max: usize) -> Self {
        Self {
            deflaters: Vec::new(),
            inflater: None,
            scratch: Vec::new(),
            budget: Budget::new(memory_max),
            done: Done::default(),
        }
    }

    /// Compresses a message on its own; `None` when it does not get smaller.
    pub fn deflate(&mut self, message: &[u8], setting: Setting) -> Option<&[u8]> {
        self.trim();
        let setting = setting.shared(message.len());
        let at = self.deflaters.iter().position(|(made, _)| *made == setting);
        let at = at.unwrap_or_else(|| {
            let mem_level = if setting.bits <= SMALL_BITS { 4 } else { 8 };
            self.deflaters.push((setting, Deflater::new(setting, mem_level)));
            self.deflaters.len() - 1
        });
        let (_, deflater) = self.deflaters.get_mut(at)?;
        let len = deflater.deflate_alone(message, &mut self.scratch)?;
        self.scratch.get(..len)
    }

    /// Compresses a message with a compressor that remembers those before it.
    pub fn deflate_by(&mut self, deflater: &mut Deflater, message: &[u8]) -> &[u8] {
        self.trim();
        deflater.deflate(message, &mut self.scratch);
        &self.scratch
    }

    /// Inflates a message that was compressed on its own into a vector of the pool, as far as
    /// `max` bytes.
    ///
    /// # Errors
    /// As [`InflateError`] says.
    pub fn inflate(
        &mut self,
        message: &[u8],
        max: usize,
        pool: &mut Pool,
    ) -> Result<Vec<u8>, InflateError> {
        let inflater = self.inflater.get_or_insert_with(Inflater::new);
        inflater.forget();
        inflater.inflate(message, true, max, pool)
    }

    /// Takes out the memory of the latest message compressed, so that it can be sent.
    pub fn take_scratch(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.scratch)
    }

    /// Puts it in again.
    pub fn put_scratch(&mut self, scratch: Vec<u8>) {
        self.scratch = scratch;
    }

    /// Memory of one long message is not kept for ever.
    fn trim(&mut self) {
        if self.scratch.capacity() > SCRATCH_MAX {
            self.scratch = Vec::new();
        }
    }
}

/// Bytes that connections may have of compressors and inflaters of their own.
#[derive(Clone, Debug)]
pub struct Budget {
    spent: Arc<AtomicUsize>,
    max: usize,
}

impl Budget {
    fn new(max: usize) -> Self {
        Self { spent: Arc::default(), max }
    }

    /// Bytes spent now.
    pub fn spent(&self) -> usize {
        self.spent.load(Ordering::Relaxed)
    }

    /// Takes `bytes`, if so many are left, until the share is dropped.
    pub fn take(&self, bytes: usize) -> Option<Share> {
        let left = self.max.checked_sub(self.spent())?;
        (bytes <= left).then(|| self.take_always(bytes))
    }

    /// The same, also if not so many are left: somebody has promised them.
    pub fn take_always(&self, bytes: usize) -> Share {
        self.spent.fetch_add(bytes, Ordering::Relaxed);
        Share { of: Arc::clone(&self.spent), bytes }
    }
}

/// A part of the budget.
#[derive(Debug)]
pub struct Share {
    of: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
