//! What another process says when it hands connections over: read as it was written, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::sim::read_records;

fuzz_target!(|data: &[u8]| {
    read_records(data);
});
