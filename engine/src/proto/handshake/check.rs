//! The rules of a request's fields: RFC 6455 §4.2.1 for an upgrade, RFC 9112 for all.

use super::refusal::Refusal;
use crate::proto::body::Framing;
use crate::proto::fields::{Fields, contains, content_length, elements, only, values};
use crate::proto::{base64, field};

pub(super) const PROTOCOL: &str = "Sec-WebSocket-Protocol";

pub(super) fn bad(reason: &'static str) -> Refusal {
    Refusal::new(400).because(reason)
}

/// An upgrade has no body (RFC 6455 §4.1): bytes behind the head are frames, and whoever would
/// read them as a body disagrees with us about where the request ends.
fn has_no_body(fields: &Fields<'_>) -> Result<(), Refusal> {
    if values(fields, "Transfer-Encoding").next().is_some() {
        return Err(bad("Transfer-Encoding in an upgrade"));
    }
    match values(fields, "Content-Length").all(|length| length == b"0") {
        true => Ok(()),
        false => Err(bad("a body in an upgrade")),
    }
}

/// RFC 6455 §4.2.1, 3 to 6; returns the key.
pub(super) fn upgrade<'h>(fields: &'h Fields<'h>) -> Result<&'h [u8], Refusal> {
    has_no_body(fields)?;
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
pub(super) fn protocols(fields: &Fields<'_>) -> Result<(), Refusal> {
    let mut all: Vec<_> = elements(fields, PROTOCOL).collect();
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

/// How the body of a request that is no upgrade ends (RFC 9112 §6.3). Whatever two parties could
/// read in two ways is refused (§11.2), also where the RFC would let us choose one of them.
pub(super) fn framing(fields: &Fields<'_>, minor: u8) -> Result<Framing, Refusal> {
    let has_length = values(fields, "Content-Length").next().is_some();
    if values(fields, "Transfer-Encoding").next().is_none() {
        return match has_length {
            false => Ok(Framing::Length(0)),
            true => content_length(fields).map(Framing::Length).ok_or(bad("bad Content-Length")),
        };
    }
    if has_length || minor == 0 {
        return Err(bad("Transfer-Encoding with Content-Length, or in HTTP/1.0"));
    }
    match only(fields, "Transfer-Encoding").is_some_and(|c| c.eq_ignore_ascii_case(b"chunked")) {
        true => Ok(Framing::Chunked),
        false => Err(bad("Transfer-Encoding is not chunked")),
    }
}

/// Whether the client waits for 100 before it sends a body (RFC 9110 §10.1.1). From HTTP/1.0 that
/// means nothing.
pub(super) fn expects_continue(fields: &Fields<'_>, minor: u8) -> Result<bool, Refusal> {
    let mut all = elements(fields, "Expect");
    if minor == 0 || !all.all(|expected| expected.eq_ignore_ascii_case(b"100-continue")) {
        return if minor == 0 { Ok(false) } else { Err(Refusal::new(417)) };
    }
    Ok(elements(fields, "Expect").next().is_some())
}
