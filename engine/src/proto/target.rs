//! The request target and the Host that goes with it, RFC 9112 §3.2.

use super::handshake::refusal::Refusal;

/// Bytes of a request target; more is answered with 414.
pub(super) const TARGET_MAX: usize = 8 << 10;

const SCHEMES: [&str; 4] = ["http://", "https://", "ws://", "wss://"];

/// What a target asks for, in the form that its method has (RFC 9112 §3.2). We are no proxy: for us
/// there is no `CONNECT`.
pub(super) fn of<'t>(method: &str, target: &'t str) -> Result<&'t str, Refusal> {
    match (method, target) {
        ("CONNECT", _) => Err(Refusal::new(400).because("this is no proxy")),
        ("OPTIONS", "*") => Ok(target),
        _ => path_and_query(target),
    }
}

/// The path and query of a target in origin form, or in the absolute form that every server must
/// understand (RFC 9112 §3.2.2); empty when an absolute one has neither.
fn path_and_query(target: &str) -> Result<&str, Refusal> {
    let bad = |reason| Err(Refusal::new(400).because(reason));
    if target.len() > TARGET_MAX {
        return Err(Refusal::new(414).because("target too long"));
    }
    if !target.bytes().all(|b| b.is_ascii_graphic()) {
        return bad("target with bytes that must be percent-encoded");
    }
    if target.contains('#') {
        return bad("target with a fragment");
    }
    if target.starts_with('/') {
        return Ok(target);
    }
    let scheme = SCHEMES.iter().find(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let Some(rest) = scheme.and_then(|scheme| target.get(scheme.len()..)) else {
        return bad("target is neither a path nor a URL");
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    check_host(authority.as_bytes())?;
    if path.starts_with('?') {
        return bad("target without a path");
    }
    Ok(path)
}

/// Checks a host with an optional port so far that it is one, not empty, and has no list, path or
/// user in it.
pub(super) fn check_host(host: &[u8]) -> Result<(), Refusal> {
    let one = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(b);
    let named = host.first().is_some_and(|b| *b != b':');
    match named && host.iter().all(one) {
        true => Ok(()),
        false => Err(Refusal::new(400).because("malformed host")),
    }
}
