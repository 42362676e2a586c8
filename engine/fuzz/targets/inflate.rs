//! Whatever is inflated ends, within its limit, and spoils nothing for the next message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::codec::{Codec, Setting};
use ringws_engine::memory::Pool;

const MAX: usize = 1 << 16;

fuzz_target!(|data: &[u8]| {
    let (mut codec, mut pool) = (Codec::new(0), Pool::default());
    if let Ok(message) = codec.inflate(data, MAX, &mut pool) {
        assert!(message.len() <= MAX);
    }
    let setting = Setting { level: 1 + data.len() as u8 % 9, bits: 8 + data.len() as u8 % 8 };
    if let Some(smaller) = codec.deflate(data, setting).map(<[u8]>::to_vec) {
        assert!(smaller.len() < data.len());
        assert_eq!(codec.inflate(&smaller, data.len(), &mut pool).as_deref(), Ok(data));
    }
});
