//! Numbers that nobody can predict, but who knows the seed.

use crate::ring::sim::Choices;
use std::cell::RefCell;

thread_local! {
    /// Of the run that this thread plays.
    static OF_RUN: RefCell<Choices> = RefCell::new(Choices::from_seed(0));
}

/// Another run begins on this thread.
pub(super) fn begin(choices: Choices) {
    OF_RUN.set(choices);
}

/// What a reactor draws.
pub(super) fn fill(block: &mut [u8]) {
    OF_RUN.with_borrow_mut(|choices| block.fill_with(|| choices.below(256) as u8));
}
