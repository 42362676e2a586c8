//! The head of an HTTP message, collected until the empty line that ends it (RFC 9112 §2.1).

use super::handshake::refusal::Refusal;
use super::input::Input;

/// A whole head: it ends with an empty line, and each of its lines with CRLF.
#[derive(Debug)]
pub struct Head<'b>(Bytes<'b>);

#[derive(Debug)]
enum Bytes<'b> {
    Borrowed(&'b [u8]),
    Owned(Vec<u8>),
}

impl Head<'_> {
    /// The bytes, with the empty line.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Borrowed(bytes) => bytes,
            Bytes::Owned(bytes) => bytes,
        }
    }

    /// The same, in memory of its own.
    pub(super) fn into_owned(self) -> Head<'static> {
        Head(Bytes::Owned(match self.0 {
            Bytes::Borrowed(bytes) => bytes.to_vec(),
            Bytes::Owned(bytes) => bytes,
        }))
    }
}

/// Collects a head that comes in parts, cut anywhere. Each byte is looked at once, so a head that
/// comes byte by byte costs no more than one that comes whole.
#[derive(Debug, Default)]
pub struct HeadReader {
    /// What has come, when it did not come whole. Takes no memory before.
    collected: Vec<u8>,
}

impl HeadReader {
    /// Nothing collected.
    pub const fn new() -> Self {
        Self { collected: Vec::new() }
    }

    /// For lines that may be none at all: the end of the line before them is there already, and
    /// the head begins with it.
    pub(super) fn behind_a_line() -> Self {
        Self { collected: b"\r\n".to_vec() }
    }

    /// Bytes that it holds.
    pub fn collected(&self) -> usize {
        self.collected.len()
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.collected.is_empty()
    }

    /// Takes input up to the end of the head and returns the head, where it lies if it came whole;
    /// bytes behind it stay in `input`. `None` when the head goes on after this input.
    ///
    /// # Errors
    /// 431 when it is longer than `head_max` bytes. 400 at a line that ends with a bare LF: servers
    /// and proxies that do not agree on where a line ends can be played off against each other.
    pub fn feed<'b>(
        &mut self,
        input: &mut Input<'b>,
        head_max: usize,
    ) -> Result<Option<Head<'b>>, Refusal> {
        let old = self.collected.len();
        let room = head_max.saturating_sub(old);
        let come = input.peek();
        let come = come.get(..room).unwrap_or(come);
        let all = come.len();
        let end = if old == 0 {
            if let Some(end) = find_end(come, 0)? {
                return Ok(Some(Head(Bytes::Borrowed(input.take(end)))));
            }
            self.collected.extend_from_slice(come);
            None
        } else {
            self.collected.extend_from_slice(come);
            find_end(&self.collected, old)?
        };
        match end {
            Some(end) => {
                input.take(end - old);
                self.collected.truncate(end);
                Ok(Some(Head(Bytes::Owned(std::mem::take(&mut self.collected)))))
            }
            None if all == room => Err(Refusal::new(431).because("head too long")),
            None => {
                input.take(all);
                Ok(None)
            }
        }
    }
}

/// The end of the head, if an empty line ends in `bytes` at or behind `from`.
fn find_end(bytes: &[u8], from: usize) -> Result<Option<usize>, Refusal> {
    for i in memchr::memchr_iter(b'\n', bytes.get(from..).unwrap_or_default()) {
        let lines = bytes.get(..=from + i).unwrap_or_default();
        if lines.ends_with(b"\r\n\r\n") {
            return Ok(Some(lines.len()));
        }
        if !lines.ends_with(b"\r\n") {
            return Err(Refusal::new(400).because("line ends with a bare LF"));
        }
    }
    Ok(None)
}
