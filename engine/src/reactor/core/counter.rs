//! One counter, or one for each value of a label.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter with one writer: no locked instruction.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }
    /// The same, by any thread: for a counter that is written in no other way.
    pub(crate) fn add_from_any_thread(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    pub(crate) fn sub(&self, n: u64) {
        self.0.store(self.get().wrapping_sub(n), Ordering::Relaxed);
    }
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for each value of a label.
#[derive(Debug)]
pub(crate) struct By<const N: usize>([Counter; N]);

impl<const N: usize> Default for By<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl<const N: usize> By<N> {
    /// One more of the value that stands there among those of the label.
    pub(crate) fn count(&self, at: usize) {
        debug_assert!(at < N, "a value that the label does not have");
        if let Some(counter) = self.0.get(at) {
            counter.add(1);
        }
    }

    /// The counter of a value.
    pub(crate) fn of(&self, at: usize) -> &Counter {
        &self.0[at]
    }

    pub(crate) fn get(&self) -> [u64; N] {
        std::array::from_fn(|at| self.0[at].get())
    }
}

/// In the place of a counter whose number is the sum of those of another row: of numbers that only
/// grow, so it does, too.
#[derive(Debug, Default)]
pub(crate) struct Sum;

impl Sum {
    pub(crate) fn of<const N: usize>(&self, numbers: [u64; N]) -> u64 {
        numbers.iter().sum()
    }
}

/// The numbers of a row in a snapshot.
pub(crate) trait Values {
    fn all(&self) -> &[u64];
    fn add(&mut self, other: &Self);
}

impl Values for u64 {
    fn all(&self) -> &[u64] {
        std::slice::from_ref(self)
    }

    fn add(&mut self, other: &Self) {
        *self += other;
    }
}

impl<const N: usize> Values for [u64; N] {
    fn all(&self) -> &[u64] {
        self
    }

    fn add(&mut self, other: &Self) {
        self.iter_mut().zip(other).for_each(|(to, from)| *to += from);
    }
}
