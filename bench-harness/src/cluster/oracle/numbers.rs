//! Which numbers an engine has given to what was published on a topic: in each life from 1 on,
//! without holes, to all that was not refused.

use super::super::history::Try;
use super::super::wire::Answer;

/// All that was tried at one life on one topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// By place.
    numbers: Vec<Option<u64>>,
    /// By number, from 1 on.
    tries: Vec<Try>,
}

impl Stream {
    /// What has no answer counts as published: it came last, before the engine was killed.
    pub(super) fn new(all: &[Try]) -> Self {
        let mut stream = Self::default();
        for one in all {
            let number = (one.answer != Answer::Refused).then(|| {
                stream.tries.push(*one);
                stream.tries.len() as u64
            });
            stream.numbers.push(number);
        }
        stream
    }

    /// The number of what has this place; `None`: it was refused, or never tried.
    pub(super) fn number(&self, serial: u32) -> Option<u64> {
        self.numbers.get(serial as usize).copied().flatten()
    }

    /// What was tried under a number.
    pub(super) fn of(&self, number: u64) -> Option<&Try> {
        self.tries.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    pub(super) fn last(&self) -> u64 {
        self.tries.len() as u64
    }
}
