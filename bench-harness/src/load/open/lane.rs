//! One connection of the open loop: messages that are due, messages in flight. No I/O.

use super::schedule::Schedule;
use crate::load::check::Check;
use crate::stream::{Mismatch, Streams};
use std::ops::Range;

/// A message that leaves so long after its time is late.
pub(super) const LATE_NS: u64 = 50_000;

#[derive(Debug)]
pub(super) struct Lane {
    check: Check,
    /// The next message of the period to send.
    next: usize,
    /// Messages that have fallen due.
    due: u64,
    /// Messages that were handed to the kernel.
    handed: u64,
    /// The part of the arena that is being sent.
    flight: Range<usize>,
    /// In which turn it was handed over.
    turn: u64,
    /// Since when the connection could send, if the server had kept it from doing so.
    free_ns: u64,
    pub(super) listed: bool,
}

/// Which messages of a connection left together.
pub(super) type Batch = Range<u64>;

impl Lane {
    pub(super) fn new(index: usize, streams: &Streams) -> Self {
        let phase = streams.phase(index);
        Self {
            check: Check::new(phase, streams),
            next: phase,
            due: 0,
            handed: 0,
            flight: 0..0,
            turn: 0,
            free_ns: 0,
            listed: false,
        }
    }

    pub(super) fn fall_due(&mut self) {
        self.due += 1;
    }

    pub(super) fn done(&self) -> u64 {
        self.check.done()
    }

    /// Messages that are due and have not come back.
    pub(super) fn backlog(&self) -> u64 {
        self.due - self.check.done()
    }

    pub(super) fn wants_to_send(&self) -> bool {
        self.due > self.handed && self.flight.is_empty()
    }

    /// All that is due, at most `window` messages, as one part of the arena.
    pub(super) fn send(
        &mut self,
        streams: &Streams,
        window: u64,
        turn: u64,
    ) -> Option<(Range<usize>, Batch)> {
        if !self.wants_to_send() {
            return None;
        }
        let count = (self.due - self.handed).min(window);
        let batch = self.handed..self.handed + count;
        self.handed = batch.end;
        self.flight = streams.part(self.next, count as usize);
        self.check.owe(count as usize, streams);
        self.next = (self.next + count as usize) % streams.period;
        self.turn = turn;
        Some((self.flight.clone(), batch))
    }

    /// `bytes` of the send went out. One that did not complete in the turn it was handed over was
    /// held back by the server: what is due meanwhile is not late for the sake of the load.
    pub(super) fn sent(&mut self, bytes: usize, turn: u64, now_ns: u64) -> Option<Range<usize>> {
        self.flight.start = (self.flight.start + bytes).min(self.flight.end);
        if !self.flight.is_empty() {
            return Some(self.flight.clone());
        }
        if self.turn != turn {
            self.free_ns = now_ns;
        }
        None
    }

    /// How long message `index` was kept back by the load. `left_ns`: at the latest then it left.
    pub(super) fn delay(
        &self,
        connection: usize,
        index: u64,
        left_ns: u64,
        schedule: &Schedule,
    ) -> u64 {
        left_ns.saturating_sub(schedule.of(connection, index).max(self.free_ns))
    }

    /// How many messages of a batch left late because of the load.
    pub(super) fn late(
        &self,
        connection: usize,
        batch: Batch,
        left_ns: u64,
        schedule: &Schedule,
    ) -> u64 {
        // The intended times rise: those that are late come first.
        let late = |index: &u64| self.delay(connection, *index, left_ns, schedule) > LATE_NS;
        batch.take_while(late).count() as u64
    }

    /// Checks what came back. Returns which messages of the connection it completed.
    pub(super) fn received(
        &mut self,
        bytes: &[u8],
        streams: &Streams,
    ) -> Result<Range<u64>, Mismatch> {
        let before = self.check.done();
        self.check.received(bytes, streams)?;
        Ok(before..self.check.done())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Kind, Scenario};

    fn setup() -> (Streams, Lane, Schedule) {
        let scenario = Scenario::plain(1, 9, 4, Kind::Text);
        let streams = Streams::new(&scenario).expect("prepared");
        let lane = Lane::new(0, &streams);
        (streams, lane, Schedule::new(1e6, 1))
    }

    #[test]
    fn what_is_due_leaves_together_within_the_window() {
        let (streams, mut lane, _) = setup();
        assert_eq!(lane.send(&streams, 4, 1), None);
        (0..6).for_each(|_| lane.fall_due());
        let (part, batch) = lane.send(&streams, 4, 1).expect("due");
        assert_eq!((part.len(), batch), (4 * streams.sent_size, 0..4));
        assert_eq!(lane.send(&streams, 4, 1), None, "one send in flight");
        assert_eq!(lane.sent(part.len(), 1, 10), None);
        assert_eq!(lane.send(&streams, 4, 2).expect("two more").1, 4..6);
        assert_eq!(lane.backlog(), 6);
    }

    /// Messages 0 to 99 are intended at 0 to 99 us.
    #[test]
    fn the_load_is_blamed_for_its_own_delay_only() {
        let (streams, mut lane, schedule) = setup();
        assert_eq!(lane.late(0, 0..100, 120_000, &schedule), 70);
        // A send that the kernel took at once frees the connection for the time before, too.
        lane.fall_due();
        let (part, _) = lane.send(&streams, 4, 7).expect("due");
        assert_eq!(lane.sent(part.len(), 7, 100_000), None);
        assert_eq!(lane.late(0, 0..100, 120_000, &schedule), 70);
        // One that waited for the server's window does not.
        lane.fall_due();
        let (part, _) = lane.send(&streams, 4, 8).expect("due");
        assert_eq!(lane.sent(part.len(), 9, 100_000), None);
        assert_eq!(lane.late(0, 0..100, 120_000, &schedule), 0);
        assert_eq!(lane.late(0, 0..100, 151_000, &schedule), 100);
    }
}
