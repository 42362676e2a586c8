//! Round trips, the examples of RFC 7692 §7.2.3, and what must not come out.

use super::*;

/// Text that compresses as JSON does.
pub(crate) fn json(len: usize, mut seed: u64) -> Vec<u8> {
    let mut text = String::from("[");
    while text.len() < len {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (a, b) = (seed >> 33, seed >> 40 & 0xFFFF);
        text += &format!("{{\"id\":{a},\"type\":\"order\",\"price\":{b}.25,\"open\":true}},");
    }
    text.truncate(len);
    text.into_bytes()
}

fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    (0..len)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 40) as u8
        })
        .collect()
}

fn codec() -> Codec {
    Codec::new(MEMORY_MAX)
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, InflateError> {
    codec().inflate(bytes, 1 << 20, &mut Pool::default())
}

#[test]
fn the_examples_of_the_rfc() {
    let hello = b"Hello".to_vec();
    // §7.2.3.1 to §7.2.3.5: one block, no compression, BFINAL, two blocks.
    for bytes in [
        &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00][..],
        &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
        &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
        &[0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
    ] {
        assert_eq!(inflate(bytes), Ok(hello.clone()), "{bytes:X?}");
    }
    // §7.2.3.2: the second message refers to the first.
    let (mut inflater, mut pool) = (Inflater::new(), Pool::default());
    let second = [0xF2, 0x00, 0x11, 0x00, 0x00];
    for bytes in [&[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00][..], &second] {
        assert_eq!(inflater.inflate(bytes, false, 100, &mut pool), Ok(hello.clone()));
    }
    // §7.2.3.6: an empty message.
    assert_eq!(inflate(&[0]), Ok(Vec::new()));
    assert_eq!(inflate(&[]), Err(InflateError::Malformed));
}

#[test]
fn nothing_of_an_earlier_message_can_be_referred_to() {
    let (mut codec, mut pool) = (codec(), Pool::default());
    let secret = codec.deflate(&json(4_000, 1), Setting { level: 6, bits: 15 }).map(<[u8]>::to_vec);
    assert!(codec.inflate(&secret.expect("smaller"), 1 << 20, &mut pool).is_ok());
    // §7.2.3.2 again: "Hello" by reference to a message before.
    let reaches_back = [0xF2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(codec.inflate(&reaches_back, 1 << 20, &mut pool), Err(InflateError::Malformed));
    let mut own = Inflater::new();
    assert_eq!(own.inflate(&reaches_back, false, 100, &mut pool), Err(InflateError::Malformed));
}

#[test]
fn what_is_compressed_comes_back_with_every_setting() {
    let (mut codec, mut pool) = (codec(), Pool::default());
    for level in [1, 2, 3, 6, 9] {
        for bits in 8..=15 {
            for len in [2, 60, 255, 1_000, 4_096, 4_097, 70_000] {
                for message in [json(len, 7), noise(len, 7), vec![b'a'; len]] {
                    let setting = Setting { level, bits };
                    let Some(bytes) = codec.deflate(&message, setting).map(<[u8]>::to_vec) else {
                        continue;
                    };
                    assert!(bytes.len() < message.len());
                    let back = codec.inflate(&bytes, len, &mut pool);
                    assert!(back == Ok(message), "{setting:?} {len}");
                }
            }
        }
    }
    assert!(codec.deflate(&json(1_000, 1), Setting { level: 1, bits: 15 }).is_some());
    assert!(codec.deflate(&noise(1_000, 1), Setting { level: 1, bits: 15 }).is_none());
    for short in [&b""[..], b"a"] {
        assert!(codec.deflate(short, Setting { level: 1, bits: 15 }).is_none());
    }
}

#[test]
fn compressors_that_remember_are_followed() {
    for (level, bits) in [(1, 15), (6, 15), (9, 9), (1, 8), (6, 12)] {
        let setting = Setting { level, bits };
        let (mut codec, mut pool) = (codec(), Pool::default());
        let (mut deflater, mut inflater) = (Deflater::new(setting, 8), Inflater::new());
        let mut lens = Vec::new();
        for round in 0..40 {
            let len = [0, 1, 20, 300, 5_000, 40_000][round % 6];
            let message = if round % 7 == 0 { noise(len, 3) } else { json(len, 5) };
            let bytes = codec.deflate_by(&mut deflater, &message).to_vec();
            assert!(!bytes.is_empty(), "an empty message has a byte too");
            lens.push((len, bytes.len()));
            let back = inflater.inflate(&bytes, false, len.max(1), &mut pool);
            assert!(back == Ok(message), "{setting:?}, round {round}");
        }
        let again: Vec<_> = lens.iter().filter(|(len, _)| *len == 300).map(|l| l.1).collect();
        assert!(bits < 12 || again[1] < again[0], "{again:?}");
    }
}

#[test]
fn a_bomb_ends_at_the_limit() {
    let (mut codec, mut pool) = (codec(), Pool::default());
    let zeros = vec![0; 8 << 20];
    let bomb = codec.deflate(&zeros, Setting { level: 6, bits: 15 }).expect("smaller").to_vec();
    assert!(bomb.len() < 10_000);
    for max in [1, 1_000, 1 << 20, (8 << 20) - 1] {
        assert_eq!(codec.inflate(&bomb, max, &mut pool), Err(InflateError::TooBig), "{max}");
    }
    assert_eq!(codec.inflate(&bomb, 8 << 20, &mut pool).map(|all| all.len()), Ok(8 << 20));
}

#[test]
fn what_one_message_spoils_is_mended_for_the_next() {
    let (mut codec, mut pool) = (codec(), Pool::default());
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    for bad in [&[0x07][..], &[0xF2, 0x48, 0xCD], &[0xF2, 0x00, 0x11, 0x00, 0x00], &[]] {
        for _ in 0..2 {
            assert!(codec.inflate(bad, 100, &mut pool).is_err(), "{bad:X?}");
            assert_eq!(codec.inflate(&hello, 100, &mut pool), Ok(b"Hello".to_vec()), "{bad:X?}");
        }
        assert_eq!(codec.inflate(&hello, 4, &mut pool), Err(InflateError::TooBig));
    }
}

#[test]
fn malformed_data_is_refused() {
    for bytes in [
        // A reserved kind of block, lengths that do not agree, a stored block and a Huffman block
        // that are cut.
        &[0x07][..],
        &[0x00, 0x05, 0x00, 0xFA, 0xFE, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
        &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48],
        &[0xF2, 0x48, 0xCD],
        &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        b"not compressed at all",
    ] {
        assert_eq!(inflate(bytes), Err(InflateError::Malformed), "{bytes:X?}");
    }
}

#[test]
fn final_blocks_may_stand_anywhere_but_not_without_end() {
    let last = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let twice = [&last[..], &last, &[0]].concat();
    assert_eq!(inflate(&twice), Ok(b"HelloHello".to_vec()));
    // Without the byte that has to follow.
    assert_eq!(inflate(&last), Ok(b"Hello".to_vec()));
    let flood = [3, 0].repeat(inflater::ENDED_MAX as usize + 1);
    assert_eq!(inflate(&flood), Err(InflateError::Malformed));
    assert_eq!(inflate(&flood[2..]), Ok(Vec::new()));
}

/// The longest distance of a stream of fixed Huffman blocks and stored ones, as level 1 makes them,
/// read here because the inflater does not tell.
#[test]
fn nine_bits_of_window_are_inflated_with_eight() {
    let (mut codec, mut pool) = (codec(), Pool::default());
    for seed in 0..200 {
        let setting = Setting { level: 1 + (seed % 9) as u8, bits: 8 };
        let mut deflater = Deflater::new(setting, 1 + (seed % 9) as u8);
        let mut window = zlib_rs::Inflate::new(false, 8);
        let mut all = Vec::new();
        for round in 0..4 {
            let message = match round % 2 {
                0 => json(3_000 + seed as usize * 7, seed),
                _ => noise(260, seed).repeat(4),
            };
            let mut bytes = codec.deflate_by(&mut deflater, &message).to_vec();
            bytes.extend(TAIL);
            let mut back = vec![0; message.len() + 1];
            let before = window.total_out();
            // In small steps, so that all older output has to be in the window.
            let (mut read, mut written) = (0, 0);
            while read < bytes.len() {
                let (in_before, out_before) = (window.total_in(), window.total_out());
                let room = (written + 16).min(back.len());
                let flush = zlib_rs::InflateFlush::SyncFlush;
                window.decompress(&bytes[read..], &mut back[written..room], flush).expect("fits");
                read += (window.total_in() - in_before) as usize;
                written += (window.total_out() - out_before) as usize;
            }
            assert_eq!((window.total_out() - before) as usize, message.len());
            assert!(back[..message.len()] == message, "{setting:?}");
            all.extend(message);
        }
        let alone = codec.deflate(&all, setting).expect("smaller").to_vec();
        assert!(codec.inflate(&alone, all.len(), &mut pool) == Ok(all));
    }
}

#[test]
fn a_budget_is_given_back() {
    let budget = Budget::new(100);
    let (a, b) = (budget.take(60), budget.take(40));
    assert!(a.is_some() && b.is_some() && budget.take(1).is_none());
    drop(a);
    assert_eq!(budget.spent(), 40);
    assert!(budget.take(61).is_none() && budget.take(60).is_some());
}
