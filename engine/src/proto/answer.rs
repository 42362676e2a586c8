//! What a server answered to our upgrade request: the checks of RFC 6455 §4.1.

use super::deflate::{self, Agreed, Terms};
use super::head::Head;
use super::{Ask, field, response};
use httparse::Status;
use std::mem::MaybeUninit;

/// Header fields of one answer; more is an answer that is refused.
const HEADERS_MAX: usize = 100;

const PROTOCOL: &str = "Sec-WebSocket-Protocol";

type Fields<'h> = [httparse::Header<'h>];

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
    /// A body where none may be.
    #[error("answer to an upgrade with a body")]
    Body,
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

/// A checked answer: 101, and all that belongs to it.
#[derive(Debug)]
pub struct Answer<'b> {
    head: Head<'b>,
    /// What was agreed on of permessage-deflate.
    pub(crate) deflate: Option<Agreed>,
}

/// What the head of an answer means.
#[derive(Debug)]
pub(crate) enum Verdict<'b> {
    /// The connection is open.
    Open(Answer<'b>),
    /// The proxy has connected us.
    Tunnel,
    /// Another answer follows (RFC 9110 §15.2).
    Interim,
    /// Refused, with so many bytes of a body if that is known.
    Refused(u16, Option<u64>),
}

/// Judges the head of an answer.
pub(crate) fn judge<'b>(head: Head<'b>, expected: &Expected<'_>) -> Result<Verdict<'b>, BadAnswer> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let (status, fields) = parse(&head, &mut slots)?;
    let deflate = match status {
        101 => check(fields, expected)?,
        100..=199 => return Ok(Verdict::Interim),
        204 | 304 => return Ok(Verdict::Refused(status, Some(0))),
        _ => return Ok(Verdict::Refused(status, body_len(fields))),
    };
    Ok(Verdict::Open(Answer { head, deflate }))
}

/// Judges the head of an answer to `CONNECT`, in which nothing but the status matters
/// (RFC 9110 §9.3.6).
pub(crate) fn judge_proxy<'b>(head: &Head<'_>) -> Result<Verdict<'b>, BadAnswer> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let (status, fields) = parse(head, &mut slots)?;
    Ok(match status {
        200..=299 => Verdict::Tunnel,
        100 | 102..=199 => Verdict::Interim,
        _ => Verdict::Refused(status, body_len(fields)),
    })
}

impl Answer<'_> {
    /// The value of the first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        // It was parsed before.
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
        Answer { head: self.head.into_owned(), deflate: self.deflate }
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

/// The values of all fields of that name, trimmed.
fn values<'h>(fields: &'h Fields<'h>, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
    fields.iter().filter(|f| f.name.eq_ignore_ascii_case(name)).map(|f| field::trim(f.value))
}

/// The value of the only field of that name.
fn only<'h>(fields: &'h Fields<'h>, name: &'static str) -> Option<&'h [u8]> {
    let mut all = values(fields, name);
    let value = all.next()?;
    all.next().is_none().then_some(value)
}

/// The elements of all lists of that name.
fn elements<'h>(fields: &'h Fields<'h>, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
    values(fields, name).flat_map(field::elements)
}

/// The only element of all lists of that name.
fn only_element<'h>(fields: &'h Fields<'h>, name: &'static str) -> Option<&'h [u8]> {
    let mut all = elements(fields, name);
    let element = all.next()?;
    all.next().is_none().then_some(element)
}

/// RFC 6455 §4.1, the second list, 2 to 6.
fn check(fields: &Fields<'_>, expected: &Expected<'_>) -> Result<Option<Agreed>, BadAnswer> {
    // Bytes behind the head are frames: whoever announces a body means something else by them.
    let length = values(fields, "Content-Length").any(|length| length != b"0");
    if length || values(fields, "Transfer-Encoding").next().is_some() {
        return Err(BadAnswer::Body);
    }
    let upgrade = only_element(fields, "Upgrade").ok_or(BadAnswer::Upgrade)?;
    if !upgrade.eq_ignore_ascii_case(b"websocket") {
        return Err(BadAnswer::Upgrade);
    }
    if !elements(fields, "Connection").any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
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

/// The bytes of a body, if they are announced in a way that leaves no doubt.
fn body_len(fields: &Fields<'_>) -> Option<u64> {
    if values(fields, "Transfer-Encoding").next().is_some() {
        return None;
    }
    let digits = std::str::from_utf8(only(fields, "Content-Length")?).ok()?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::head::HeadReader;
    use crate::proto::{Input, Url};

    const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";

    fn judged(text: &str) -> Result<(u16, Option<u64>), BadAnswer> {
        let mut ask = Ask::new(&Url::parse("ws://a/").expect("a URL"));
        ask.offer_protocol("chat").expect("a token");
        ask.offer_protocol("v2").expect("a token");
        let mut bytes = text.as_bytes().to_vec();
        let mut input = Input::new(&mut bytes);
        let head = HeadReader::new().feed(&mut input, 1 << 20).expect("lines").expect("whole");
        match judge(head, &Expected { ask: &ask, key: KEY, deflate: None })? {
            Verdict::Open(_) | Verdict::Tunnel => Ok((101, None)),
            Verdict::Interim => Ok((100, None)),
            Verdict::Refused(status, len) => Ok((status, len)),
        }
    }

    fn switching(lines: &str) -> Result<(u16, Option<u64>), BadAnswer> {
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
            (BadAnswer::Body, format!("{UPGRADE}{ACCEPT}Content-Length: 5\r\n")),
            (BadAnswer::Body, format!("{UPGRADE}{ACCEPT}Transfer-Encoding: chunked\r\n")),
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
        let cases = [
            ("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", (403, Some(5))),
            ("HTTP/1.0 502 No\r\n\r\n", (502, None)),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
                (200, None),
            ),
            ("HTTP/1.1 302 x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", (302, None)),
            ("HTTP/1.1 500 x\r\nContent-Length: -5\r\n\r\n", (500, None)),
            ("HTTP/1.1 204 x\r\n\r\n", (204, Some(0))),
            ("HTTP/1.1 103 Early Hints\r\n\r\n", (100, None)),
        ];
        for (text, expected) in cases {
            assert_eq!(judged(text), Ok(expected), "{text}");
        }
    }
}
