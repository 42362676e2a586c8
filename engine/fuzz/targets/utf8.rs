//! UTF-8 checked in parts, cut anywhere, fails in the same part as the check of `std` on all that
//! has come, and with or without unmasking on the way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::proto::utf8::Utf8;
use ringws_fuzz::{Input, pieces};

/// Whether any text could begin with these bytes.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte();
    let key = [(); 4].map(|()| input.byte());
    let bytes = input.rest();
    let (mut plain, mut masked) = (Utf8::new(), Utf8::new());
    let mut come = 0;
    for piece in pieces(how, bytes) {
        come += piece.len();
        let mut hidden: Vec<u8> = piece.to_vec();
        hidden.iter_mut().enumerate().for_each(|(i, byte)| *byte ^= key[i % 4]);
        let pushed = plain.push(piece);
        assert_eq!(pushed, masked.unmask_and_push(&mut hidden, key));
        assert_eq!(hidden, piece);
        assert_eq!(pushed.is_ok(), may_go_on(&bytes[..come]), "after {come} bytes");
        if pushed.is_err() {
            return;
        }
    }
    assert_eq!(plain.finish().is_ok(), std::str::from_utf8(bytes).is_ok());
});
