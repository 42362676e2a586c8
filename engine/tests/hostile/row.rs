//! A row of the corpus: what is sent, and what must come of it.

use ringws_engine::config::Proxies;
use ringws_kit::{FIELDS, KEY};
use serde::Deserialize;

/// A file of the corpus.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Corpus {
    pub(crate) row: Vec<Row>,
}

/// One hostile input.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// What a proxy sends before the head. It is none of the head.
    proxy: Option<String>,
    /// The head to the byte.
    request: Option<String>,
    /// The head by lines.
    head: Option<Vec<String>>,
    /// Frames behind the head.
    send: Option<String>,
    #[serde(default)]
    pub(crate) limits: Limits,
    /// What the client does when it has sent everything.
    #[serde(default)]
    pub(crate) then: Then,
    pub(crate) expect: Expect,
    /// Messages that must come back, in order, before the end.
    #[serde(default)]
    echoes: Vec<String>,
    /// The last pong that must have come.
    pong: Option<String>,
    /// Whether the server must have pinged.
    #[serde(default)]
    pub(crate) pinged: bool,
    /// Part of the answer's head.
    pub(crate) contains: Option<String>,
    /// No part of the answer's head.
    pub(crate) lacks: Option<String>,
    /// Whether it is also worth sending byte by byte.
    #[serde(default = "yes")]
    pub(crate) bytewise: bool,
    /// Milliseconds between two bytes.
    pub(crate) drip_ms: Option<u64>,
    /// Milliseconds before which the connection must not end.
    pub(crate) after_ms: Option<u64>,
}

fn yes() -> bool {
    true
}

/// Limits of the endpoint; those that are not given are the defaults.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    message_max: Option<u32>,
    fragments_max: Option<u32>,
    head_max: Option<u32>,
    handshake_timeout_ms: Option<u32>,
    idle_timeout_ms: Option<u32>,
    close_timeout_ms: Option<u32>,
    /// Negotiates permessage-deflate.
    deflate: Option<bool>,
    /// Hands requests that are no upgrade to the service.
    requests: Option<bool>,
    body_max: Option<u32>,
    /// Everybody who connects is a proxy.
    proxies: Option<bool>,
}

impl Limits {
    pub(crate) fn proxies(&self) -> Option<Proxies> {
        let proxies = (self.proxies == Some(true)).then_some("127.0.0.0/8");
        proxies.map(|list| Proxies::parse(list).expect("a network"))
    }

    pub(crate) fn get(&self) -> ringws_engine::conn::Limits {
        let default = ringws_engine::conn::Limits::default();
        ringws_engine::conn::Limits {
            message_max: self.message_max.unwrap_or(default.message_max),
            fragments_max: self.fragments_max.unwrap_or(default.fragments_max),
            head_max: self.head_max.unwrap_or(default.head_max),
            handshake_timeout_ms: self.handshake_timeout_ms.unwrap_or(default.handshake_timeout_ms),
            idle_timeout_ms: self.idle_timeout_ms.unwrap_or(default.idle_timeout_ms),
            close_timeout_ms: self.close_timeout_ms.unwrap_or(default.close_timeout_ms),
            deflate: (self.deflate == Some(true)).then(ringws_engine::conn::Deflate::default),
            requests: self.requests == Some(true),
            body_max: self.body_max.unwrap_or(default.body_max),
            ..default
        }
    }
}

/// What the client does when it has sent everything.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Then {
    /// Reads until the server ends, then hangs up.
    #[default]
    Read,
    /// Ends its direction and reads.
    End,
    /// Resets the connection.
    Reset,
    /// Reads until the server ends, and does not hang up.
    Linger,
}

/// What must come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Expect {
    /// A Close frame with this code, then the end.
    Close(u16),
    /// `open`, `eof`, `close without code`, `http NNN` and the end, or `kept NNN` and more.
    Other(String),
}

/// The text of the message that shows that a connection is still served.
pub(crate) const PROBE: &str = "are you there?";

impl Row {
    /// The request.
    pub(crate) fn request(&self) -> Vec<u8> {
        let mut request = self.proxy.as_deref().map_or_else(Vec::new, expand);
        if let Some(head) = &self.request {
            request.extend(expand(head));
            return request;
        }
        let good = ["GET / HTTP/1.1".to_owned(), "@good".to_owned()];
        for line in self.head.as_deref().unwrap_or(&good) {
            if let Some(without) = line.strip_prefix("@without ") {
                headers(without, &mut request);
            } else if line == "@good" {
                headers("", &mut request);
            } else {
                request.extend(expand(line));
                request.extend(b"\r\n");
            }
        }
        request.extend(b"\r\n");
        request
    }

    /// The frames, with a probe and a Close behind them when the connection is to stay open.
    pub(crate) fn frames(&self) -> Vec<u8> {
        let mut frames = parse(self.send.as_deref().unwrap_or_default());
        if self.stays_open() {
            frames.extend(parse(&format!("81 8e m '{PROBE}' | 88 82 m 03 e8")));
        }
        frames
    }

    /// The messages that must come back.
    pub(crate) fn echoes(&self) -> Vec<Vec<u8>> {
        let mut echoes: Vec<_> = self.echoes.iter().map(|echo| expand(echo)).collect();
        if self.stays_open() {
            echoes.push(PROBE.into());
        }
        echoes
    }

    pub(crate) fn pong(&self) -> Option<Vec<u8>> {
        self.pong.as_deref().map(expand)
    }

    fn stays_open(&self) -> bool {
        matches!(&self.expect, Expect::Other(what) if what == "open")
    }
}

/// The headers of a good request but those named.
fn headers(without: &str, into: &mut Vec<u8>) {
    for (name, value) in FIELDS {
        if !without.split(", ").any(|left_out| left_out == name) {
            into.extend(format!("{name}: {value}\r\n").into_bytes());
        }
    }
}

/// Replaces `<<x*3>>` by `xxx`, and `<<hex c328>>` by those bytes.
fn expand(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<<") {
        let (inside, behind) = after.split_once(">>").expect("<< without >>");
        out.extend(before.bytes());
        if let Some(hex) = inside.strip_prefix("hex ") {
            out.extend(parse(hex));
        } else {
            let (what, count) = inside.rsplit_once('*').expect("a count");
            out.extend(what.repeat(count.parse().expect("a count")).bytes());
        }
        rest = behind;
    }
    out.extend(rest.bytes());
    out
}

/// The bytes of a list of frames.
pub(crate) fn parse(text: &str) -> Vec<u8> {
    let mut parser = Parser { text: text.as_bytes(), at: 0 };
    let bytes = parser.frames();
    assert_eq!(parser.at, text.len(), "a parenthesis too many: {text}");
    bytes
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
}

impl Parser<'_> {
    fn frames(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        // How many bytes the key has been put over; `None` outside of a payload.
        let mut masked: Option<usize> = None;
        while let Some(&next) = self.text.get(self.at) {
            let item = match next {
                b')' => return out,
                b' ' | b'|' => {
                    self.at += 1;
                    if next == b'|' {
                        masked = None;
                    }
                    continue;
                }
                b'm' => {
                    self.at += 1;
                    out.extend(KEY);
                    masked = Some(0);
                    continue;
                }
                b'(' => {
                    out.extend(self.group());
                    continue;
                }
                b'\'' => self.quoted(),
                _ => self.hex(),
            };
            for byte in item {
                let key = masked.map_or(0, |at| KEY[at % 4]);
                masked = masked.map(|at| at + 1);
                out.push(byte ^ key);
            }
        }
        out
    }

    fn group(&mut self) -> Vec<u8> {
        self.at += 1;
        let inside = self.frames();
        self.at += 1;
        inside.repeat(self.count(b'*'))
    }

    fn quoted(&mut self) -> Vec<u8> {
        let start = self.at + 1;
        let len = self.text[start..].iter().position(|&b| b == b'\'').expect("a closing quote");
        self.at = start + len + 1;
        self.text[start..start + len].to_vec()
    }

    fn hex(&mut self) -> Vec<u8> {
        let digits = std::str::from_utf8(&self.text[self.at..self.at + 2]).expect("hex digits");
        let byte = u8::from_str_radix(digits, 16).expect("hex digits");
        self.at += 2;
        vec![byte; self.count(b'x')]
    }

    /// The number behind `sign`, 1 when the sign does not stand here.
    fn count(&mut self, sign: u8) -> usize {
        if self.text.get(self.at) != Some(&sign) {
            return 1;
        }
        let digits: String = self.text[self.at + 1..]
            .iter()
            .map(|&b| b as char)
            .take_while(char::is_ascii_digit)
            .collect();
        self.at += 1 + digits.len();
        digits.parse().expect("a count")
    }
}
