//! What a crowd has seen, in a form that crosses a pipe.

use serde::{Deserialize, Serialize};

/// Counted by one process of clients, or the sum of all. Times are of `CLOCK_MONOTONIC`, which all
/// processes of a machine share, in nanoseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Connections that are open.
    pub open: u64,
    /// Those that are on their way.
    pub pending: u64,
    /// How often one has opened.
    pub opened: u64,
    /// When the last one did.
    pub opened_last_ns: u64,
    /// Openings in each tenth of a second since the crowd was told to open.
    pub opened_by_tenth: Vec<u32>,
    /// Pings that came, and were answered.
    pub pings: u64,
    /// Those of each tenth of a second since the last mark.
    pub pings_by_tenth: Vec<u32>,
    /// Messages since the last mark.
    pub messages: u64,
    /// When the first and the last of them came; 0: none did.
    pub message_first_ns: u64,
    /// See above.
    pub message_last_ns: u64,
    /// Upgrades that were answered with another status than 101.
    pub refused: u64,
    /// Those that were told when to come back.
    pub refused_with_time: u64,
    /// Connects that the kernel refused: nobody listened.
    pub unheard: u64,
    /// Attempts that ended without an answer.
    pub broken: u64,
    /// Attempts that were given up because nothing came of them for too long.
    pub stuck: u64,
    /// Open connections that ended without our doing.
    pub lost: u64,
    /// Connections on which something came that is not RFC 6455.
    pub wrong: u64,
    /// Connections that have ended since they were told to.
    pub closed: u64,
    /// When the last of them did.
    pub closed_last_ns: u64,
}

impl Counts {
    /// Adds what another process has counted.
    pub(super) fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.open, other.open),
            (&mut self.pending, other.pending),
            (&mut self.opened, other.opened),
            (&mut self.pings, other.pings),
            (&mut self.messages, other.messages),
            (&mut self.refused, other.refused),
            (&mut self.refused_with_time, other.refused_with_time),
            (&mut self.unheard, other.unheard),
            (&mut self.broken, other.broken),
            (&mut self.stuck, other.stuck),
            (&mut self.lost, other.lost),
            (&mut self.wrong, other.wrong),
            (&mut self.closed, other.closed),
        ];
        for (sum, more) in sums {
            *sum += more;
        }
        self.opened_last_ns = self.opened_last_ns.max(other.opened_last_ns);
        self.closed_last_ns = self.closed_last_ns.max(other.closed_last_ns);
        self.message_last_ns = self.message_last_ns.max(other.message_last_ns);
        if other.message_first_ns > 0 {
            let first = if self.message_first_ns == 0 { u64::MAX } else { self.message_first_ns };
            self.message_first_ns = first.min(other.message_first_ns);
        }
        add_each(&mut self.opened_by_tenth, &other.opened_by_tenth);
        add_each(&mut self.pings_by_tenth, &other.pings_by_tenth);
    }
}

/// One more in the tenth of a second that `after_ns` lies in.
pub(super) fn count_in(tenths: &mut Vec<u32>, after_ns: u64, more: u32) {
    let index = (after_ns / 100_000_000) as usize;
    if tenths.len() <= index {
        tenths.resize(index + 1, 0);
    }
    if let Some(tenth) = tenths.get_mut(index) {
        *tenth += more;
    }
}

fn add_each(sum: &mut Vec<u32>, more: &[u32]) {
    sum.resize(sum.len().max(more.len()), 0);
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_processes_have_counted_is_added() {
        let mut sum = Counts::default();
        let (mut a, mut b) = (Counts::default(), Counts { open: 2, ..Counts::default() });
        (a.open, a.message_first_ns, a.message_last_ns) = (1, 50, 60);
        (b.message_first_ns, b.message_last_ns) = (40, 55);
        count_in(&mut a.opened_by_tenth, 250_000_000, 3);
        count_in(&mut b.opened_by_tenth, 99_999_999, 1);
        [a, b, Counts::default()].iter().for_each(|counts| sum.add(counts));
        assert_eq!((sum.open, sum.message_first_ns, sum.message_last_ns), (3, 40, 60));
        assert_eq!(sum.opened_by_tenth, [1, 0, 3]);
    }
}
