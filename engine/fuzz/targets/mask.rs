//! Unmasking, whatever the vectors of this CPU, is byte `i` XOR key `i % 4` (RFC 6455 §5.3).
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::proto::mask;
use ringws_fuzz::Input;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let key = [(); 4].map(|()| input.byte());
    let from = usize::from(input.byte());
    let bytes = input.rest();
    let from = from.min(bytes.len());
    let mut unmasked = bytes.to_vec();
    // At every alignment, and with the bytes before it left alone.
    let ascii = mask::unmask(&mut unmasked[from..], key);
    let mut expected = bytes.to_vec();
    for (i, byte) in expected[from..].iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
    assert_eq!(unmasked, expected);
    // It saves a check of the text: false for ASCII costs time, true for other text is wrong.
    assert!(!ascii || expected[from..].is_ascii());
});
