//! One connection of the closed loop: what may be sent, what has to come back. No I/O.

use super::answers::Answers;
use super::check::Check;
use crate::inflate::Inflater;
use crate::scenario::Deflate;
use crate::stream::{Mismatch, Streams};
use std::collections::VecDeque;
use std::ops::Range;

/// Messages that left together.
#[derive(Debug)]
struct Burst {
    count: usize,
    sent_ns: u64,
}

/// How what comes back is checked.
#[derive(Debug)]
enum Checked {
    /// Byte by byte.
    Bytes(Check),
    /// Frame by frame: the bytes are the server's choice.
    Frames(Box<Answers>),
}

#[derive(Debug)]
pub(crate) struct Conn {
    check: Checked,
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
    pub(crate) fn new(index: usize, depth: usize, deflate: Deflate, streams: &Streams) -> Self {
        let phase = streams.phase(index);
        Self {
            check: match deflate {
                Deflate::Off => Checked::Bytes(Check::new(phase, streams)),
                _ => Checked::Frames(Box::new(Answers::new(index, phase, deflate))),
            },
            next: phase,
            credit: depth,
            flight: 0..0,
            bursts: VecDeque::new(),
            listed: false,
        }
    }

    /// Whether nothing is outstanding.
    pub(crate) fn is_quiet(&self) -> bool {
        let owed = match &self.check {
            Checked::Bytes(check) => check.owed(),
            Checked::Frames(answers) => answers.owed(),
        };
        owed == 0 && self.flight.is_empty()
    }

    /// Messages that came back in the whole life of the connection.
    pub(crate) fn done(&self) -> u64 {
        match &self.check {
            Checked::Bytes(check) => check.done(),
            Checked::Frames(answers) => answers.done(),
        }
    }

    /// All that may be sent, as one range of the arena; `None` while a send is in flight.
    pub(crate) fn send(&mut self, streams: &Streams, now_ns: u64) -> Option<Range<usize>> {
        if !self.wants_to_send() {
            return None;
        }
        let count = std::mem::take(&mut self.credit);
        self.flight = streams.part(self.next, count);
        match &mut self.check {
            Checked::Bytes(check) => check.owe(count, streams),
            Checked::Frames(answers) => answers.owe(count),
        }
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
    pub(crate) fn received(
        &mut self,
        bytes: &[u8],
        streams: &Streams,
        inflater: &mut Inflater,
    ) -> Result<usize, Mismatch> {
        let count = match &mut self.check {
            Checked::Bytes(check) => check.received(bytes, streams)?,
            Checked::Frames(answers) => answers.received(bytes, streams, inflater)?,
        };
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Kind, Scenario};

    const DEPTH: usize = 5;

    /// Several periods, in pieces of every size: sends never overlap, none is lost, and each
    /// message is settled once.
    #[test]
    fn credit_goes_round() {
        for piece in [1, 2, 3, 7, 11, 40] {
            let scenario = Scenario::plain(8, 9, DEPTH, Kind::Binary);
            let streams = Streams::new(&scenario).expect("prepared");
            let mut conn = Conn::new(7, DEPTH, Deflate::Off, &streams);
            let period = streams.period * streams.echo_size;
            let (mut at, mut owed, mut settled) = (conn.next * streams.echo_size, 0, 0);
            let mut came = 0;
            while came < 3 * streams.period {
                if let Some(range) = conn.send(&streams, 1) {
                    owed += range.len() / streams.sent_size * streams.echo_size;
                    assert!(range.end <= streams.outgoing.len());
                    assert_eq!(conn.send(&streams, 1), None, "one send in flight");
                    assert_eq!(conn.sent(1), Some(range.start + 1..range.end), "a short send");
                    assert_eq!(conn.sent(range.len() - 1), None);
                }
                let len = piece.min(owed).min(period - at);
                let echo = streams.expected(at, len).expect("prepared").to_vec();
                at = (at + len) % period;
                owed -= len;
                let count = conn
                    .received(&echo, &streams, &mut Inflater::default())
                    .expect("the right echo");
                conn.settle(count, |_, messages| settled += messages);
                came += count;
            }
            assert_eq!((conn.done(), settled), (came as u64, came));
        }
    }
}
