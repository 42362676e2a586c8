//! Version 1: a line of text (§2.1).

use super::BadProxyHeader;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What stands behind `PROXY `, up to the end of the line and with it.
pub(super) fn parse(line: &[u8]) -> Result<Option<SocketAddr>, BadProxyHeader> {
    let line = line.strip_suffix(b"\r\n").ok_or(BadProxyHeader::Line)?;
    // "The receiver must ignore anything presented before the CRLF" behind this one.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let line = str::from_utf8(line).map_err(|_| BadProxyHeader::Line)?;
    let mut fields = line.split(' ');
    let mut next = || fields.next().ok_or(BadProxyHeader::Line);
    let (family, source, destination) = (next()?, next()?, next()?);
    let (source_port, _) = (port(next()?)?, port(next()?)?);
    if fields.next().is_some() {
        return Err(BadProxyHeader::Line);
    }
    let parse = match family {
        "TCP4" => |text: &str| text.parse::<Ipv4Addr>().map(IpAddr::from),
        "TCP6" => |text: &str| text.parse::<Ipv6Addr>().map(IpAddr::from),
        _ => return Err(BadProxyHeader::Family),
    };
    let address = |text| parse(text).map_err(|_| BadProxyHeader::Family);
    let (source, _) = (address(source)?, address(destination)?);
    Ok(Some(SocketAddr::new(source, source_port)))
}

/// Decimal digits, without zeros before them.
fn port(text: &str) -> Result<u16, BadProxyHeader> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    let port = text.parse().ok().filter(|_| digits && !padded);
    port.ok_or(BadProxyHeader::Line)
}
