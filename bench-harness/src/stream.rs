//! The bytes of a run, prepared once and checked to the last one.
//!
//! A period of different messages is laid out end to end, already framed and masked, and repeated
//! far enough that any window of `depth` messages is contiguous: a batch of messages is one slice
//! to send, and whatever comes back is one comparison with one slice of the expected stream. All
//! connections share the stream and enter it at different places, so an answer that belongs to
//! another connection or another message is noticed, and the cache holds a single copy.
//!
//! The comparison asks for frames as short as they can be (RFC 6455 §5.2) and unfragmented: the
//! byte-exact echo of what was sent. With permessage-deflate the messages are compressed once, each
//! by itself, so that sending costs no more than else; how a server compresses its answers is its
//! own affair, and [`crate::load`] reads them frame by frame.

use crate::error::{Error, Result};
use crate::frame;
use crate::inflate;
use crate::json;
use crate::random::Random;
use crate::scenario::{Deflate, Kind, Scenario};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Wanted size of one period: within the second-level cache, both directions together.
const PERIOD_BYTES: usize = 128 * 1024;

/// The prepared bytes of a scenario.
#[derive(Debug)]
pub struct Streams {
    /// What clients send: `period + depth` messages.
    pub outgoing: Arc<[u8]>,
    /// What the server has to answer, as if it did not compress: `period + depth + 1` messages.
    expected: Arc<[u8]>,
    /// Where each message to send begins and the last one ends; empty where all have `sent_size`.
    starts: Vec<usize>,
    /// Bytes of one message as sent; of compressed ones, the mean.
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
    /// A frame that no answer may have, or an answer that cannot be inflated.
    Frame {
        /// Messages of this connection that had come back whole and right.
        message: u64,
        /// What is wrong with it.
        why: &'static str,
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
            Self::Frame { message, why } => write!(f, "after message {message}: {why}"),
            Self::Ended { message } => write!(f, "the server closed after message {message}"),
        }
    }
}

impl Streams {
    /// Prepares the messages of `scenario`. Fails when compressing does.
    pub fn new(scenario: &Scenario) -> Result<Self> {
        let Scenario { size, depth, kind, .. } = *scenario;
        if kind == Kind::Raw {
            return Ok(Self::raw(size, depth));
        }
        let opcode = if kind == Kind::Binary { frame::BINARY } else { frame::TEXT };
        match scenario.deflate {
            Deflate::Off => Ok(Self::frames(size, depth, kind, [opcode, opcode])),
            Deflate::Shared | Deflate::Takeover => Self::compressed(size, depth, kind, opcode),
        }
    }

    /// Prepares Pings and the Pongs that answer them (RFC 6455 §5.5.3), of `size` bytes, at most
    /// 125. Up to `depth` of them leave together.
    pub fn pings(size: usize, depth: usize) -> Self {
        Self::frames(size.min(125), depth, Kind::Binary, [frame::PING, frame::PONG])
    }

    fn raw(size: usize, depth: usize) -> Self {
        let record = size + frame::header_size(size) + 4;
        let period = period(record, record);
        let mut outgoing = Vec::with_capacity((period + depth + 1) * record);
        for index in 0..period + depth + 1 {
            outgoing.extend(Random((index % period) as u64).bytes(record));
        }
        let outgoing: Arc<[u8]> = outgoing.into();
        let expected = Arc::clone(&outgoing);
        let (sent_size, echo_size) = (record, record);
        Self { outgoing, expected, starts: Vec::new(), sent_size, echo_size, period }
    }

    /// `opcodes`: of what is sent, and of what answers it.
    fn frames(size: usize, depth: usize, kind: Kind, opcodes: [u8; 2]) -> Self {
        let header = frame::header_size(size);
        let (sent_size, echo_size) = (size + header + 4, size + header);
        let period = period(sent_size, echo_size);
        let count = period + depth + 1;
        let mut outgoing = Vec::with_capacity(count * sent_size);
        let mut expected = Vec::with_capacity(count * echo_size);
        let [asked, answered] = opcodes;
        for index in 0..count {
            let (payload, key) = message(kind, size, index % period);
            frame::append(&mut outgoing, asked, &payload, Some(key));
            frame::append(&mut expected, answered, &payload, None);
        }
        let (outgoing, expected) = (outgoing.into(), expected.into());
        Self { outgoing, expected, starts: Vec::new(), sent_size, echo_size, period }
    }

    fn compressed(size: usize, depth: usize, kind: Kind, opcode: u8) -> Result<Self> {
        let echo_size = size + frame::header_size(size);
        let period = period(0, echo_size);
        let (mut outgoing, mut expected) = (Vec::new(), Vec::new());
        let mut starts = vec![0];
        for index in 0..period + depth + 1 {
            let (payload, key) = message(kind, size, index % period);
            let small = inflate::compress(&payload)
                .map_err(|why| Error::Usage(format!("compressing a message: {why}")))?;
            // RSV1 says that the message is compressed (RFC 7692 §6).
            frame::append(&mut outgoing, opcode | frame::RSV1, &small, Some(key));
            frame::append(&mut expected, opcode, &payload, None);
            starts.push(outgoing.len());
        }
        let sent_size = outgoing.len() / (period + depth + 1);
        let (outgoing, expected) = (outgoing.into(), expected.into());
        Ok(Self { outgoing, expected, starts, sent_size, echo_size, period })
    }

    /// Where in `outgoing` `count` messages from `first` on lie; empty beyond what was prepared.
    pub fn part(&self, first: usize, count: usize) -> Range<usize> {
        if self.starts.is_empty() {
            return first * self.sent_size..(first + count) * self.sent_size;
        }
        let at = |index: usize| self.starts.get(index).copied().unwrap_or_default();
        at(first)..at(first + count)
    }

    /// The payload that answers message `index` of the period, and its opcode.
    pub fn answer(&self, index: usize) -> (u8, &[u8]) {
        let frame = self.expected(index * self.echo_size, self.echo_size).unwrap_or_default();
        let header = match frame.get(1) {
            Some(126) => 4,
            Some(127) => 10,
            _ => 2,
        };
        let opcode = frame.first().map_or(0, |first| first & 0x0f);
        (opcode, frame.get(header..).unwrap_or_default())
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

/// The payload of message `index` of the period, and its masking key.
fn message(kind: Kind, size: usize, index: usize) -> (Vec<u8>, [u8; 4]) {
    let mut random = Random(index as u64);
    let key = (random.draw() as u32).to_be_bytes();
    let payload = match kind {
        Kind::Json => json::message(&mut random, size),
        Kind::Text => {
            let mut payload = random.bytes(size);
            payload.iter_mut().for_each(|byte| *byte = printable(*byte));
            payload
        }
        Kind::Binary | Kind::Raw => random.bytes(size),
    };
    (payload, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(kind: Kind, size: usize, depth: usize) -> Scenario {
        Scenario::plain(1, size, depth, kind)
    }

    #[test]
    fn what_is_expected_is_what_a_server_unmasks() {
        for kind in [Kind::Text, Kind::Json, Kind::Binary] {
            for size in [0, 20, 126, 70_000] {
                let streams = Streams::new(&scenario(kind, size, 3)).expect("prepared");
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
                    if kind != Kind::Binary {
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
        let streams = Streams::new(&scenario(Kind::Raw, 20, 64)).expect("prepared");
        let message = |index: usize| streams.expected(index * streams.echo_size, streams.echo_size);
        assert_eq!(message(0), message(streams.period));
        assert_ne!(message(0), message(1));
        assert_ne!(streams.phase(0), streams.phase(1));
        assert_eq!(streams.expected(usize::MAX, 2), None);
    }

    #[test]
    fn compressed_messages_inflate_to_what_is_expected() {
        for (kind, size) in [(Kind::Json, 1024), (Kind::Json, 65_536), (Kind::Binary, 100)] {
            let scenario = Scenario { deflate: Deflate::Shared, ..scenario(kind, size, 3) };
            let streams = Streams::new(&scenario).expect("prepared");
            let mut inflater = inflate::Inflater::default();
            let last = streams.period + 3;
            assert_eq!(streams.part(0, last + 1), 0..streams.outgoing.len());
            for index in 0..=last {
                let wire = &streams.outgoing[streams.part(index, 1)];
                let header = frame::parse_extended(wire).expect("legal").expect("whole");
                assert!(header.rsv1 && header.size + header.len == wire.len());
                let key = header.mask.expect("client frames are masked");
                let masked = &wire[header.size..];
                let small: Vec<u8> =
                    masked.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect();
                let whole = inflater.message(&small, size, true).expect("it inflates");
                assert_eq!((header.opcode, whole), streams.answer(index));
            }
            // A message and a header of each: JSON becomes small.
            assert_eq!(streams.sent_size < size / 2, kind == Kind::Json);
        }
    }
}
