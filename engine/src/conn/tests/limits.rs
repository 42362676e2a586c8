//! Violations and limits: the close code of each, and no memory on the peer's word.

use super::*;
use crate::conn::receive::progress::Progress;

/// Bytes, the violation they are, and the code it is answered with.
fn violations() -> Vec<(Vec<u8>, Violation, u16)> {
    use Violation::*;
    let close = |code: u16, reason: &[u8]| frame(0x88, [&code.to_be_bytes()[..], reason].concat());
    let mut all = vec![
        (frame(0xC1, "x"), ReservedBits, 1002),
        (frame(0xA2, "x"), ReservedBits, 1002),
        (frame(0x83, "x"), ReservedOpcode, 1002),
        (frame(0x8F, "x"), ReservedOpcode, 1002),
        (b"\x82\xfe\x00\x05".to_vec(), NonMinimalLength, 1002),
        (b"\x82\xff\x80\0\0\0\0\0\0\0".to_vec(), LengthOverflow, 1002),
        (b"\x89\xfe\x00\x7e".to_vec(), ControlTooLong, 1002),
        (frame(0x09, ""), ControlFragmented, 1002),
        (b"\x81\x05Hello".to_vec(), Unmasked, 1002),
        (frame(0x80, "x"), UnexpectedContinuation, 1002),
        ([frame(0x01, "x"), frame(0x81, "y")].concat(), ExpectedContinuation, 1002),
        (frame(0x88, [3]), TruncatedCloseCode, 1002),
        (close(1000, b"\xc3\x28"), InvalidCloseReason, 1007),
        (header(0x82, (1 << 20) + 1), MessageTooBig, 1009),
        (header(0x82, u64::MAX >> 1), MessageTooBig, 1009),
        ([frame(0x02, "x"), header(0x80, u64::MAX >> 1)].concat(), MessageTooBig, 1009),
    ];
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        all.push((close(code, b""), InvalidCloseCode, 1002));
    }
    for text in [&b"\xf4\x90\x80\x80"[..], b"\xed\xa0\x80", b"\xc0\xaf", b"\x80", b"cut \xe2\x82"] {
        all.push((frame(0x81, text), InvalidUtf8, 1007));
        all.push(([frame(0x01, text), frame(0x80, "")].concat(), InvalidUtf8, 1007));
    }
    all
}

#[test]
fn every_violation_has_its_close_code_however_it_is_cut() {
    for (bytes, violation, code) in violations() {
        for size in [1, 3, 1000] {
            let mut bench = Bench::open(Limits::default());
            bench.send(Opcode::Text, b"before").unwrap();
            let failure = Some(Failure::Violation(violation));
            for chunk in bytes.chunks(size) {
                bench.feed(chunk);
            }
            assert_eq!(bench.conn.failure(), failure, "{bytes:x?} in {size}");
            // What was queued is sent, then the Close, then nothing.
            let close = [&b"\x81\x06before\x88\x02"[..], &code.to_be_bytes()].concat();
            assert_eq!(bench.sent(), close);
            assert_eq!(bench.conn.disposition(), Disposition::Finish);
            assert_eq!(bench.feed(&frame(0x89, "late")), (vec![], failure));
            assert_eq!(bench.send(Opcode::Text, b""), Err(SendError::Closing));
            assert_eq!((bench.sent().len(), bench.conn.heap_bytes()), (0, 0));
            let info = bench.conn.close_info();
            assert_eq!((info.code, info.sent), (CloseCode::ABNORMAL, Some(CloseCode(code))));
        }
    }
}

#[test]
fn text_fails_at_the_offending_byte_of_an_unfinished_frame() {
    let mut bench = Bench::open(Limits::default());
    let bytes = frame(0x01, b"ok \xf4\x90 never seen");
    let offending = header(0x01, 0).len() + b"ok \xf4\x90".len();
    assert_eq!(bench.feed(&bytes[..offending - 1]), (vec![], None));
    let (_, failure) = bench.feed(&bytes[offending - 1..offending]);
    assert_eq!(failure, Some(Failure::Violation(Violation::InvalidUtf8)));
}

#[test]
fn a_declared_length_reserves_nothing() {
    let limits = Limits { message_max: u32::MAX, ..Limits::default() };
    for declared in [1 << 20, 1 << 30, u64::from(u32::MAX)] {
        let mut bench = Bench::open(limits);
        bench.feed(&header(0x82, declared));
        assert_eq!(bench.conn.heap_bytes(), size_of::<Progress>(), "a header alone");
        bench.feed(&[0; 10]);
        let held = bench.conn.heap_bytes() - size_of::<Progress>();
        assert!(held <= 4096, "{held}");
    }
}

#[test]
fn memory_grows_with_what_has_come_and_fits_in_the_end() {
    let mut bench = Bench::open(Limits::default());
    let len = 1 << 20;
    let bytes = frame(0x82, vec![9; len]);
    let mut come = 0;
    for chunk in bytes.chunks(5000) {
        come += chunk.len();
        bench.feed(chunk);
        let held = bench.conn.inbound.capacity();
        assert!(held <= (2 * come).max(4096), "{held} for {come}");
        assert!(held <= len, "{held}");
    }
    assert_eq!(bench.copied, len as u64);
}

#[test]
fn the_limit_itself_is_allowed() {
    let limits = Limits { message_max: 100, ..Limits::default() };
    let whole = frame(0x82, [1; 100]);
    assert_eq!(Bench::open(limits).feed(&whole), (vec![lent(Opcode::Binary, [1; 100])], None));
    let failure = Some(Failure::Violation(Violation::MessageTooBig));
    assert_eq!(Bench::open(limits).feed(&frame(0x82, [1; 101])), (vec![], failure));
    let split = [frame(0x02, [1; 60]), frame(0x80, [1; 40])].concat();
    assert_eq!(Bench::open(limits).feed(&split), (vec![owned(Opcode::Binary, [1; 100])], None));
    let over = [frame(0x02, [1; 60]), header(0x80, 41)].concat();
    assert_eq!(Bench::open(limits).feed(&over), (vec![], failure));
}

#[test]
fn fragments_are_counted_empty_ones_too() {
    let limits = Limits { fragments_max: 4, ..Limits::default() };
    let empty = |n: usize| [frame(0x01, ""), frame(0x00, "").repeat(n - 1)].concat();
    let allowed = [empty(3), frame(0x80, "")].concat();
    assert_eq!(Bench::open(limits).feed(&allowed), (vec![lent(Opcode::Text, "")], None));
    let mut bench = Bench::open(limits);
    let failure = Some(Failure::Violation(Violation::TooManyFragments));
    assert_eq!(bench.feed(&empty(5)), (vec![], failure));
    assert_eq!(bench.sent(), b"\x88\x02\x03\xf0");
}

#[test]
fn stream_mode_limits_the_whole_message_unless_told_not_to() {
    let limits = Limits { stream: true, message_max: 100, ..Limits::default() };
    let mut bench = Bench::open(limits);
    assert_eq!(bench.feed(&frame(0x02, [1; 60])).0.len(), 1);
    let failure = Some(Failure::Violation(Violation::MessageTooBig));
    assert_eq!(bench.feed(&header(0x80, 41)), (vec![], failure));
    for message_max in [0, u32::MAX] {
        let mut bench = Bench::open(Limits { message_max, ..limits });
        bench.feed(&header(0x82, 1 << 40));
        let (got, failure) = bench.feed(&[0; 1000]);
        assert_eq!((got.len(), failure), (1, None));
    }
}
