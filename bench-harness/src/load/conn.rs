//! One connection of the closed loop: what may be sent, what has to come back. No I/O.

use crate::stream::{Mismatch, Streams};
use std::collections::VecDeque;
use std::ops::Range;

/// Messages that left together.
#[derive(Debug)]
struct Burst {
    count: usize,
    sent_ns: u64,
}

#[derive(Debug)]
pub(crate) struct Conn {
    /// Offset of the next expected byte in the period.
    expect: usize,
    /// Bytes of the current message that have come.
    partial: usize,
    /// Bytes that are to come for the messages sent.
    owed: usize,
    /// Messages that came back.
    done: u64,
    /// The next message of the period to send.
    next: usize,
    /// Messages that may be sent.
    credit: usize,
    /// The part of the arena that is being sent.
    flight: Range<usize>,
    bursts: VecDeque<Burst>,
    /// Whether the connection is in the list of those that want to send.
    pub(crate) listed: bool,
}

impl Conn {
    pub(crate) fn new(index: usize, depth: usize, streams: &Streams) -> Self {
        let phase = streams.phase(index);
        Self {
            expect: phase * streams.echo_size,
            partial: 0,
            owed: 0,
            done: 0,
            next: phase,
            credit: depth,
            flight: 0..0,
            bursts: VecDeque::new(),
            listed: false,
        }
    }

    /// Whether nothing is outstanding.
    pub(crate) fn is_quiet(&self) -> bool {
        self.owed == 0 && self.flight.is_empty()
    }

    /// Messages that came back in the whole life of the connection.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// All that may be sent, as one range of the arena; `None` while a send is in flight.
    pub(crate) fn send(&mut self, streams: &Streams, now_ns: u64) -> Option<Range<usize>> {
        if self.credit == 0 || !self.flight.is_empty() {
            return None;
        }
        let count = std::mem::take(&mut self.credit);
        let start = self.next * streams.sent_size;
        self.flight = start..start + count * streams.sent_size;
        self.owed += count * streams.echo_size;
        self.next = (self.next + count) % streams.period;
        self.bursts.push_back(Burst { count, sent_ns: now_ns });
        Some(self.flight.clone())
    }

    /// `bytes` of the send went out: what is left of it, if it was short.
    pub(crate) fn sent(&mut self, bytes: usize) -> Option<Range<usize>> {
        self.flight.start = (self.flight.start + bytes).min(self.flight.end);
        (!self.flight.is_empty()).then(|| self.flight.clone())
    }

    /// Whether more may be sent at once.
    pub(crate) fn wants_to_send(&self) -> bool {
        self.credit > 0 && self.flight.is_empty()
    }

    /// Checks what came back. Returns how many messages it completed; each may be followed by a
    /// new one.
    pub(crate) fn received(&mut self, bytes: &[u8], streams: &Streams) -> Result<usize, Mismatch> {
        if bytes.len() > self.owed {
            let surplus = bytes.len() - self.owed;
            return Err(Mismatch::Surplus { message: self.done, bytes: surplus });
        }
        // What is owed never reaches further than the stream was prepared.
        let expected = streams.expected(self.expect, bytes.len()).unwrap_or_default();
        if bytes != expected {
            return Err(self.first_difference(bytes, expected, streams));
        }
        self.owed -= bytes.len();
        self.expect = (self.expect + bytes.len()) % (streams.period * streams.echo_size);
        let total = self.partial + bytes.len();
        let count = total / streams.echo_size;
        self.partial = total % streams.echo_size;
        self.done += count as u64;
        self.credit += count;
        Ok(count)
    }

    /// Calls `record(sent_ns, messages)` for the `count` oldest messages in flight.
    pub(crate) fn settle(&mut self, mut count: usize, mut record: impl FnMut(u64, usize)) {
        while count > 0 {
            let Some(burst) = self.bursts.front_mut() else { return };
            let part = burst.count.min(count);
            record(burst.sent_ns, part);
            burst.count -= part;
            count -= part;
            if burst.count == 0 {
                self.bursts.pop_front();
            }
        }
    }

    fn first_difference(&self, bytes: &[u8], expected: &[u8], streams: &Streams) -> Mismatch {
        let same = bytes.iter().zip(expected).take_while(|(found, right)| found == right).count();
        let at = self.partial + same;
        Mismatch::Byte {
            message: self.done + (at / streams.echo_size) as u64,
            offset: at % streams.echo_size,
            expected: expected.get(same).copied().unwrap_or_default(),
            found: bytes.get(same).copied().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Kind, Scenario};

    const DEPTH: usize = 5;

    fn setup(kind: Kind) -> (Streams, Conn) {
        let streams = Streams::new(&Scenario { connections: 8, size: 9, depth: DEPTH, kind });
        let conn = Conn::new(7, DEPTH, &streams);
        (streams, conn)
    }

    /// The right answer to everything, through several periods, in pieces of every size.
    #[test]
    fn every_split_of_the_right_echo_is_taken() {
        for piece in [1, 2, 3, 7, 11, 40] {
            let (streams, mut conn) = setup(Kind::Binary);
            let mut at = conn.expect;
            let (mut owed, mut recorded) = (0, 0);
            let mut came = 0;
            while came < 3 * streams.period {
                if let Some(range) = conn.send(&streams, 1) {
                    owed += range.len() / streams.sent_size * streams.echo_size;
                    assert!(range.end <= streams.outgoing.len());
                    assert_eq!(conn.send(&streams, 1), None, "one send in flight");
                    assert_eq!(conn.sent(1), Some(range.start + 1..range.end), "a short send");
                    assert_eq!(conn.sent(range.len() - 1), None);
                }
                let len = piece.min(owed);
                let echo = streams.expected(at, len).expect("prepared").to_vec();
                at = (at + len) % (streams.period * streams.echo_size);
                owed -= len;
                let count = conn.received(&echo, &streams).expect("the right echo");
                conn.settle(count, |_, messages| recorded += messages);
                came += count;
            }
            assert_eq!((conn.done(), recorded), (came as u64, came));
        }
    }

    #[test]
    fn a_wrong_byte_is_named() {
        let (streams, mut conn) = setup(Kind::Text);
        conn.send(&streams, 0).expect("credit at the start");
        let mut echo = streams.expected(conn.expect, 3 * streams.echo_size).expect("").to_vec();
        let at = 2 * streams.echo_size + 4;
        echo[at] ^= 1;
        let right = echo[at] ^ 1;
        assert_eq!(
            conn.received(&echo, &streams),
            Err(Mismatch::Byte { message: 2, offset: 4, expected: right, found: echo[at] })
        );
    }

    #[test]
    fn more_than_was_asked_for_is_an_error() {
        let (streams, mut conn) = setup(Kind::Raw);
        assert_eq!(conn.received(&[0], &streams), Err(Mismatch::Surplus { message: 0, bytes: 1 }));
        conn.send(&streams, 0).expect("credit at the start");
        let len = DEPTH * streams.echo_size + 1;
        let echo = streams.expected(conn.expect, len).expect("prepared").to_vec();
        assert_eq!(conn.received(&echo, &streams), Err(Mismatch::Surplus { message: 0, bytes: 1 }));
    }
}
