//! Frames to work on, the same in every run.

use ringws_engine::proto::header::{self, HEADER_MAX};
use ringws_engine::proto::{Header, Opcode, mask};

/// Bytes of a payload: a chat message, the longest with a short header, and larger ones.
pub const SIZES: [usize; 5] = [16, 125, 1 << 10, 64 << 10, 1 << 20];

/// A sentence in every second script of the Basic Multilingual Plane, and some beyond it:
/// characters of one, two, three and four bytes.
const MIXED: &str = "Grüße, Ωμέγα и Кириллица; 漢字とかな, 한글, नमस्ते, ﷽ عربي — naïve 🦀🚀 ";

/// What payloads consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, nothing but ASCII.
    Ascii,
    /// Text in many scripts.
    Mixed,
    /// Any bytes.
    Binary,
}

impl Content {
    /// As in names and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Mixed => "mixed",
            Self::Binary => "binary",
        }
    }

    /// The opcode of its frames.
    pub const fn opcode(self) -> Opcode {
        match self {
            Self::Ascii | Self::Mixed => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }

    /// A key that makes text of text: see the module above.
    pub const fn key(self) -> [u8; 4] {
        match self {
            Self::Ascii => [0x37, 0x7A, 0x21, 0x3D],
            Self::Mixed => [0; 4],
            Self::Binary => [0x37, 0xFA, 0x21, 0x3D],
        }
    }

    /// A payload of `len` bytes.
    pub fn payload(self, len: usize) -> Vec<u8> {
        match self {
            Self::Ascii => (0..len).map(|i| b' ' + (i * 7 % 95) as u8).collect(),
            Self::Mixed => mixed(len),
            Self::Binary => noise(len),
        }
    }
}

fn mixed(len: usize) -> Vec<u8> {
    let mut text = String::with_capacity(len);
    for c in MIXED.chars().cycle() {
        if text.len() + c.len_utf8() > len {
            break;
        }
        text.push(c);
    }
    let mut bytes = text.into_bytes();
    bytes.resize(len, b'.');
    bytes
}

/// Xorshift.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// The header of a client's frame with a payload of `size` bytes, in bytes.
pub const fn header_len(size: usize) -> usize {
    match size {
        0..126 => 6,
        126..0x1_0000 => 8,
        _ => 14,
    }
}

/// Frames of a client behind one another, all with the same payload.
#[derive(Clone, Debug)]
pub struct Input {
    /// The frames, masked.
    pub wire: Vec<u8>,
    /// Their payload, not masked.
    pub payload: Vec<u8>,
    /// Bytes of each header.
    pub header: usize,
    /// How many frames.
    pub frames: usize,
    /// What the payload consists of.
    pub content: Content,
}

impl Input {
    /// `frames` frames with payloads of `size` bytes.
    pub fn new(content: Content, size: usize, frames: usize) -> Self {
        let payload = content.payload(size);
        let mut head = [0; HEADER_MAX];
        let header = header::encode(&client_header(content, size), &mut head);
        let mut frame = head.get(..header).unwrap_or_default().to_vec();
        frame.extend(&payload);
        if let Some(masked) = frame.get_mut(header..) {
            mask::unmask(masked, content.key());
        }
        Self { wire: frame.repeat(frames), payload, header, frames, content }
    }

    /// Bytes of each frame.
    pub fn stride(&self) -> usize {
        self.header + self.payload.len()
    }

    /// The headers of the frames alone, behind one another.
    pub fn headers(&self) -> Vec<u8> {
        let frames = self.wire.chunks_exact(self.stride());
        frames.flat_map(|frame| frame.iter().take(self.header)).copied().collect()
    }
}

/// The header of a whole message by a client.
pub fn client_header(content: Content, size: usize) -> Header {
    Header { mask: Some(content.key()), ..server_header(content, size) }
}

/// The header of a whole message by a server.
pub fn server_header(content: Content, size: usize) -> Header {
    Header { len: size as u64, mask: None, opcode: content.opcode(), fin: true, rsv1: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_masked_and_not() {
        for content in [Content::Ascii, Content::Mixed] {
            for size in SIZES {
                let input = Input::new(content, size, 2);
                assert_eq!(input.payload.len(), size);
                assert_eq!(input.header, header_len(size));
                assert!(std::str::from_utf8(&input.payload).is_ok());
                let masked = &input.wire[input.header..input.stride()];
                assert!(std::str::from_utf8(masked).is_ok());
                assert_eq!(input.payload.is_ascii(), content == Content::Ascii);
                assert_eq!(masked.is_ascii(), input.payload.is_ascii());
            }
        }
    }

    #[test]
    fn frames_are_masked() {
        let input = Input::new(Content::Binary, 1024, 3);
        assert_eq!(input.wire.len(), 3 * (8 + 1024));
        assert_eq!(input.wire[..4], [0x82, 0xFE, 4, 0]);
        let key = Content::Binary.key();
        let plain = |i: usize| input.wire[8 + i] ^ key[i % 4];
        assert!((0..1024).all(|i| plain(i) == input.payload[i]));
    }
}
