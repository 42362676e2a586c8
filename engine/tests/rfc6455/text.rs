//! §8.1: text is UTF-8 (RFC 3629), and what is not is told at the first byte that shows it.

use ringws_engine::proto::Violation;
use ringws_engine::proto::utf8::{Utf8, check, unmask_and_check};

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// Valid texts at the edges of RFC 3629 §4.
const VALID: [&[u8]; 20] = [
    b"",
    b"\x00",
    b"\x7f",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xe1\x80\x80",
    b"\xec\xbf\xbf",
    b"\xed\x80\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbd",
    b"\xef\xbf\xbe",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf0\xbf\xbf\xbf",
    b"\xf1\x80\x80\x80",
    b"\xf3\xbf\xbf\xbf",
    b"\xf4\x80\x80\x80",
    b"\xf4\x8f\xbf\xbf",
];

/// Texts that are not valid, and the first byte that shows it.
const INVALID: [(&[u8], usize); 28] = [
    (b"\x80", 0),
    (b"\xbf", 0),
    (b"\xc0\xaf", 0),
    (b"\xc1\xbf", 0),
    (b"\xc2\x7f", 1),
    (b"\xc2\xc0", 1),
    (b"\xdf\x00", 1),
    (b"\xe0\x80\xaf", 1),
    (b"\xe0\x9f\xbf", 1),
    (b"\xe1\x80\x7f", 2),
    (b"\xe1\x80\xc0", 2),
    (b"\xe1\x40", 1),
    (b"\xed\xa0\x80", 1),
    (b"\xed\xbf\xbf", 1),
    (b"\xed\xa0\x80\xed\xb0\x80", 1),
    (b"\xef\xbf\xc0", 2),
    (b"\xf0\x80\x80\xaf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xf0\x90\x80\x7f", 3),
    (b"\xf0\x90\x41", 2),
    (b"\xf4\x90\x80\x80", 1),
    (b"\xf4\xbf\xbf\xbf", 1),
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf8\x88\x80\x80\x80", 0),
    (b"\xfc\x84\x80\x80\x80\x80", 0),
    (b"\xfe", 0),
    (b"\xff", 0),
    // Autobahn 6.4: text, then a code point over the last one, then more text.
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited", 12),
];

/// How many bytes are taken one by one before one is refused.
fn refused_at(text: &[u8]) -> Option<usize> {
    let mut utf8 = Utf8::new();
    text.iter().position(|b| utf8.push(&[*b]).is_err())
}

#[test]
fn boundaries() {
    for text in VALID {
        assert_eq!(refused_at(text), None, "{text:x?}");
        assert_eq!(check(text), Ok(()), "{text:x?}");
        let mut utf8 = Utf8::new();
        utf8.push(text).unwrap();
        utf8.finish().unwrap();
    }
    for (text, at) in INVALID {
        assert_eq!(refused_at(text), Some(at), "{text:x?}");
        assert_eq!(check(text), Err(Violation::InvalidUtf8), "{text:x?}");
        assert!(Utf8::new().push(&text[..=at]).is_err(), "{text:x?}");
        assert!(Utf8::new().push(text).is_err(), "{text:x?}");
    }
}

/// The same wherever it stands: in front of blocks, behind them, across their ends.
#[test]
fn boundaries_in_long_text() {
    for before in (0..140).chain([8_189, 8_190, 8_191, 8_192, 16_383]) {
        for after in [0, 1, 62, 64, 130] {
            let place = |text: &[u8]| [&vec![b'a'; before], text, &vec![b'z'; after]].concat();
            for text in VALID {
                assert_eq!(all_ways(&place(text)), Ok(()), "{before} {text:x?} {after}");
            }
            for (text, _) in INVALID {
                let found = all_ways(&place(text));
                assert_eq!(found, Err(Violation::InvalidUtf8), "{before} {text:x?} {after}");
            }
        }
    }
}

/// The verdict on a whole text, which all ways to get it must share.
fn all_ways(text: &[u8]) -> Result<(), Violation> {
    let verdict = check(text);
    assert_eq!(verdict.is_ok(), std::str::from_utf8(text).is_ok());
    let masked: Vec<u8> = text.iter().zip(KEY.iter().cycle()).map(|(b, k)| b ^ k).collect();
    let mut data = masked.clone();
    assert_eq!(unmask_and_check(&mut data, KEY), verdict);
    assert!(verdict.is_err() || data == text);
    let mut data = masked;
    let mut utf8 = Utf8::new();
    let streamed = utf8.unmask_and_push(&mut data, KEY).and_then(|()| utf8.finish());
    assert_eq!(streamed, verdict);
    verdict
}

/// Every text of two bytes and a third of each class: refused at the end of its shortest part that
/// `std` finds wrong for another reason than that it ends.
#[test]
fn exhaustive_against_std() {
    let classes = [0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xE1, 0xF4, 0xFF];
    let wrong = |part: &[u8]| std::str::from_utf8(part).is_err_and(|e| e.error_len().is_some());
    for first in 0..=u16::MAX {
        let [a, b] = first.to_be_bytes();
        for c in classes {
            let text = [a, b, c];
            let expected = (0..3).find(|at| wrong(&text[..=*at]));
            assert_eq!(refused_at(&text), expected, "{text:x?}");
        }
    }
}

#[test]
fn the_end_must_complete_the_character() {
    for text in [&b"\xc2"[..], b"a\xe2", b"a\xe2\x82", b"\xf0", b"\xf0\x9f", b"\xf0\x9f\x98"] {
        let mut utf8 = Utf8::new();
        assert_eq!(utf8.push(text), Ok(()));
        assert_eq!(utf8.finish(), Err(Violation::InvalidUtf8));
        // And it is ready for the next message.
        assert_eq!(utf8.push(b"ok"), Ok(()));
        assert_eq!(utf8.finish(), Ok(()));
        assert_eq!(check(text), Err(Violation::InvalidUtf8));
    }
    let mut utf8 = Utf8::new();
    utf8.push(b"\xe2\x82").unwrap();
    assert_eq!(utf8.push(b""), Ok(()));
    assert_eq!(utf8.push(b"a"), Err(Violation::InvalidUtf8));
    utf8.reset();
    assert_eq!(utf8.push(b"a"), Ok(()));
    assert_eq!(utf8.finish(), Ok(()));
}
