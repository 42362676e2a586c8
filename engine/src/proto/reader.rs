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

/// What is known between two frames: all that outlasts them. It makes a [`FrameReader`] for a frame
/// that does not come whole.
#[derive(Clone, Copy, Debug)]
pub struct Boundary {
    /// Ours: it decides who must mask.
    role: Role,
    pub(crate) rsv1_allowed: bool,
    /// Of a data frame that came whole, though not in one piece, the number of bits in its length:
    /// of the latest one, or one bit less than was known before if that is more.
    size_hint: u8,
}

impl Boundary {
    /// Before the first frame.
    pub const fn new(role: Role) -> Self {
        Self { role, rsv1_allowed: false, size_hint: 0 }
    }

    /// As it was given.
    #[inline]
    pub fn role(self) -> Role {
        self.role
    }

    /// Whether RSV1 has a meaning on the first frame of a message, that is, whether
    /// permessage-deflate was negotiated. It has none until this is called.
    pub fn allow_rsv1(&mut self, allowed: bool) {
        self.rsv1_allowed = allowed;
    }

    /// The length of a data frame that came whole, though not in one piece, rounded down to a power
    /// of two: of the latest one, or half of what was known before if that is more. 0 at first.
    #[inline]
    pub fn size_hint(self) -> u64 {
        1_u64.checked_shl(u32::from(self.size_hint)).unwrap_or(u64::MAX) / 2
    }

    /// Starts over with what [`Boundary::size_hint`] says.
    pub fn forget_size_hint(&mut self) {
        self.size_hint = 0;
    }

    /// A whole message in one frame of less than 64 KiB, from a client: what most frames are, in a
    /// third of the instructions that any piece takes. `None` means nothing but that the input is
    /// for [`FrameReader::next`], as it is when the payload is longer than `len_max`. The order of
    /// frames is not known here: a message that has begun must not be interrupted by this one
    /// (RFC 6455 §5.4).
    #[inline(always)]
    pub fn next_whole<'b>(self, input: &mut Input<'b>, len_max: u32) -> Option<WholeFrame<'b>> {
        let (header, start) = header::decode_whole(input.peek())?;
        let end = start + header.len as usize;
        let here = end <= input.len() && header.len <= u64::from(len_max);
        if !here || self.role != Role::Server {
            return None;
        }
        let (room, data) = input.take(end).split_at_mut(start);
        let key = header.mask.unwrap_or_default();
        Some(WholeFrame { header, room, data, key })
    }

    /// The same of any length and from either role, and control frames too: what needs no reader,
    /// since nothing is to be remembered of it. `None` means nothing but that the input is for
    /// [`FrameReader::next`].
    ///
    /// # Errors
    /// As those of [`FrameReader::next`].
    #[inline]
    pub fn next_alone<'b>(
        self,
        input: &mut Input<'b>,
        len_max: u64,
    ) -> Result<Option<Piece<'b>>, Violation> {
        let decoded = header::decode(input.peek(), self.role, self.rsv1_allowed)?;
        let Decoded::Complete(header, start) = decoded else { return Ok(None) };
        let here = header.len <= (input.len() - start) as u64 && header.len <= len_max;
        let alone = header.fin && !header.rsv1 && header.opcode != Opcode::Continuation;
        if !here || !alone {
            return Ok(None);
        }
        input.take(start);
        let data = input.take(header.len as usize);
        let key = header.mask.unwrap_or_default();
        Ok(Some(Piece { header, data, key, first: true, last: true }))
    }
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
    boundary: Boundary,
}

impl FrameReader {
    /// A reader at a frame boundary.
    pub fn new(role: Role) -> Self {
        Self::at(Boundary::new(role))
    }

    /// A reader at a frame boundary, of which that is known.
    pub fn at(boundary: Boundary) -> Self {
        let header =
            Header { len: 0, mask: None, opcode: Opcode::Continuation, fin: false, rsv1: false };
        Self { header, left: 0, spill: [0; HEADER_MAX], spilled: 0, boundary }
    }

    /// What will outlast the frame in progress.
    #[inline]
    pub fn boundary(&self) -> Boundary {
        self.boundary
    }

    /// The same, to be changed.
    pub fn boundary_mut(&mut self) -> &mut Boundary {
        &mut self.boundary
    }

    /// Payload bytes of the frame in progress that have not come yet; 0 between frames.
    pub fn remaining(&self) -> u64 {
        self.left
    }

    /// Whether the frame in progress is a control frame.
    pub fn in_control(&self) -> bool {
        self.left != 0 && self.header.opcode.is_control()
    }

    /// Whether the stream may end here without cutting a frame.
    pub fn at_boundary(&self) -> bool {
        self.left == 0 && self.spilled == 0
    }

    /// What has come of the next header, perhaps nothing; `None` inside a frame.
    pub fn begun_header(&self) -> Option<&[u8]> {
        self.spill.get(..self.spilled.into()).filter(|_| self.left == 0)
    }

    /// As [`Boundary::next_whole`]; `None` inside a frame, too.
    #[inline(always)]
    pub fn next_whole<'b>(
        &mut self,
        input: &mut Input<'b>,
        len_max: u32,
    ) -> Option<WholeFrame<'b>> {
        self.at_boundary().then(|| self.boundary.next_whole(input, len_max)).flatten()
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
                header::decode(input.peek(), self.boundary.role, self.boundary.rsv1_allowed)?
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
            let Boundary { role, rsv1_allowed, .. } = self.boundary;
            let needed = match header::decode(come, role, rsv1_allowed)? {
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
            self.boundary.size_hint = bits.max(self.boundary.size_hint.saturating_sub(1));
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
    fn what_needs_no_reader_is_what_one_finds() {
        const KEY: Option<[u8; 4]> = Some([1, 2, 3, 4]);
        for (role, mask) in [(Role::Server, KEY), (Role::Client, None)] {
            for len in [0, 125, 126, 0xFFFF, 0x1_0000] {
                let mut bytes = [frame(len, true, mask), b"\x81".to_vec()].concat();
                let mut same = bytes.clone();
                let (mut input, mut same) = (Input::new(&mut bytes), Input::new(&mut same));
                let boundary = Boundary::new(role);
                if let Some(less) = (len as u64).checked_sub(1) {
                    assert!(boundary.next_alone(&mut input, less).unwrap().is_none(), "too long");
                }
                let alone = boundary.next_alone(&mut input, len as u64).unwrap().unwrap();
                let any = FrameReader::new(role).next(&mut same).unwrap().unwrap();
                assert_eq!((alone.header, alone.key), (any.header, any.key));
                assert!(*alone.data == *any.data && alone.first && alone.last);
                assert_eq!((input.len(), same.len()), (1, 1));
            }
        }
        let boundary = Boundary::new(Role::Server);
        let mut bytes = b"\x89\x82\x01\x02\x03\x04ab".to_vec();
        let control = boundary.next_alone(&mut Input::new(&mut bytes), 125).unwrap().unwrap();
        assert_eq!((control.header.opcode, &*control.data), (Opcode::Ping, &b"ab"[..]));
        let mut fragment = frame(5, false, KEY);
        let mut continued = b"\x80\x80\x01\x02\x03\x04".to_vec();
        let mut cut = frame(5, true, KEY);
        cut.pop();
        for bytes in [&mut fragment, &mut continued, &mut cut, &mut Vec::new()] {
            let mut input = Input::new(bytes);
            let before = input.len();
            assert!(boundary.next_alone(&mut input, u64::MAX).unwrap().is_none());
            assert_eq!(input.len(), before);
        }
        let mut unmasked = frame(5, true, None);
        let violation = boundary.next_alone(&mut Input::new(&mut unmasked), u64::MAX).unwrap_err();
        assert_eq!(violation, Violation::Unmasked);
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
        let mut client = FrameReader::new(Role::Client);
        assert!(client.next_whole(&mut Input::new(&mut bytes), u32::MAX).is_none());
    }
}
