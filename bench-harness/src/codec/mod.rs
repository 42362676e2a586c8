//! The codec by itself: bytes in memory, no I/O.
//!
//! A [`Case`] is one operation on one kind of content in one size by one codec, as a function that
//! makes one pass over a buffer of frames. What runs it decides what is measured:
//! `benches/codec.rs` (criterion), `codec-count` (instructions) and `benches-peers` (all codecs in
//! turn, those of other WebSocket libraries too).
//!
//! | operation | a pass is |
//! |---|---|
//! | `unmask` | each payload unmasked in place |
//! | `unmask-text` | each payload unmasked in place and checked to be UTF-8 |
//! | `header-decode`, `header-encode` | each header, nothing else |
//! | `frame-decode` | each frame found, unmasked where it lies and, if text, checked |
//! | `stream-decode` | the same behind a copy of all the bytes, in place of a `recv` |
//! | `frame-encode` | each payload framed as a server does, behind one another in one buffer |
//!
//! **In place, pass behind pass.** To unmask twice is to mask again, so a second pass finds the
//! payload masked once more and does the same work. To keep it the same for text, the key keeps it
//! text: ASCII XORed with a key of ASCII bytes is ASCII, and mixed scripts get a key of zeros. No
//! codec measured here looks at what the key is. `stream-decode` begins each pass with fresh bytes
//! and needs none of this.
//!
//! **Where the bytes lie.** Payloads below 8 KiB are as many as fill 8 KiB for the first four
//! operations, and 64 KiB for those on frames: a pass of the former stays in a first-level cache
//! with the copy it is compared to, a pass of the latter in a second-level cache. A payload of
//! 64 KiB is alone in its buffer and in the second level; 1 MiB is in the third, or in a large
//! second one. Payloads stand behind their headers, so they are as badly aligned as in life.
//!
//! **The ceiling** (`ceiling-codec`) copies the same payloads from the same places, one by one, to
//! the same places in another buffer. Of headers it copies the bytes.
//!
//! Compression has a module of its own, [`deflate`].

pub mod ceiling;
pub mod connection;
pub mod count;
pub mod deflate;
pub mod engine;
pub mod input;
pub mod table;
pub mod timing;

pub use input::{Content, Input, SIZES};

/// What is done to each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// See the table of the module, as for all of these.
    Unmask,
    /// Unmask and validate.
    UnmaskText,
    /// Headers in.
    HeaderDecode,
    /// Headers out.
    HeaderEncode,
    /// Whole frames in, where they lie.
    FrameDecode,
    /// Whole frames in, behind a copy.
    StreamDecode,
    /// Whole frames out.
    FrameEncode,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Unmask,
        Self::UnmaskText,
        Self::HeaderDecode,
        Self::HeaderEncode,
        Self::FrameDecode,
        Self::StreamDecode,
        Self::FrameEncode,
    ];

    /// As in names and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unmask => "unmask",
            Self::UnmaskText => "unmask-text",
            Self::HeaderDecode => "header-decode",
            Self::HeaderEncode => "header-encode",
            Self::FrameDecode => "frame-decode",
            Self::StreamDecode => "stream-decode",
            Self::FrameEncode => "frame-encode",
        }
    }

    /// On what content it makes a difference.
    pub const fn contents(self) -> &'static [Content] {
        match self {
            Self::Unmask | Self::HeaderDecode | Self::HeaderEncode => &[Content::Binary],
            Self::UnmaskText => &[Content::Ascii, Content::Mixed],
            Self::FrameDecode | Self::StreamDecode => {
                &[Content::Ascii, Content::Mixed, Content::Binary]
            }
            // A server checks text that it sends; the peers leave that to types or to the caller.
            Self::FrameEncode => &[Content::Binary],
        }
    }

    /// In what sizes it makes a difference: there are three forms of a header.
    pub const fn sizes(self) -> &'static [usize] {
        match self {
            Self::HeaderDecode | Self::HeaderEncode => &[16, 1 << 10, 1 << 20],
            _ => &SIZES,
        }
    }

    /// How many bytes the frames of a pass fill, unless one is longer.
    const fn fill(self) -> usize {
        match self {
            Self::FrameDecode | Self::StreamDecode | Self::FrameEncode => 64 << 10,
            _ => 8 << 10,
        }
    }
}

/// What is done, to what, how long it is: what cases of several codecs have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// What is done.
    pub operation: Operation,
    /// To what.
    pub content: Content,
    /// Bytes of each payload.
    pub size: usize,
}

impl Task {
    /// All tasks, in the order of tables.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for operation in Operation::ALL {
            for &content in operation.contents() {
                all.extend(operation.sizes().iter().map(|&size| Self { operation, content, size }));
            }
        }
        all
    }

    /// The frames of a pass.
    pub fn input(self) -> Input {
        let frames = self.operation.fill() / (self.size + input::header_len(self.size));
        Input::new(self.content, self.size, frames.max(1))
    }

    /// `operation/content/size`.
    pub fn name(self) -> String {
        format!("{}/{}/{}", self.operation.name(), self.content.name(), self.size)
    }
}

/// A task done by one codec.
pub struct Case {
    /// What it does.
    pub task: Task,
    /// Who does it, and how, where there are several ways.
    pub codec: &'static str,
    /// Frames of one pass.
    pub frames: usize,
    /// Does it once to each frame; returns how many those were.
    pub pass: Box<dyn FnMut() -> usize>,
}

impl Case {
    /// A case that makes `pass` over the frames of `input`.
    pub fn new(
        task: Task,
        codec: &'static str,
        frames: usize,
        pass: impl FnMut() -> usize + 'static,
    ) -> Self {
        Self { task, codec, frames, pass: Box::new(pass) }
    }

    /// `operation/content/size/codec`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.task.name(), self.codec)
    }

    /// Payload bytes of one pass.
    pub fn bytes(&self) -> usize {
        self.frames * self.task.size
    }

    /// Makes one pass, and checks that it found all frames.
    ///
    /// # Panics
    /// When it did not: nothing that is measured of it would mean anything.
    pub fn checked_pass(&mut self) {
        let found = (self.pass)();
        assert_eq!(found, self.frames, "{}: frames of one pass", self.name());
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The cases of this repository for one task: the ceiling first, then the ways of the engine, then
/// `std` where it can do part of it.
pub fn cases(task: Task) -> Vec<Case> {
    let mut cases = vec![ceiling::copy(task)];
    cases.extend(engine::cases(task));
    cases.extend(connection::cases(task));
    if task.operation == Operation::UnmaskText {
        cases.push(ceiling::from_utf8(task));
    }
    cases
}
