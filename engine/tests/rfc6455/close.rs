//! §5.5.1 and §7.4: the payload of a Close frame.

use ringws_engine::proto::close::{REASON_MAX, encode, parse};
use ringws_engine::proto::header::CONTROL_MAX;
use ringws_engine::proto::{CloseCode, Violation};

#[test]
fn section_7_4_every_code() {
    for code in 0..=u16::MAX {
        let allowed = match code {
            // §7.4.1, and 1012 to 1014 of the IANA registry.
            1000..=1003 | 1007..=1011 | 1012..=1014 => true,
            // §7.4.2: from 3000 libraries and frameworks, from 4000 private use.
            3000..=4999 => true,
            _ => false,
        };
        assert_eq!(CloseCode(code).is_sendable(), allowed, "{code}");
        let payload = code.to_be_bytes();
        let expected = match allowed {
            true => Ok((Some(CloseCode(code)), "")),
            false => Err(Violation::InvalidCloseCode),
        };
        assert_eq!(parse(&payload), expected, "{code}");
    }
}

#[test]
fn section_5_5_1_payloads() {
    assert_eq!(parse(b""), Ok((None, "")));
    for byte in 0..=255 {
        assert_eq!(parse(&[byte]), Err(Violation::TruncatedCloseCode));
    }
    assert_eq!(parse(b"\x03\xe8"), Ok((Some(CloseCode::NORMAL), "")));
    assert_eq!(parse("\x03\u{28}ok ü".as_bytes()), Err(Violation::InvalidCloseCode));
    let text = [&1001u16.to_be_bytes()[..], "bye ü".as_bytes()].concat();
    assert_eq!(parse(&text), Ok((Some(CloseCode::GOING_AWAY), "bye ü")));
    for reason in [&b"\xc3\x28"[..], b"ok\xff", b"cut \xe2\x82", b"\xed\xa0\x80"] {
        let payload = [&1000u16.to_be_bytes()[..], reason].concat();
        assert_eq!(parse(&payload), Err(Violation::InvalidCloseReason));
    }
    // A wrong code comes first.
    assert_eq!(parse(b"\x00\x00\xc3\x28"), Err(Violation::InvalidCloseCode));
}

#[test]
fn encoding() {
    let mut out = [0; CONTROL_MAX];
    for reason in ["", "bye", "ü€😀", &"x".repeat(REASON_MAX)] {
        let n = encode(CloseCode(4321), reason, &mut out);
        assert_eq!(n, 2 + reason.len());
        assert_eq!(parse(&out[..n]), Ok((Some(CloseCode(4321)), reason)));
    }
    // What does not fit is cut at a character.
    for (reason, kept) in [("x".repeat(124), 123), ("ü".repeat(62), 122), ("😀".repeat(40), 120)]
    {
        let n = encode(CloseCode::NORMAL, &reason, &mut out);
        assert_eq!(parse(&out[..n]), Ok((Some(CloseCode::NORMAL), &reason[..kept])));
    }
}

/// §7.4.1: which code answers what.
#[test]
fn section_7_4_1_answers() {
    use Violation::*;
    let protocol = [
        ReservedBits,
        ReservedOpcode,
        NonMinimalLength,
        LengthOverflow,
        ControlTooLong,
        ControlFragmented,
        Unmasked,
        Masked,
        UnexpectedContinuation,
        ExpectedContinuation,
        TruncatedCloseCode,
        InvalidCloseCode,
    ];
    assert!(protocol.iter().all(|v| v.close_code() == CloseCode::PROTOCOL));
    assert_eq!(InvalidUtf8.close_code(), CloseCode::INVALID_DATA);
    assert_eq!(InvalidCloseReason.close_code(), CloseCode::INVALID_DATA);
    assert_eq!(MessageTooBig.close_code(), CloseCode::TOO_BIG);
    assert_eq!(TooManyFragments.close_code(), CloseCode::POLICY);
}
