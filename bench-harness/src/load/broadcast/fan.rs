//! Messages on their way to many: which have arrived where, and when. No I/O.

use std::collections::VecDeque;

/// A message that has not reached all.
#[derive(Clone, Copy, Debug)]
struct Message {
    published_ns: u64,
    /// Receivers that have it.
    arrived: usize,
    first_ns: u64,
}

/// What a delivery completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// Since the message was published.
    pub(super) after_ns: u64,
    /// How long its first and its last delivery took, if this was the last.
    pub(super) complete: Option<(u64, u64)>,
}

/// Follows the messages. Every receiver gets all of them, in order.
#[derive(Debug)]
pub(super) struct Fan {
    receivers: usize,
    /// By number, the first being `done`.
    under_way: VecDeque<Message>,
    /// Messages that have reached all.
    done: u64,
}

impl Fan {
    /// The next message has the number `done`.
    pub(super) fn new(receivers: usize, done: u64) -> Self {
        Self { receivers, under_way: VecDeque::new(), done }
    }

    pub(super) fn publish(&mut self, published_ns: u64) {
        self.under_way.push_back(Message { published_ns, arrived: 0, first_ns: 0 });
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Message `number`, from 0, has reached one more receiver. `None`: there is no such message.
    pub(super) fn delivered(&mut self, number: u64, now_ns: u64) -> Option<Delivery> {
        let index = usize::try_from(number.checked_sub(self.done)?).ok()?;
        let message = self.under_way.get_mut(index)?;
        let after_ns = now_ns.saturating_sub(message.published_ns);
        if message.arrived == 0 {
            message.first_ns = after_ns;
        }
        message.arrived += 1;
        let complete = (message.arrived == self.receivers).then_some((message.first_ns, after_ns));
        // Messages arrive in order on every connection, so they complete in order.
        if complete.is_some() {
            self.under_way.pop_front();
            self.done += 1;
        }
        Some(Delivery { after_ns, complete })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_are_told_apart_and_overlap_is_kept() {
        let mut fan = Fan::new(2, 0);
        assert_eq!(fan.delivered(0, 1), None);
        fan.publish(100);
        fan.publish(150);
        let early = |after_ns| Some(Delivery { after_ns, complete: None });
        assert_eq!(fan.delivered(0, 110), early(10));
        assert_eq!(fan.delivered(1, 160), early(10));
        assert_eq!((fan.under_way(), fan.done()), (2, 0));
        let last = |after_ns, first| Some(Delivery { after_ns, complete: Some((first, after_ns)) });
        assert_eq!(fan.delivered(0, 190), last(90, 10));
        assert_eq!(fan.delivered(1, 200), last(50, 10));
        assert_eq!((fan.under_way(), fan.done()), (0, 2));
        assert_eq!(fan.delivered(1, 200), None);
    }
}
