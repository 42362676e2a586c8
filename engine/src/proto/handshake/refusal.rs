//! What a server answers when it does not upgrade.

use super::field::{InvalidHeader, add_field, put_field};

/// An answer other than 101. The connection ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400..=599. Anything else is sent as 500.
    pub status: u16,
    reason: &'static str,
    /// Whole lines.
    fields: Vec<u8>,
    /// Whether the answer names the protocol to upgrade to.
    upgrade: bool,
}

impl Refusal {
    /// An answer with this status, 400..=599. 426 names WebSocket as the protocol to upgrade to
    /// (RFC 9110 §15.5.22), 405 the one method there is (RFC 9110 §15.5.6).
    pub fn new(status: u16) -> Self {
        let mut fields = Vec::new();
        if status == 405 {
            put_field(&mut fields, "Allow", b"GET");
        }
        Self { status, reason: "", fields, upgrade: status == 426 }
    }

    /// The same, with the advice to come again after so many seconds (RFC 9110 §10.2.3).
    pub fn busy(status: u16, seconds: u64) -> Self {
        let mut refusal = Self::new(status);
        put_field(&mut refusal.fields, "Retry-After", seconds.to_string().as_bytes());
        refusal
    }

    /// Says why, in the body.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    /// Why: a few words, empty when none were given.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Adds a header, under the rules of [`Response::add_header`](super::Response::add_header).
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
        add_field(&mut self.fields, name, value)
    }

    /// The version we speak, for those who speak another (RFC 6455 §4.4).
    pub(super) fn with_version(mut self) -> Self {
        put_field(&mut self.fields, "Sec-WebSocket-Version", b"13");
        self
    }

    /// Appends the whole answer, with a body of one line.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let status = if (400..=599).contains(&self.status) { self.status } else { 500 };
        let phrase = phrase(status);
        let reason = if self.reason.is_empty() { phrase } else { self.reason };
        let body = format!("{status} {reason}\n");
        out.extend_from_slice(format!("HTTP/1.1 {status} {phrase}\r\n").as_bytes());
        if self.upgrade {
            put_field(out, "Connection", b"close, Upgrade");
            put_field(out, "Upgrade", b"websocket");
        } else {
            put_field(out, "Connection", b"close");
        }
        out.extend_from_slice(&self.fields);
        put_field(out, "Content-Type", b"text/plain");
        put_field(out, "Content-Length", body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body.as_bytes());
    }
}

/// The phrases of RFC 9110 §15, for those who read the wire; others are left empty.
const fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
