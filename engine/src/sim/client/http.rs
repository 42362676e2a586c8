//! Requests that are no upgrades: they come before it on the same connection, all at once or each
//! behind the answer to the one before.

use super::{Client, State};
use crate::ring::sim::Choices;
use crate::sim::ask::Question;
use crate::sim::ledger::Ledger;
use crate::sim::manner::Manner;
use std::collections::VecDeque;

/// What a client asks before it asks for an upgrade.
#[derive(Debug, Default)]
pub(super) struct Asks {
    /// So many are still to be asked.
    pub(super) left: usize,
    /// It does not wait for answers.
    pipelines: bool,
    number: u64,
    /// Those that were asked, and whether their answers have no body.
    unanswered: VecDeque<bool>,
    /// The head of an answer whose body has not come yet.
    head: Option<String>,
}

impl Asks {
    pub(super) fn draw(choices: &mut Choices, manner: Manner) -> Self {
        let left = *choices.pick(&[0, 0, 1, 3, 8]);
        let pipelines = choices.chance(600);
        let silent = matches!(manner, Manner::NeverAsks | Manner::AsksBadly);
        Self { left: if silent { 0 } else { left }, pipelines, ..Self::default() }
    }

    /// What comes next answers a request that was no upgrade.
    pub(super) fn awaits_answer(&self) -> bool {
        !self.unanswered.is_empty()
    }
}

impl Client {
    /// Asks what it may ask now: the upgrade in the end.
    pub(super) fn ask(&mut self, ledger: &mut Ledger) {
        while self.asks.left > 0 {
            self.asks.left -= 1;
            self.request(ledger);
            if !self.asks.pipelines {
                return;
            }
        }
        self.ask_for_upgrade();
    }

    fn ask_for_upgrade(&mut self) {
        let upgrade = if self.manner == Manner::AsksBadly { "h2c" } else { "websocket" };
        let end = if self.manner == Manner::NeverAsks { "" } else { "\r\n" };
        let head = format!(
            "GET /client/{} HTTP/1.1\r\nHost: sim\r\nUpgrade: {upgrade}\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{end}",
            self.id
        );
        self.out.extend(head.as_bytes());
    }

    fn request(&mut self, ledger: &mut Ledger) {
        self.asks.number += 1;
        let (id, number) = (self.id, self.asks.number);
        let method = *self.choices.pick(&["GET", "POST", "PUT", "HEAD"]);
        let len = if matches!(method, "POST" | "PUT") {
            *self.choices.pick(&[3, 0, 700, 1024])
        } else {
            0
        };
        let body: Vec<u8> = (0..len).map(|_| self.choices.below(256) as u8).collect();
        let chunked = len > 0 && self.choices.chance(400);
        let (framing, wire) = match (chunked, len) {
            (true, _) => ("Transfer-Encoding: chunked\r\n".into(), self.chunked(&body)),
            (false, 0) if method != "POST" => (String::new(), Vec::new()),
            (false, len) => (format!("Content-Length: {len}\r\n"), body.clone()),
        };
        let target = format!("/client/{id}/ask/{number}");
        let head = format!("{method} {target} HTTP/1.1\r\nHost: sim\r\n{framing}\r\n");
        self.out.extend(head.as_bytes());
        self.out.extend(wire);
        self.asks.unanswered.push_back(method == "HEAD");
        ledger.note(|| format!("client {id}: {method} {target}, {len} bytes"));
        ledger.records[id].asked.push_back(Question { target, body });
    }

    /// The chunked coding of RFC 9112 §7.1.
    fn chunked(&mut self, body: &[u8]) -> Vec<u8> {
        let (mut wire, mut rest) = (Vec::new(), body);
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(self.choices.between(1, rest.len()));
            wire.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend(b"\r\n");
            rest = after;
        }
        wire.extend(b"0\r\n\r\n");
        wire
    }

    /// Reads the next answer, if all of it is there: whether it was.
    pub(super) fn hear_answer(&mut self, ledger: &mut Ledger) -> bool {
        let Some(head) = self.asks.head.take().or_else(|| self.frames.head()) else { return false };
        let promised = ledger.records[self.id].answers.front();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let Some(answer) = promised.filter(|answer| Some(answer.status) == status) else {
            // It is turned away: that is no answer of the application's.
            self.answered(&head, ledger);
            return true;
        };
        let told = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let told = told.map(|len| len.parse::<usize>().expect("a length"));
        let has_length = answer.status != 204;
        let expected = has_length.then_some(answer.body.len());
        assert_eq!(told, expected, "client {}: {head}", self.id);
        let no_body = self.asks.unanswered[0] || !has_length;
        let len = if no_body { 0 } else { answer.body.len() };
        let Some(body) = self.frames.take(len) else {
            self.asks.head = Some(head);
            return false;
        };
        assert!(body == answer.body[..len], "client {}: another body", self.id);
        ledger.note(|| format!("client {}: answered {status:?}", self.id));
        ledger.records[self.id].answers.pop_front();
        ledger.answers_seen += 1;
        self.asks.unanswered.pop_front();
        if head.contains("\r\nConnection: close\r\n") {
            assert!(ledger.stopping, "client {}: {head}", self.id);
            self.state = State::Ending;
        } else if !self.asks.pipelines {
            self.ask(ledger);
        }
        true
    }
}
