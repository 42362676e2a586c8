//! Where a client connects to: a WebSocket URL, RFC 6455 §3.

use super::target::TARGET_MAX;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name that the domain name system has (RFC 1035 §2.3.4).
const NAME_MAX: usize = 253;

/// Who is meant by a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name to be resolved, in lower case.
    Name(String),
    /// A literal address: nothing is resolved.
    Ip(IpAddr),
}

/// A checked `ws://` or `wss://` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    host: Host,
    port: u16,
    /// Path and query, as they are sent.
    target: String,
    secure: bool,
}

/// Why a text is no URL that can be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InvalidUrl {
    /// Neither `ws://` nor `wss://`; of a proxy, not `http://`.
    #[error("not a scheme that is known here")]
    Scheme,
    /// No host, or one that is none.
    #[error("not a host")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("not a port")]
    Port,
    /// A WebSocket URL has no user (RFC 6455 §3): credentials belong into a header.
    #[error("user or password in a WebSocket URL")]
    User,
    /// Fragments are meaningless in WebSocket URLs, and must not be used (RFC 6455 §3).
    #[error("fragment in a WebSocket URL")]
    Fragment,
    /// Path and query: bytes that must be percent-encoded, a `%` without two digits, or more than
    /// 8 KiB.
    #[error("not a path and query")]
    Path,
}

impl Url {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
        let secure = match () {
            () if scheme.eq_ignore_ascii_case("ws") => false,
            () if scheme.eq_ignore_ascii_case("wss") => true,
            () => return Err(InvalidUrl::Scheme),
        };
        if rest.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(InvalidUrl::User);
        }
        let (host, port) = split_authority(authority)?;
        if path.len() >= TARGET_MAX || !is_encoded(path) {
            return Err(InvalidUrl::Path);
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { host, port, target: [slash, path].concat(), secure })
    }

    /// Whether it is `wss://`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Who is meant.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, that of the scheme if none is given.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query: the request target.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What `Host` says: the host, and the port unless it is that of the scheme (RFC 6455 §4.1, 4).
    pub fn authority(&self) -> String {
        match (self.port, self.secure) {
            (80, false) | (443, true) => self.host.to_string(),
            (port, _) => format!("{}:{port}", self.host),
        }
    }
}

impl core::fmt::Display for Host {
    /// As it is written in a URL: an IPv6 address in brackets.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// A host, and a port if there is one.
pub(super) fn split_authority(authority: &str) -> Result<(Host, Option<u16>), InvalidUrl> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (ip, rest) = inner.split_once(']').ok_or(InvalidUrl::Host)?;
            let ip: Ipv6Addr = ip.parse().map_err(|_| InvalidUrl::Host)?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(port),
                None if rest.is_empty() => None,
                None => return Err(InvalidUrl::Host),
            };
            (Host::Ip(ip.into()), port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (name(host)?, Some(port)),
            None => (name(authority)?, None),
        },
    };
    // An empty port is the default one (RFC 3986 §6.2.3).
    let port = match port.filter(|port| !port.is_empty()) {
        None => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            let port = digits.parse().map_err(|_| InvalidUrl::Port)?;
            (port != 0).then_some(port).ok_or(InvalidUrl::Port).map(Some)?
        }
        Some(_) => return Err(InvalidUrl::Port),
    };
    Ok((host, port))
}

/// A name as resolvers take it, or an IPv4 address.
fn name(host: &str) -> Result<Host, InvalidUrl> {
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    let bytes = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let named = host.strip_suffix('.').unwrap_or(host);
    let labels = named.split('.').all(|label| (1..=63).contains(&label.len()));
    // Resolvers read `127.1` and `0x7f.1` as addresses, others as names: nobody means them well.
    let last = named.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    let valid = labels && host.len() <= NAME_MAX && host.bytes().all(bytes) && !number;
    valid.then(|| Host::Name(host.to_ascii_lowercase())).ok_or(InvalidUrl::Host)
}

/// Whether a path and query may be sent as they are: printable ASCII, and each `%` before two
/// digits (RFC 3986 §2.1).
fn is_encoded(path: &str) -> bool {
    let digits =
        |rest: &str| rest.get(..2).is_some_and(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
    path.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
        && path.split('%').skip(1).all(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, String, bool) {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (url.host().to_string(), url.port(), url.target().to_owned(), url.is_secure())
    }

    #[test]
    fn all_parts_and_their_defaults() {
        let cases = [
            ("ws://example.com", ("example.com", 80, "/", false)),
            ("WSS://Example.COM", ("example.com", 443, "/", true)),
            ("ws://a:81/chat?x=%20y", ("a", 81, "/chat?x=%20y", false)),
            ("ws://a?x", ("a", 80, "/?x", false)),
            ("ws://a:/", ("a", 80, "/", false)),
            ("ws://a_b.example./", ("a_b.example.", 80, "/", false)),
            ("ws://127.0.0.1:9001/", ("127.0.0.1", 9001, "/", false)),
            ("wss://[::1]:9/x", ("[::1]", 9, "/x", true)),
            ("ws://[2001:DB8::1]", ("[2001:db8::1]", 80, "/", false)),
        ];
        for (text, (host, port, target, secure)) in cases {
            assert_eq!(parts(text), (host.into(), port, target.into(), secure), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        let cases = [
            (InvalidUrl::Scheme, &["", "example.com", "http://a", "ws:/a", "wsx://a"][..]),
            (InvalidUrl::User, &["ws://u@a/", "ws://u:p@a/", "ws://@a/"]),
            (InvalidUrl::Fragment, &["ws://a/#", "ws://a#x", "ws://a/b?c#d"]),
            (
                InvalidUrl::Port,
                &["ws://a:0", "ws://a:65536", "ws://a:+8", "ws://a:8:9", "ws://a: 8"],
            ),
            (
                InvalidUrl::Host,
                &[
                    "ws://",
                    "ws:///x",
                    "ws://:80",
                    "ws://a b/",
                    "ws://a\r\nb/",
                    "ws://é/",
                    "ws://[::1",
                    "ws://[::1]x",
                    "ws://[1.2.3.4]",
                    "ws://::1/",
                    "ws://a..b/",
                    "ws://127.1/",
                    "ws://0x7f.0x1/",
                    "ws://1.2.3.4.5/",
                    "ws://%61/",
                    "ws://2130706433/",
                ],
            ),
            (
                InvalidUrl::Path,
                &[
                    "ws://a/ ",
                    "ws://a/\r\nX: y",
                    "ws://a/\0",
                    "ws://a/é",
                    "ws://a/%",
                    "ws://a/%2",
                    "ws://a/%zz",
                    "ws://a/<",
                ],
            ),
        ];
        for (error, texts) in cases {
            for text in texts {
                let found = Url::parse(text).err();
                let host = *text == "ws://::1/" && found == Some(InvalidUrl::Host);
                assert!(found == Some(error) || host, "{text:?}: {found:?}");
            }
        }
        assert_eq!(Url::parse(&format!("ws://a/{}", "x".repeat(8192))), Err(InvalidUrl::Path));
        assert_eq!(Url::parse(&format!("ws://{}/", "x".repeat(64))), Err(InvalidUrl::Host));
    }

    #[test]
    fn authorities_name_the_port_only_when_it_is_another() {
        let authority = |text| Url::parse(text).expect("a URL").authority();
        assert_eq!(authority("ws://a:80/"), "a");
        assert_eq!(authority("wss://a:443/"), "a");
        assert_eq!(authority("ws://a:443/"), "a:443");
        assert_eq!(authority("wss://[::1]:80/"), "[::1]:80");
    }
}
