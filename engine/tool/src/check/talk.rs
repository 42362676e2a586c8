//! One conversation with the server: what a row sends, and what was heard until it was settled.

use super::hear::Heard;
use super::notation::Step;
use super::row::{Cut, Expect, Request, Row, Then};
use super::wire::{End, Wire};
use crate::error::Result;
use crate::place::Place;
use ringws_kit::{CLOSE, FIELDS, PING, PONG, close, frame};
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The Ping that shows that a connection is served on.
pub(super) const ALIVE: &[u8] = b"still there?";

/// How much of what was sent is kept, to be shown.
const SHOWN: usize = 4 << 10;

/// Whom to talk to.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) place: Place,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// More fields of every good request.
    pub(crate) headers: Vec<(String, String)>,
    /// How long anything may take.
    pub(crate) patience: Duration,
}

/// A conversation under way.
pub(super) struct Talk<'p> {
    peer: &'p Peer,
    wire: Wire,
    until: Instant,
    pub(super) heard: Heard,
    pub(super) sent: Vec<u8>,
    /// Whether all steps were sent.
    pub(super) all: bool,
    ponged: usize,
}

impl<'p> Talk<'p> {
    pub(super) fn open(peer: &'p Peer) -> Result<Self> {
        let wire = Wire::open(&peer.place, peer.tls.as_ref(), peer.patience)?;
        let until = Instant::now() + peer.patience;
        let (heard, sent) = (Heard::default(), Vec::new());
        Ok(Self { peer, wire, until, heard, sent, all: false, ponged: 0 })
    }

    pub(super) fn end(&self) -> Option<&End> {
        self.wire.end.as_ref()
    }

    /// All that came, as bytes.
    pub(super) fn came(&self) -> &[u8] {
        &self.wire.came
    }

    /// Asks as the row says, and waits for the answer.
    pub(super) fn ask(&mut self, row: &Row) {
        let mut bytes = request(&row.request, self.peer);
        match row.cut {
            // Of a row with frames it is these that are cut.
            Cut::Bytes if row.steps.is_empty() => self.slowly(&bytes),
            Cut::Bytes | Cut::Whole => self.send(&bytes),
            Cut::Joined => {
                bytes.extend(row.steps.iter().flat_map(|step| match step {
                    Step::Send(bytes) => bytes.as_slice(),
                    Step::Wait(_) => &[],
                }));
                self.send(&bytes);
                self.all = true;
            }
        }
        self.wait(|talk| talk.heard.head.is_some() || talk.is_over());
    }

    /// A good handshake; whether it has opened the connection.
    pub(super) fn greet(&mut self, extensions: Option<&str>) -> bool {
        let bytes = request(&Request::Good(extensions.map(str::to_owned)), self.peer);
        self.send(&bytes);
        self.wait(|talk| talk.heard.head.is_some() || talk.is_over());
        self.heard.status() == Some(101) && self.heard.bad_answer().is_none()
    }

    /// Sends what the row has behind its request.
    pub(super) fn play(&mut self, row: &Row) {
        if !self.all {
            for step in &row.steps {
                match step {
                    Step::Send(bytes) if row.cut == Cut::Bytes => self.slowly(bytes),
                    Step::Send(bytes) => self.send(bytes),
                    Step::Wait(ms) => {
                        self.flush();
                        let until = Instant::now() + Duration::from_millis(*ms);
                        while self.turn(until.min(self.until)) && Instant::now() < until {}
                    }
                }
            }
            self.flush();
            self.all = self.wire.is_sent() && self.end().is_none();
        }
        if row.then == Then::HalfClose {
            self.flush();
            self.wire.half_close();
        }
    }

    /// Reads until what is expected has come, or cannot come any more. An `echo` that has taken
    /// what it must not has not failed, whatever it does then.
    pub(super) fn settle(&mut self, row: &Row, echo: bool) {
        let expects = |what| row.expect.contains(&what);
        if row.then == Then::Reset {
            return;
        }
        if expects(Expect::Open) || expects(Expect::Survives) {
            // Of Pings that come together only the last must be answered (§5.5.3).
            self.wait(|talk| {
                let last = row.pongs.last();
                talk.is_over() || last.is_none_or(|last| talk.heard.pongs.contains(last))
            });
            self.send(&frame(PING, ALIVE));
            let echoes = if expects(Expect::Open) { row.echoes.len() } else { 0 };
            self.wait(|talk| {
                talk.is_over() || talk.is_alive() && talk.heard.messages.len() >= echoes
            });
        } else if expects(Expect::Close) {
            self.wait(|talk| talk.end().is_some() || talk.heard.fault.is_some());
        } else {
            self.wait(|talk| {
                let taken = echo && !row.echoes.starts_with(&talk.heard.messages);
                talk.is_over() || taken
            });
        }
    }

    /// Takes leave: a server that is not at fault should not have to log an error.
    pub(super) fn leave(mut self, then: Then) {
        if then == Then::Reset {
            return self.wire.reset();
        }
        if self.end().is_none() && self.heard.status() == Some(101) {
            let code = self.heard.code().filter(|code| *code != 1005).unwrap_or(1000);
            self.wire.send(&frame(CLOSE, close(code, "")));
            let until = Instant::now() + Duration::from_millis(20);
            while self.turn(until) && self.end().is_none() {}
        }
    }

    /// Queues a message and gives it to the kernel.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let room = SHOWN.saturating_sub(self.sent.len()).min(bytes.len());
        self.sent.extend_from_slice(&bytes[..room]);
        self.wire.send(bytes);
    }

    /// Waits until it is so; `false` if it is too late.
    pub(super) fn wait(&mut self, so: impl Fn(&Self) -> bool) -> bool {
        self.wait_until(self.until, so)
    }

    /// The same, for no longer than that.
    pub(super) fn within(&mut self, longest: Duration, so: impl Fn(&Self) -> bool) -> bool {
        self.wait_until(Instant::now() + longest, so)
    }

    fn wait_until(&mut self, until: Instant, so: impl Fn(&Self) -> bool) -> bool {
        self.hear();
        loop {
            if so(self) {
                return true;
            }
            if self.end().is_some() || !self.turn(until) {
                return so(self);
            }
        }
    }

    /// Whether the Ping was answered.
    pub(super) fn is_alive(&self) -> bool {
        self.heard.pongs.iter().any(|pong| pong == ALIVE)
    }

    /// Whether the server has given the connection up.
    fn is_over(&self) -> bool {
        self.end().is_some() || self.heard.close.is_some() || self.heard.fault.is_some()
    }

    fn slowly(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send(&[*byte]);
            self.flush();
        }
    }

    fn flush(&mut self) {
        while !self.wire.is_sent() && self.turn(self.until) {}
    }

    fn turn(&mut self, until: Instant) -> bool {
        let in_time = self.wire.turn(until);
        self.hear();
        in_time
    }

    fn hear(&mut self) {
        self.heard.hear(&self.wire.came);
        // A client must answer Pings (§5.5.2), but says nothing behind a Close.
        while self.heard.close.is_none() && self.ponged < self.heard.pings.len() {
            self.wire.send(&frame(PONG, &self.heard.pings[self.ponged]));
            self.ponged += 1;
        }
    }
}

/// The bytes of a request to this server.
fn request(asked: &Request, peer: &Peer) -> Vec<u8> {
    let first = "GET {target} HTTP/1.1".to_owned();
    let lines = match asked {
        Request::Bytes(bytes) => return filled(bytes, peer).into_bytes(),
        Request::Lines(lines) => lines.clone(),
        Request::Good(None) => vec![first, "@good".into()],
        Request::Good(Some(offer)) => {
            vec![first, "@good".into(), format!("Sec-WebSocket-Extensions: {offer}")]
        }
    };
    let mut head = String::new();
    for line in lines {
        match (line.as_str(), line.strip_prefix("@without ")) {
            ("@good", _) => good(&[], peer, &mut head),
            (_, Some(without)) => {
                let without: Vec<&str> = without.split(", ").collect();
                good(&without, peer, &mut head);
            }
            _ => head.push_str(&format!("{}\r\n", filled(&line, peer))),
        }
    }
    (head + "\r\n").into_bytes()
}

fn good(without: &[&str], peer: &Peer, head: &mut String) {
    let fields = FIELDS.iter().map(|(name, value)| match *name {
        "Host" => (*name, peer.place.authority.as_str()),
        _ => (*name, *value),
    });
    let more = peer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in fields.chain(more).filter(|(name, _)| !without.contains(name)) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
}

/// Puts in where the server is, and `x` three times for `<<x*3>>`.
fn filled(text: &str, peer: &Peer) -> String {
    let place = &peer.place;
    let mut text = text.replace("{target}", &place.target).replace("{host}", &place.authority);
    while let Some((before, rest)) = text.split_once("<<")
        && let Some((inside, behind)) = rest.split_once(">>")
        && let Some((what, times)) = inside.rsplit_once('*')
    {
        let times = times.parse().unwrap_or(1);
        text = format!("{before}{}{behind}", what.repeat(times));
    }
    text
}
