//! The life of one connection, from the request to the end. No I/O.

use super::report::Failure;
use crate::frame;
use crate::handshake;
use crate::load::check::Check;
use crate::stream::Streams;

/// The code of the Close frames, RFC 6455 §7.4.1.
pub(super) const NORMAL: u16 = 1000;

/// What the connection waits for.
#[derive(Debug)]
enum Phase {
    /// The response to the request.
    Upgrade,
    /// The echo of message `phase` of the period.
    Echo(Check),
    /// The answer to the Close frame.
    Close,
    /// The end of the stream.
    End,
}

impl Phase {
    fn awaited(&self) -> &'static str {
        match self {
            Self::Upgrade => "the handshake response",
            Self::Echo(_) => "the echo",
            Self::Close => "the Close frame",
            Self::End => "the end",
        }
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Wait.
    More,
    /// The handshake is done: send message `n` of the period.
    Message(usize),
    /// Send a Close frame. Also says whether the handshake was done only now.
    Close { opened: bool },
    /// The closing handshake is done.
    Closed,
}

/// A failure and what to say of it.
pub(super) type Broken = (Failure, String);

#[derive(Debug)]
pub(super) struct Life {
    phase: Phase,
    /// Message of the period to be echoed, if one is.
    message: Option<usize>,
    unread: Vec<u8>,
}

impl Life {
    /// The request is on its way.
    pub(super) fn new(message: Option<usize>) -> Self {
        Self { phase: Phase::Upgrade, message, unread: Vec::new() }
    }

    /// The same again, with the memory of the one before.
    pub(super) fn begin(&mut self, message: Option<usize>) {
        self.phase = Phase::Upgrade;
        self.message = message;
        self.unread.clear();
    }

    /// Takes what came. `known`: a response that was found right before.
    pub(super) fn received(
        &mut self,
        bytes: &[u8],
        known: &mut Vec<u8>,
        streams: &Streams,
    ) -> Result<Step, Broken> {
        match &mut self.phase {
            Phase::Upgrade => self.response(bytes, known, streams),
            Phase::Echo(check) => {
                check
                    .received(bytes, streams)
                    .map_err(|wrong| (Failure::Echo, format!("the echo: {wrong}")))?;
                if check.owed() > 0 {
                    return Ok(Step::More);
                }
                self.phase = Phase::Close;
                Ok(Step::Close { opened: false })
            }
            Phase::Close => self.answer(bytes),
            Phase::End => {
                Err((Failure::Close, format!("{} bytes after the Close frame", bytes.len())))
            }
        }
    }

    /// The stream ended. An error unless that was due.
    pub(super) fn ended(&self) -> Result<(), Broken> {
        match self.phase {
            Phase::End => Ok(()),
            ref phase => {
                Err((Failure::Ended, format!("the stream ended before {}", phase.awaited())))
            }
        }
    }

    /// Nothing came for too long.
    pub(super) fn timed_out(&self) -> Broken {
        match self.phase {
            Phase::End => (Failure::LeftOpen, "the server does not end TCP".into()),
            ref phase => (Failure::Timeout, format!("{} did not come", phase.awaited())),
        }
    }

    fn response(
        &mut self,
        bytes: &[u8],
        known: &mut Vec<u8>,
        streams: &Streams,
    ) -> Result<Step, Broken> {
        // A server says the same each time, but for a date.
        let whole = self.unread.is_empty() && bytes == known.as_slice();
        if !whole {
            self.unread.extend_from_slice(bytes);
            let Some(len) = handshake::head_len(&self.unread) else {
                return match self.unread.len() {
                    0..=handshake::HEAD_MAX => Ok(Step::More),
                    _ => Err((Failure::Refused, "an endless response head".into())),
                };
            };
            if len != self.unread.len() {
                return Err((Failure::Refused, "bytes behind the handshake response".into()));
            }
            handshake::check_head(&self.unread)
                .map_err(|error| (Failure::Refused, error.to_string()))?;
            std::mem::swap(known, &mut self.unread);
            self.unread.clear();
        }
        let Some(message) = self.message else {
            self.phase = Phase::Close;
            return Ok(Step::Close { opened: true });
        };
        let mut check = Check::new(message, streams);
        check.owe(1, streams);
        self.phase = Phase::Echo(check);
        Ok(Step::Message(message))
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        self.unread.extend_from_slice(bytes);
        let wrong = |why: String| (Failure::Close, why);
        let header = frame::parse(&self.unread).map_err(|error| wrong(error.to_string()))?;
        let Some(header) = header else { return Ok(Step::More) };
        if header.opcode != frame::CLOSE || !header.fin || header.mask.is_some() {
            return Err(wrong(format!("no Close frame: {header:?}")));
        }
        // A control frame has at most 125 bytes (RFC 6455 §5.5).
        if header.len > 125 || header.len == 1 {
            return Err(wrong(format!("a Close frame of {} bytes", header.len)));
        }
        match self.unread.len().checked_sub(header.size + header.len) {
            None => return Ok(Step::More),
            Some(0) => {}
            Some(more) => return Err(wrong(format!("{more} bytes after the Close frame"))),
        }
        // Without a code, or with the one that was sent.
        let code = self.unread.get(header.size..header.size + 2);
        if code.is_some_and(|code| code != NORMAL.to_be_bytes()) {
            return Err(wrong(format!("a Close frame with another code: {code:?}")));
        }
        self.phase = Phase::End;
        Ok(Step::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Kind, Scenario};

    const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xe8];

    fn streams() -> Streams {
        Streams::new(&Scenario::plain(1, 9, 1, Kind::Text)).expect("prepared")
    }

    /// The steps of feeding `bytes` in pieces.
    fn feed(life: &mut Life, bytes: &[u8], piece: usize) -> Result<Step, Broken> {
        let (streams, mut known) = (streams(), Vec::new());
        let mut step = Ok(Step::More);
        for piece in bytes.chunks(piece) {
            assert_eq!(step, Ok(Step::More));
            step = life.received(piece, &mut known, &streams);
        }
        step
    }

    #[test]
    fn a_life_in_order_at_every_split() {
        let streams = streams();
        let echo = streams.expected(3 * streams.echo_size, streams.echo_size).expect("prepared");
        for piece in [1, 2, 7, 500] {
            let mut life = Life::new(Some(3));
            assert_eq!(feed(&mut life, RESPONSE, piece), Ok(Step::Message(3)));
            assert_eq!(feed(&mut life, echo, piece), Ok(Step::Close { opened: false }));
            assert!(life.ended().is_err());
            assert_eq!(feed(&mut life, &CLOSE, piece), Ok(Step::Closed));
            assert_eq!(life.ended(), Ok(()));
            life.begin(None);
            assert_eq!(feed(&mut life, RESPONSE, piece), Ok(Step::Close { opened: true }));
            assert_eq!(feed(&mut life, &[0x88, 0], piece), Ok(Step::Closed));
        }
    }

    #[test]
    fn what_goes_wrong_is_told_apart() {
        let kind = |step: Result<Step, Broken>| step.expect_err("wrong").0;
        let refusal = b"HTTP/1.1 503 Service Unavailable\r\n\r\n";
        assert_eq!(kind(feed(&mut Life::new(None), refusal, 9)), Failure::Refused);
        let mut echo = Life::new(Some(0));
        feed(&mut echo, RESPONSE, 500).expect("right");
        assert_eq!(kind(feed(&mut echo, &[0x81, 9, 0], 500)), Failure::Echo);
        for wrong in [&[0x88, 2, 3, 0xe9][..], &[0x81, 0], &[0x88, 1, 3], &[0x88, 0, 0]] {
            let mut life = Life::new(None);
            feed(&mut life, RESPONSE, 500).expect("right");
            assert_eq!(kind(feed(&mut life, wrong, 500)), Failure::Close, "{wrong:?}");
        }
        let mut life = Life::new(None);
        assert_eq!(life.timed_out().0, Failure::Timeout);
        feed(&mut life, RESPONSE, 500).expect("right");
        feed(&mut life, &CLOSE, 500).expect("right");
        assert_eq!(life.timed_out().0, Failure::LeftOpen);
        assert_eq!(kind(feed(&mut life, &[0], 500)), Failure::Close);
    }
}
