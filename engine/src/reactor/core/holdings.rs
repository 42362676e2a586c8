//! What each connection of a reactor holds of its memory: one place for each, side by side, so that
//! the largest are found by looking at all of them, however many there are.

/// What is counted for one connection: units of 1 KiB, so that a place is 8 bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// What it keeps.
    kept: u32,
    /// What is out in a send.
    out: u32,
}

const UNIT: usize = 1 << 10;

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// By the number of its slot.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    all: Vec<Held>,
    /// Units of all together.
    total: u64,
}

impl Holdings {
    /// Bytes of all connections together.
    #[inline]
    pub(crate) fn total(&self) -> usize {
        usize::try_from(self.total).map_or(usize::MAX, |total| total.saturating_mul(UNIT))
    }

    /// Whether nothing is counted for a connection.
    #[inline]
    pub(crate) fn has_none(&self, index: u32) -> bool {
        self.all.get(index as usize).is_none_or(|held| held.kept | held.out == 0)
    }

    /// It keeps so many bytes now.
    pub(crate) fn keep(&mut self, index: u32, bytes: usize) {
        self.change(index, |held| held.kept = units(bytes));
    }

    /// So many bytes of it are out in a send.
    pub(crate) fn send(&mut self, index: u32, bytes: usize) {
        self.change(index, |held| held.out = units(bytes));
    }

    /// It has gone, or is made to give up what it holds.
    #[inline]
    pub(crate) fn forget(&mut self, index: u32) {
        if !self.has_none(index) {
            self.change(index, |held| *held = Held::default());
        }
    }

    fn change(&mut self, index: u32, change: impl FnOnce(&mut Held)) {
        let index = index as usize;
        if self.all.len() <= index {
            self.all.resize(index + 1, Held::default());
        }
        let Some(held) = self.all.get_mut(index) else { return };
        let before = held.sum();
        change(held);
        self.total = self.total - before + held.sum();
    }

    /// Those that hold most, so many that they hold `bytes` together, if all do; the largest first.
    pub(crate) fn largest(&self, bytes: usize) -> Vec<u32> {
        // What those hold together that hold from 2^n units on, below twice as much.
        let mut by_size = [0; u64::BITS as usize + 1];
        for held in &self.all {
            if let Some(sum) = by_size.get_mut(held.size()) {
                *sum += held.sum();
            }
        }
        let wanted = bytes.div_ceil(UNIT) as u64;
        let mut sum = 0;
        let least = by_size.iter().rposition(|of_size| {
            sum += of_size;
            sum >= wanted
        });
        // Of size 0 are those that hold nothing.
        let least = least.unwrap_or(1).max(1);
        let numbered = (0..).zip(&self.all).filter(|(_, held)| held.size() >= least);
        let mut found: Vec<(u32, u64)> = numbered.map(|(at, held)| (at, held.sum())).collect();
        found.sort_unstable_by_key(|&(_, held)| std::cmp::Reverse(held));
        let mut sum = 0;
        let taken = found.into_iter().take_while(|&(_, held)| {
            let is_wanted = sum < wanted;
            sum += held;
            is_wanted
        });
        taken.map(|(index, _)| index).collect()
    }
}

impl Held {
    fn sum(self) -> u64 {
        u64::from(self.kept) + u64::from(self.out)
    }

    /// The number of bits of that.
    fn size(self) -> usize {
        (u64::BITS - self.sum().leading_zeros()) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_that_of_all() {
        let mut holdings = Holdings::default();
        assert!(holdings.has_none(3) && holdings.total() == 0);
        holdings.keep(3, 5_000);
        holdings.send(3, 1);
        holdings.keep(0, 1 << 20);
        assert_eq!(
            holdings.total(),
            (5 + 1 + 1024) << 10,
            "in units of 1 KiB, none of which is cut"
        );
        holdings.keep(3, 1_024);
        assert_eq!(holdings.total(), (1 + 1 + 1024) << 10);
        holdings.forget(0);
        holdings.forget(70);
        assert_eq!((holdings.total(), holdings.has_none(0)), (2 << 10, true));
        holdings.send(3, 0);
        assert!(!holdings.has_none(3));
        holdings.keep(3, 0);
        assert!(holdings.has_none(3) && holdings.total() == 0);
    }

    #[test]
    fn the_largest_are_found_and_no_more_than_it_takes() {
        let mut holdings = Holdings::default();
        assert!(holdings.largest(1).is_empty());
        for (index, kib) in [(0, 4), (2, 600), (3, 1_000), (9, 520), (10, 64)] {
            holdings.keep(index, kib << 10);
        }
        assert_eq!(holdings.largest(1), [3]);
        assert_eq!(holdings.largest(1_000 << 10), [3]);
        assert_eq!(holdings.largest(1_001 << 10), [3, 2]);
        assert_eq!(holdings.largest(2_120 << 10), [3, 2, 9]);
        assert_eq!(holdings.largest(2_121 << 10), [3, 2, 9, 10]);
        assert_eq!(holdings.largest(1 << 30), [3, 2, 9, 10, 0], "all there are");
        holdings.send(10, 2 << 20);
        assert_eq!(holdings.largest(1), [10], "what is out counts too");
    }
}
