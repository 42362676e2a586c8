//! What is done to the processes of a cluster, by a seed.

use super::history::At;
use crate::random::Random;
use std::fmt;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    Broker(usize),
    Engine(usize),
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// SIGKILL.
    Kill,
    /// SIGTERM: it ends in order.
    Stop,
    /// A new process in the place of one that has ended.
    Start,
    /// SIGSTOP.
    Freeze,
    /// SIGCONT.
    Thaw,
}

/// When what is done to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: At,
    pub(super) whom: Whom,
    pub(super) act: Act,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, number) = match self.whom {
            Whom::Broker(number) => ("broker", number),
            Whom::Engine(number) => ("engine", number + 1),
        };
        let act = match self.act {
            Act::Kill => "kill",
            Act::Stop => "stop",
            Act::Start => "start",
            Act::Freeze => "freeze",
            Act::Thaw => "thaw",
        };
        write!(f, "{act} {name} {number}")
    }
}

const MS: At = 1_000;

/// Faults between these times, each of which is undone by then; in order. Those of one process do
/// not overlap.
pub(super) fn schedule(random: &mut Random, count: usize, (from, to): (At, At)) -> Vec<Fault> {
    let (brokers, engines) = (count, count);
    let mut busy = vec![from; brokers + engines];
    let mut faults = Vec::new();
    let wanted = 3 + random.below(4) * (to - from) / (7_000 * MS);
    for _ in 0..20 * wanted {
        if faults.len() as u64 >= 2 * wanted {
            break;
        }
        let index = random.below(busy.len() as u64) as usize;
        let whom = match index < brokers {
            true => Whom::Broker(index),
            false => Whom::Engine(index - brokers),
        };
        let begin = from + random.below(to - from);
        // Shorter and longer than what pings, promises and patience allow.
        let (short, long) = (50 + random.below(300), 2_500 + random.below(1_500));
        let (act, undo, length) = match random.below(8) {
            0 => (Act::Kill, Act::Start, short),
            1 => (Act::Kill, Act::Start, 300 + random.below(1_200)),
            2 => (Act::Kill, Act::Start, long),
            3 => (Act::Stop, Act::Start, short),
            4 => (Act::Stop, Act::Start, long),
            5 => (Act::Freeze, Act::Thaw, short),
            6 => (Act::Freeze, Act::Thaw, 300 + random.below(1_200)),
            _ => (Act::Freeze, Act::Thaw, long),
        };
        let end = begin + length * MS;
        if begin < busy[index] || end > to {
            continue;
        }
        busy[index] = end + 300 * MS;
        faults.extend([Fault { at: begin, whom, act }, Fault { at: end, whom, act: undo }]);
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_done_is_undone() {
        for seed in 0..200 {
            let (from, to) = (1_500 * MS, 9_000 * MS);
            let faults = schedule(&mut Random(seed), 3, (from, to));
            assert!(faults.len() >= 4, "{seed}: {faults:?}");
            assert!(faults.is_sorted_by_key(|fault| fault.at));
            for whom in (0..3).flat_map(|number| [Whom::Broker(number), Whom::Engine(number)]) {
                let of: Vec<_> = faults.iter().filter(|fault| fault.whom == whom).collect();
                for pair in of.chunks(2) {
                    let [begin, end] = pair else { panic!("{of:?}") };
                    let expected = match begin.act {
                        Act::Freeze => Act::Thaw,
                        _ => Act::Start,
                    };
                    assert!(end.act == expected && end.at <= to && begin.at >= from);
                }
            }
            assert_eq!(faults, schedule(&mut Random(seed), 3, (from, to)));
        }
    }
}
