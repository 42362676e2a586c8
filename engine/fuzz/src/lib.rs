//! What the fuzz targets share.

/// An input: a few bytes that choose, then the bytes under test.
pub struct Input<'d> {
    rest: &'d [u8],
}

impl<'d> Input<'d> {
    pub fn new(data: &'d [u8]) -> Self {
        Self { rest: data }
    }

    /// The next byte that chooses; 0 when there are no more.
    pub fn byte(&mut self) -> u8 {
        self.rest.split_off_first().copied().unwrap_or(0)
    }

    /// The rest: the bytes under test.
    pub fn rest(&self) -> &'d [u8] {
        self.rest
    }
}

/// Cuts bytes into pieces whose sizes follow from `how`: whole for 0, by single bytes for 1.
pub fn pieces(how: u8, bytes: &[u8]) -> Vec<&[u8]> {
    if how == 0 {
        return vec![bytes];
    }
    let mut state = u32::from(how);
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let most = if how == 1 { 1 } else { 1 + (state >> 24) as usize % usize::from(how) };
        let (piece, behind) = rest.split_at(most.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// Frames of a server, read plainly: RFC 6455 §5.2. `Err` says what is wrong with them; a frame
/// that has not come whole is left out.
pub fn server_frames(mut bytes: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, String> {
    let mut frames = Vec::new();
    while let Some((&[first, second], rest)) = bytes.split_first_chunk() {
        let (len, rest) = match second & 0x7F {
            126 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
                None => break,
            },
            127 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest),
                None => break,
            },
            len => (u64::from(len), rest),
        };
        if first & 0x70 != 0 || second & 0x80 != 0 {
            return Err(format!("a frame that begins with {first:02x} {second:02x}"));
        }
        if first & 8 != 0 && (first & 0x80 == 0 || len > 125) {
            return Err("a long or fragmented control frame".into());
        }
        let Some((payload, behind)) = rest.split_at_checked(len as usize) else { break };
        frames.push((first, payload.to_vec()));
        bytes = behind;
    }
    Ok(frames)
}
