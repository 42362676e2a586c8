//! Header fields that are written.

use crate::proto::field;

/// Fields that the handshake or the connection writes itself, beside all of `Sec-WebSocket-*`.
const OWNED: [&str; 5] =
    ["Connection", "Content-Length", "Trailer", "Transfer-Encoding", "Upgrade"];

/// A header or subprotocol that may not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a header that may be sent here")]
pub struct InvalidHeader;

/// What the application adds to an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    /// Whole lines.
    pub(super) lines: Vec<u8>,
    /// `Content-Type` is among them.
    pub(super) typed: bool,
}

impl Added {
    /// One more.
    pub(super) fn add(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
        let prefix = name.get(.."Sec-WebSocket-".len()).unwrap_or_default();
        let owned = prefix.eq_ignore_ascii_case("Sec-WebSocket-")
            || OWNED.iter().any(|owned| owned.eq_ignore_ascii_case(name));
        if owned || !field::is_token(name.as_bytes()) || !field::is_value(value) {
            return Err(InvalidHeader);
        }
        self.typed |= name.eq_ignore_ascii_case("Content-Type");
        put_field(&mut self.lines, name, value);
        Ok(())
    }

    /// All of those, too.
    #[cfg(feature = "uring")]
    pub(super) fn append(&mut self, more: &Self) {
        self.lines.extend_from_slice(&more.lines);
        self.typed |= more.typed;
    }
}

/// Appends a whole line.
pub(in crate::proto) fn put_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}
