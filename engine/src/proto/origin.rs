//! Which web pages may connect, RFC 6455 §10.2. A browser lets every page open a WebSocket to every
//! host, with the cookies of that host, and says in `Origin` (RFC 6454 §7) which page it is.

use super::field;
use super::handshake::request::Request;
use std::sync::Arc;

/// Whose pages may connect. Requests without `Origin` come from no browser, and always may.
#[derive(Clone, Debug, Default)]
pub enum Origins {
    /// Pages of the host and port that the request is for, by its `Host`.
    #[default]
    Same,
    /// Every page: for data that is public, or when the callback looks at `Origin` itself.
    Any,
    /// Those on a list: see [`Origins::parse`].
    Listed(Arc<[Pattern]>),
}

/// An element of a list of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// As [`Origins::Same`].
    Same,
    /// Pages without an origin: files, sandboxed frames.
    Null,
    Host {
        /// `None`: any.
        scheme: Option<String>,
        /// In lower case; with `subdomains` without the `*`.
        host: String,
        subdomains: bool,
        /// `None`: the default one of the scheme.
        port: Option<u16>,
    },
}

/// An element of a list of origins that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an origin: `{0}`")]
pub struct InvalidOrigin(String);

impl Origins {
    /// A list of origins with commas between them, each one of:
    ///
    /// - `https://example.com`, `http://localhost:3000`: that origin
    /// - `example.com`, `example.com:8080`: that host, by whatever scheme
    /// - `https://*.example.com`, `*.example.com`: every host below that one, but not it
    /// - `self`: the rule of [`Origins::Same`]
    /// - `null`: pages that have no origin
    /// - `*`: every page, [`Origins::Any`]
    ///
    /// Without a port, the default one of the page's scheme is meant.
    ///
    /// # Errors
    /// The first element that is none of these.
    pub fn parse(list: &str) -> Result<Self, InvalidOrigin> {
        let elements: Vec<&str> = list.split(',').map(str::trim).collect();
        let patterns: Result<Vec<_>, _> = elements
            .iter()
            .filter(|element| **element != "*")
            .map(|element| pattern(element).ok_or_else(|| InvalidOrigin((*element).to_owned())))
            .collect();
        let patterns = patterns?;
        if patterns.len() < elements.len() {
            return Ok(Self::Any);
        }
        Ok(Self::Listed(patterns.into()))
    }

    /// Whether the page that asks may connect.
    pub fn allow(&self, request: &Request<'_>) -> bool {
        if matches!(self, Self::Any) {
            return true;
        }
        let mut all = request.headers().filter(|(name, _)| name.eq_ignore_ascii_case("Origin"));
        let Some((_, value)) = all.next() else { return true };
        // Two that differ would be two answers to one question.
        if all.next().is_some() {
            return false;
        }
        let Ok(text) = std::str::from_utf8(field::trim(value)) else { return false };
        let host = request.header("Host").and_then(|host| std::str::from_utf8(host).ok());
        let host = host.unwrap_or_default().trim();
        let Some(origin) = Origin::parse(text) else {
            return text == "null" && self.patterns().any(|pattern| pattern.0 == Kind::Null);
        };
        match self {
            Self::Same => origin.is_same(host),
            _ => self.patterns().any(|pattern| pattern.matches(&origin, host)),
        }
    }

    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        match self {
            Self::Listed(patterns) => patterns.iter(),
            _ => [].iter(),
        }
    }
}

impl Pattern {
    fn matches(&self, origin: &Origin<'_>, request_host: &str) -> bool {
        let Kind::Host { scheme, host, subdomains, port } = &self.0 else {
            return self.0 == Kind::Same && origin.is_same(request_host);
        };
        let by_scheme = scheme.as_ref().is_none_or(|s| s.eq_ignore_ascii_case(origin.scheme));
        let by_port = port.or(default_port(origin.scheme)) == origin.port;
        let by_host = match without_suffix(origin.host, host) {
            Some(label) if *subdomains => label.len() > 1 && label.ends_with('.'),
            Some(rest) => rest.is_empty(),
            None => false,
        };
        by_scheme && by_port && by_host
    }
}

/// What stands before `suffix`, whatever its case.
fn without_suffix<'h>(host: &'h str, suffix: &str) -> Option<&'h str> {
    let at = host.len().checked_sub(suffix.len())?;
    host.get(at..)?.eq_ignore_ascii_case(suffix).then(|| host.get(..at)).flatten()
}

fn pattern(element: &str) -> Option<Pattern> {
    let (scheme, rest) = match element.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => match element {
            "self" => return Some(Pattern(Kind::Same)),
            "null" => return Some(Pattern(Kind::Null)),
            _ => (None, element),
        },
    };
    if scheme.as_deref().is_some_and(|scheme| !is_scheme(scheme)) {
        return None;
    }
    let (subdomains, rest) = match rest.strip_prefix("*.") {
        Some(below) => (true, below),
        None => (false, rest),
    };
    let (host, port) = authority(rest)?;
    let host = host.to_ascii_lowercase();
    Some(Pattern(Kind::Host { scheme, host, subdomains, port }))
}

/// The origin of a page, as its browser has written it (RFC 6454 §6.2).
#[derive(Debug, PartialEq, Eq)]
struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    /// Given, or the default one; `None` for schemes that have none.
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme))?;
        let (host, port) = authority(rest)?;
        Some(Self { scheme, host, port: port.or(default_port(scheme)) })
    }

    /// Whether a request with this `Host` is for the page's own host and port. The scheme is not
    /// asked for: whoever terminates TLS in front of us leaves no trace of it.
    fn is_same(&self, host: &str) -> bool {
        let (Some(default), Some((name, port))) = (default_port(self.scheme), authority(host))
        else {
            return false;
        };
        name.eq_ignore_ascii_case(self.host) && port.or(Some(default)) == self.port
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        scheme if ["http", "ws"].iter().any(|s| s.eq_ignore_ascii_case(scheme)) => Some(80),
        scheme if ["https", "wss"].iter().any(|s| s.eq_ignore_ascii_case(scheme)) => Some(443),
        _ => None,
    }
}

/// RFC 3986 §3.1.
fn is_scheme(scheme: &str) -> bool {
    let follows = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(follows)
}

/// A host and a port, if one is given: nothing before, between or behind them.
fn authority(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[').and_then(|inner| inner.find(']')) {
        // An address in brackets, which are part of the host (RFC 3986 §3.2.2).
        Some(end) => text.split_at(end + 2),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let valid = match inner {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
    };
    if host.is_empty() || !valid {
        return None;
    }
    match rest.strip_prefix(':') {
        None => rest.is_empty().then_some((host, None)),
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok()?)))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Input;
    use crate::proto::head::HeadReader;

    /// Whether a request with these header lines may come.
    fn allows(list: Option<&str>, lines: &str) -> bool {
        let origins = list.map_or(Ok(Origins::Same), Origins::parse).expect("a list");
        let head = format!(
            "GET / HTTP/1.1\r\n{lines}Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let mut bytes = head.into_bytes();
        let head = HeadReader::new().feed(&mut Input::new(&mut bytes), 1 << 14);
        origins.allow(&Request::parse(head.expect("lines").expect("whole")).expect("valid"))
    }

    fn from(origin: &str, list: Option<&str>) -> bool {
        allows(list, &format!("Host: example.com\r\nOrigin: {origin}\r\n"))
    }

    #[test]
    fn without_an_origin_it_is_no_browser() {
        assert!(allows(None, "Host: example.com\r\n"));
        assert!(allows(Some("https://other.com"), "Host: example.com\r\n"));
    }

    #[test]
    fn by_default_a_page_of_the_same_host_and_port() {
        for good in ["http://example.com", "https://example.com", "https://EXAMPLE.com:443"] {
            assert!(from(good, None), "{good}");
        }
        let bad = [
            "null",
            "",
            "example.com",
            "https://example.com:8443",
            "https://example.com.evil.com",
            "https://evilexample.com",
            "https://sub.example.com",
            "https://example.com@evil.com",
            "https://example.com/",
            "https://example.com https://example.com",
            "https://example.com.",
            "file://",
            "moz-extension://example.com",
        ];
        for bad in bad {
            assert!(!from(bad, None), "{bad}");
        }
        let local = |host, origin| allows(None, &format!("Host: {host}\r\nOrigin: {origin}\r\n"));
        assert!(local("localhost:9001", "http://localhost:9001"));
        assert!(!local("localhost:9001", "http://localhost:3000"));
        assert!(!local("localhost:9001", "http://localhost"));
        assert!(local("[::1]:9001", "http://[::1]:9001") && !local("[::1]", "http://[::2]"));
    }

    #[test]
    fn two_origins_are_none() {
        let twice =
            "Host: example.com\r\nOrigin: http://example.com\r\nOrigin: http://evil.com\r\n";
        assert!(!allows(None, twice) && !allows(Some("http://example.com"), twice));
        assert!(allows(Some("*"), twice));
    }

    #[test]
    fn lists_name_origins_hosts_and_what_lies_below_them() {
        let list = Some("https://app.example.org, *.example.net, dev.local:3000, http://*.b.c:81");
        let good = [
            "https://app.example.org",
            "https://APP.example.org:443",
            "http://a.example.net",
            "https://a.b.example.net",
            "http://dev.local:3000",
            "http://a.b.c:81",
        ];
        for good in good {
            assert!(from(good, list), "{good}");
        }
        let bad = [
            "http://app.example.org",
            "https://app.example.org:8443",
            "https://example.net",
            "https://evilexample.net",
            "https://.example.net",
            "https://a.example.net:8443",
            "https://a.example.net.evil.com",
            "http://dev.local",
            "https://a.b.c:81",
            "http://example.com",
            "null",
        ];
        for bad in bad {
            assert!(!from(bad, list), "{bad}");
        }
        assert!(from("http://example.com", Some("self, https://other.org")));
        assert!(from("null", Some("null")) && !from("http://example.com", Some("null")));
        assert!(from("whatever", Some("https://other.org, *")));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in ["", "a.com,", "https://", "https://a.com/x", "*.", "*a.com", "a.*.com", "a b"] {
            assert!(Origins::parse(bad).is_err(), "{bad}");
        }
        let error =
            Origins::parse("https://a.com, https://b.com:x").expect_err("a port of letters");
        assert_eq!(error.to_string(), "not an origin: `https://b.com:x`");
    }
}
