//! The engine's codec under criterion, beside `memcpy` and `std::str::from_utf8`; its compression
//! beside flate2.
//!
//! ```text
//! cargo bench --manifest-path bench-harness/Cargo.toml --bench codec -- unmask-text
//! ```
//!
//! What the operations are, where the bytes lie and how the same frames are unmasked again and
//! again is told in `ringws_bench::codec`. Each iteration is a pass over all frames of a buffer.
//! The throughput is in payload bytes, and with `CODEC_FRAMES` set in frames. Criterion takes one
//! benchmark after another: where a machine drifts, ratios between them are better read from
//! `codec-compare` (in `benches-peers`, with other WebSocket libraries), which takes them in turn.

use criterion::{Criterion, Throughput};
use ringws_bench::codec::deflate::{Messages, Pass, SIZES, Way};
use ringws_bench::codec::{Task, cases};
use std::time::Duration;

fn main() {
    let frames = std::env::var_os("CODEC_FRAMES").is_some();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20)
        .configure_from_args();
    for task in Task::all() {
        let mut group = criterion.benchmark_group(task.name());
        for mut case in cases(task) {
            group.throughput(match frames {
                true => Throughput::Elements(case.frames as u64),
                false => Throughput::Bytes(case.bytes() as u64),
            });
            case.checked_pass();
            group.bench_function(case.codec, |bencher| bencher.iter(|| (case.pass)()));
        }
        group.finish();
    }
    for size in SIZES {
        let messages = Messages::new(size);
        for way in Way::ALL {
            let mut group = criterion.benchmark_group(way.name(size));
            group.throughput(Throughput::Bytes(messages.bytes() as u64));
            for Pass { codec, mut pass } in way.passes(&messages) {
                assert_eq!(pass(), messages.whole.len(), "all come out right");
                group.bench_function(codec, |bencher| bencher.iter(&mut pass));
            }
            group.finish();
        }
    }
    criterion.final_summary();
}
