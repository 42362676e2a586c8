//! Several engines and a bus between them: thousands of seeds, and what is left of one that fails.
//!
//! `cargo test` plays 300 of them, `cargo test-long` 20,000. `RINGWS_SEEDS=n` plays n; of one that
//! fails the shortest script that fails at the same place is told as a test that can be kept.

use super::shrink::{failure, place};
use super::{number, say};
use ringws_engine::sim::{Choices, ClusterReport, Plant, Script, Step, play_cluster};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const SEEDS: u64 = if cfg!(feature = "long") { 20_000 } else { 300 };
/// From so many seeds on each kind of thing must have happened.
const TELLING: u64 = 300;
/// A planted fault is found within so many seeds, and told in so many steps.
const FOUND_BY: u64 = 2_000;
const STEPS_MAX: usize = 10;

fn drawn(seed: u64) -> Script {
    Script::draw(&mut Choices::from_seed(seed))
}

/// How a script fails, if it does, with a fault planted.
fn fails(script: &Script, plant: Option<Plant>) -> Option<String> {
    Plant::plant(plant);
    let failed = failure(|| _ = play_cluster(script));
    Plant::plant(None);
    failed
}

/// The shortest that fails as this does.
fn shortest(mut script: Script, plant: Option<Plant>, how: &str) -> Script {
    let does =
        |script: &Script| fails(script, plant).is_some_and(|failed| place(&failed) == place(how));
    loop {
        let before = script.clone();
        let mut some = script.steps.len();
        while some > 0 {
            let mut at = 0;
            while at < script.steps.len() {
                let mut less = script.clone();
                let gone = less.steps.drain(at..(at + some).min(script.steps.len()));
                // Time passes all the same, first.
                let time: u64 = gone.map(|(after, _)| after).sum();
                let mut later = less.clone();
                if let Some((after, _)) = later.steps.get_mut(at) {
                    *after += time;
                }
                match [less, later].into_iter().find(|less| does(less)) {
                    Some(less) => script = less,
                    None => at += some,
                }
            }
            some /= 2;
        }
        for at in 0..script.steps.len() {
            for time in [0, 10, 100, 1_000] {
                let mut less = script.clone();
                less.steps[at].0 = time;
                if time < script.steps[at].0 && does(&less) {
                    script = less;
                    break;
                }
            }
        }
        while script.engines > 2 {
            let less = Script { engines: script.engines - 1, ..script.clone() };
            if !does(&less) {
                break;
            }
            script = less;
        }
        if script == before {
            return script;
        }
    }
}

fn failed(seed: u64) -> ! {
    let whole = drawn(seed);
    let how = fails(&whole, None)
        .unwrap_or_else(|| panic!("seed {seed} failed, and does not do so again"));
    let least = shortest(whole, None, &how);
    let how = fails(&least, None).unwrap_or_default();
    panic!("seed {seed} fails:\n{how}\nKeep it:\n{}", least.as_test("what_has_been_found"));
}

/// Plays a script that was kept.
fn play_script(script: &Script) {
    if let Some(how) = fails(script, None) {
        panic!("{how}\n{script:#?}");
    }
}

#[test]
fn clusters() {
    if let Some(seed) = number("RINGWS_SEED") {
        let script = drawn(seed);
        say(&script.as_test("this_seed"));
        return say(&format!("{:?}", play_cluster(&script)));
    }
    let seeds = number("RINGWS_SEEDS").unwrap_or(SEEDS);
    let (next, first_failed) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let sum = Mutex::new(ClusterReport::default());
    let work = || {
        while first_failed.load(Ordering::Relaxed) == u64::MAX {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let mut report = ClusterReport::default();
            match failure(|| report = play_cluster(&drawn(seed))) {
                None => sum.lock().expect("no panic under it").add(&report),
                Some(_) => _ = first_failed.fetch_min(seed, Ordering::Relaxed),
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| (0..workers).for_each(|_| _ = scope.spawn(work)));
    match first_failed.into_inner() {
        u64::MAX => happened(seeds, &sum.into_inner().expect("no panic under it")),
        seed => failed(seed),
    }
}

fn happened(seeds: u64, sum: &ClusterReport) {
    say(&format!("{seeds} seeds: {sum:?}"));
    let all = [sum.published, sum.refused, sum.came, sum.gaps, sum.known, sum.full, sum.dropped];
    let tame = all.contains(&0) && seeds >= TELLING;
    assert!(!tame, "something never happened: the scripts have become too tame");
}

/// What each kind of check is worth: a fault of its kind is found, and told in a few steps.
#[test]
fn planted_faults_are_found_and_told_in_a_few_steps() {
    for plant in Plant::ALL {
        let found = (0..FOUND_BY).find_map(|seed| Some((seed, fails(&drawn(seed), Some(plant))?)));
        let (seed, how) = found.unwrap_or_else(|| panic!("{plant:?} is not found"));
        let least = shortest(drawn(seed), Some(plant), &how);
        let how = fails(&least, Some(plant)).unwrap_or_default();
        let steps = least.steps.len();
        say(&format!("{plant:?}: seed {seed}, {steps} steps\n{how}\n{}", least.as_test("it")));
        assert!(steps <= STEPS_MAX, "{plant:?}: {steps} steps");
        assert_eq!(fails(&least, None), None, "it is the fault that fails");
    }
}

/// A seed repeats itself, although tables are hashed at random.
#[test]
fn a_cluster_repeats_itself() {
    for seed in 0..50 {
        let [first, second] = [(); 2].map(|()| play_cluster(&drawn(seed)));
        assert_eq!(format!("{first:?}"), format!("{second:?}"), "seed {seed}");
    }
}

/// A script of two engines: heartbeats, forgetting and settling of so many milliseconds.
fn two(times: [u32; 3], steps: &[(u64, Step)]) {
    let [heartbeat_ms, forget_ms, settle_ms] = times;
    let steps = steps.to_vec();
    play_script(&Script { engines: 2, heartbeat_ms, forget_ms, settle_ms, steps });
}

const JOIN: Step = Step::Join { engine: 0, topic: 0 };
const PUBLISH: Step = Step::Publish { engine: 1, topic: 0, bytes: 8 };

/// What waited in the queue when the bus was lost comes behind what is told when it is up.
#[test]
fn what_is_said_never_goes_back() {
    let (down, stall) = (Step::Down { engine: 1, loses: false }, Step::Stall { engine: 1 });
    let up = Step::Up { engine: 1, late_ms: 0, frame_max: 10_000 };
    let steps = [(0, JOIN), (3_000, PUBLISH), (10, stall), (0, PUBLISH), (0, down), (0, PUBLISH)];
    let steps = [&steps[..], &[(0, up), (0, Step::Resume { engine: 1 })]].concat();
    two([1_000, 30_000, 2_000], &steps);
}

/// Heartbeats come up to four minutes apart.
#[test]
fn who_is_slow_and_keeps_its_promise_is_not_missed() {
    two([60_000, 1_800_000, 2_000], &[(0, JOIN), (3_000, PUBLISH)]);
}

/// The end of a topic is lost, and it begins anew above the numbers of others.
#[test]
fn numbers_that_were_never_given_are_not_lost() {
    let other = Step::Publish { engine: 1, topic: 1, bytes: 8 };
    let lost = Step::Drop { from: 1, to: 0, topic: 0, count: 1 };
    let steps = [(0, JOIN), (3_000, PUBLISH), (0, other), (0, other), (0, other)];
    two([1_000, 4_000, 2_000], &[&steps[..], &[(6_500, lost), (1_000, PUBLISH)]].concat());
}

/// Who joins before the bus has heard of the last one's leaving gets nothing twice.
#[test]
fn who_follows_a_last_member_at_once_gets_nothing_twice() {
    let again = Step::Again { from: 1, to: 0, topic: 0, count: 1 };
    let leave = Step::Leave { engine: 0, topic: 0 };
    let steps = [(0, JOIN), (3_000, PUBLISH), (10, Step::Stall { engine: 0 }), (0, leave)];
    let steps = [&steps[..], &[(0, JOIN), (0, PUBLISH), (10, Step::Resume { engine: 0 })]].concat();
    two([60_000, 1_800_000, 2_000], &[&steps[..], &[(10, again)]].concat());
}
