//! Numbers of what this engine publishes on a topic.

use crate::bus::Number;
use std::sync::atomic::{AtomicU64, Ordering};

/// What of a topic has been given numbers.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    /// The last one; none where `seq` is 0.
    pub(crate) number: Number,
    /// The last one that the bus was not told of, because it was down; 0: none.
    pub(crate) unsent: u64,
}

impl Spoken {
    /// The number that is given next. `floor`: the greatest that was given to a topic that has
    /// ended.
    pub(crate) fn upcoming(&self, floor: &AtomicU64) -> Number {
        match self.number.seq {
            0 => {
                let start = floor.load(Ordering::Relaxed) + 1;
                Number { start, seq: start }
            }
            seq => Number { seq: seq + 1, ..self.number },
        }
    }

    /// It was given.
    pub(crate) fn give(&mut self, number: Number, is_sent: bool) {
        self.number = number;
        if !is_sent {
            self.unsent = number.seq;
        }
    }

    /// The greatest number that was given so far; of none, `floor` as above.
    pub(crate) fn last(&self, floor: &AtomicU64) -> u64 {
        self.upcoming(floor).seq - 1
    }
}
