//! The names of operations in completions, and what a send owns while the kernel has it.

use super::Token;
use crate::memory::Batch;
use std::io::IoSlice;

/// What a completion belongs to: the upper 8 bits of `user_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Op {
    /// Listener, index of the accept's place.
    Accept = 1,
    /// Token.
    Receive,
    /// Token: a receive into memory of the reactor.
    Direct,
    /// Token: a poll for the end of the stream.
    Watch,
    /// Index of the in-flight entry.
    Send,
    /// A socket made an ordinary descriptor to shut it down: how, socket.
    ShutdownInstall,
    /// Socket.
    Shutdown,
    /// Token.
    Close,
    /// Token of an attempt: a socket is made.
    Socket,
    /// Token of an attempt: it is connected.
    Connect,
    /// Index of the place of a socket that comes into the table.
    Adopt,
    /// A socket made an ordinary descriptor to leave: its name, socket.
    TakeOut,
    /// Of what comes nothing: an option is set, a socket closed that nobody has seen.
    Aside,
    /// A cancel of an accept, named as that.
    CancelAccept,
    /// A cancel. What it found is told by the operation that it cancelled.
    Cancel,
    /// Our eventfd was written.
    Eventfd,
    /// It is time for a turn.
    Alarm,
    /// Our message to another ring: the reactor.
    Wake,
    /// Another ring's message to us. Not an operation of ours.
    Woken,
    /// Listener, index of the accept's place: who has connected to a Unix socket.
    Credentials,
    /// Token: a socket made an ordinary descriptor to ask TCP about it.
    Progress,
}

impl Op {
    const ALL: [Self; 21] = [
        Self::Accept,
        Self::Receive,
        Self::Direct,
        Self::Watch,
        Self::Send,
        Self::ShutdownInstall,
        Self::Shutdown,
        Self::Close,
        Self::Socket,
        Self::Connect,
        Self::Adopt,
        Self::TakeOut,
        Self::Aside,
        Self::CancelAccept,
        Self::Cancel,
        Self::Eventfd,
        Self::Alarm,
        Self::Wake,
        Self::Woken,
        Self::Credentials,
        Self::Progress,
    ];

    /// `user_data` with 56 bits beside the code.
    pub(super) const fn word(self, data: u64) -> u64 {
        debug_assert!(data >> 56 == 0);
        (self as u64) << 56 | data
    }

    /// `user_data` with a 24-bit and a 32-bit number beside the code.
    pub(super) const fn pair(self, high: u32, low: u32) -> u64 {
        self.word((high as u64) << 32 | low as u64)
    }

    /// `user_data` of an operation of a token.
    pub(super) fn of(self, token: Token) -> u64 {
        self.word(token.pack())
    }

    /// Whose completion it is; `None` for a word that this module did not make.
    pub(super) fn parse(word: u64) -> Option<Self> {
        Self::ALL.get(((word >> 56) as usize).wrapping_sub(1)).copied()
    }
}

/// The numbers beside the code: see [`Op::pair`].
pub(super) fn numbers(word: u64) -> (u32, u32) {
    ((word >> 32) as u32 & 0xff_ffff, word as u32)
}

/// Bytes of one send: that the kernel has taken so many is seen as progress, however
/// long the message is. Measured from 1 KB to 16 MB: a fourth of it costs 3 to 9 %, no limit gains
/// nothing.
const SEND_MAX: usize = 1 << 20;
/// Pieces of one send. Those that do not fit go with the next.
const PIECES_MAX: usize = 64;

/// Where the pieces of a batch lie, for the kernel. Not moved while it is in flight: boxed.
struct Message {
    header: libc::msghdr,
    pieces: [libc::iovec; PIECES_MAX],
}

impl Message {
    fn boxed() -> Box<Self> {
        // SAFETY: zeros are a valid msghdr and valid iovecs: null pointers and zero lengths.
        Box::new(unsafe { std::mem::zeroed() })
    }

    fn point_at(&mut self, batch: &Batch) {
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let written = batch.slices(&mut slices).min(PIECES_MAX);
        let (mut count, mut room) = (0, SEND_MAX);
        for (piece, slice) in self.pieces.iter_mut().zip(&slices[..written]) {
            if room == 0 {
                break;
            }
            piece.iov_base = slice.as_ptr().cast_mut().cast();
            piece.iov_len = slice.len().min(room);
            room -= piece.iov_len;
            count += 1;
        }
        self.header.msg_iov = self.pieces.as_mut_ptr();
        self.header.msg_iovlen = count as _;
    }
}

/// What the kernel is to send from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// One piece.
    Bytes(*const u8, u32),
    /// Several.
    Message(*const libc::msghdr),
}

/// One send in flight, or room for one.
#[derive(Default)]
struct Flight {
    cargo: Option<(Token, Batch)>,
    /// Made when a send first needs it, and kept for the next that does.
    message: Option<Box<Message>>,
}

/// The sends in flight. Nothing is allocated once it has grown to the number of them.
#[derive(Default)]
pub(super) struct Sends {
    flights: Vec<Flight>,
    vacant: Vec<u32>,
}

impl Sends {
    /// Takes a batch over until [`Sends::land`]. What the source points to stays valid and in
    /// place until then: the batch's bytes are on the heap and nobody touches the batch, and the
    /// message is boxed.
    pub(super) fn launch(&mut self, token: Token, batch: Batch) -> (u32, Source) {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.flights.push(Flight::default());
            (self.flights.len() - 1) as u32
        });
        let flight = &mut self.flights[index as usize];
        let (_, batch) = flight.cargo.insert((token, batch));
        let source = match batch.contiguous() {
            // The rest goes with the next send.
            Some(bytes) => Source::Bytes(bytes.as_ptr(), bytes.len().min(SEND_MAX) as u32),
            None => {
                let message = flight.message.get_or_insert_with(Message::boxed);
                message.point_at(batch);
                Source::Message(&raw const message.header)
            }
        };
        (index, source)
    }

    /// Gives a batch back when the kernel is done with it.
    pub(super) fn land(&mut self, index: u32) -> Option<(Token, Batch)> {
        let cargo = self.flights.get_mut(index as usize)?.cargo.take()?;
        self.vacant.push(index);
        Some(cargo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Pool;
    use bytes::Bytes;

    const TOKEN: Token = Token { slot: 5, generation: 9 };

    #[test]
    fn codes_and_numbers_come_back() {
        for (index, op) in Op::ALL.into_iter().enumerate() {
            assert_eq!(op as usize, index + 1);
            let word = op.pair(0xff_ffff, u32::MAX);
            assert_eq!((Op::parse(word), numbers(word)), (Some(op), (0xff_ffff, u32::MAX)));
            assert_eq!(Token::unpack(op.of(TOKEN)), TOKEN);
        }
        assert_eq!(Op::parse(0), None);
        assert_eq!(Op::parse(u64::MAX), None);
    }

    #[test]
    fn a_batch_in_one_piece_is_sent_from_where_it_lies() {
        let mut sends = Sends::default();
        let (index, source) = sends.launch(TOKEN, Batch::new(b"hello".to_vec()));
        assert!(matches!(source, Source::Bytes(_, 5)));
        let (token, batch) = sends.land(index).expect("in flight");
        assert_eq!((token, batch.contiguous()), (TOKEN, Some(&b"hello"[..])));
        assert!(sends.land(index).is_none(), "lands once");
    }

    #[test]
    fn entries_and_messages_are_used_again() {
        let mut sends = Sends::default();
        for _ in 0..3 {
            let mut batch = Batch::new(b"head".to_vec());
            batch.share(Bytes::from_static(b"shared"), &mut Pool::default());
            let (index, source) = sends.launch(TOKEN, batch);
            let Source::Message(header) = source else { panic!("two pieces") };
            // SAFETY: the entry is in flight, so the message is alive and in place.
            let lengths: Vec<usize> = unsafe {
                let pieces = std::slice::from_raw_parts((*header).msg_iov, (*header).msg_iovlen);
                pieces.iter().map(|piece| piece.iov_len).collect()
            };
            assert_eq!((index, lengths), (0, vec![4, 6]));
            assert!(sends.land(index).is_some());
        }
        assert_eq!(sends.flights.len(), 1);
    }
}
