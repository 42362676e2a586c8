//! Whole connections on the simulated kernel, every decision of which the input spells out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::sim::{Choices, Less, run};

fuzz_target!(|data: &[u8]| {
    run(Choices::from_bytes(data), Less::WHOLE, None);
});
