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
    /// A literal address, and the interface, by name or number, on whose link it means somebody
    /// (RFC 6874). That is for nobody but this machine: it is never sent.
    Zoned(Ipv6Addr, String),
}

impl Host {
    /// What a resolver must be asked, which makes a number of an interface's name, too; or the
    /// address, if there is nothing to ask.
    pub(crate) fn to_query(&self) -> Result<String, IpAddr> {
        match self {
            Self::Name(name) => Ok(name.clone()),
            Self::Ip(ip) => Err(*ip),
            Self::Zoned(ip, zone) => Ok(format!("{ip}%{zone}")),
        }
    }
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
    /// Path and query: control bytes, or more than 8 KiB when percent-encoded.
    #[error("not a path and query")]
    Path,
}

impl Url {
    /// Takes a URL apart. Spaces around it are dropped, and its path and query percent-encoded
    /// where browsers do that.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = text.trim_matches(' ').split_once("://").ok_or(InvalidUrl::Scheme)?;
        let secure = match () {
            () if scheme.eq_ignore_ascii_case("ws") => false,
            () if scheme.eq_ignore_ascii_case("wss") => true,
            () => return Err(InvalidUrl::Scheme),
        };
        if rest.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '\\']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(InvalidUrl::User);
        }
        let (host, port) = split_authority(authority)?;
        let path = encode(path).filter(|path| path.len() < TARGET_MAX).ok_or(InvalidUrl::Path)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { host, port, target: [slash, &path].concat(), secure })
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
            Self::Ip(IpAddr::V6(ip)) | Self::Zoned(ip, _) => write!(f, "[{ip}]"),
        }
    }
}

/// A host, and a port if there is one.
pub(crate) fn split_authority(authority: &str) -> Result<(Host, Option<u16>), InvalidUrl> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (ip, rest) = inner.split_once(']').ok_or(InvalidUrl::Host)?;
            let host = v6(ip).ok_or(InvalidUrl::Host)?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(port),
                None if rest.is_empty() => None,
                None => return Err(InvalidUrl::Host),
            };
            (host, port)
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

/// An IPv6 address, perhaps with a zone behind `%25` (RFC 6874 §2).
fn v6(text: &str) -> Option<Host> {
    let Some((ip, zone)) = text.split_once("%25") else {
        return Some(Host::Ip(IpAddr::V6(text.parse().ok()?)));
    };
    let zone = String::from_utf8(percent_decoded(zone)?).ok()?;
    let printable = !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_graphic() && b != b'%');
    printable.then_some(Host::Zoned(ip.parse().ok()?, zone))
}

/// Undoes percent-encoding; `None` at a `%` without two digits.
pub(super) fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        out.extend_from_slice(part.get(2..)?.as_bytes());
    }
    Some(out)
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

/// A path and query as browsers send it (WHATWG URL standard, the path and the special-query
/// percent-encode sets): what is not in them stays as it is, `|` and a lone `%`, too. `None` with
/// control bytes, which browsers drop: they are never meant well.
fn encode(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut query = false;
    for b in text.bytes() {
        query |= b == b'?';
        let kept = match b {
            b' ' | b'"' | b'<' | b'>' | 0x80.. => false,
            b'^' | b'`' | b'{' | b'}' => query,
            b'\'' => !query,
            b if b.is_ascii_control() => return None,
            _ => true,
        };
        match char::from(b) {
            '\\' if !query => out.push('/'),
            b if kept => out.push(b),
            b => out.push_str(&format!("%{:02X}", u32::from(b))),
        }
    }
    Some(out)
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
            ("ws://[fe80::1%25eth0]:9/x", ("[fe80::1]", 9, "/x", false)),
            (" ws://a/ ", ("a", 80, "/", false)),
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
                    "ws://[fe80::1%25]",
                    "ws://[fe80::1%eth0]",
                    "ws://[fe80::1%25a%00]",
                    "ws://[fe80::1%25a%25b]",
                    "ws://[fe80::1%25a%2]",
                    "ws://[1.2.3.4%25eth0]",
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
                &["ws://a/\r\nX: y", "ws://a/\t", "ws://a/\0", "ws://a/\x7f", "ws://a/?\n"],
            ),
        ];
        for (error, texts) in cases {
            for text in texts {
                let found = Url::parse(text).err();
                let host = *text == "ws://::1/" && found == Some(InvalidUrl::Host);
                assert!(found == Some(error) || host, "{text:?}: {found:?}");
            }
        }
        for long in ["x".repeat(8192), "é".repeat(1400)] {
            assert_eq!(Url::parse(&format!("ws://a/{long}")), Err(InvalidUrl::Path));
        }
        assert_eq!(Url::parse(&format!("ws://{}/", "x".repeat(64))), Err(InvalidUrl::Host));
    }

    /// What `new URL(...)` makes of them in browsers.
    #[test]
    fn paths_and_queries_as_browsers_send_them() {
        let printable: String = ('!'..='~').filter(|c| *c != '#').collect();
        let cases = [
            ("/a|b?c|d", "/a|b?c|d"),
            ("/é ü?é ü", "/%C3%A9%20%C3%BC?%C3%A9%20%C3%BC"),
            ("/%?%%2", "/%?%%2"),
            ("/a\\b?a\\b", "/a/b?a\\b"),
            ("\\x", "/x"),
            (
                &format!("/{}", printable.replace('?', "")),
                "/!%22$%&'()*+,-./0123456789:;%3C=%3E@ABCDEFGHIJKLMNOPQRSTUVWXYZ[/]%5E_%60\
                 abcdefghijklmnopqrstuvwxyz%7B|%7D~",
            ),
            (
                &format!("?{printable}"),
                "/?!%22$%&%27()*+,-./0123456789:;%3C=%3E?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`\
                 abcdefghijklmnopqrstuvwxyz{|}~",
            ),
        ];
        for (text, target) in cases {
            assert_eq!(parts(&format!("ws://a{text}")).2, target, "{text}");
        }
    }

    /// RFC 6874: the zone goes to the resolver, and to nobody else.
    #[test]
    fn zones_stay_here() {
        for (zone, query) in
            [("eth0", "fe80::1%eth0"), ("3", "fe80::1%3"), ("a%2Db", "fe80::1%a-b")]
        {
            let url = Url::parse(&format!("ws://[fe80::1%25{zone}]:9/")).expect("a URL");
            assert_eq!(url.host().to_query(), Ok(query.into()));
            assert_eq!(url.authority(), "[fe80::1]:9");
        }
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
