//! Cases against each other on the clock, in turn, in many short samples.

use super::Case;
use std::time::{Duration, Instant};

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Samples of each case.
    pub rounds: usize,
    /// The least that a sample takes: it repeats its pass for so long.
    pub sample: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self { rounds: 60, sample: Duration::from_micros(150) }
    }
}

/// What a case took.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Nanoseconds of a frame in the shortest sample: what is least disturbed by other work.
    pub best: f64,
    /// The same in the median sample.
    pub median: f64,
}

/// Samples all of `cases` in turn, so that what disturbs the machine for longer than a sample
/// disturbs all of them.
pub fn measure(cases: &mut [Case], plan: Plan) -> Vec<Timing> {
    let passes: Vec<u32> = cases.iter_mut().map(|case| passes(case, plan.sample)).collect();
    let mut samples = vec![Vec::with_capacity(plan.rounds); cases.len()];
    for _ in 0..plan.rounds {
        for ((case, passes), samples) in cases.iter_mut().zip(&passes).zip(&mut samples) {
            // One more before the clock runs: the caches are the case's own then.
            case.checked_pass();
            let frames = f64::from(*passes) * case.frames as f64;
            samples.push(time(case, *passes).as_secs_f64() * 1e9 / frames);
        }
    }
    samples.into_iter().map(summary).collect()
}

fn time(case: &mut Case, passes: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..passes {
        (case.pass)();
    }
    start.elapsed()
}

/// How many passes take as long as a sample.
fn passes(case: &mut Case, sample: Duration) -> u32 {
    case.checked_pass();
    let mut passes = 1;
    while time(case, passes) < sample && passes < 1 << 20 {
        passes *= 2;
    }
    passes
}

fn summary(mut samples: Vec<f64>) -> Timing {
    samples.sort_by(f64::total_cmp);
    let at = |i: usize| samples.get(i).copied().unwrap_or(f64::NAN);
    Timing { best: at(0), median: at(samples.len() / 2) }
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Operation, Task, cases};
    use super::*;

    #[test]
    fn every_case_finds_all_its_frames_again_and_again() {
        for task in Task::all() {
            for mut case in cases(task) {
                for _ in 0..3 {
                    case.checked_pass();
                }
            }
        }
    }

    #[test]
    fn samples_are_summed_up() {
        let timing = summary(vec![3.0, 1.0, 2.0, 9.0, 8.0]);
        assert_eq!((timing.best, timing.median), (1.0, 3.0));
    }

    #[test]
    fn more_work_takes_longer() {
        let plan = Plan { rounds: 5, sample: Duration::from_micros(50) };
        let task = |size| Task { operation: Operation::Unmask, content: Content::Binary, size };
        let mut both = Vec::new();
        for size in [16, 64 << 10] {
            both.extend(cases(task(size)).pop());
        }
        let timings = measure(&mut both, plan);
        assert!(timings[0].best > 0.0 && timings[0].best <= timings[0].median);
        assert!(timings[1].best > 10.0 * timings[0].best, "{timings:?}");
    }
}
