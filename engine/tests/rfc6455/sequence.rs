//! §5.4: fragmentation, and the limits on it.

use ringws_engine::proto::sequence::{Place, Sequence};
use ringws_engine::proto::{CloseCode, Header, Opcode, Violation};

const MAX: u64 = 1 << 20;

fn take(s: &mut Sequence, opcode: Opcode, fin: bool, len: u64) -> Result<Place, Violation> {
    s.take(&Header { len, mask: None, opcode, fin, rsv1: false }, MAX, 4)
}

fn place(opcode: Opcode, first: bool, last: bool) -> Result<Place, Violation> {
    Ok(Place { opcode, first, last })
}

#[test]
fn unfragmented() {
    let mut s = Sequence::new();
    for opcode in [Opcode::Text, Opcode::Binary, Opcode::Text] {
        assert_eq!(take(&mut s, opcode, true, 7), place(opcode, true, true));
        assert_eq!(s.message(), None);
    }
}

#[test]
fn fragments_with_control_frames_between() {
    let mut s = Sequence::new();
    assert_eq!(take(&mut s, Opcode::Text, false, 3), place(Opcode::Text, true, false));
    assert_eq!(s.message(), Some(Opcode::Text));
    for control in [Opcode::Ping, Opcode::Pong, Opcode::Close] {
        assert_eq!(take(&mut s, control, true, 125), place(control, true, true));
    }
    assert_eq!(take(&mut s, Opcode::Continuation, false, 0), place(Opcode::Text, false, false));
    assert_eq!(take(&mut s, Opcode::Ping, true, 0), place(Opcode::Ping, true, true));
    assert_eq!(take(&mut s, Opcode::Continuation, true, 2), place(Opcode::Text, false, true));
    assert_eq!(s.message(), None);
    assert_eq!(take(&mut s, Opcode::Binary, false, 1), place(Opcode::Binary, true, false));
}

#[test]
fn out_of_order() {
    let mut s = Sequence::new();
    for fin in [false, true] {
        let found = take(&mut s, Opcode::Continuation, fin, 0);
        assert_eq!(found, Err(Violation::UnexpectedContinuation));
    }
    take(&mut s, Opcode::Binary, true, 1).unwrap();
    let found = take(&mut s, Opcode::Continuation, true, 1);
    assert_eq!(found, Err(Violation::UnexpectedContinuation));
    take(&mut s, Opcode::Text, false, 1).unwrap();
    for opcode in [Opcode::Text, Opcode::Binary] {
        for fin in [false, true] {
            let found = take(&mut s, opcode, fin, 1);
            assert_eq!(found, Err(Violation::ExpectedContinuation));
        }
    }
}

#[test]
fn declared_lengths_are_summed_before_they_come() {
    let mut s = Sequence::new();
    assert!(take(&mut s, Opcode::Binary, true, MAX).is_ok());
    assert_eq!(take(&mut s, Opcode::Binary, true, MAX + 1), Err(Violation::MessageTooBig));
    assert!(take(&mut s, Opcode::Binary, false, MAX - 1).is_ok());
    assert!(take(&mut s, Opcode::Ping, true, 125).is_ok());
    assert!(take(&mut s, Opcode::Continuation, false, 1).is_ok());
    assert!(take(&mut s, Opcode::Continuation, false, 0).is_ok());
    assert_eq!(take(&mut s, Opcode::Continuation, true, 1), Err(Violation::MessageTooBig));
    assert!(take(&mut s, Opcode::Continuation, true, 0).is_ok());
    // The sum belongs to one message.
    assert!(take(&mut s, Opcode::Binary, true, MAX).is_ok());
}

#[test]
fn lengths_that_overflow_a_sum() {
    let mut s = Sequence::new();
    let frame = |opcode, len| Header { len, mask: None, opcode, fin: false, rsv1: false };
    let huge = (1 << 63) - 1;
    s.take(&frame(Opcode::Binary, huge), u64::MAX, 9).unwrap();
    s.take(&frame(Opcode::Continuation, huge), u64::MAX, 9).unwrap();
    let found = s.take(&frame(Opcode::Continuation, 2), u64::MAX - 1, 9);
    assert_eq!(found, Err(Violation::MessageTooBig));
}

#[test]
fn fragments_are_counted_even_when_empty() {
    let mut s = Sequence::new();
    take(&mut s, Opcode::Text, false, 0).unwrap();
    for _ in 0..3 {
        take(&mut s, Opcode::Continuation, false, 0).unwrap();
        take(&mut s, Opcode::Ping, true, 0).unwrap();
    }
    let found = take(&mut s, Opcode::Continuation, false, 0);
    assert_eq!(found, Err(Violation::TooManyFragments));
    assert_eq!(Violation::TooManyFragments.close_code(), CloseCode::POLICY);
    let mut s = Sequence::new();
    take(&mut s, Opcode::Text, false, 0).unwrap();
    take(&mut s, Opcode::Continuation, false, 0).unwrap();
    take(&mut s, Opcode::Continuation, false, 0).unwrap();
    assert_eq!(take(&mut s, Opcode::Continuation, true, 0), place(Opcode::Text, false, true));
}
