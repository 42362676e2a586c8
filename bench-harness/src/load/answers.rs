//! Answers on a connection with permessage-deflate. Which bytes they are is the server's choice, so
//! they are read frame by frame: each has to be well-formed, and one after the other has to end a
//! message. Answers that are not compressed are compared whole. Of the compressed ones, a share is
//! inflated and compared, so that the load does not spend what it measures: every sixteenth message
//! where each stands by itself, and with context takeover every message of each sixteenth
//! connection, because there the next cannot be read without the last. No I/O.

use crate::frame::{self, Header};
use crate::inflate::Inflater;
use crate::scenario::Deflate;
use crate::stream::{Mismatch, Streams};

/// One in so many is inflated.
pub(crate) const SAMPLED: u64 = 16;
/// The longest header of an unmasked frame.
const HEADER_MAX: usize = 10;

/// The message that is coming in.
#[derive(Clone, Copy, Debug)]
struct Message {
    compressed: bool,
    /// Payload bytes that have come, as they came.
    len: usize,
}

/// Follows the answers of one connection.
#[derive(Debug)]
pub(crate) struct Answers {
    /// The message of the period that is to come next.
    expect: usize,
    /// Messages that are to come.
    owed: usize,
    /// Messages that came back.
    done: u64,
    /// The first bytes of a header that came in parts.
    head: Vec<u8>,
    /// The frame that is coming in, and what is missing of its payload.
    frame: Option<(Header, usize)>,
    message: Option<Message>,
    /// The payload of a compressed message that will be inflated.
    compressed: Vec<u8>,
    sampling: Sampling,
}

/// Which compressed answers are inflated.
#[derive(Debug)]
enum Sampling {
    /// Each message of which the number leaves this remainder.
    Messages(u64),
    /// All, by an inflater that remembers.
    All(Box<Inflater>),
    /// None: the connection is not of the sample.
    None,
}

impl Answers {
    /// Connection `index` begins with message `phase` of the period.
    pub(crate) fn new(index: usize, phase: usize, deflate: Deflate) -> Self {
        let place = index as u64 % SAMPLED;
        let sampling = match deflate {
            Deflate::Takeover if place == 0 => Sampling::All(Box::default()),
            Deflate::Takeover => Sampling::None,
            Deflate::Off | Deflate::Shared => Sampling::Messages(place),
        };
        Self {
            expect: phase,
            owed: 0,
            done: 0,
            head: Vec::new(),
            frame: None,
            message: None,
            compressed: Vec::new(),
            sampling,
        }
    }

    /// So many messages more are to come.
    pub(crate) fn owe(&mut self, messages: usize) {
        self.owed += messages;
    }

    /// Messages that are still to come.
    pub(crate) fn owed(&self) -> usize {
        self.owed
    }

    /// Messages that came back in the whole life of the connection.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Reads what came. Returns how many messages it completed. `inflater`: for those that stand by
    /// themselves.
    pub(crate) fn received(
        &mut self,
        mut bytes: &[u8],
        streams: &Streams,
        inflater: &mut Inflater,
    ) -> Result<usize, Mismatch> {
        let before = self.done;
        loop {
            let (header, left) = match self.frame {
                Some(frame) => frame,
                None => match self.header(&mut bytes, streams)? {
                    Some(header) => (header, header.len),
                    None => return Ok((self.done - before) as usize),
                },
            };
            let (piece, rest) = bytes.split_at(left.min(bytes.len()));
            bytes = rest;
            self.piece(piece, streams)?;
            let left = left - piece.len();
            self.frame = (left > 0).then_some((header, left));
            if left > 0 {
                return Ok((self.done - before) as usize);
            }
            if header.fin {
                self.end(streams, inflater)?;
            }
        }
    }

    fn wrong<T>(&self, why: &'static str) -> Result<T, Mismatch> {
        Err(Mismatch::Frame { message: self.done, why })
    }

    /// The next header, if it is whole; `bytes` then begins with its payload.
    fn header(&mut self, bytes: &mut &[u8], streams: &Streams) -> Result<Option<Header>, Mismatch> {
        if bytes.is_empty() {
            return Ok(None);
        }
        if self.owed == 0 {
            return Err(Mismatch::Surplus { message: self.done, bytes: bytes.len() });
        }
        let held = self.head.len();
        let parsed = if held == 0 {
            frame::parse_extended(bytes)
        } else {
            let more = bytes.get(..bytes.len().min(HEADER_MAX - held)).unwrap_or_default();
            self.head.extend_from_slice(more);
            frame::parse_extended(&self.head)
        };
        let Ok(parsed) = parsed else { return self.wrong("a frame with reserved bits set") };
        let Some(header) = parsed else {
            if held == 0 {
                self.head.extend_from_slice(bytes);
            }
            *bytes = &[];
            return Ok(None);
        };
        self.head.clear();
        *bytes = bytes.get(header.size - held..).unwrap_or_default();
        self.begin(&header, streams)?;
        Ok(Some(header))
    }

    fn begin(&mut self, header: &Header, streams: &Streams) -> Result<(), Mismatch> {
        if header.mask.is_some() {
            return self.wrong("a masked frame of a server");
        }
        match (header.opcode, self.message) {
            (opcode, None) if opcode == streams.answer(self.expect).0 => {
                self.message = Some(Message { compressed: header.rsv1, len: 0 });
                self.compressed.clear();
                Ok(())
            }
            // RSV1 is set on the first frame of a message only (RFC 7692 §6.1).
            (0, Some(_)) if !header.rsv1 => Ok(()),
            _ => self.wrong("a frame that no answer has here"),
        }
    }

    fn piece(&mut self, piece: &[u8], streams: &Streams) -> Result<(), Mismatch> {
        let Some(message) = &mut self.message else { return Ok(()) };
        let at = message.len;
        message.len += piece.len();
        if message.compressed {
            let sampled = match self.sampling {
                Sampling::Messages(place) => self.done % SAMPLED == place,
                Sampling::All(_) => true,
                Sampling::None => false,
            };
            if sampled {
                self.compressed.extend_from_slice(piece);
            }
            return Ok(());
        }
        let (_, answer) = streams.answer(self.expect);
        match answer.get(at..at + piece.len()) {
            Some(expected) if expected == piece => Ok(()),
            Some(expected) => Err(difference(self.done, piece, expected, at)),
            None => self.wrong("a longer answer"),
        }
    }

    fn end(&mut self, streams: &Streams, inflater: &mut Inflater) -> Result<(), Mismatch> {
        let Some(message) = self.message.take() else { return Ok(()) };
        let (_, answer) = streams.answer(self.expect);
        let (done, small) = (self.done, &self.compressed);
        let whole = match &mut self.sampling {
            _ if !message.compressed && message.len == answer.len() => Ok(answer),
            _ if !message.compressed => Err("a shorter answer"),
            Sampling::Messages(place) if done % SAMPLED == *place => {
                inflater.message(small, answer.len(), true)
            }
            Sampling::All(inflater) => inflater.message(small, answer.len(), false),
            Sampling::Messages(_) | Sampling::None => Ok(answer),
        };
        let whole = whole.map_err(|why| Mismatch::Frame { message: done, why })?;
        if whole != answer {
            return Err(difference(done, whole, answer, 0));
        }
        self.owed -= 1;
        self.done += 1;
        self.expect = (self.expect + 1) % streams.period;
        Ok(())
    }
}

/// Where `found` leaves what was expected; `at`: where both begin in the payload.
fn difference(message: u64, found: &[u8], expected: &[u8], at: usize) -> Mismatch {
    let same = found.iter().zip(expected).take_while(|(found, right)| found == right).count();
    match (found.get(same), expected.get(same)) {
        (Some(&found), Some(&expected)) => {
            Mismatch::Byte { message, offset: at + same, expected, found }
        }
        (None, _) => Mismatch::Frame { message, why: "a shorter answer" },
        (_, None) => Mismatch::Frame { message, why: "a longer answer" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflate::compress;
    use crate::scenario::{Kind, Scenario};

    fn setup(deflate: Deflate) -> (Streams, Answers) {
        let scenario = Scenario { deflate, ..Scenario::plain(1, 300, 4, Kind::Json) };
        let streams = Streams::new(&scenario).expect("prepared");
        (streams, Answers::new(0, 2, deflate))
    }

    /// The answer to message `index` of the connection, as one frame or as three.
    fn echo(streams: &Streams, index: usize, compressed: bool, split: bool) -> Vec<u8> {
        let (opcode, payload) = streams.answer((2 + index) % streams.period);
        let (payload, rsv1) = match compressed {
            true => (compress(payload).expect("room"), frame::RSV1),
            false => (payload.to_vec(), 0),
        };
        let mut out = Vec::new();
        if !split {
            frame::append(&mut out, opcode | rsv1, &payload, None);
            return out;
        }
        let (first, last) = payload.split_at(payload.len() / 3);
        for (opcode, part, fin) in [(opcode | rsv1, first, false), (0, &[], false), (0, last, true)]
        {
            let at = out.len();
            frame::append(&mut out, opcode, part, None);
            if !fin {
                out[at] &= 0x7f;
            }
        }
        out
    }

    #[test]
    fn answers_in_any_form_and_in_any_pieces_are_taken() {
        for deflate in [Deflate::Shared, Deflate::Takeover] {
            for piece in [1, 2, 3, 7, 100, 100_000] {
                let (streams, mut answers) = setup(deflate);
                let mut inflater = Inflater::default();
                let mut wire = Vec::new();
                for index in 0..40 {
                    wire.extend(echo(&streams, index, index % 3 != 0, index % 5 == 0));
                }
                answers.owe(40);
                let mut came = 0;
                for piece in wire.chunks(piece) {
                    came += answers.received(piece, &streams, &mut inflater).expect("right");
                }
                assert_eq!((came, answers.done(), answers.owed()), (40, 40, 0));
                let more = answers.received(&wire[..1], &streams, &mut inflater);
                assert!(matches!(more, Err(Mismatch::Surplus { message: 40, bytes: 1 })));
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let why = |change: fn(&mut Vec<u8>), compressed| {
            let (streams, mut answers) = setup(Deflate::Shared);
            answers.owe(2);
            let mut wire = echo(&streams, 0, compressed, false);
            change(&mut wire);
            let mut inflater = Inflater::default();
            let found = answers.received(&wire, &streams, &mut inflater).expect_err("wrong");
            found.to_string()
        };
        // Header of four bytes; the payload begins with a brace.
        assert!(why(|wire| wire[4] ^= 1, false).contains("byte 0 is 0x7a, not 0x7b"));
        assert!(why(|wire| wire[0] ^= 3, false).contains("no answer has here"));
        assert!(why(|wire| wire[0] |= 0x10, false).contains("reserved bits"));
        assert!(why(|wire| wire[1] |= 0x80, false).contains("masked"));
        assert!(why(|wire| wire[0] &= 0xf0, false).contains("no answer has here"));
        assert!(why(|wire| wire[3] -= 1, false).contains("shorter"));
        assert!(why(|wire| wire[4..12].fill(0xff), true).contains("DEFLATE"));
        let other = |wire: &mut Vec<u8>| {
            wire.clear();
            frame::append(wire, frame::TEXT | frame::RSV1, &compress(b"{}").expect("room"), None);
        };
        assert!(why(other, true).contains("byte 1 is"));
    }

    #[test]
    fn one_in_sixteen_is_inflated() {
        let (streams, mut answers) = setup(Deflate::Shared);
        answers.owe(33);
        let mut inflater = Inflater::default();
        let mut wire = Vec::new();
        frame::append(&mut wire, frame::TEXT | frame::RSV1, b"not DEFLATE", None);
        let right = |index| echo(&streams, index, true, false);
        answers.received(&right(0), &streams, &mut inflater).expect("right");
        for _ in 1..16 {
            answers.received(&wire, &streams, &mut inflater).expect("not looked at");
        }
        answers.received(&wire, &streams, &mut inflater).expect_err("looked at");
    }
}
