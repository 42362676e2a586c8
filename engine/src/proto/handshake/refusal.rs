//! What a server answers when it does not upgrade.

use super::field::{Added, InvalidHeader, put_field};
use super::reply::{Reply, phrase, put_status};

/// An answer other than 101. The connection ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 300..=599. Anything else is sent as 500, without the body.
    pub status: u16,
    reason: &'static str,
    pub(super) added: Added,
    /// In place of the one line that says why.
    body: Option<Vec<u8>>,
    /// Whether the answer names the protocol to upgrade to.
    upgrade: bool,
}

impl Refusal {
    /// An answer with this status, 300..=599. 426 names WebSocket as the protocol to upgrade to
    /// (RFC 9110 §15.5.22), 405 the one method there is (RFC 9110 §15.5.6).
    pub fn new(status: u16) -> Self {
        let mut added = Added::default();
        if status == 405 {
            put_field(&mut added.lines, "Allow", b"GET");
        }
        Self { status, reason: "", added, body: None, upgrade: status == 426 }
    }

    /// The same, with the advice to come again after so many seconds (RFC 9110 §10.2.3).
    pub fn busy(status: u16, seconds: u64) -> Self {
        let mut refusal = Self::new(status);
        put_field(&mut refusal.added.lines, "Retry-After", seconds.to_string().as_bytes());
        refusal
    }

    /// Says why, in the body.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    /// With this body, of the `Content-Type` that is added or none.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Why: a few words, empty when none were given.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Adds a header, under the rules of [`Response::add_header`](super::Response::add_header).
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
        self.added.add(name, value)
    }

    /// The version we speak, for those who speak another (RFC 6455 §4.4).
    pub(super) fn with_version(mut self) -> Self {
        put_field(&mut self.added.lines, "Sec-WebSocket-Version", b"13");
        self
    }

    /// The status that is sent.
    pub(crate) fn sent_status(&self) -> u16 {
        if (300..=599).contains(&self.status) { self.status } else { 500 }
    }

    /// Appends the whole answer; if none was given, with a body of one line.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_for(false, out);
    }

    /// The same without the body, if the request was for the head only.
    pub(crate) fn encode_for(&self, head_only: bool, out: &mut Vec<u8>) {
        let status = self.sent_status();
        let body = self.body.as_deref().filter(|_| status == self.status);
        let reason = if self.reason.is_empty() { phrase(status) } else { self.reason };
        let line = format!("{status} {reason}\n");
        put_status(out, status);
        if self.upgrade {
            put_field(out, "Connection", b"close, Upgrade");
            put_field(out, "Upgrade", b"websocket");
        } else {
            put_field(out, "Connection", b"close");
        }
        out.extend_from_slice(&self.added.lines);
        if body.is_none() && !self.added.typed {
            put_field(out, "Content-Type", b"text/plain");
        }
        let body = body.unwrap_or(line.as_bytes());
        put_field(out, "Content-Length", body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n");
        if !head_only && status != 304 {
            out.extend_from_slice(body);
        }
    }
}

impl From<Reply> for Refusal {
    /// With the body of the reply, unless that is empty.
    fn from(reply: Reply) -> Self {
        let Reply { status, mut added, body } = reply;
        let made = Self::new(status);
        added.lines.extend_from_slice(&made.added.lines);
        Self { added, body: (!body.is_empty()).then_some(body), ..made }
    }
}
