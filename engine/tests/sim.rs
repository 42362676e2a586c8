//! Thousands of seeds of whole connections on a kernel that lies within its contract.
//!
//! `cargo test` plays 500 seeds, `cargo test-long` (the feature `long`) 10,000. `RINGWS_SEEDS=n`
//! plays n seeds; `RINGWS_SEED=s` plays one and prints what happened in it, with `RINGWS_LESS` less
//! of it. Of a seed that fails the least that does so is looked for, and told with the command that
//! replays it.

#[path = "sim/cluster.rs"]
mod cluster;
#[path = "sim/shrink.rs"]
mod shrink;

use ringws_engine::sim::{Choices, Less, ManyReport, Report, Trace, run, run_many};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const SEEDS: u64 = if cfg!(feature = "long") { 10_000 } else { 500 };
/// From so many seeds on, everything that the scenarios are for must have happened.
const TELLING: u64 = 10_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("stdout");
}

/// Plays one seed of a kind of world.
type Play<R> = fn(Choices, Less, Option<Trace>) -> R;

/// Plays a seed; `None` when it failed, with the reason on stderr.
fn play<R>(run: Play<R>, seed: u64, less: Less, trace: Option<Trace>) -> Option<R> {
    catch_unwind(AssertUnwindSafe(|| run(Choices::from_seed(seed), less, trace))).ok()
}

fn failed<R>(world: &str, run: Play<R>, seed: u64) -> ! {
    let again = |less, trace| _ = run(Choices::from_seed(seed), less, trace);
    let (less, story) = shrink::shrink(again)
        .unwrap_or_else(|| panic!("seed {seed} of {world} failed, and does not do so again"));
    panic!(
        "seed {seed} failed. The least of it that does so ({less:?}) ends in:\n{story}\n\
         replay it, without RINGWS_LESS as a whole, with\n  RINGWS_SEED={seed} RINGWS_LESS={} \
         cargo test -p ringws-engine --features sim,tls --test sim {world} -- --nocapture",
        shrink::written(less)
    )
}

/// Plays as many as are asked for; what they came to, or nothing when one was to be looked at.
fn play_all<R: std::fmt::Debug + Send>(world: &str, run: Play<R>) -> Vec<R> {
    if let Some(seed) = number("RINGWS_SEED") {
        let less = std::env::var("RINGWS_LESS").map_or(Less::WHOLE, |text| shrink::read(&text));
        let report = play(run, seed, less, Some(Box::new(say)));
        say(&format!("{:?}", report.unwrap_or_else(|| panic!("seed {seed} of {world} fails"))));
        return Vec::new();
    }
    let seeds = number("RINGWS_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let first_failed = AtomicU64::new(u64::MAX);
    let reports = Mutex::new(Vec::new());
    let work = || {
        while first_failed.load(Ordering::Relaxed) == u64::MAX {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            match play(run, seed, Less::WHOLE, None) {
                Some(report) => reports.lock().expect("no panic under it").push(report),
                None => _ = first_failed.fetch_min(seed, Ordering::Relaxed),
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| (0..workers).for_each(|_| _ = scope.spawn(work)));
    match first_failed.into_inner() {
        u64::MAX => reports.into_inner().expect("no panic under it"),
        seed => failed(world, run, seed),
    }
}

#[test]
fn seeds() {
    summarise(&play_all("seeds", run));
}

/// Several reactors in one world.
#[test]
fn reactors() {
    let reports = play_all("reactors", run_many);
    let sum = |of: fn(&ManyReport) -> u64| reports.iter().map(of).sum::<u64>();
    let shown = [
        ("published", sum(|report| report.published)),
        ("forwarded", sum(|report| report.forwarded)),
        ("refused", sum(|report| report.refused)),
        ("publish_refused", sum(|report| report.stats.publish_refused)),
        ("jobs", sum(|report| report.jobs)),
        ("answered", sum(|report| report.answered)),
        ("settled", sum(|report| report.settled)),
        ("lost", sum(|report| report.lost)),
        ("turns", sum(|report| report.turns)),
    ];
    tell(reports.len(), &shown);
}

/// One of the few seeds where a job that is carried out at its reactor's very end publishes.
#[test]
fn what_the_last_job_of_a_reactor_publishes_wakes_the_others() {
    play(run_many, 534, Less::WHOLE, None).unwrap_or_else(|| failed("reactors", run_many, 534));
}

/// The runs together must have shown what they are for.
fn summarise(reports: &[Report]) {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let shown = [
        ("virtual ms", sum(|report| report.ticks)),
        ("delivered", sum(|report| report.delivered)),
        ("upgraded", sum(|report| report.stats.upgraded)),
        ("refused", sum(|report| report.stats.refused)),
        ("violations", sum(|report| report.stats.violations)),
        ("timeouts", sum(|report| report.stats.timeouts)),
        ("retained", sum(|report| report.stats.retained)),
        ("forward_dropped", sum(|report| report.stats.forward_dropped)),
        ("published", sum(|report| report.stats.published)),
        ("publish_dropped", sum(|report| report.stats.publish_dropped)),
        ("accept_paused", sum(|report| report.stats.accept_paused)),
        ("buffers_exhausted", sum(|report| report.stats.buffers_exhausted)),
        ("direct", sum(|report| report.direct)),
        ("large", sum(|report| report.large)),
        ("rests", sum(|report| report.rests)),
        ("slow", sum(|report| report.slow)),
        ("waited", sum(|report| report.waited)),
        ("echoed", sum(|report| report.echoed)),
        ("died", sum(|report| u64::from(report.died))),
        ("stalls", sum(|report| report.stalls)),
        ("cut_short", sum(|report| report.cut_short)),
        ("left_unread", sum(|report| report.left_unread)),
        ("last_words", sum(|report| report.last_words)),
        ("budget_closed", sum(|report| report.stats.budget_closed)),
        ("budget_refused", sum(|report| report.stats.budget_refused)),
        ("requests", sum(|report| report.stats.requests)),
        ("replaced", sum(|report| report.stats.replaced)),
        ("dropped_oldest", sum(|report| report.stats.dropped_oldest)),
        ("closed_full", sum(|report| report.stats.closed_full)),
        ("aborted_full", sum(|report| report.stats.aborted_full)),
        ("lifetimes_over", sum(|report| report.stats.lifetimes_over)),
        ("address_closed", sum(|report| report.stats.address_closed)),
        ("address_refused", sum(|report| report.stats.address_refused)),
    ];
    tell(reports.len(), &shown);
}

fn tell(seeds: usize, shown: &[(&str, u64)]) {
    if seeds > 0 {
        say(&format!("{seeds} seeds: {shown:?}"));
    }
    if seeds as u64 >= TELLING {
        for (what, times) in shown {
            assert!(*times > 0, "{what} never happened: the scenarios have become too tame");
        }
    }
}

#[test]
fn a_seed_repeats_itself() {
    for seed in 0..20 {
        let again =
            || play(run, seed, Less::WHOLE, None).unwrap_or_else(|| failed("seeds", run, seed));
        let [first, second] = [(); 2].map(|()| again());
        assert_eq!(first.stats, second.stats, "seed {seed}");
        assert_eq!((first.ticks, first.delivered), (second.ticks, second.delivered));
        let again = || {
            play(run_many, seed, Less::WHOLE, None)
                .unwrap_or_else(|| failed("reactors", run_many, seed))
        };
        let [first, second] = [(); 2].map(|()| again());
        assert_eq!((first.stats, first.turns), (second.stats, second.turns), "seed {seed}");
    }
}

/// Connections that the reactor makes.
#[test]
fn dials_end_once_whatever_the_kernel_does() {
    for seed in 0..SEEDS.min(2_000) {
        ringws_engine::sim::run_dials(Choices::from_seed(seed));
    }
}
