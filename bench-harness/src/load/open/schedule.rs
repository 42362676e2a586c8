//! When each message of an open loop is to leave. No I/O.
//!
//! Message `k` of all leaves at `k / rate`, on connection `k mod connections`. So the intended time
//! of any message is computed, not stored: a backlog of any length costs nothing.

/// The intended times of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Nanoseconds between two messages.
    interval_ns: f64,
    connections: u64,
    /// The next message that has not fallen due.
    next: u64,
}

impl Schedule {
    /// `rate`: messages per second on all `connections` together.
    pub(super) fn new(rate: f64, connections: usize) -> Self {
        Self { interval_ns: 1e9 / rate, connections: connections as u64, next: 0 }
    }

    /// Nanoseconds after the start at which message `index` of all is to leave.
    pub(super) fn at(&self, index: u64) -> u64 {
        // Exact to the nanosecond for any run shorter than a hundred days.
        (index as f64 * self.interval_ns) as u64
    }

    /// The same for message `index` of one connection.
    pub(super) fn of(&self, connection: usize, index: u64) -> u64 {
        self.at(self.number(connection, index))
    }

    /// Which of all messages is message `index` of a connection.
    pub(super) fn number(&self, connection: usize, index: u64) -> u64 {
        index * self.connections + connection as u64
    }

    /// The connection of the next message that has fallen due, each message once.
    pub(super) fn due(&mut self, now_ns: u64) -> Option<usize> {
        if self.at(self.next) > now_ns {
            return None;
        }
        let connection = (self.next % self.connections) as usize;
        self.next += 1;
        Some(connection)
    }

    /// When the next message falls due.
    pub(super) fn next_at(&self) -> u64 {
        self.at(self.next)
    }

    /// The first of all messages that leaves at `at_ns` or later.
    pub(super) fn first_from(&self, at_ns: u64) -> u64 {
        let mut first = (at_ns as f64 / self.interval_ns) as u64;
        while self.at(first) < at_ns {
            first += 1;
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_fall_due_in_turn_and_at_the_rate() {
        let mut schedule = Schedule::new(1000.0, 3);
        assert_eq!((schedule.due(0), schedule.due(0)), (Some(0), None));
        assert_eq!(schedule.next_at(), 1_000_000);
        assert_eq!(schedule.due(999_999), None);
        // Nothing is skipped after a pause.
        let late: Vec<_> = std::iter::from_fn(|| schedule.due(5_000_000)).collect();
        assert_eq!(late, [1, 2, 0, 1, 2]);
        assert_eq!(schedule.of(2, 1), 5_000_000);
        assert_eq!(schedule.number(2, 1), 5);
    }

    #[test]
    fn no_rounding_adds_up() {
        let mut schedule = Schedule::new(3e6, 7);
        let due = std::iter::from_fn(|| schedule.due(10_000_000_000)).count();
        assert_eq!(due, 30_000_001);
        for at in [0, 1, 333, 334, 1_000_000_000] {
            let first = schedule.first_from(at);
            assert!(schedule.at(first) >= at && (first == 0 || schedule.at(first - 1) < at));
        }
    }
}
