//! The client's half of the opening handshake, RFC 6455 §4.1: the request.

use super::deflate::{self, Terms};
use super::handshake::field::{InvalidHeader, put_field};
use super::url::Url;
use super::{base64, field};

/// Fields that the handshake writes itself, or that would give the request a body, beside all of
/// `Sec-WebSocket-*`.
const OWNED: [&str; 6] =
    ["Connection", "Content-Length", "Host", "Trailer", "Transfer-Encoding", "Upgrade"];

/// What is asked of a server. Made once, sent with each connection to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    target: String,
    authority: String,
    protocols: Vec<String>,
    /// Whole lines.
    fields: Vec<u8>,
}

impl Ask {
    /// A request for `url`, with no subprotocol.
    pub fn new(url: &Url) -> Self {
        Self {
            target: url.target().to_owned(),
            authority: url.authority(),
            protocols: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// What `Host` says, instead of what the URL names: a host, with a port or without.
    pub(crate) fn set_authority(&mut self, authority: String) {
        self.authority = authority;
    }

    /// Offers a subprotocol, behind those offered before.
    ///
    /// # Errors
    /// It is no token, or offered already (RFC 6455 §4.1, 10).
    pub fn offer_protocol(&mut self, name: &str) -> Result<(), InvalidHeader> {
        if !field::is_token(name.as_bytes()) || self.offers(name) {
            return Err(InvalidHeader);
        }
        self.protocols.push(name.to_owned());
        Ok(())
    }

    /// Adds a header, `Origin` or `Cookie` say.
    ///
    /// # Errors
    /// A name that is no token or belongs to the handshake, a value with CR, LF, NUL or other
    /// control bytes: they could end the line, and begin another.
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
        let prefix = name.get(.."Sec-WebSocket-".len()).unwrap_or_default();
        let owned = prefix.eq_ignore_ascii_case("Sec-WebSocket-")
            || OWNED.iter().any(|owned| owned.eq_ignore_ascii_case(name));
        if owned || !field::is_token(name.as_bytes()) || !field::is_value(value) {
            return Err(InvalidHeader);
        }
        put_field(&mut self.fields, name, value);
        Ok(())
    }

    /// Whether that subprotocol is offered. Names are compared as they are (RFC 6455 §4.1).
    pub fn offers(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|offered| offered == protocol)
    }

    /// Appends the whole request. `nonce` must be random, and another for each connection; its
    /// encoding, which the answer must prove to have read, is returned.
    pub(crate) fn encode(
        &self,
        nonce: [u8; 16],
        deflate: Option<&Terms>,
        out: &mut Vec<u8>,
    ) -> Vec<u8> {
        let mut key = Vec::with_capacity(24);
        base64::encode(&nonce, &mut key);
        for part in ["GET ", &self.target, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        put_field(out, "Host", self.authority.as_bytes());
        out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\n");
        put_field(out, "Sec-WebSocket-Key", &key);
        put_field(out, "Sec-WebSocket-Version", b"13");
        if !self.protocols.is_empty() {
            put_field(out, "Sec-WebSocket-Protocol", self.protocols.join(", ").as_bytes());
        }
        if let Some(terms) = deflate {
            let mut offer = Vec::new();
            deflate::put_offer(terms, &mut offer);
            put_field(out, deflate::FIELD, &offer);
        }
        out.extend_from_slice(&self.fields);
        out.extend_from_slice(b"\r\n");
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(url: &str) -> Ask {
        Ask::new(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn a_request_as_it_is_sent() {
        let mut ask = ask("ws://server.example.com:8080/chat?a=b");
        ask.offer_protocol("chat").unwrap();
        ask.offer_protocol("superchat").unwrap();
        ask.add_header("Origin", b"http://example.com").unwrap();
        let mut out = Vec::new();
        let key = ask.encode(*b"the sample nonce", None, &mut out);
        assert_eq!(key, b"dGhlIHNhbXBsZSBub25jZQ==", "RFC 6455 section 1.3");
        let expected = "GET /chat?a=b HTTP/1.1\r\n\
            Host: server.example.com:8080\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Protocol: chat, superchat\r\n\
            Origin: http://example.com\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        let mut ask = ask("ws://a/");
        let clean = ask.clone();
        for (name, value) in [
            ("Host", &b"b"[..]),
            ("hOST", b"b"),
            ("Sec-WebSocket-Key", b"x"),
            ("sec-websocket-anything", b"x"),
            ("Upgrade", b"h2c"),
            ("Connection", b"close"),
            ("Content-Length", b"5"),
            ("Transfer-Encoding", b"chunked"),
            ("X", b"a\r\nb"),
            ("X", b"a\nb"),
            ("X", b"a\0b"),
            ("X\r\nY", b"a"),
            ("X Y", b"a"),
            ("X:", b"a"),
            ("", b"a"),
        ] {
            assert_eq!(ask.add_header(name, value), Err(InvalidHeader), "{name:?}: {value:?}");
        }
        for protocol in ["", "a b", "a,b", "a\r\nb", "é"] {
            assert_eq!(ask.offer_protocol(protocol), Err(InvalidHeader), "{protocol:?}");
        }
        assert_eq!(ask, clean);
        ask.offer_protocol("chat").unwrap();
        assert_eq!(ask.offer_protocol("chat"), Err(InvalidHeader), "twice");
        assert!(ask.offers("chat") && !ask.offers("Chat"));
    }
}
