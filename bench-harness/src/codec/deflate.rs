//! Compression by itself: JSON messages, each on its own, at level 1.
//!
//! | operation | a pass is |
//! |---|---|
//! | `deflate` | each message compressed into memory that is there |
//! | `inflate` | each of them, compressed at zlib's default level as clients do, made whole again |
//!
//! The ceiling copies the messages. `flate2` is zlib-rs, which the engine has as well, called as
//! anybody would who writes to a vector.

use crate::inflate::{Inflater, compress};
use crate::json;
use crate::random::Random;
use flate2::{Compress, Compression, FlushCompress};
use ringws_engine::codec::{Codec, MEMORY_MAX, Setting};
use ringws_engine::memory::Pool;
use std::hint::black_box;

/// Bytes of the messages.
pub const SIZES: [usize; 2] = [1 << 10, 64 << 10];
/// At which all compress.
pub const LEVEL: u8 = 1;
/// The longest window.
const BITS: u8 = 15;

/// What is done to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Made small.
    Deflate,
    /// Made whole.
    Inflate,
}

/// Messages, whole and compressed.
#[derive(Clone, Debug)]
pub struct Messages {
    /// As they are.
    pub whole: Vec<Vec<u8>>,
    /// By a client.
    pub small: Vec<Vec<u8>>,
}

impl Messages {
    /// As many of `size` bytes as fill 64 KiB, or two.
    ///
    /// # Panics
    /// When they cannot be compressed.
    pub fn new(size: usize) -> Self {
        let mut random = Random(size as u64);
        let count = ((64 << 10) / size).clamp(2, 64);
        let whole: Vec<_> = (0..count).map(|_| json::message(&mut random, size)).collect();
        let small = whole.iter().map(|it| compress(it).expect("it has the room")).collect();
        Self { whole, small }
    }

    /// Bytes of the whole ones.
    pub fn bytes(&self) -> usize {
        self.whole.iter().map(Vec::len).sum()
    }
}

/// One way of doing it, by one codec. A pass returns how many messages came out right.
pub struct Pass {
    /// Who does it.
    pub codec: &'static str,
    /// Does it once to each message.
    pub pass: Box<dyn FnMut() -> usize>,
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass").field("codec", &self.codec).finish_non_exhaustive()
    }
}

impl Way {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Deflate, Self::Inflate];

    /// `operation/json/size`.
    pub fn name(self, size: usize) -> String {
        let operation = match self {
            Self::Deflate => "deflate",
            Self::Inflate => "inflate",
        };
        format!("{operation}/json/{size}")
    }

    /// The ceiling, then the engine, then flate2.
    pub fn passes(self, messages: &Messages) -> Vec<Pass> {
        let copied = copy(messages.whole.clone());
        match self {
            Self::Deflate => vec![
                copied,
                engine_deflates(messages.whole.clone()),
                flate2_deflates(messages.whole.clone()),
            ],
            Self::Inflate => {
                let size = messages.whole.first().map_or(0, Vec::len);
                vec![
                    copied,
                    engine_inflates(messages.small.clone(), size),
                    flate2_inflates(messages.small.clone(), size),
                ]
            }
        }
    }
}

/// A pass that does `one` to each of `messages`, which says whether it came out right.
pub fn pass(
    codec: &'static str,
    messages: Vec<Vec<u8>>,
    mut one: impl FnMut(&[u8]) -> bool + 'static,
) -> Pass {
    let all = move || messages.iter().filter(|message| one(black_box(message))).count();
    Pass { codec, pass: Box::new(all) }
}

fn copy(messages: Vec<Vec<u8>>) -> Pass {
    let mut out = vec![0; messages.first().map_or(0, Vec::len)];
    pass("ceiling-codec", messages, move |message| {
        out.copy_from_slice(message);
        black_box(&out).len() == message.len()
    })
}

fn engine_deflates(messages: Vec<Vec<u8>>) -> Pass {
    let mut codec = Codec::new(MEMORY_MAX);
    let setting = Setting { level: LEVEL, bits: BITS };
    pass("ringws", messages, move |message| codec.deflate(message, setting).is_some())
}

fn engine_inflates(messages: Vec<Vec<u8>>, size: usize) -> Pass {
    let (mut codec, mut pool) = (Codec::new(MEMORY_MAX), Pool::default());
    pass("ringws", messages, move |message| {
        let Ok(whole) = codec.inflate(message, size, &mut pool) else { return false };
        let right = whole.len() == size;
        pool.put(whole);
        right
    })
}

fn flate2_deflates(messages: Vec<Vec<u8>>) -> Pass {
    let mut deflater = Compress::new(Compression::new(LEVEL.into()), false);
    let room = messages.first().map_or(0, Vec::len) + 1024;
    let mut out = Vec::with_capacity(room);
    pass("flate2", messages, move |message| {
        deflater.reset();
        out.clear();
        let done = deflater.compress_vec(message, &mut out, FlushCompress::Sync);
        done.is_ok() && out.ends_with(&[0, 0, 0xff, 0xff])
    })
}

fn flate2_inflates(messages: Vec<Vec<u8>>, size: usize) -> Pass {
    let mut inflater = Inflater::default();
    pass("flate2", messages, move |message| {
        inflater.message(message, size, true).is_ok_and(|whole| whole.len() == size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_messages_come_out_right_again_and_again() {
        for size in SIZES {
            let messages = Messages::new(size);
            assert!(messages.bytes() >= 64 << 10 && messages.small[0].len() < size / 2);
            for way in Way::ALL {
                for Pass { codec, mut pass } in way.passes(&messages) {
                    for _ in 0..3 {
                        let name = way.name(size);
                        assert_eq!(pass(), messages.whole.len(), "{name} by {codec}");
                    }
                }
            }
        }
    }
}
