//! The floor put together in the smallest way that takes whole messages out of a stream.

use ringws_engine::proto::sequence::{Place, Sequence};
use ringws_engine::proto::utf8::Utf8;
use ringws_engine::proto::{FrameReader, Input, Opcode, Piece, Role, Violation, close, mask};

/// What came of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Whole messages and control frames, in order of their ends.
    pub(crate) messages: Vec<(Opcode, Vec<u8>)>,
    /// What was wrong in the end.
    pub(crate) violation: Option<Violation>,
    /// Whether it ended between frames.
    pub(crate) at_boundary: bool,
}

/// Reads one direction.
#[derive(Debug)]
pub(crate) struct Machine {
    reader: FrameReader,
    sequence: Sequence,
    place: Option<Place>,
    utf8: Utf8,
    message: Vec<u8>,
    control: Vec<u8>,
    seen: u64,
    outcome: Outcome,
}

impl Machine {
    /// Limits: 64 KiB a message, 8 fragments.
    pub(crate) fn new(role: Role) -> Self {
        Self {
            reader: FrameReader::new(role),
            sequence: Sequence::new(),
            place: None,
            utf8: Utf8::new(),
            message: Vec::new(),
            control: Vec::new(),
            seen: 0,
            outcome: Outcome::default(),
        }
    }

    /// Takes the next bytes; `false` once something was wrong.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> bool {
        if self.outcome.violation.is_none() {
            let mut bytes = bytes.to_vec();
            self.outcome.violation = self.read(&mut Input::new(&mut bytes)).err();
        }
        self.outcome.violation.is_none()
    }

    pub(crate) fn finish(mut self) -> Outcome {
        self.outcome.at_boundary = self.reader.at_boundary();
        self.outcome
    }

    fn read(&mut self, input: &mut Input<'_>) -> Result<(), Violation> {
        while let Some(piece) = self.reader.next(input)? {
            self.piece(piece)?;
        }
        assert!(input.is_empty(), "no piece, but input is left");
        Ok(())
    }

    fn piece(&mut self, piece: Piece<'_>) -> Result<(), Violation> {
        if piece.first {
            assert!(self.place.is_none(), "a frame begins inside another");
            self.seen = 0;
            self.place = Some(self.sequence.take(&piece.header, 64 << 10, 8)?);
        } else {
            assert!(!piece.data.is_empty(), "a piece of nothing");
        }
        let place = self.place.expect("a frame begins with its first piece");
        self.seen += piece.data.len() as u64;
        assert_eq!(piece.last, self.seen == piece.header.len);
        mask::unmask(piece.data, piece.key);
        let control = place.opcode.is_control();
        if place.opcode == Opcode::Text {
            self.utf8.push(piece.data)?;
        }
        let into = if control { &mut self.control } else { &mut self.message };
        into.extend_from_slice(piece.data);
        if piece.last {
            self.place = None;
            if place.last {
                self.end(place.opcode)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, opcode: Opcode) -> Result<(), Violation> {
        let from = if opcode.is_control() { &mut self.control } else { &mut self.message };
        let payload = std::mem::take(from);
        match opcode {
            Opcode::Text => self.utf8.finish()?,
            Opcode::Close => drop(close::parse(&payload)?),
            _ => {}
        }
        self.outcome.messages.push((opcode, payload));
        Ok(())
    }
}

/// What comes of the stream when it is cut at these points (ascending).
pub(crate) fn run(role: Role, stream: &[u8], cuts: &[usize]) -> Outcome {
    let mut machine = Machine::new(role);
    let mut from = 0;
    for to in cuts.iter().copied().chain([stream.len()]) {
        machine.feed(&stream[from..to]);
        from = to;
    }
    machine.finish()
}
