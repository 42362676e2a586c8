//! The server's half of the opening handshake, RFC 6455 §4.2: the request and its rules.

use super::refusal::Refusal;
use crate::proto::head::Head;
use crate::proto::{base64, field, target};
use httparse::Status;
use std::mem::MaybeUninit;

/// Header fields of one request; more is answered with 431.
pub const HEADERS_MAX: usize = 100;

type Fields<'h> = [httparse::Header<'h>];

/// A checked upgrade request. Header values are borrowed from the head.
#[derive(Debug)]
pub struct Request<'b>(Box<Inner<'b>>);

#[derive(Debug)]
struct Inner<'b> {
    head: Head<'b>,
    target: Span,
    key: Span,
    fields: Vec<(Span, Span)>,
}

impl<'b> Request<'b> {
    /// Parses a head and checks it against RFC 6455 §4.2.1, and against what RFC 9112 says about
    /// requests that two parties could read in two ways.
    ///
    /// # Errors
    /// 405 for a method other than GET, 505 for a version other than HTTP/1.1, 414 for a target
    /// over 8 KiB, 431 for more than [`HEADERS_MAX`] fields, 426 when no upgrade to WebSocket, or
    /// to another version of it, is asked for; 400 for all else.
    pub fn parse(head: Head<'b>) -> Result<Self, Refusal> {
        let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let bytes = head.as_bytes();
        match request.parse_with_uninit_headers(bytes, &mut slots) {
            Ok(Status::Complete(end)) if end == bytes.len() => {}
            Ok(_) => return Err(bad("not an HTTP request")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Refusal::new(431).because("too many header fields"));
            }
            Err(httparse::Error::Version) if names_version(bytes) => {
                return Err(version_not_supported());
            }
            Err(_) => return Err(bad("not an HTTP request")),
        }
        if request.version != Some(1) {
            return Err(version_not_supported());
        }
        if request.method != Some("GET") {
            return Err(Refusal::new(405).because("only GET is answered"));
        }
        let target = target::path_and_query(request.path.unwrap_or_default())?;
        let fields: &Fields<'_> = request.headers;
        check_framing(fields)?;
        target::check_host(only(fields, "Host").ok_or(bad("not exactly one Host"))?)?;
        let key = check_upgrade(fields)?;
        check_protocols(fields)?;
        let span = |part: &[u8]| Span::of(bytes, part);
        let inner = Inner {
            target: span(target.as_bytes()),
            key: span(key),
            fields: fields.iter().map(|f| (span(f.name.as_bytes()), span(f.value))).collect(),
            head,
        };
        Ok(Self(Box::new(inner)))
    }
}

impl Request<'_> {
    /// The request target, as sent: path and query. Of a target in absolute form, the path and
    /// query alone.
    pub fn target(&self) -> &str {
        match self.text(self.0.target) {
            "" => "/",
            target => target,
        }
    }

    /// The value of the first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers in order, names as sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.fields.iter().map(|(name, value)| (self.text(*name), self.bytes(*value)))
    }

    /// The subprotocols the client offers, in its order.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case(PROTOCOL))
            .flat_map(|(_, value)| field::elements(value))
            .filter_map(|token| std::str::from_utf8(token).ok())
    }

    /// The value of Sec-WebSocket-Key: 24 digits of base64.
    pub(super) fn key(&self) -> &[u8] {
        self.bytes(self.0.key)
    }

    fn bytes(&self, span: Span) -> &[u8] {
        let (start, end) = (span.start as usize, span.start as usize + span.len as usize);
        self.0.head.as_bytes().get(start..end).unwrap_or_default()
    }

    fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }
}

/// A part of the head by its place, so that the head can move.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
}

impl Span {
    fn of(head: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
        match (u32::try_from(start), u32::try_from(part.len())) {
            (Ok(start), Ok(len)) => Self { start, len },
            // Only an empty part can lie elsewhere.
            _ => Self { start: 0, len: 0 },
        }
    }
}

const PROTOCOL: &str = "Sec-WebSocket-Protocol";

fn bad(reason: &'static str) -> Refusal {
    Refusal::new(400).because(reason)
}

fn version_not_supported() -> Refusal {
    Refusal::new(505).because("HTTP/1.1 is needed")
}

/// Whether the request line has three parts, of which the last is a version of HTTP.
fn names_version(head: &[u8]) -> bool {
    let line = head.trim_ascii_start().split(|b| *b == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|b| *b == b' ');
    let version = parts.nth(2).and_then(|part| part.strip_prefix(b"HTTP/"));
    let digits = matches!(version, Some([a, b'.', b]) if a.is_ascii_digit() && b.is_ascii_digit());
    digits && parts.next().is_none()
}

/// The values of all fields of that name, trimmed.
fn values<'h>(fields: &'h Fields<'h>, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
    fields.iter().filter(|f| f.name.eq_ignore_ascii_case(name)).map(|f| field::trim(f.value))
}

/// The value of the only field of that name.
fn only<'h>(fields: &'h Fields<'h>, name: &'static str) -> Option<&'h [u8]> {
    let mut all = values(fields, name);
    let value = all.next()?;
    all.next().is_none().then_some(value)
}

/// Whether the lists of that name contain the token, whatever its case.
fn contains(fields: &Fields<'_>, name: &'static str, token: &[u8]) -> bool {
    values(fields, name).flat_map(field::elements).any(|e| e.eq_ignore_ascii_case(token))
}

/// An upgrade has no body (RFC 6455 §4.1): bytes behind the head are frames, and whoever would
/// read them as a body disagrees with us about where the request ends.
fn check_framing(fields: &Fields<'_>) -> Result<(), Refusal> {
    if values(fields, "Transfer-Encoding").next().is_some() {
        return Err(bad("Transfer-Encoding in an upgrade"));
    }
    match values(fields, "Content-Length").all(|length| length == b"0") {
        true => Ok(()),
        false => Err(bad("a body in an upgrade")),
    }
}

/// RFC 6455 §4.2.1, 3 to 6; returns the key.
fn check_upgrade<'h>(fields: &'h Fields<'h>) -> Result<&'h [u8], Refusal> {
    if !contains(fields, "Upgrade", b"websocket") {
        return Err(Refusal::new(426).because("this is a WebSocket server"));
    }
    if !contains(fields, "Connection", b"upgrade") {
        return Err(bad("Connection without upgrade"));
    }
    if values(fields, "Sec-WebSocket-Version").nth(1).is_some() {
        return Err(bad("more than one Sec-WebSocket-Version"));
    }
    if only(fields, "Sec-WebSocket-Version") != Some(b"13") {
        return Err(Refusal::new(426).because("version 13 is needed").with_version());
    }
    let key = only(fields, "Sec-WebSocket-Key").ok_or(bad("not exactly one Sec-WebSocket-Key"))?;
    match base64::is_16_bytes(key) {
        true => Ok(key),
        false => Err(bad("Sec-WebSocket-Key is not 16 bytes in base64")),
    }
}

/// RFC 6455 §4.1, 10: the subprotocols are tokens, and all different.
fn check_protocols(fields: &Fields<'_>) -> Result<(), Refusal> {
    let mut all: Vec<_> = values(fields, PROTOCOL).flat_map(field::elements).collect();
    // A list of nothing but empty elements is none (RFC 9110 §5.6.1.2).
    let none = all.is_empty() && values(fields, PROTOCOL).next().is_some();
    if none || !all.iter().all(|protocol| field::is_token(protocol)) {
        return Err(bad("malformed Sec-WebSocket-Protocol"));
    }
    // Sorted, because a head has room for thousands.
    all.sort_unstable();
    match all.is_sorted_by(|a, b| a < b) {
        true => Ok(()),
        false => Err(bad("a subprotocol twice in Sec-WebSocket-Protocol")),
    }
}
