//! What a server is, before rows are played: without that they could say nothing of it.

use super::row::Need;
use super::talk::{Peer, Talk};
use crate::error::{Error, Result};
use ringws_kit::{BINARY, PING, TEXT, frame};
use serde::Serialize;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Able {
    /// It sends back what it is sent, and nothing else.
    pub(crate) echo: bool,
    /// It agrees to permessage-deflate.
    pub(crate) deflate: bool,
    /// What it calls itself.
    pub(crate) server: Option<String>,
}

impl Able {
    /// What is missing, if anything is.
    pub(super) fn lacks(&self, needs: &[Need]) -> Option<&'static str> {
        needs.iter().find_map(|need| match need {
            Need::Echo if !self.echo => Some("the server does not echo"),
            Need::Deflate if !self.deflate => Some("permessage-deflate is not agreed to"),
            _ => None,
        })
    }

    pub(super) fn sentence(&self, url: &str) -> String {
        let server = self.server.as_deref().map_or_else(String::new, |name| format!(" ({name})"));
        let echo = match self.echo {
            true => "echoes",
            false => "does not echo, so rows that need that are left out",
        };
        let deflate = if self.deflate { "agrees to" } else { "does not agree to" };
        format!("{url}{server} {echo}, and {deflate} permessage-deflate")
    }
}

/// Asks the server.
pub(super) fn probe(peer: &Peer) -> Result<Able> {
    let mut talk = Talk::open(peer)?;
    if !talk.greet(None) {
        return Err(refused(peer, &talk));
    }
    let server = talk.heard.fields("Server").first().map(|name| (*name).to_owned());
    let said = [(TEXT, b"an echo?".to_vec()), (BINARY, vec![0, 1, 2])];
    said.iter().for_each(|(first, payload)| talk.send(&frame(*first, payload)));
    talk.send(&frame(PING, super::talk::ALIVE));
    talk.wait(Talk::is_alive);
    // The answer to the Ping may overtake others; who does not echo costs a moment here.
    let short = peer.patience.min(std::time::Duration::from_secs(1));
    talk.within(short, |talk| talk.heard.messages.len() >= said.len());
    let echo = talk.heard.messages == said;
    talk.leave(super::row::Then::Read);
    let mut talk = Talk::open(peer)?;
    let deflate = talk.greet(Some("permessage-deflate; client_max_window_bits"))
        && talk.heard.fields("Sec-WebSocket-Extensions").join(",").contains("permessage-deflate");
    talk.leave(super::row::Then::Read);
    Ok(Able { echo, deflate, server })
}

fn refused(peer: &Peer, talk: &Talk<'_>) -> Error {
    let (why, next) = match talk.heard.status() {
        Some(101) => {
            let bad = talk.heard.bad_answer().unwrap_or_else(|| "a strange answer".into());
            (bad, "this is no WebSocket server, or something between answers in its place")
        }
        Some(status @ (401 | 403)) => (
            format!("refused with status {status}"),
            "-H 'Authorization: ...' or -H 'Origin: https://...' may open it",
        ),
        Some(404) => ("refused with status 404".into(), "does the URL have the right path?"),
        Some(status) => (
            format!("refused with status {status}"),
            "it may want a path, a subprotocol (-H 'Sec-WebSocket-Protocol: ...') or a header",
        ),
        None if talk.came().is_empty() => {
            ("no answer to an upgrade request".into(), "a wss:// port does not answer ws://")
        }
        None => (
            "no HTTP answer".into(),
            "is this the port of an HTTP server? wss:// instead of ws://?",
        ),
    };
    Error::Refused { url: peer.place.url.clone(), why, next }
}
