//! The bytes of a run, prepared once and checked to the last one.
//!
//! A period of different messages is laid out end to end, already framed and masked, and repeated
//! far enough that any window of `depth` messages is contiguous: a batch of messages is one slice
//! to send, and whatever comes back is one comparison with one slice of the expected stream. All
//! connections share the stream and enter it at different places, so an answer that belongs to
//! another connection or another message is noticed, and the cache holds a single copy.
//!
//! The comparison asks for frames as short as they can be (RFC 6455 §5.2) and unfragmented: the
//! byte-exact echo of what was sent.

use crate::frame;
use crate::scenario::{Kind, Scenario};
use std::fmt;
use std::sync::Arc;

/// Wanted size of one period: within the second-level cache, both directions together.
const PERIOD_BYTES: usize = 128 * 1024;

/// The prepared bytes of a scenario.
#[derive(Debug)]
pub struct Streams {
    /// What clients send: `period + depth` messages.
    pub outgoing: Arc<[u8]>,
    /// What the server has to answer: `period + depth + 1` messages.
    expected: Arc<[u8]>,
    /// Bytes of one message as sent.
    pub sent_size: usize,
    /// Bytes of one message as it comes back.
    pub echo_size: usize,
    /// Messages until the stream repeats.
    pub period: usize,
}

/// How the bytes that came back differ from those expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// A wrong byte.
    Byte {
        /// Messages of this connection that had come back whole and right.
        message: u64,
        /// Offset in the message as it comes back, frame header included.
        offset: usize,
        /// What should have come.
        expected: u8,
        /// What came.
        found: u8,
    },
    /// More bytes than the messages sent account for.
    Surplus {
        /// Messages of this connection that had come back whole and right.
        message: u64,
        /// Bytes too many.
        bytes: usize,
    },
    /// The server ended the stream while messages were outstanding.
    Ended {
        /// Messages of this connection that had come back whole and right.
        message: u64,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte { message, offset, expected, found } => write!(
                f,
                "wrong echo of message {message}: byte {offset} is {found:#04x}, \
                 not {expected:#04x}"
            ),
            Self::Surplus { message, bytes } => {
                write!(f, "{bytes} bytes more than were asked for, after message {message}")
            }
            Self::Ended { message } => write!(f, "the server closed after message {message}"),
        }
    }
}

impl Streams {
    /// Prepares the messages of `scenario`.
    pub fn new(scenario: &Scenario) -> Self {
        match scenario.kind {
            Kind::Raw => Self::raw(scenario.size, scenario.depth),
            Kind::Text => Self::frames(scenario.size, scenario.depth, frame::TEXT, frame::TEXT),
            Kind::Binary => {
                Self::frames(scenario.size, scenario.depth, frame::BINARY, frame::BINARY)
            }
        }
    }

    /// Prepares Pings and the Pongs that answer them (RFC 6455 §5.5.3), of `size` bytes, at most
    /// 125. Up to `depth` of them leave together.
    pub fn pings(size: usize, depth: usize) -> Self {
        Self::frames(size.min(125), depth, frame::PING, frame::PONG)
    }

    fn raw(size: usize, depth: usize) -> Self {
        let record = size + frame::header_size(size) + 4;
        let period = period(record, record);
        let mut outgoing = Vec::with_capacity((period + depth + 1) * record);
        for index in 0..period + depth + 1 {
            outgoing.extend(Random((index % period) as u64).payload(record));
        }
        let outgoing: Arc<[u8]> = outgoing.into();
        let expected = Arc::clone(&outgoing);
        Self { outgoing, expected, sent_size: record, echo_size: record, period }
    }

    fn frames(size: usize, depth: usize, asked: u8, answered: u8) -> Self {
        let header = frame::header_size(size);
        let (sent_size, echo_size) = (size + header + 4, size + header);
        let period = period(sent_size, echo_size);
        let count = period + depth + 1;
        let mut outgoing = Vec::with_capacity(count * sent_size);
        let mut expected = Vec::with_capacity(count * echo_size);
        for index in 0..count {
            let mut random = Random((index % period) as u64);
            let key = (random.next() as u32).to_be_bytes();
            let mut payload = random.payload(size);
            if asked == frame::TEXT {
                payload.iter_mut().for_each(|byte| *byte = printable(*byte));
            }
            frame::append(&mut outgoing, asked, &payload, Some(key));
            frame::append(&mut expected, answered, &payload, None);
        }
        let (outgoing, expected) = (outgoing.into(), expected.into());
        Self { outgoing, expected, sent_size, echo_size, period }
    }

    /// The message of the period with which connection `index` begins.
    pub fn phase(&self, index: usize) -> usize {
        // Fibonacci hashing: neighbours start far from each other.
        (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize % self.period
    }

    /// The `len` bytes expected at offset `at` of the period; `None` beyond what was prepared.
    pub fn expected(&self, at: usize, len: usize) -> Option<&[u8]> {
        self.expected.get(at..at.checked_add(len)?)
    }
}

/// Messages until the stream repeats. Odd, so that it shares no factor with the usual depths and
/// buffer sizes.
fn period(sent_size: usize, echo_size: usize) -> usize {
    (PERIOD_BYTES / (sent_size + echo_size)).clamp(4, 4096) | 1
}

fn printable(byte: u8) -> u8 {
    b' ' + byte % 95
}

/// SplitMix64. The masking keys of real clients must not be predictable (RFC 6455 §10.3); those of
/// a load generator have to be the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn payload(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(kind: Kind, size: usize, depth: usize) -> Scenario {
        Scenario { connections: 1, size, depth, kind }
    }

    #[test]
    fn what_is_expected_is_what_a_server_unmasks() {
        for kind in [Kind::Text, Kind::Binary] {
            for size in [0, 20, 126, 70_000] {
                let streams = Streams::new(&scenario(kind, size, 3));
                let mut out = &streams.outgoing[..];
                for index in 0..streams.period + 4 {
                    let header = frame::parse(out).expect("legal").expect("whole");
                    let key = header.mask.expect("client frames are masked");
                    let (frame, rest) = out.split_at(header.size + header.len);
                    assert_eq!(frame.len(), streams.sent_size);
                    let payload: Vec<u8> = frame[header.size..]
                        .iter()
                        .zip(key.iter().cycle())
                        .map(|(b, k)| b ^ k)
                        .collect();
                    if kind == Kind::Text {
                        std::str::from_utf8(&payload).expect("text is UTF-8");
                    }
                    let mut echo = Vec::new();
                    frame::append(&mut echo, header.opcode, &payload, None);
                    let at = index * streams.echo_size;
                    assert_eq!(streams.expected(at, streams.echo_size), Some(&echo[..]));
                    out = rest;
                }
                assert!(out.is_empty());
            }
        }
    }

    #[test]
    fn pings_are_answered_by_pongs_with_the_same_payload() {
        let streams = Streams::pings(200, 2);
        let header = frame::parse(&streams.outgoing).expect("legal").expect("whole");
        assert_eq!((header.opcode, header.len), (frame::PING, 125));
        let pong = streams.expected(0, streams.echo_size).expect("prepared");
        let answer = frame::parse(pong).expect("legal").expect("whole");
        assert_eq!((answer.opcode, answer.len, answer.mask), (frame::PONG, 125, None));
        let key = header.mask.expect("client frames are masked");
        let masked = &streams.outgoing[header.size..streams.sent_size];
        let payload: Vec<u8> = masked.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect();
        assert_eq!(payload, pong[answer.size..]);
    }

    #[test]
    fn messages_of_a_period_differ_and_the_period_repeats() {
        let streams = Streams::new(&scenario(Kind::Raw, 20, 64));
        let message = |index: usize| streams.expected(index * streams.echo_size, streams.echo_size);
        assert_eq!(message(0), message(streams.period));
        assert_ne!(message(0), message(1));
        assert_ne!(streams.phase(0), streams.phase(1));
        assert_eq!(streams.expected(usize::MAX, 2), None);
    }
}
