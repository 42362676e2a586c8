//! Thousands of seeds of whole connections on a kernel that lies within its contract.
//!
//! `RINGWS_SEEDS=n` plays n seeds instead of 2,000; `RINGWS_SEED=s` plays one and prints what
//! happened in it.

use ringws_engine::sim::{Choices, Report, Trace, run};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

const SEEDS: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn play(seed: u64, trace: Option<Trace>) -> Report {
    let played = catch_unwind(AssertUnwindSafe(|| run(Choices::from_seed(seed), trace)));
    played.unwrap_or_else(|_| {
        panic!(
            "seed {seed} failed; replay it with\n  RINGWS_SEED={seed} cargo test -p ringws-engine \
             --features sim --test sim -- --nocapture seeds"
        )
    })
}

#[test]
fn seeds() {
    if let Some(seed) = number("RINGWS_SEED") {
        let trace: Trace = Box::new(|line| println!("{line}"));
        println!("{:?}", play(seed, Some(trace)));
        return;
    }
    let seeds = number("RINGWS_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let work = || {
        let mut reports = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return reports;
            }
            reports.push(play(seed, None));
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("every seed holds")).collect()
    });
    summarise(&reports);
}

/// The runs together must have shown what they are for.
fn summarise(reports: &[Report]) {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let shown = [
        ("delivered", sum(|report| report.delivered)),
        ("upgraded", sum(|report| report.stats.upgraded)),
        ("refused", sum(|report| report.stats.refused)),
        ("violations", sum(|report| report.stats.violations)),
        ("timeouts", sum(|report| report.stats.timeouts)),
        ("retained", sum(|report| report.stats.retained)),
        ("forward_dropped", sum(|report| report.stats.forward_dropped)),
        ("accept_paused", sum(|report| report.stats.accept_paused)),
        ("buffers_exhausted", sum(|report| report.stats.buffers_exhausted)),
        ("died", sum(|report| u64::from(report.died))),
    ];
    println!("{} seeds, {} virtual ms: {shown:?}", reports.len(), sum(|report| report.ticks));
    if reports.len() as u64 >= SEEDS {
        for (what, times) in shown {
            assert!(times > 0, "{what} never happened: the scenarios have become too tame");
        }
    }
}

#[test]
fn a_seed_repeats_itself() {
    for seed in 0..20 {
        let [first, second] = [play(seed, None), play(seed, None)];
        assert_eq!(first.stats, second.stats, "seed {seed}");
        assert_eq!((first.ticks, first.delivered), (second.ticks, second.delivered));
    }
}
