//! What a server answered to our upgrade request: the checks of RFC 6455 §4.1.

use super::ask::Ask;
use super::body::Framing;
use super::deflate::{self, Agreed, Terms};
use super::field;
use super::fields::{Fields, contains, content_length, elements, only, values};
use super::handshake::response;
use super::head::Head;
use httparse::Status;
use std::mem::MaybeUninit;

/// Header fields of one answer; more is an answer that is refused.
const HEADERS_MAX: usize = 100;

const PROTOCOL: &str = "Sec-WebSocket-Protocol";

/// Why an answer opens no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadAnswer {
    /// A status other than 101: the server, or a proxy, has refused.
    #[error("answered with status {0}")]
    Status(u16),
    /// Not an answer of HTTP/1.1, or one with more than 100 header fields.
    #[error("not an HTTP answer")]
    Malformed,
    /// Longer than `head_max`.
    #[error("answer too long")]
    TooLong,
    /// `Upgrade` names anything but `websocket`, or that not exactly once.
    #[error("answer does not upgrade to websocket")]
    Upgrade,
    /// `Connection` without `Upgrade`.
    #[error("answer without Connection: Upgrade")]
    Connection,
    /// `Sec-WebSocket-Accept` is not there exactly once, or belongs to another request: whoever
    /// answers has not read ours.
    #[error("answer with a wrong Sec-WebSocket-Accept")]
    Accept,
    /// A subprotocol that was not offered, or more than one.
    #[error("answer with a subprotocol that was not offered")]
    Protocol,
    /// An extension that was not offered.
    #[error("answer with an extension that was not offered")]
    Extension,
}

/// What the answer to a request must show.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    /// What was asked for.
    pub(crate) ask: &'a Ask,
    /// The value of `Sec-WebSocket-Key` that was sent.
    pub(crate) key: &'a [u8],
    /// What was offered of permessage-deflate.
    pub(crate) deflate: Option<Terms>,
}

/// An answer: that which has opened a connection, or the one that has refused to.
#[derive(Debug)]
pub struct Answer<'b> {
    head: Head<'b>,
}

/// What the head of an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The connection is open, with what was agreed on of permessage-deflate.
    Open(Option<Agreed>),
    /// The proxy has connected us.
    Tunnel,
    /// Another answer follows (RFC 9110 §15.2).
    Interim,
    /// Refused, with a body that ends so.
    Refused(u16, Framing),
}

/// Judges the head of an answer.
pub(crate) fn judge(head: &Head<'_>, expected: &Expected<'_>) -> Result<Verdict, BadAnswer> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let (status, fields) = parse(head, &mut slots)?;
    Ok(match status {
        101 => Verdict::Open(check(fields, expected)?),
        100..=199 => Verdict::Interim,
        204 | 304 => Verdict::Refused(status, Framing::Length(0)),
        _ => Verdict::Refused(status, framing(fields)),
    })
}

/// Judges the head of an answer to `CONNECT`, in which nothing but the status matters
/// (RFC 9110 §9.3.6).
pub(crate) fn judge_proxy(head: &Head<'_>) -> Result<Verdict, BadAnswer> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let (status, fields) = parse(head, &mut slots)?;
    Ok(match status {
        200..=299 => Verdict::Tunnel,
        100 | 102..=199 => Verdict::Interim,
        _ => Verdict::Refused(status, framing(fields)),
    })
}

impl<'b> Answer<'b> {
    /// Of a head that was judged.
    pub(crate) fn new(head: Head<'b>) -> Self {
        Self { head }
    }

    /// The value of the first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        // It was parsed before. One that could not be has no headers.
        let (_, fields) = parse(&self.head, &mut slots).ok()?;
        fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| field::trim(f.value))
    }

    /// The subprotocol that the server has chosen.
    pub fn protocol(&self) -> Option<&str> {
        let chosen = field::elements(self.header(PROTOCOL)?).next()?;
        std::str::from_utf8(chosen).ok()
    }

    /// The same, independent of the bytes that it lies in.
    pub fn into_owned(self) -> Answer<'static> {
        Answer { head: self.head.into_owned() }
    }
}

fn parse<'h, 's>(
    head: &'h Head<'_>,
    slots: &'s mut [MaybeUninit<httparse::Header<'h>>],
) -> Result<(u16, &'s Fields<'h>), BadAnswer> {
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let bytes = head.as_bytes();
    match config.parse_response_with_uninit_headers(&mut response, bytes, slots) {
        Ok(Status::Complete(end)) if end == bytes.len() => {}
        _ => return Err(BadAnswer::Malformed),
    }
    let fields: &'s Fields<'h> = response.headers;
    match (response.version, response.code) {
        (Some(1), Some(status @ 100..=599)) => Ok((status, fields)),
        // A proxy of old may refuse in its own version.
        (Some(0), Some(status @ 200..=599)) => Ok((status, fields)),
        _ => Err(BadAnswer::Malformed),
    }
}

/// The only element of all lists of that name.
fn only_element<'h>(fields: &'h Fields<'h>, name: &'static str) -> Option<&'h [u8]> {
    let mut all = elements(fields, name);
    let element = all.next()?;
    all.next().is_none().then_some(element)
}

/// RFC 6455 §4.1, the second list, 2 to 6. Whatever it says of a body, a 101 ends with its head
/// (RFC 9112 §6.3, 1).
fn check(fields: &Fields<'_>, expected: &Expected<'_>) -> Result<Option<Agreed>, BadAnswer> {
    let upgrade = only_element(fields, "Upgrade").ok_or(BadAnswer::Upgrade)?;
    if !upgrade.eq_ignore_ascii_case(b"websocket") {
        return Err(BadAnswer::Upgrade);
    }
    if !contains(fields, "Connection", b"upgrade") {
        return Err(BadAnswer::Connection);
    }
    let mut accept = Vec::with_capacity(28);
    response::accept(expected.key, &mut accept);
    if only(fields, "Sec-WebSocket-Accept") != Some(&accept) {
        return Err(BadAnswer::Accept);
    }
    if values(fields, PROTOCOL).next().is_some() {
        let chosen = only_element(fields, PROTOCOL).ok_or(BadAnswer::Protocol)?;
        if !std::str::from_utf8(chosen).is_ok_and(|name| expected.ask.offers(name)) {
            return Err(BadAnswer::Protocol);
        }
    }
    match &expected.deflate {
        Some(terms) => deflate::check_answer(values(fields, deflate::FIELD), terms)
            .map_err(|_| BadAnswer::Extension),
        // None was offered, so that none may come.
        None if elements(fields, deflate::FIELD).next().is_none() => Ok(None),
        None => Err(BadAnswer::Extension),
    }
}

/// How the body ends, as far as the answer leaves no doubt (RFC 9112 §6.3).
fn framing(fields: &Fields<'_>) -> Framing {
    if values(fields, "Transfer-Encoding").next().is_some() {
        let last = elements(fields, "Transfer-Encoding").last();
        return match last.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")) {
            true => Framing::Chunked,
            false => Framing::UntilEnd,
        };
    }
    content_length(fields).map_or(Framing::UntilEnd, Framing::Length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::head::HeadReader;
    use crate::proto::{Input, Url};

    const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";

    fn judged(text: &str) -> Result<(u16, Option<Framing>), BadAnswer> {
        let mut ask = Ask::new(&Url::parse("ws://a/").expect("a URL"));
        ask.offer_protocol("chat").expect("a token");
        ask.offer_protocol("v2").expect("a token");
        let mut bytes = text.as_bytes().to_vec();
        let mut input = Input::new(&mut bytes);
        let head = HeadReader::new().feed(&mut input, 1 << 20).expect("lines").expect("whole");
        match judge(&head, &Expected { ask: &ask, key: KEY, deflate: None })? {
            Verdict::Open(_) | Verdict::Tunnel => Ok((101, None)),
            Verdict::Interim => Ok((100, None)),
            Verdict::Refused(status, framing) => Ok((status, Some(framing))),
        }
    }

    fn switching(lines: &str) -> Result<(u16, Option<Framing>), BadAnswer> {
        judged(&format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n"))
    }

    #[test]
    fn answers_that_open() {
        for more in [
            "",
            "Sec-WebSocket-Protocol: chat\r\n",
            "Sec-WebSocket-Protocol:v2 \r\n",
            "Sec-WebSocket-Protocol: ,v2, \r\n",
            "Sec-WebSocket-Extensions: ,, \r\n",
            "Upgrade: ,\r\nConnection:,, upgrade\r\n",
            "Sec-WebSocket-Extensions:\r\n",
            "Content-Length: 0\r\nServer: x\r\n",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
        ] {
            assert_eq!(switching(&format!("{UPGRADE}{ACCEPT}{more}")), Ok((101, None)), "{more}");
        }
        let other = "upgrade: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n";
        assert_eq!(switching(&format!("{other}{ACCEPT}")), Ok((101, None)));
        let bare = format!("HTTP/1.1 101\r\n{UPGRADE}{ACCEPT}\r\n");
        assert_eq!(judged(&bare), Ok((101, None)), "without a reason phrase");
    }

    #[test]
    fn answers_that_do_not() {
        let upgrade = "Upgrade: websocket\r\n";
        let cases = [
            (BadAnswer::Upgrade, format!("Connection: Upgrade\r\n{ACCEPT}")),
            (BadAnswer::Upgrade, format!("{UPGRADE}Upgrade: websocket\r\n{ACCEPT}")),
            (BadAnswer::Upgrade, format!("Upgrade: ,\r\nConnection: Upgrade\r\n{ACCEPT}")),
            (BadAnswer::Upgrade, format!("Upgrade: h2c\r\nConnection: Upgrade\r\n{ACCEPT}")),
            (BadAnswer::Upgrade, format!("Upgrade: websocket, h2c\r\n{ACCEPT}")),
            (BadAnswer::Connection, format!("{upgrade}{ACCEPT}")),
            (BadAnswer::Connection, format!("{upgrade}Connection: close\r\n{ACCEPT}")),
            (BadAnswer::Accept, UPGRADE.into()),
            (BadAnswer::Accept, format!("{UPGRADE}{ACCEPT}{ACCEPT}")),
            (BadAnswer::Accept, format!("{UPGRADE}Sec-WebSocket-Accept: {}\r\n", "x".repeat(28))),
            (BadAnswer::Accept, format!("{UPGRADE}{}", ACCEPT.to_lowercase())),
            (BadAnswer::Protocol, format!("{UPGRADE}{ACCEPT}Sec-WebSocket-Protocol: Chat\r\n")),
            (BadAnswer::Protocol, format!("{UPGRADE}{ACCEPT}Sec-WebSocket-Protocol:\r\n")),
            (BadAnswer::Protocol, format!("{UPGRADE}{ACCEPT}Sec-WebSocket-Protocol: , \r\n")),
            (BadAnswer::Protocol, format!("{UPGRADE}{ACCEPT}Sec-WebSocket-Protocol: chat, v2\r\n")),
            (
                BadAnswer::Protocol,
                format!("{UPGRADE}{ACCEPT}{0}{0}", "Sec-WebSocket-Protocol: chat\r\n"),
            ),
            (
                BadAnswer::Extension,
                format!("{UPGRADE}{ACCEPT}Sec-WebSocket-Extensions: permessage-deflate\r\n"),
            ),
            (
                BadAnswer::Extension,
                format!(
                    "{UPGRADE}{ACCEPT}Sec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: x\r\n"
                ),
            ),
            (BadAnswer::Malformed, format!("{UPGRADE}{ACCEPT}X : y\r\n")),
            (BadAnswer::Malformed, format!("{UPGRADE}{ACCEPT}X: y\r\n  folded\r\n")),
            (BadAnswer::Malformed, format!("{UPGRADE}{ACCEPT}{}", "X: y\r\n".repeat(100))),
        ];
        for (error, lines) in cases {
            assert_eq!(switching(&lines), Err(error), "{lines}");
        }
        for text in ["HTTP/1.0 101 x", "HTTP/2 101 x", "ICY 200 OK", "HTTP/1.1 99 x", "HTTP/1.1 x"]
        {
            let answer = format!("{text}\r\n{UPGRADE}{ACCEPT}\r\n");
            assert_eq!(judged(&answer), Err(BadAnswer::Malformed), "{text}");
        }
    }

    #[test]
    fn refusals_and_their_bodies() {
        use Framing::{Chunked, Length, UntilEnd};
        let cases = [
            ("403 No\r\nContent-Length: 5", 403, Length(5)),
            ("502 No", 502, UntilEnd),
            ("200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 5", 200, Chunked),
            ("200 OK\r\nTransfer-Encoding: gzip,\r\nTransfer-Encoding: , chunked,", 200, Chunked),
            ("200 OK\r\nTransfer-Encoding: chunked, gzip", 200, UntilEnd),
            ("200 OK\r\nTransfer-Encoding:\r\nContent-Length: 5", 200, UntilEnd),
            ("302 x\r\nContent-Length: 5\r\nContent-Length: 6", 302, UntilEnd),
            ("500 x\r\nContent-Length: -5", 500, UntilEnd),
            ("500 x\r\nContent-Length: 99999999999999999999", 500, UntilEnd),
            ("204 x\r\nTransfer-Encoding: chunked", 204, Length(0)),
        ];
        for (text, status, framing) in cases {
            for version in ["1.1", "1.0"] {
                let answer = format!("HTTP/{version} {text}\r\n\r\n");
                assert_eq!(judged(&answer), Ok((status, Some(framing))), "{answer}");
            }
        }
        let hints = "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(judged(hints), Ok((100, None)));
    }
}
