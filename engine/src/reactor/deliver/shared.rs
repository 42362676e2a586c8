//! The memory that messages under delivery lie in, of which parts are sent or kept by reference.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::memory::Shared;
use crate::proto::{Opcode, header};
use crate::ring::Buffers;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Assembled messages from here on are delivered in memory that can be shared: below it a copy
/// costs less.
pub(crate) const SHARE_MIN: usize = 32 << 10;

/// What is under delivery.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) buffers: Arc<Buffers>,
    delivery: Option<Delivery>,
    /// Messages whole in their buffer are sent back out of it from this length on: below it a copy
    /// costs less than counting holders. See `receive_mode::Sizes`.
    pub(crate) echo_min: usize,
    /// How often that was done.
    #[cfg(feature = "sim")]
    pub(crate) echoed: u64,
}

/// Memory that lies still until its delivery is over, and longer where it is shared.
#[derive(Debug)]
pub(crate) struct Delivery {
    owner: Owner,
    /// Where it lies.
    memory: Range<usize>,
    /// The message under delivery, when it can be sent as it lies.
    whole: Option<Whole>,
}

#[derive(Debug)]
enum Owner {
    /// The receive buffer of a lease.
    Buffer(u16),
    /// An assembled message, and the length from which a part of it is shared: a short one would
    /// pin much more memory than it has bytes.
    Vector(Shared, usize),
}

/// A message in one piece.
#[derive(Debug)]
struct Whole {
    opcode: Opcode,
    /// Where its payload lies.
    at: Range<usize>,
    /// Bytes in front of it which are the header of the frame that sends it; 0 when they are not.
    header: usize,
}

fn place_of(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr() as usize;
    start..start + bytes.len()
}

impl Delivery {
    /// Of bytes in a receive buffer.
    pub(crate) fn of_buffer(id: u16, bytes: &[u8]) -> Self {
        Self { owner: Owner::Buffer(id), memory: place_of(bytes), whole: None }
    }

    /// Of an assembled message, whose vector has that capacity.
    pub(crate) fn of_vector(opcode: Opcode, message: Shared, capacity: usize) -> Self {
        let memory = place_of(message.bytes());
        let whole = Some(Whole { opcode, at: memory.clone(), header: 0 });
        Self { owner: Owner::Vector(message, SHARE_MIN.max(capacity / 2)), memory, whole }
    }

    /// A part of it by reference; `None` when it is none, or one that has to be copied.
    fn share(&self, part: &[u8], header: usize, buffers: &Arc<Buffers>) -> Option<Shared> {
        let at = place_of(part);
        if at.start < self.memory.start || at.end > self.memory.end {
            return None;
        }
        match &self.owner {
            Owner::Buffer(_) if part.is_empty() => Some(Bytes::new().into()),
            Owner::Buffer(id) => buffers.share(*id, part, header),
            Owner::Vector(message, part_min) if part.len() >= *part_min => message.part(part),
            Owner::Vector(..) => None,
        }
    }
}

impl Source {
    pub(crate) fn new(buffers: Arc<Buffers>, echo_min: usize) -> Self {
        Self {
            buffers,
            delivery: None,
            echo_min,
            #[cfg(feature = "sim")]
            echoed: 0,
        }
    }

    /// A delivery begins: returns the one that it is a part of, to be put back when it is over.
    pub(crate) fn begin(&mut self, delivery: Delivery) -> Option<Delivery> {
        self.delivery.replace(delivery)
    }

    /// It is over.
    pub(crate) fn end(&mut self, outer: Option<Delivery>) {
        self.delivery = outer;
    }

    /// A message in one piece is about to be delivered, `room` being where its header was, if that
    /// is there too.
    #[inline]
    pub(crate) fn offer(&mut self, opcode: Opcode, room: &mut [u8], payload: &[u8]) {
        if payload.len() >= self.echo_min
            && let Some(delivery) = &mut self.delivery
        {
            let at = place_of(payload);
            // Else it was assembled, or lies where a pause has put it.
            if delivery.memory.start <= at.start && at.end <= delivery.memory.end {
                delivery.whole = Some(Whole { opcode, at, header: header::unmask(room) });
            }
        }
    }

    /// It has been delivered.
    #[inline]
    pub(crate) fn withdraw(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.whole = None;
        }
    }

    /// What sends `payload` as `opcode` by reference, when it is what is under delivery and need
    /// not be looked at again: a part of a text need not be text. With the number of bytes in front
    /// of the payload that are the header of its frame.
    ///
    /// `brief` says that it leaves at the end of the turn as far as the peer takes it. A receive
    /// buffer, which others wait for, is given to nothing else, and to no more than half of all.
    #[inline]
    pub(crate) fn frame(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        brief: bool,
    ) -> Option<(Shared, usize)> {
        if payload.len() < self.echo_min {
            return None;
        }
        let delivery = self.delivery.as_ref()?;
        let whole = delivery.whole.as_ref()?;
        let all = whole.opcode == opcode && whole.at == place_of(payload);
        let header = if all { whole.header } else { 0 };
        let fits = match delivery.owner {
            Owner::Buffer(_) => all && brief,
            Owner::Vector(..) => all || opcode == Opcode::Binary,
        };
        let frame = fits.then(|| delivery.share(payload, header, &self.buffers)).flatten()?;
        #[cfg(feature = "sim")]
        (self.echoed += u64::from(matches!(delivery.owner, Owner::Buffer(_))));
        Some((frame, header))
    }
}

impl Source {
    /// A part of what is under delivery, by reference; `None` when it has to be copied.
    pub(crate) fn keep(&self, part: &[u8]) -> Option<Shared> {
        self.delivery.as_ref()?.share(part, 0, &self.buffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Pool;

    fn source() -> Source {
        Source::new(Buffers::new(4, 8_192).expect("memory").0, 4_096)
    }

    /// Delivers an assembled message.
    fn large(source: &mut Source, opcode: Opcode, len: usize) -> Shared {
        let message = Pool::default().share(vec![b'x'; len]);
        source.begin(Delivery::of_vector(opcode, message.clone(), len));
        message
    }

    #[test]
    fn most_of_a_large_message_is_shared_and_what_is_elsewhere_is_not() {
        let mut source = source();
        let message = large(&mut source, Opcode::Binary, 100_000);
        let mut frame = |part: &[u8]| source.frame(Opcode::Binary, part, false);
        let (shared, header) = frame(&message.bytes()[10..90_000]).expect("most of it");
        assert_eq!((shared.len(), header), (89_990, 0));
        assert!(frame(&message.bytes()[..40_000]).is_none(), "pins more than it has");
        assert!(frame(&[0; 60_000]).is_none());
        assert!(frame(&vec![0; 200_000]).is_none());
        source.end(None);
        assert!(source.frame(Opcode::Binary, message.bytes(), false).is_none(), "it is over");
    }

    #[test]
    fn a_part_of_a_text_is_not_sent_as_text_unseen() {
        let mut source = source();
        let message = large(&mut source, Opcode::Text, 100_000);
        let (whole, part) = (message.bytes(), &message.bytes()[1..]);
        let mut sends = |opcode, part| source.frame(opcode, part, false).is_some();
        assert!(sends(Opcode::Text, whole));
        assert!(!sends(Opcode::Text, part));
        assert!(sends(Opcode::Binary, part));
        assert!(!sends(Opcode::Continuation, whole));
    }

    #[test]
    fn a_message_in_a_buffer_is_sent_as_it_came_while_few_are() {
        let (buffers, mut free) = Buffers::new(2, 8_192).expect("memory");
        let mut source = Source::new(Arc::clone(&buffers), 4_096);
        let frame = [&[0x82, 0xFE, 0x13, 0x88, 1, 2, 3, 4], &[b'x'; 5_000][..]].concat();
        let mut lease = buffers.fill(free.remove(0), &frame);
        let id = lease.id();
        let bytes = buffers.bytes(&mut lease);
        source.begin(Delivery::of_buffer(id, bytes));
        let (room, payload) = bytes.split_at_mut(8);
        assert!(source.frame(Opcode::Binary, payload, true).is_none(), "not known to be whole");
        source.offer(Opcode::Binary, room, payload);
        assert!(source.frame(Opcode::Binary, payload, false).is_none(), "it might stay long");
        assert!(source.frame(Opcode::Text, payload, true).is_none());
        assert!(source.frame(Opcode::Binary, &payload[1..], true).is_none());
        let (first, header) = source.frame(Opcode::Binary, payload, true).expect("as it came");
        let (again, _) = source.frame(Opcode::Binary, payload, true).expect("to another, too");
        assert_eq!((header, buffers.shared()), (4, 1));
        source.withdraw();
        source.end(None);
        assert_eq!(buffers.release(lease), None);
        let expected = [&[0x82, 126, 0x13, 0x88], &[b'x'; 5_000][..]].concat();
        assert!(first.bytes() == expected && again.bytes() == expected);

        let mut lease = buffers.fill(free.remove(0), &frame);
        let id = lease.id();
        let bytes = buffers.bytes(&mut lease);
        source.begin(Delivery::of_buffer(id, bytes));
        let (room, payload) = bytes.split_at_mut(8);
        source.offer(Opcode::Binary, room, payload);
        assert!(source.frame(Opcode::Binary, payload, true).is_none(), "half of them are out");
        drop((first, again));
        assert!(source.frame(Opcode::Binary, payload, true).is_some());
    }
}
