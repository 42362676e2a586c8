//! What was timed, as a table in Markdown.

use super::ceiling::CEILING;
use super::timing::Timing;
use super::{Case, Task};
use std::fmt::Write;

/// The cases of one task, timed together.
#[derive(Debug)]
pub struct Group {
    /// What all of them did.
    pub task: Task,
    /// Who did it, and how long a frame took.
    pub rows: Vec<(&'static str, Timing)>,
}

impl Group {
    /// Of cases and their timings, in the same order.
    pub fn new(task: Task, cases: &[Case], timings: Vec<Timing>) -> Self {
        Self { task, rows: cases.iter().map(|case| case.codec).zip(timings).collect() }
    }

    /// How fast a codec is beside the ceiling: 1 is as fast.
    pub fn of_ceiling(&self, timing: Timing) -> f64 {
        let ceiling = self.rows.iter().find(|(codec, _)| *codec == CEILING);
        ceiling.map_or(f64::NAN, |(_, ceiling)| ceiling.best / timing.best)
    }

    /// The lines of its table.
    fn lines(&self, out: &mut String) {
        for (codec, timing) in &self.rows {
            let gigabytes = self.task.size as f64 / timing.best;
            let millions = 1e3 / timing.best;
            let ratio = self.of_ceiling(*timing);
            let noise = 100.0 * (timing.median / timing.best - 1.0);
            let name = self.task.name();
            let best = timing.best;
            // Writing to a string does not fail.
            let _ = writeln!(
                out,
                "| {name} | {codec} | {best:.1} | {gigabytes:.2} | {millions:.3} | {ratio:.2} | \
                 {noise:.0} % |"
            );
        }
    }
}

/// All of it. Times are of the shortest sample; the noise is how much longer the median one took.
pub fn markdown(groups: &[Group]) -> String {
    let mut out = String::from(
        "| case | codec | ns a frame | GB/s of payload | M frames/s | of the ceiling | noise |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    );
    for group in groups {
        group.lines(&mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Operation};
    use super::*;

    #[test]
    fn ratios_are_of_the_ceiling_of_the_same_task() {
        let task = Task { operation: Operation::Unmask, content: Content::Binary, size: 1024 };
        let timing = |best| Timing { best, median: 2.0 * best };
        let rows = vec![(CEILING, timing(10.0)), ("other", timing(40.0))];
        let table = markdown(&[Group { task, rows }]);
        let line = "| unmask/binary/1024 | other | 40.0 | 25.60 | 25.000 | 0.25 | 100 % |";
        assert_eq!(table.lines().nth(3), Some(line));
    }
}
