//! Frames out of a stream of bytes, in place.

use super::header::Header;
use super::header::{self, Decoded, HEADER_MAX};
use super::input::Input;
use super::mask;
use super::opcode::Opcode;
use super::role::Role;
use super::violation::Violation;

/// Part of one frame's payload, still masked, where it lies in the input.
#[derive(Debug)]
pub struct Piece<'b> {
    /// The header of the frame it belongs to.
    pub header: Header,
    /// Payload bytes, masked by `key` with `key[0]` for `data[0]`. Empty for an empty frame, and
    /// for a header that came without a byte of its payload.
    pub data: &'b mut [u8],
    /// The masking key rotated to the first byte of `data`; zeros when the frame is not masked.
    pub key: [u8; 4],
    /// Whether it begins the frame.
    pub first: bool,
    /// Whether it ends the frame.
    pub last: bool,
}

/// A message in one frame, still masked, whole where it lies in the input.
#[derive(Debug)]
pub struct WholeFrame<'b> {
    /// Its header.
    pub header: Header,
    /// Where its header lay, right in front of `data`. See [`header::unmask`].
    pub room: &'b mut [u8],
    /// The payload, masked by `key`.
    pub data: &'b mut [u8],
    /// The masking key.
    pub key: [u8; 4],
}

/// Splits a stream of bytes into pieces of frames. Keeps at most one header's bytes.
#[derive(Debug)]
pub struct FrameReader {
    /// Of the frame in progress.
    header: Header,
    /// Payload bytes of the frame in progress still to come; 0 between frames.
    left: u64,
    /// A header cut by the end of the input, as far as it has come.
    spill: [u8; HEADER_MAX],
    spilled: u8,
    /// Of a data frame that came whole, though not in one piece, the number of bits in its length:
    /// of the latest one, or one bit less than was known before if that is more.
    size_hint: u8,
    role: Role,
    rsv1_allowed: bool,
}

impl FrameReader {
    /// A reader at a frame boundary.
    pub fn new(role: Role) -> Self {
        let header =
            Header { len: 0, mask: None, opcode: Opcode::Continuation, fin: false, rsv1: false };
        let spill = [0; HEADER_MAX];
        Self { header, left: 0, spill, spilled: 0, size_hint: 0, role, rsv1_allowed: false }
    }

    /// Whether RSV1 has a meaning on the first frame of a message, that is, whether
    /// permessage-deflate was negotiated. It has none until this is called.
    pub fn allow_rsv1(&mut self, allowed: bool) {
        self.rsv1_allowed = allowed;
    }

    /// Payload bytes of the frame in progress that have not come yet; 0 between frames.
    pub fn remaining(&self) -> u64 {
        self.left
    }

    /// The length of a data frame that came whole, though not in one piece, rounded down to a power
    /// of two: of the latest one, or half of what was known before if that is more. 0 at first.
    #[inline]
    pub fn size_hint(&self) -> u64 {
        1_u64.checked_shl(u32::from(self.size_hint)).unwrap_or(u64::MAX) / 2
    }

    /// Starts over with what [`FrameReader::size_hint`] says.
    pub fn forget_size_hint(&mut self) {
        self.size_hint = 0;
    }

    /// Whether the frame in progress is a control frame.
    pub fn in_control(&self) -> bool {
        self.left != 0 && self.header.opcode.is_control()
    }

    /// Whether the stream may end here without cutting a frame.
    pub fn at_boundary(&self) -> bool {
        self.left == 0 && self.spilled == 0
    }

    /// A whole message in one frame of less than 64 KiB, from a client: what most frames are, in a
    /// third of the instructions that any piece takes. `None` means nothing but that the input is
    /// for [`FrameReader::next`], as it is when the payload is longer than `len_max`. The order of
    /// frames is not known here: a message that has begun must not be interrupted by this one
    /// (RFC 6455 §5.4).
    #[inline(always)]
    pub fn next_whole<'b>(
        &mut self,
        input: &mut Input<'b>,
        len_max: u32,
    ) -> Option<WholeFrame<'b>> {
        let (header, start) = header::decode_whole(input.peek())?;
        let end = start + header.len as usize;
        let here = end <= input.len() && header.len <= u64::from(len_max);
        if !here || !self.at_boundary() || self.role != Role::Server {
            return None;
        }
        let (room, data) = input.take(end).split_at_mut(start);
        let key = header.mask.unwrap_or_default();
        Some(WholeFrame { header, room, data, key })
    }

    /// The next piece, `None` when the input is exhausted. A frame's header is reported as soon as
    /// it is complete, with an empty `data` when no payload byte has arrived yet, so that limits
    /// act on a declared length before any of it comes.
    ///
    /// After a violation the stream has no meaning any more; call it no further.
    #[inline]
    pub fn next<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Piece<'b>>, Violation> {
        if self.left != 0 {
            return Ok((!input.is_empty()).then(|| self.resume(input)));
        }
        if self.spilled == 0
            && let Decoded::Complete(header, n) =
                header::decode(input.peek(), self.role, self.rsv1_allowed)?
        {
            input.take(n);
            return Ok(Some(self.begin(header, input, u64::MAX)));
        }
        self.next_spilled(input, u64::MAX)
    }

    /// As [`FrameReader::next`], but of a data frame only the header is taken at first, with an
    /// empty `data`. What follows is for `next`, or for [`FrameReader::rest`].
    pub fn next_apart<'b>(
        &mut self,
        input: &mut Input<'b>,
    ) -> Result<Option<Piece<'b>>, Violation> {
        match self.left {
            0 => self.next_spilled(input, 0),
            _ => self.next(input),
        }
    }

    /// Of the frame in progress, what [`FrameReader::remaining`] says, the masking key of the next
    /// byte, and whether it is the last frame of its message.
    pub fn rest(&self) -> (u64, [u8; 4], bool) {
        (self.left, self.key(), self.header.fin)
    }

    /// Takes note that the next `n` bytes of the frame in progress were taken elsewhere, no more
    /// than remain.
    pub fn advance(&mut self, n: usize) {
        self.left = self.left.saturating_sub(n as u64);
    }

    /// The masking key of the next byte of the frame in progress.
    fn key(&self) -> [u8; 4] {
        // The low bits are enough: a key has four bytes.
        let phase = (self.header.len - self.left) as usize;
        self.header.mask.map_or([0; 4], |key| mask::rotate(key, phase))
    }

    /// Collects a header that the end of the input has cut, or cuts now.
    #[cold]
    fn next_spilled<'b>(
        &mut self,
        input: &mut Input<'b>,
        data_max: u64,
    ) -> Result<Option<Piece<'b>>, Violation> {
        loop {
            let spilled = usize::from(self.spilled);
            let come = self.spill.get(..spilled).unwrap_or_default();
            let needed = match header::decode(come, self.role, self.rsv1_allowed)? {
                Decoded::Complete(header, _) => {
                    self.spilled = 0;
                    return Ok(Some(self.begin(header, input, data_max)));
                }
                Decoded::Incomplete(needed) => needed,
            };
            if input.is_empty() {
                return Ok(None);
            }
            let more = input.take(needed - spilled);
            if let Some(room) = self.spill.get_mut(spilled..spilled + more.len()) {
                room.copy_from_slice(more);
            }
            self.spilled += more.len() as u8;
        }
    }

    /// The first piece of a frame. What the reader keeps of it is only for the pieces that follow:
    /// most frames are whole, and theirs is the fast path.
    #[inline(always)]
    fn begin<'b>(&mut self, header: Header, input: &mut Input<'b>, data_max: u64) -> Piece<'b> {
        let most = if header.opcode.is_control() { header.len } else { header.len.min(data_max) };
        let data = input.take(usize::try_from(most).unwrap_or(usize::MAX));
        let last = data.len() as u64 == header.len;
        if !last {
            self.header = header;
            self.left = header.len - data.len() as u64;
        }
        Piece { header, data, key: header.mask.unwrap_or_default(), first: true, last }
    }

    /// A piece that is not the first one of its frame.
    fn resume<'b>(&mut self, input: &mut Input<'b>) -> Piece<'b> {
        let key = self.key();
        let data = input.take(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= data.len() as u64;
        if self.left == 0 && !self.header.opcode.is_control() {
            let bits = (u64::BITS - self.header.len.leading_zeros()) as u8;
            self.size_hint = bits.max(self.size_hint.saturating_sub(1));
        }
        Piece { header: self.header, data, key, first: false, last: self.left == 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(len: usize, fin: bool, mask: Option<[u8; 4]>) -> Vec<u8> {
        let header = Header { len: len as u64, mask, opcode: Opcode::Text, fin, rsv1: false };
        let mut bytes = Vec::new();
        header::append(&header, &mut bytes);
        bytes.resize(bytes.len() + len, b'x');
        bytes
    }

    #[test]
    fn whole_messages_are_the_pieces_that_any_way_finds() {
        const KEY: Option<[u8; 4]> = Some([1, 2, 3, 4]);
        for len in [0, 1, 125, 126, 1000, 0xFFFF] {
            let mut bytes = [frame(len, true, KEY), b"\x81".to_vec()].concat();
            let mut same = bytes.clone();
            let (mut input, mut same) = (Input::new(&mut bytes), Input::new(&mut same));
            let whole = FrameReader::new(Role::Server).next_whole(&mut input, u32::MAX).unwrap();
            let any = FrameReader::new(Role::Server).next(&mut same).unwrap().unwrap();
            assert_eq!((whole.header, whole.key, &*whole.data), (any.header, any.key, &*any.data));
            assert!(any.first && any.last);
            let headed = header::unmask(whole.room);
            let header = whole.room[whole.room.len() - headed..].to_vec();
            assert_eq!((input.len(), same.len()), (1, 1));
            let expected = if len > 125 { frame(len, true, None)[..4].to_vec() } else { vec![] };
            assert_eq!(header, expected);
        }
    }

    #[test]
    fn what_is_not_a_whole_message_is_left_alone() {
        const KEY: Option<[u8; 4]> = Some([1, 2, 3, 4]);
        let cut = |mut bytes: Vec<u8>| {
            bytes.pop();
            bytes
        };
        let others = [
            cut(frame(5, true, KEY)),
            cut(frame(500, true, KEY)),
            frame(5, false, KEY),
            frame(5, true, None),
            frame(0x1_0000, true, KEY),
            vec![0x81],
            vec![],
        ];
        for mut bytes in others {
            let len = bytes.len();
            let mut input = Input::new(&mut bytes);
            assert!(FrameReader::new(Role::Server).next_whole(&mut input, u32::MAX).is_none());
            assert_eq!(input.len(), len);
        }
        // Not inside another frame, and not for a client.
        let mut reader = FrameReader::new(Role::Server);
        let mut begun = cut(frame(5, true, KEY));
        assert!(reader.next(&mut Input::new(&mut begun)).unwrap().is_some());
        let mut bytes = frame(5, true, KEY);
        assert!(reader.next_whole(&mut Input::new(&mut bytes), u32::MAX).is_none());
        assert!(
            FrameReader::new(Role::Client)
                .next_whole(&mut Input::new(&mut bytes), u32::MAX)
                .is_none()
        );
    }
}
