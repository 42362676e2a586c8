//! The way through an HTTP proxy: `CONNECT`, RFC 9110 §9.3.6.

use super::base64;
use super::handshake::field::put_field;
use super::url::Url;
use super::url::{Host, InvalidUrl, percent_decoded, split_authority};

/// An HTTP proxy, and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: Host,
    port: u16,
    /// User and password, as RFC 7617 encodes them.
    credentials: Option<Vec<u8>>,
}

impl core::fmt::Debug for Proxy {
    /// Without the password.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

impl Proxy {
    /// Takes `http://[user:password@]host[:port]` apart; user and password may be percent-encoded.
    /// The default port is 80.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(InvalidUrl::Scheme);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(InvalidUrl::Path);
        }
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, rest),
        };
        let (host, port) = split_authority(authority)?;
        let credentials = match user {
            Some(user) => Some(encode_credentials(user).ok_or(InvalidUrl::User)?),
            None => None,
        };
        Ok(Self { host, port: port.unwrap_or(80), credentials })
    }

    /// Where it is.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The request to be connected to the host and port of `url`.
    pub fn request(&self, url: &Url) -> Vec<u8> {
        let authority = format!("{}:{}", url.host(), url.port());
        let mut out = format!("CONNECT {authority} HTTP/1.1\r\n").into_bytes();
        put_field(&mut out, "Host", authority.as_bytes());
        if let Some(credentials) = &self.credentials {
            put_field(&mut out, "Proxy-Authorization", &[b"Basic ", &credentials[..]].concat());
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

/// Base64 of `user:password`; `None` when there is a stray `%` or a control byte, or a user that
/// holds a colon (RFC 7617 §2).
fn encode_credentials(user: &str) -> Option<Vec<u8>> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (mut plain, password) = (decode(user)?, decode(password)?);
    if plain.contains(&b':') {
        return None;
    }
    plain.push(b':');
    plain.extend(password);
    let mut out = Vec::new();
    base64::encode(&plain, &mut out);
    Some(out)
}

/// Undoes percent-encoding; `None` when there is a control byte, too.
fn decode(text: &str) -> Option<Vec<u8>> {
    percent_decoded(text).filter(|plain| !plain.iter().any(u8::is_ascii_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let url = Url::parse("wss://example.com/chat").expect("a URL");
        let plain = Proxy::parse("http://proxy:3128").expect("a proxy");
        assert_eq!((plain.host().to_string(), plain.port()), ("proxy".into(), 3128));
        let expected = "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n";
        assert_eq!(plain.request(&url), expected.as_bytes());
        let known = Proxy::parse("http://Aladdin:open%20sesame@[::1]/").expect("a proxy");
        assert_eq!((known.host().to_string(), known.port()), ("[::1]".into(), 80));
        let text = String::from_utf8(known.request(&url)).expect("text");
        // RFC 7617 section 2.
        let line = "\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
        assert!(text.ends_with(line), "{text}");
        assert!(!format!("{known:?}").contains("Aladdin"));
    }

    #[test]
    fn what_is_refused() {
        for (text, error) in [
            ("proxy:3128", InvalidUrl::Scheme),
            ("https://proxy", InvalidUrl::Scheme),
            ("http://proxy/path", InvalidUrl::Path),
            ("http://", InvalidUrl::Host),
            ("http://a:b@", InvalidUrl::Host),
            ("http://a%0D%0A:b@proxy", InvalidUrl::User),
            ("http://a%3Ab:c@proxy", InvalidUrl::User),
            ("http://a%:b@proxy", InvalidUrl::User),
            ("http://proxy:x", InvalidUrl::Port),
        ] {
            assert_eq!(Proxy::parse(text), Err(error), "{text}");
        }
    }
}
