//! The same cases under criterion: `cargo bench -- stream-decode`.
//!
//! What is measured is told in `ringws_bench::codec`, and how the peers are called in this crate's
//! documentation. For ratios, `codec-compare` takes the codecs in turn.

use criterion::{Criterion, Throughput};
use ringws_bench::codec::Task;
use ringws_bench::codec::deflate::{Messages, Pass, SIZES, Way};
use std::time::Duration;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20)
        .configure_from_args();
    for task in Task::all() {
        let mut group = criterion.benchmark_group(task.name());
        for mut case in ringws_bench_codec_peers::cases(task) {
            group.throughput(Throughput::Bytes(case.bytes() as u64));
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
            for Pass { codec, mut pass } in
                ringws_bench_codec_peers::deflate::passes(way, &messages)
            {
                assert_eq!(pass(), messages.whole.len(), "all come out right");
                group.bench_function(codec, |bencher| bencher.iter(&mut pass));
            }
            group.finish();
        }
    }
    criterion.final_summary();
}
