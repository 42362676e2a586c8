//! A scripted client: what it sends, what it expects, and how it may misbehave.

mod ends;
mod http;

use super::chaos::PING;
use super::frame::{Frame, Frames, encode};
use super::ledger::Ledger;
use super::less::Less;
use super::manner::Manner;
use super::message::{Whole, draw_message};
use crate::proto::{CloseCode, Opcode};
use crate::ring::sim::{Choices, Net, Peer};
use crate::tick::Tick;
use http::Asks;
use std::collections::VecDeque;

/// What a client says in the end to see whether the engine still serves it.
const PROBE: &[u8] = b"are you still there?";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not connected yet.
    Waiting,
    Handshake,
    Open,
    /// Our Close was sent, with this code.
    Closing(CloseCode),
    /// Both Close frames have passed, or no more is to be said: reads until the end.
    Ending,
    Done,
}

/// One client.
pub(super) struct Client {
    id: usize,
    choices: Choices,
    manner: Manner,
    state: State,
    peer: Option<Peer>,
    /// Where it connects.
    listener: usize,
    /// From where.
    address: u8,
    starts: Tick,
    /// Messages that it still wants to send.
    plan: usize,
    message_max: usize,
    /// Bytes it reads at most at once.
    appetite: usize,
    out: VecDeque<u8>,
    asks: Asks,
    frames: Frames,
    /// The message under assembly.
    partial: Option<Whole>,
    /// Pings that may still be answered, in order.
    pings: VecDeque<Vec<u8>>,
    misbehaved: bool,
    /// Ends its direction of TCP right behind its Close frame.
    hasty: bool,
    probed: bool,
    ending_since: Tick,
    /// The code of the server's Close frame.
    closed_with: Option<CloseCode>,
}

impl Client {
    pub(super) fn new(
        id: usize,
        mut choices: Choices,
        message_max: usize,
        listeners: usize,
    ) -> Self {
        let manner = Manner::draw(&mut choices);
        Self {
            id,
            manner,
            state: State::Waiting,
            peer: None,
            listener: choices.below(listeners),
            address: choices.below(3) as u8,
            starts: choices.below(200) as Tick,
            plan: choices.below(30),
            message_max,
            appetite: *choices.pick(&[70_000, 1000, 100]),
            out: VecDeque::new(),
            asks: Asks::draw(&mut choices, manner),
            frames: Frames::default(),
            partial: None,
            pings: VecDeque::new(),
            misbehaved: false,
            hasty: choices.chance(200),
            probed: false,
            ending_since: 0,
            closed_with: None,
            choices,
        }
    }

    /// Does no more than that.
    pub(super) fn lessened(mut self, less: &Less) -> Self {
        self.plan = less.of(self.plan);
        self.asks.left = less.of(self.asks.left);
        if less.leaves_out(self.id) {
            self.state = State::Done;
        }
        self
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    pub(super) fn describe(&self) -> String {
        let Self { id, manner, state, out, probed, closed_with, .. } = self;
        let out = out.len();
        format!("client {id}: {manner:?} {state:?} unsent {out} probed {probed} {closed_with:?}")
    }

    /// Acts; returns when it wants to act again by itself.
    pub(super) fn step(&mut self, net: &mut Net, ledger: &mut Ledger) -> Option<Tick> {
        let now = net.now();
        let Some(peer) = self.peer else { return self.connect(net, ledger) };
        if net.was_closed(peer) {
            ledger.records[self.id].gone_at.get_or_insert(now);
        }
        if self.state == State::Done {
            return None;
        }
        if self.misbehaved && self.manner == Manner::Vanishes {
            if net.was_closed(peer) {
                self.state = State::Done;
            }
            return None;
        }
        self.read(net, ledger, peer);
        if self.state == State::Done {
            return None;
        }
        self.say(net, ledger, peer);
        self.write(net, peer);
        // Of one that broke the protocol nothing is heard any more (RFC 6455 §7.1.7).
        let closed = self.closed_with.is_some() && !self.misbehaved;
        let answered = self.state == State::Ending && closed;
        if self.out.is_empty() && (answered || matches!(self.state, State::Closing(_))) {
            ledger.records[self.id].close_arrives = !net.was_broken(peer) && !net.was_reset(peer);
            if self.manner == Manner::ClosesAndResets {
                net.reset(peer);
                self.state = State::Done;
                return None;
            }
            if self.hasty {
                net.end(peer);
            }
        }
        let busy = !self.out.is_empty() || net.readable(peer) > 0 || self.has_more_to_say(ledger);
        busy.then(|| now + 1 + self.choices.below(4) as Tick)
    }

    fn connect(&mut self, net: &mut Net, ledger: &mut Ledger) -> Option<Tick> {
        if self.is_done() || net.now() < self.starts {
            return (!self.is_done()).then_some(self.starts);
        }
        self.peer = net.connect_from(self.listener, self.address);
        if self.peer.is_none() {
            self.state = State::Done;
            return None;
        }
        ledger.note(|| format!("client {}: connects, {:?}", self.id, self.manner));
        let record = &mut ledger.records[self.id];
        (record.address, record.connected_at) = (self.address, Some(net.now()));
        record.leaves = matches!(self.manner, Manner::Resets | Manner::HalfCloses);
        record.healthy = self.manner == Manner::Healthy;
        record.resets_behind_close = self.manner == Manner::ClosesAndResets;
        self.state = State::Handshake;
        self.ask(ledger);
        Some(net.now())
    }

    fn read(&mut self, net: &mut Net, ledger: &mut Ledger, peer: Peer) {
        let appetite =
            if ledger.calm { usize::MAX } else { self.choices.between(1, self.appetite) };
        let bytes = net.read(peer, appetite);
        self.frames.push(&bytes);
        while self.state == State::Handshake {
            let heard = match self.asks.awaits_answer() {
                true => self.hear_answer(ledger),
                false => self.frames.head().map(|head| self.answered(&head, ledger)).is_some(),
            };
            if !heard {
                break;
            }
        }
        while matches!(self.state, State::Open | State::Closing(_)) {
            let Some(frame) = self.frames.next() else { break };
            self.frame(frame, ledger);
        }
        self.look_for_the_end(net, ledger, peer);
    }

    fn answered(&mut self, head: &str, ledger: &mut Ledger) {
        let accepted = head.starts_with("HTTP/1.1 101 ");
        let no = ["HTTP/1.1 403 ", "HTTP/1.1 503 "].iter().any(|no| head.starts_with(no));
        let refused = ledger.records[self.id].refused && no;
        let stopped = head.starts_with("HTTP/1.1 503 ") && ledger.is_turned_away(self.id, head);
        let stopped = stopped || ledger.is_too_often(self.id, head);
        match self.manner {
            Manner::NeverAsks => assert!(head.starts_with("HTTP/1.1 408 "), "{head}"),
            Manner::AsksBadly => assert!(head.starts_with("HTTP/1.1 4") || stopped, "{head}"),
            _ => assert!(accepted || refused || stopped, "client {}: {head}", self.id),
        }
        let told = head.contains("\r\nRetry-After: ");
        ledger.turned_away += u64::from(head.contains("\r\nRetry-After: 7\r\n"));
        assert!(!stopped || ledger.drain.is_none() || told, "{head}");
        if accepted {
            let record = &ledger.records[self.id];
            let all = record.asked.is_empty() && record.answers.is_empty();
            assert!(all && !self.asks.awaits_answer(), "client {}: not answered", self.id);
            // The key's answer from RFC 6455 §1.3.
            assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        }
        self.state = if accepted { State::Open } else { State::Ending };
    }

    fn frame(&mut self, frame: Frame, ledger: &mut Ledger) {
        let Frame { fin, opcode, payload } = frame;
        match opcode {
            // Also behind our Close, until the server's has come (RFC 6455 §5.5.2).
            Opcode::Ping => {
                ledger.note(|| format!("client {}: pinged in {:?}", self.id, self.state));
                self.send(true, Opcode::Pong, &payload);
            }
            Opcode::Pong => {
                let at = self.pings.iter().position(|ping| *ping == payload);
                let at = at.unwrap_or_else(|| panic!("client {}: a pong to no ping", self.id));
                self.pings.drain(..=at);
            }
            Opcode::Close => self.close_came(&payload, ledger),
            Opcode::Text | Opcode::Binary => {
                assert!(self.partial.is_none(), "client {}: a message inside one", self.id);
                self.partial = Some((opcode, payload));
            }
            Opcode::Continuation => {
                let partial = self.partial.as_mut();
                partial.expect("a message to continue").1.extend_from_slice(&payload);
            }
        }
        if !opcode.is_control() && fin {
            let whole = self.partial.take().expect("a message");
            ledger.received(self.id, &whole);
            if whole.1 == PROBE {
                self.close(CloseCode::NORMAL, ledger);
            }
        }
    }

    fn has_more_to_say(&self, ledger: &Ledger) -> bool {
        self.state == State::Open && (self.plan > 0 || ledger.calm && !self.probed)
    }

    fn say(&mut self, net: &mut Net, ledger: &mut Ledger, peer: Peer) {
        // Whoever leaves does not wait for an application that will never read.
        let leaves = ledger.calm && ledger.records[self.id].leaves;
        if self.state != State::Open || self.out.len() > 20_000 && !leaves {
            return;
        }
        if ledger.calm || self.plan == 0 {
            self.plan = 0;
            if self.manner != Manner::Healthy && !self.misbehaved {
                self.misbehave(net, ledger, peer);
            } else if ledger.calm && !self.probed && !self.misbehaved {
                self.probed = true;
                self.message((Opcode::Text, PROBE.to_vec()), ledger);
            }
            return;
        }
        match self.choices.below(20) {
            0..12 => {
                self.plan -= 1;
                let whole = draw_message(&mut self.choices, self.message_max, "");
                self.message(whole, ledger);
            }
            12 => {
                let ping = vec![b'p'; self.choices.below(126)];
                self.send(true, Opcode::Ping, &ping);
                self.pings.push_back(ping);
            }
            13 => self.send(true, Opcode::Pong, PING),
            14 if self.manner == Manner::Healthy && self.choices.chance(200) => {
                let codes = [CloseCode::NORMAL, CloseCode(3000), CloseCode::NO_STATUS];
                let code = *self.choices.pick(&codes);
                self.close(code, ledger);
            }
            _ => {}
        }
    }

    fn misbehave(&mut self, net: &mut Net, ledger: &mut Ledger, peer: Peer) {
        ledger.note(|| format!("client {}: misbehaves, {:?}", self.id, self.manner));
        self.misbehaved = true;
        match self.manner {
            Manner::Violates(violation) => self.out.extend(violation.bytes),
            Manner::Resets => {
                net.reset(peer);
                self.state = State::Done;
            }
            Manner::ClosesAndResets => self.close(CloseCode(4002), ledger),
            Manner::HalfCloses => {
                // Only what was written is sent: the rest of a message is cut off.
                self.out.clear();
                net.end(peer);
                self.state = State::Ending;
            }
            _ => {}
        }
    }

    fn close(&mut self, code: CloseCode, ledger: &mut Ledger) {
        let payload = code.0.to_be_bytes();
        let payload = if code == CloseCode::NO_STATUS { &[] } else { &payload[..] };
        self.send(true, Opcode::Close, payload);
        ledger.records[self.id].client_close = Some(code);
        self.state = State::Closing(code);
        self.plan = 0;
    }

    /// Sends a message in one frame or several, pings among them.
    fn message(&mut self, whole: Whole, ledger: &mut Ledger) {
        let (mut opcode, payload) = (whole.0, whole.1.clone());
        ledger.records[self.id].sent.push_back(whole);
        let mut rest = &payload[..];
        while self.choices.chance(250) {
            let (part, after) = rest.split_at(self.choices.below(rest.len() + 1));
            self.send(false, opcode, part);
            (opcode, rest) = (Opcode::Continuation, after);
            if self.choices.chance(100) {
                self.send(true, Opcode::Pong, b"");
            }
        }
        self.send(true, opcode, rest);
    }

    fn send(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) {
        let key = (self.choices.below(1 << 16) as u32 * 0x9E37).to_be_bytes();
        self.out.extend(encode(fin, opcode, payload, key));
    }

    fn write(&mut self, net: &mut Net, peer: Peer) {
        let most = self.choices.between(1, self.out.len().max(1)).min(self.out.len());
        let (chunk, _) = self.out.as_slices();
        let written = net.write(peer, &chunk[..most.min(chunk.len())]);
        self.out.drain(..written);
    }
}
