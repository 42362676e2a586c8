//! What a connection has only in the middle of a frame or of a message. Most of them wait between
//! two messages most of the time, and pay nothing for it then.

use crate::conn::send::deflation::Inflation;
use crate::proto::sequence::Sequence;
use crate::proto::utf8::Utf8;
use crate::proto::{Boundary, FrameReader, Opcode};

/// How many boxes are kept for the next message that comes in parts: more than are between two
/// turns of a busy reactor, and 140 KiB at most.
const SPARE_MAX: usize = 1_024;

/// A frame or a message that has come in part.
#[derive(Debug)]
pub(in crate::conn) struct Progress {
    pub(super) reader: FrameReader,
    pub(super) sequence: Sequence,
    /// What had to be copied of the message in progress, and behind it of a control frame in
    /// progress: while a control frame is incomplete, no data can come.
    pub(super) bytes: Vec<u8>,
    /// Of the text message in progress; at its start between messages.
    pub(super) utf8: Utf8,
    /// Of the message in progress.
    pub(super) opcode: Opcode,
    /// In stream mode: a part of the message in progress was delivered.
    pub(super) begun: bool,
    /// The message in progress is compressed.
    pub(super) compressed: bool,
    /// It outlasts messages, and so does the box of a connection that has one.
    pub(super) inflation: Option<Box<Inflation>>,
}

impl Progress {
    /// Nothing has come yet.
    pub(super) fn new(boundary: Boundary) -> Self {
        Self {
            reader: FrameReader::at(boundary),
            sequence: Sequence::new(),
            bytes: Vec::new(),
            utf8: Utf8::new(),
            opcode: Opcode::Binary,
            begun: false,
            compressed: false,
            inflation: None,
        }
    }

    /// Whether nothing is in progress: the last message has been delivered to its end.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.reader.at_boundary() && self.sequence.message().is_none() && self.bytes.is_empty()
    }

    /// What has come of a header, perhaps nothing, if no more than that is in progress.
    pub(super) fn begun_header(&self) -> Option<&[u8]> {
        let between = self.sequence.message().is_none() && self.bytes.is_empty();
        self.reader.begun_header().filter(|_| between)
    }
}

/// Boxes that are used again, so that a warm reactor allocates nothing for messages in parts.
#[derive(Debug, Default)]
pub(in crate::conn) struct Spare {
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    boxes: Vec<Box<Progress>>,
}

impl Spare {
    /// A box in which nothing has come yet.
    pub(super) fn get(&mut self, boundary: Boundary) -> Box<Progress> {
        match self.boxes.pop() {
            Some(mut progress) => {
                *progress = Progress::new(boundary);
                progress
            }
            None => Box::new(Progress::new(boundary)),
        }
    }

    /// Takes back one that [is over](Progress::is_over).
    pub(super) fn put(&mut self, progress: Box<Progress>) {
        if self.boxes.len() < SPARE_MAX {
            self.boxes.push(progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Input, Role};

    #[test]
    fn a_box_is_used_again_as_if_it_were_new() {
        let mut spare = Spare::default();
        let mut boundary = Boundary::new(Role::Server);
        let mut progress = spare.get(boundary);
        assert!(progress.is_over());
        let place = &raw const *progress;
        let mut bytes = b"\x82\x84\x01\x02\x03\x04abcd".to_vec();
        for part in bytes.chunks_mut(7) {
            progress.reader.next(&mut Input::new(part)).unwrap();
            assert_eq!(progress.is_over(), part.len() < 7);
        }
        (progress.begun, progress.compressed) = (true, true);
        boundary = progress.reader.boundary();
        assert_eq!(boundary.size_hint(), 4);
        spare.put(progress);
        let again = spare.get(Boundary::new(Role::Client));
        assert_eq!(&raw const *again, place);
        assert_eq!((again.begun, again.compressed, again.is_over()), (false, false, true));
        assert_eq!(
            (again.reader.boundary().role(), again.reader.boundary().size_hint()),
            (Role::Client, 0)
        );
    }

    #[test]
    fn no_more_is_kept_than_is_said() {
        let mut spare = Spare::default();
        let boundary = Boundary::new(Role::Server);
        (0..SPARE_MAX + 5).for_each(|_| spare.put(Box::new(Progress::new(boundary))));
        assert_eq!(spare.boxes.len(), SPARE_MAX);
        assert!(SPARE_MAX * size_of::<Progress>() <= 140 << 10, "{}", size_of::<Progress>());
    }
}
