//! Compression of others: sockudo-ws, and libdeflate, whose messages end with a last block (RFC
//! 7692 §7.2.3.4).

use libdeflater::{CompressionLvl, Compressor, Decompressor};
use ringws_bench::codec::deflate::{LEVEL, Messages, Pass, Way, pass};
use sockudo_ws::deflate::{DeflateDecoder, DeflateEncoder, DeflateWindowBits};

/// The longest message that is taken.
const MESSAGE_MAX: usize = 1 << 20;

/// The engine's, then those of others.
pub fn passes(way: Way, messages: &Messages) -> Vec<Pass> {
    let mut all = way.passes(messages);
    match way {
        Way::Deflate => {
            all.push(sockudo_deflates(messages.whole.clone()));
            all.push(libdeflate_deflates(messages.whole.clone()));
        }
        Way::Inflate => {
            all.push(sockudo_inflates(messages.small.clone()));
            let size = messages.whole.first().map_or(0, Vec::len);
            all.push(libdeflate_inflates(&messages.small, size));
        }
    }
    all
}

fn sockudo_deflates(messages: Vec<Vec<u8>>) -> Pass {
    let mut encoder = DeflateEncoder::new(DeflateWindowBits::Bits15, true, LEVEL.into(), 32);
    pass("sockudo-ws", messages, move |message| matches!(encoder.compress(message), Ok(Some(_))))
}

fn sockudo_inflates(messages: Vec<Vec<u8>>) -> Pass {
    let mut decoder = DeflateDecoder::new(DeflateWindowBits::Bits15, true);
    pass("sockudo-ws", messages, move |message| decoder.decompress(message, MESSAGE_MAX).is_ok())
}

fn libdeflate_deflates(messages: Vec<Vec<u8>>) -> Pass {
    let level = CompressionLvl::new(LEVEL.into()).unwrap_or_default();
    let mut compressor = Compressor::new(level);
    let longest = messages.iter().map(Vec::len).max().unwrap_or_default();
    let mut out = vec![0; compressor.deflate_compress_bound(longest)];
    pass("libdeflate", messages, move |message| {
        compressor.deflate_compress(message, &mut out).is_ok_and(|len| len < message.len())
    })
}

/// It wants a last block: an empty one is put behind each message.
fn libdeflate_inflates(messages: &[Vec<u8>], size: usize) -> Pass {
    const END: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];
    let messages = messages.iter().map(|message| [message.as_slice(), &END].concat()).collect();
    let mut decompressor = Decompressor::new();
    let mut out = vec![0; size];
    pass("libdeflate", messages, move |message| {
        decompressor.deflate_decompress(message, &mut out).is_ok_and(|len| len == size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringws_bench::codec::deflate::SIZES;

    #[test]
    fn all_messages_come_out_right() {
        for size in SIZES {
            let messages = Messages::new(size);
            for way in Way::ALL {
                for Pass { codec, mut pass } in passes(way, &messages) {
                    assert_eq!(pass(), messages.whole.len(), "{} by {codec}", way.name(size));
                }
            }
        }
    }
}
