//! A request that a server has got: an upgrade (RFC 6455 §4.2), or any other.

use super::check::{self, PROTOCOL, bad};
use super::refusal::Refusal;
use super::reply::Wants;
use crate::proto::body::Framing;
use crate::proto::fields::{contains, only, values};
use crate::proto::head::Head;
use crate::proto::routes::Parameters;
use crate::proto::{field, query, target};
use httparse::Status;
use std::borrow::Cow;
use std::mem::MaybeUninit;

/// Header fields of one request; more is answered with 431.
pub const HEADERS_MAX: usize = 100;

/// A checked request: an upgrade, or any other. Header values are borrowed from the head.
#[derive(Debug)]
pub struct Request<'b>(Box<Inner<'b>>);

#[derive(Debug)]
struct Inner<'b> {
    head: Head<'b>,
    method: Span,
    target: Span,
    /// Of an upgrade.
    key: Option<Span>,
    fields: Vec<(Span, Span)>,
    wants: Wants,
    framing: Framing,
    expects_continue: bool,
    /// Once it has come.
    body: Option<Vec<u8>>,
    parameters: Parameters,
}

impl<'b> Request<'b> {
    /// Parses a head and checks it against what RFC 9112 says about requests that two parties could
    /// read in two ways, and if it asks for an upgrade to WebSocket, against RFC 6455 §4.2.1. In
    /// HTTP/1.0 nobody can (RFC 9110 §7.8).
    ///
    /// # Errors
    /// 505 for a version other than HTTP/1.1 and 1.0, 414 for a target over 8 KiB, 431 for over
    /// [`HEADERS_MAX`] fields, 417 for an expectation that is not met; of an upgrade 405 for a
    /// method other than GET, 426 for another version of WebSocket; 400 for all else.
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
                return Err(Refusal::new(505).because("HTTP/1.1 is needed"));
            }
            Err(_) => return Err(bad("not an HTTP request")),
        }
        let (minor, method) = (request.version.unwrap_or(0), request.method.unwrap_or_default());
        let fields = &*request.headers;
        let upgrades = minor == 1 && contains(fields, "Upgrade", b"websocket");
        if upgrades && method != "GET" {
            return Err(Refusal::new(405).because("an upgrade is a GET"));
        }
        let target = target::of(method, request.path.unwrap_or_default())?;
        let host = values(fields, "Host").next();
        // HTTP/1.0 has none (RFC 9112 §3.2).
        if host.is_some() || minor == 1 {
            target::check_host(only(fields, "Host").ok_or(bad("not exactly one Host"))?)?;
        }
        let key = if upgrades { Some(check::upgrade(fields)?) } else { None };
        let framing = match key {
            Some(_) => check::protocols(fields).map(|()| Framing::Length(0)),
            None => check::framing(fields, minor),
        }?;
        let expects_continue = key.is_none() && check::expects_continue(fields, minor)?;
        let span = |part: &[u8]| Span::of(bytes, part);
        let inner = Inner {
            method: span(method.as_bytes()),
            target: span(target.as_bytes()),
            key: key.map(span),
            fields: fields.iter().map(|f| (span(f.name.as_bytes()), span(f.value))).collect(),
            wants: Wants {
                head_only: method == "HEAD",
                keep_alive: minor == 1 && !contains(fields, "Connection", b"close"),
            },
            framing,
            expects_continue,
            body: (framing == Framing::Length(0)).then(Vec::new),
            parameters: Vec::new(),
            head,
        };
        Ok(Self(Box::new(inner)))
    }

    /// The same, independent of the bytes that it lies in.
    pub(crate) fn into_owned(self) -> Request<'static> {
        let inner = *self.0;
        Request(Box::new(Inner {
            head: inner.head.into_owned(),
            method: inner.method,
            target: inner.target,
            key: inner.key,
            fields: inner.fields,
            wants: inner.wants,
            framing: inner.framing,
            expects_continue: inner.expects_continue,
            body: inner.body,
            parameters: inner.parameters,
        }))
    }

    /// Its path has matched a route.
    #[cfg(feature = "uring")]
    pub(crate) fn set_parameters(&mut self, parameters: Parameters) {
        self.0.parameters = parameters;
    }

    /// With its body, which has come.
    pub(crate) fn with_body(mut self, body: Vec<u8>) -> Self {
        self.0.body = Some(body);
        self
    }
}

impl Request<'_> {
    /// All of its head, as it came.
    #[cfg(feature = "uring")]
    pub(crate) fn head(&self) -> &[u8] {
        self.0.head.as_bytes()
    }

    /// Whether it asks for an upgrade to WebSocket.
    pub fn is_upgrade(&self) -> bool {
        self.0.key.is_some()
    }

    /// The method, as sent: `GET` for all upgrades.
    pub fn method(&self) -> &str {
        self.text(self.0.method)
    }

    /// The request target, as sent: path and query. Of a target in absolute form, the path and
    /// query alone. `*` for `OPTIONS *`.
    pub fn target(&self) -> &str {
        match self.text(self.0.target) {
            "" => "/",
            target => target,
        }
    }

    /// The path, decoded. It may be any bytes, and `%2F` has become a `/`: it names no file until
    /// somebody has looked at it.
    pub fn path(&self) -> Cow<'_, [u8]> {
        query::decode(self.path_and_query().0.as_bytes())
    }

    /// What stands behind the `?`, as sent; `None` without one.
    pub fn query(&self) -> Option<&str> {
        self.path_and_query().1
    }

    /// The first parameter of the query of that name, decoded: see [`query::parameter`].
    pub fn query_parameter(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        query::parameter(self.query()?, name)
    }

    /// What `{name}` of the pattern of its route stands for, decoded.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        let named = self.0.parameters.iter().find(|(this, _)| **this == *name);
        named.map(|(_, value)| &value[..])
    }

    fn path_and_query(&self) -> (&str, Option<&str>) {
        match self.target().split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target(), None),
        }
    }

    /// The body; empty for none.
    pub fn body(&self) -> &[u8] {
        self.0.body.as_deref().unwrap_or_default()
    }

    /// Whether all of it has come.
    pub fn is_complete(&self) -> bool {
        self.0.body.is_some()
    }

    /// How its body ends.
    pub(crate) fn framing(&self) -> Framing {
        self.0.framing
    }

    /// Whether the client waits for 100 before it sends the body.
    pub(crate) fn expects_continue(&self) -> bool {
        self.0.expects_continue
    }

    /// What its answer depends on.
    pub(crate) fn wants(&self) -> Wants {
        self.0.wants
    }

    /// Bytes of memory that it owns.
    pub(crate) fn head_len(&self) -> usize {
        self.0.head.as_bytes().len()
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

    /// The value of Sec-WebSocket-Key: 24 digits of base64. Of an upgrade.
    pub(super) fn key(&self) -> &[u8] {
        self.0.key.map_or(&[], |key| self.bytes(key))
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

/// Whether the request line has three parts, of which the last is a version of HTTP.
fn names_version(head: &[u8]) -> bool {
    let line = head.trim_ascii_start().split(|b| *b == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|b| *b == b' ');
    let version = parts.nth(2).and_then(|part| part.strip_prefix(b"HTTP/"));
    let digits = matches!(version, Some([a, b'.', b]) if a.is_ascii_digit() && b.is_ascii_digit());
    digits && parts.next().is_none()
}
