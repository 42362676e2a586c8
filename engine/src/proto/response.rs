//! What a server answers to an upgrade request, RFC 6455 §4.2.2.

use super::deflate::{self, Agreed};
use super::handshake::Request;
use super::{base64, field};
use sha1::{Digest, Sha1};

/// RFC 6455 §1.3: what only a WebSocket server would append to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Fields that the handshake or the connection writes itself, beside all of `Sec-WebSocket-*`.
const OWNED: [&str; 6] =
    ["Connection", "Content-Length", "Content-Type", "Trailer", "Transfer-Encoding", "Upgrade"];

/// A header or subprotocol that may not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a header that may be sent here")]
pub struct InvalidHeader;

/// What goes into a 101 answer. No subprotocol is accepted unless one is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    protocol: Option<String>,
    /// Whole lines.
    fields: Vec<u8>,
}

impl Response {
    /// Chooses a subprotocol; refused unless the request offers exactly it.
    pub fn set_protocol(&mut self, r: &Request<'_>, name: &str) -> Result<(), InvalidHeader> {
        if !r.protocols().any(|offered| offered == name) {
            return Err(InvalidHeader);
        }
        self.protocol = Some(name.to_owned());
        Ok(())
    }

    /// The subprotocol chosen.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Adds a header. Refused: names that are no tokens, values with CR, LF, NUL or other control
    /// bytes, and names that the handshake owns.
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
        add_field(&mut self.fields, name, value)
    }

    /// Appends the whole 101 answer to `request`.
    pub fn encode(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        self.encode_with(request, None, out);
    }

    /// The same with what was agreed on of permessage-deflate.
    pub fn encode_with(
        &self,
        request: &Request<'_>,
        extension: Option<&Agreed>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        accept(request.key(), out);
        out.extend_from_slice(b"\r\n");
        if let Some(protocol) = &self.protocol {
            put_field(out, "Sec-WebSocket-Protocol", protocol.as_bytes());
        }
        if let Some(agreed) = extension {
            let mut value = Vec::new();
            agreed.put_answer(&mut value);
            put_field(out, deflate::FIELD, &value);
        }
        out.extend_from_slice(&self.fields);
        out.extend_from_slice(b"\r\n");
    }
}

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

    /// Adds a header, under the rules of [`Response::add_header`].
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

/// Appends what proves that a key was read: the value of `Sec-WebSocket-Accept` (RFC 6455 §4.2.2).
pub(super) fn accept(key: &[u8], out: &mut Vec<u8>) {
    base64::encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize(), out);
}

fn add_field(fields: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
    let prefix = name.get(.."Sec-WebSocket-".len()).unwrap_or_default();
    let owned = prefix.eq_ignore_ascii_case("Sec-WebSocket-")
        || OWNED.iter().any(|owned| owned.eq_ignore_ascii_case(name));
    if owned || !field::is_token(name.as_bytes()) || !field::is_value(value) {
        return Err(InvalidHeader);
    }
    put_field(fields, name, value);
    Ok(())
}

pub(super) fn put_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
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
