//! DEFLATE (RFC 1951) as permessage-deflate uses it (RFC 7692 §7.2), for a client that compresses
//! each message by itself.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a sync flush ends with, and what is not sent of it (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// A message compressed at zlib's default level, as most clients do.
pub fn compress(message: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut deflater = Compress::new(Compression::default(), false);
    // Stored blocks and a flush: what does not compress grows by little.
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 256);
    deflater
        .compress_vec(message, &mut out, FlushCompress::Sync)
        .map_err(|_| "the compressor fails")?;
    if deflater.total_in() != message.len() as u64 || !out.ends_with(&TAIL) {
        return Err("the compressor wants more room");
    }
    out.truncate(out.len() - TAIL.len());
    Ok(out)
}

/// Inflates messages into memory of its own.
#[derive(Debug)]
pub struct Inflater {
    state: Decompress,
    out: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { state: Decompress::new(false), out: Vec::new() }
    }
}

impl Inflater {
    /// The message of which `compressed` is the payload: at most one byte more than `size` of it.
    /// `alone`: it does not refer to the messages before it.
    pub fn message(
        &mut self,
        compressed: &[u8],
        size: usize,
        alone: bool,
    ) -> Result<&[u8], &'static str> {
        if alone {
            self.state.reset(false);
        }
        self.out.clear();
        self.out.reserve(size + 1);
        if self.part(compressed, size + 1)? {
            self.part(&TAIL, size + 1)?;
        }
        Ok(&self.out)
    }

    /// Whether the stream goes on.
    fn part(&mut self, mut bytes: &[u8], room: usize) -> Result<bool, &'static str> {
        while !bytes.is_empty() {
            let before = self.state.total_in();
            // It fills spare capacity, which may be more than was asked for.
            let status = self
                .state
                .decompress_vec(bytes, &mut self.out, FlushDecompress::Sync)
                .map_err(|_| "an answer that is not DEFLATE")?;
            let taken = (self.state.total_in() - before) as usize;
            bytes = bytes.get(taken..).unwrap_or_default();
            match status {
                // A last block is legal, and ends the stream (RFC 7692 §7.2.3.4).
                Status::StreamEnd => {
                    self.state.reset(false);
                    return Ok(false);
                }
                _ if self.out.len() >= room => return Ok(false),
                _ if taken == 0 => return Err("an answer that ends in the middle"),
                _ => {}
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_inflates() {
        let mut inflater = Inflater::default();
        for len in [0, 1, 100, 1000, 70_000] {
            let message: Vec<u8> = (0..len).map(|i| (i * i / 7) as u8).collect();
            let small = compress(&message).expect("room");
            assert_eq!(inflater.message(&small, len, true), Ok(&message[..]));
            assert_eq!(inflater.message(&small, len, false), Ok(&message[..]));
        }
    }

    #[test]
    fn a_longer_answer_and_a_broken_one_are_seen() {
        let mut inflater = Inflater::default();
        let small = compress(&[7; 5000]).expect("room");
        assert!(inflater.message(&small, 100, true).is_ok_and(|whole| whole.len() > 100));
        assert!(inflater.message(&[0xff, 0xff, 0xff], 100, true).is_err());
    }

    /// RFC 7692 §7.2.3.4: "Hello" in a block with the final bit set, then one more byte.
    #[test]
    fn a_final_block_is_legal() {
        let mut inflater = Inflater::default();
        let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        assert_eq!(inflater.message(&last, 5, true), Ok(&b"Hello"[..]));
    }
}
