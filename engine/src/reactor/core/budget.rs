//! How much memory an engine may hold for its peers, and how much it does: each reactor counts what
//! it holds, and tells the others in steps.

use super::holdings::Holdings;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a reactor has more or less than it has told the others, at most: a shared counter is
/// touched once for so many bytes, not once for each message.
const STEP_MAX: u64 = 64 << 10;

/// What all reactors of an engine share.
#[derive(Debug)]
pub(crate) struct Budget {
    max: u64,
    /// See `STEP_MAX`; less of a small budget.
    step: u64,
    used: AtomicU64,
}

/// How much of the budget is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Less than seven eighths.
    #[default]
    Easy,
    /// More: nothing is taken ahead of its bytes, nothing kept for later, and nobody let in.
    Tight,
    /// All of it: those that hold most are closed.
    Over,
}

impl Budget {
    /// Of `max` bytes; `u64::MAX`: none.
    pub(crate) fn new(max: u64) -> Self {
        Self { max, step: STEP_MAX.min(max / 256), used: AtomicU64::new(0) }
    }

    /// Bytes that may be used.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    fn change(&self, from: u64, to: u64) -> u64 {
        let change = to.wrapping_sub(from);
        self.used.fetch_add(change, Ordering::Relaxed).wrapping_add(change)
    }

    fn level(&self, used: u64) -> Level {
        if used > self.max {
            Level::Over
        } else if used >= self.max - self.max / 8 {
            Level::Tight
        } else {
            Level::Easy
        }
    }
}

/// What one reactor holds.
#[derive(Debug, Default)]
pub(crate) struct MemoryUse {
    pub(crate) holdings: Holdings,
    /// Bytes of it that the others were told of.
    told: u64,
    level: Level,
}

impl MemoryUse {
    /// Whether memory is short.
    #[inline]
    pub(crate) fn is_tight(&self) -> bool {
        self.level != Level::Easy
    }

    /// The reactor holds `bytes` now. How much of the budget is used by all.
    pub(crate) fn settle(&mut self, bytes: u64, budget: &Budget) -> Level {
        let change = self.told.abs_diff(bytes);
        let used = match change == 0 || change < budget.step && bytes > 0 {
            true => budget.used.load(Ordering::Relaxed),
            false => budget.change(std::mem::replace(&mut self.told, bytes), bytes),
        };
        self.level = budget.level(used);
        self.level
    }

    /// Bytes that all reactors hold above what they may.
    pub(crate) fn excess(&self, budget: &Budget) -> u64 {
        budget.used.load(Ordering::Relaxed).saturating_sub(budget.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reactors_see_what_they_hold_together() {
        let budget = Budget::new(1 << 20);
        let (mut one, mut other) = <(MemoryUse, MemoryUse)>::default();
        assert_eq!(one.settle(800 << 10, &budget), Level::Easy);
        assert_eq!(other.settle(96 << 10, &budget), Level::Tight, "seven eighths");
        assert!(!one.is_tight() && other.is_tight());
        assert_eq!(one.settle(929 << 10, &budget), Level::Over);
        assert_eq!(one.excess(&budget), 1 << 10);
        assert_eq!(other.settle(0, &budget), Level::Tight);
        assert_eq!(one.settle(0, &budget), Level::Easy);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn small_changes_are_not_told_but_for_the_last() {
        let budget = Budget::new(1 << 30);
        let mut one = MemoryUse::default();
        one.settle(STEP_MAX - 1, &budget);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        one.settle(STEP_MAX, &budget);
        one.settle(1, &budget);
        assert_eq!(budget.used.load(Ordering::Relaxed), STEP_MAX, "within a step");
        one.settle(0, &budget);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn without_a_budget_nothing_is_short() {
        let budget = Budget::new(u64::MAX);
        let mut one = MemoryUse::default();
        assert_eq!(one.settle(1 << 50, &budget), Level::Easy);
        assert_eq!(one.excess(&budget), 0);
    }
}
