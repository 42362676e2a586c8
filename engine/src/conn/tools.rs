//! What the connections of one owner share for their work.

use super::receive::progress::Spare;
use crate::codec::{self, Codec};

/// Fills a block with bytes that nobody can predict.
pub type Fill = fn(&mut [u8]);

/// Shared by all connections of one thread.
#[derive(Debug)]
pub struct Tools {
    /// Masking keys for the frames of clients.
    pub keys: Keys,
    /// Compressors and inflaters.
    pub codec: Codec,
    /// For messages that come in parts.
    pub(super) spare: Spare,
}

impl Tools {
    /// With masking keys from `fill`.
    pub fn new(fill: Fill) -> Self {
        let codec = Codec::new(codec::MEMORY_MAX);
        Self { keys: Keys::new(fill), codec, spare: Spare::default() }
    }

    /// With so many bytes for the compressors and inflaters of connections that have their own.
    #[must_use]
    pub fn with_codec_memory(self, max: usize) -> Self {
        Self { codec: Codec::new(max), ..self }
    }
}

/// Bytes that are asked for at a time: a system call for a thousand frames.
const BLOCK: usize = 4 << 10;

/// Masking keys that cannot be predicted (RFC 6455 §5.3, §10.3), each used once.
#[derive(Debug)]
pub struct Keys {
    fill: Fill,
    block: Vec<u8>,
}

impl Keys {
    fn new(fill: Fill) -> Self {
        Self { fill, block: Vec::new() }
    }

    /// The next one.
    #[inline]
    pub fn next_key(&mut self) -> [u8; 4] {
        if self.block.len() < 4 {
            self.block.resize(BLOCK, 0);
            (self.fill)(&mut self.block);
        }
        let (mut key, rest) = ([0; 4], self.block.len().saturating_sub(4));
        if let Some(taken) = self.block.get(rest..).and_then(<[u8]>::first_chunk::<4>) {
            key = *taken;
        }
        self.block.truncate(rest);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_used_once() {
        fn count(block: &mut [u8]) {
            use core::sync::atomic::{AtomicU32, Ordering};
            static NEXT: AtomicU32 = AtomicU32::new(0);
            for key in block.chunks_exact_mut(4) {
                key.copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
            }
        }
        let mut keys = Keys::new(count);
        let mut seen: Vec<_> = (0..3 * BLOCK).map(|_| keys.next_key()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 3 * BLOCK);
    }
}
