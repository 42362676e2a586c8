//! A peer of one of several reactors: it keeps to RFC 6455, and asks in the end whether it is still
//! served.

use super::ledger::{Ledger, PROBE, SERVED};
use crate::proto::{CloseCode, Opcode};
use crate::ring::sim::{Choices, Net, Peer as Wire, Seen};
use crate::sim::frame::{Frames, encode};
use crate::sim::less::Less;
use crate::tick::Tick;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Handshake,
    Open,
    /// It has sent its Close.
    Closing,
    Done,
}

pub(super) struct Peer {
    id: usize,
    choices: Choices,
    state: State,
    wire: Option<Wire>,
    starts: Tick,
    /// Messages that it still wants to send.
    plan: usize,
    /// Bytes it reads at most at once.
    appetite: usize,
    out: VecDeque<u8>,
    frames: Frames,
    probed: bool,
    closed: bool,
}

impl Peer {
    pub(super) fn new(id: usize, mut choices: Choices) -> Self {
        Self {
            id,
            state: State::Waiting,
            wire: None,
            starts: choices.below(150) as Tick,
            plan: choices.between(1, 30),
            appetite: *choices.pick(&[70_000, 1000, 100]),
            out: VecDeque::new(),
            frames: Frames::default(),
            probed: false,
            closed: false,
            choices,
        }
    }

    /// Does no more than that.
    pub(super) fn lessened(mut self, less: &Less) -> Self {
        self.plan = less.of(self.plan);
        if less.leaves_out(self.id) {
            self.state = State::Done;
        }
        self
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Acts; returns when it wants to act again by itself.
    pub(super) fn step(&mut self, net: &mut Net, ledger: &mut Ledger) -> Option<Tick> {
        let now = net.now();
        let Some(wire) = self.wire else { return self.connect(net, ledger) };
        if self.is_done() {
            return None;
        }
        let appetite =
            if ledger.calm { usize::MAX } else { self.choices.between(1, self.appetite) };
        self.frames.push(&net.read(wire, appetite));
        self.hear(ledger);
        if net.seen(wire) != Seen::Open {
            self.see_the_end(net, ledger, wire);
            return None;
        }
        self.say(now, ledger);
        let most = self.choices.between(1, self.out.len().max(1)).min(self.out.len());
        let (chunk, _) = self.out.as_slices();
        let written = net.write(wire, &chunk[..most.min(chunk.len())]);
        self.out.drain(..written);
        let busy = !self.out.is_empty() || net.readable(wire) > 0;
        let talks = self.state == State::Open && self.plan > 0;
        (busy || talks).then(|| now + 1 + self.choices.below(if busy { 4 } else { 40 }) as Tick)
    }

    fn connect(&mut self, net: &mut Net, ledger: &mut Ledger) -> Option<Tick> {
        if self.is_done() || net.now() < self.starts {
            return (!self.is_done()).then_some(self.starts);
        }
        self.wire = net.connect(0);
        if self.wire.is_none() {
            self.finish(ledger);
            return None;
        }
        self.state = State::Handshake;
        let head = format!(
            "GET /{} HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.id
        );
        self.out.extend(head.as_bytes());
        Some(net.now())
    }

    fn finish(&mut self, ledger: &mut Ledger) {
        self.state = State::Done;
        ledger.records[self.id].done = true;
    }

    fn hear(&mut self, ledger: &mut Ledger) {
        if self.state == State::Handshake
            && let Some(head) = self.frames.head()
        {
            let accepted = head.starts_with("HTTP/1.1 101 ");
            let refused = head.starts_with("HTTP/1.1 503 ");
            let excused = ledger.stopping || ledger.records[self.id].refused;
            assert!(accepted || refused && excused, "peer {}: {head}", self.id);
            self.state = if accepted { State::Open } else { State::Closing };
            self.closed = !accepted;
        }
        while matches!(self.state, State::Open | State::Closing)
            && !self.closed
            && let Some(frame) = self.frames.next()
        {
            match frame.opcode {
                Opcode::Text => self.text(&frame.payload, ledger),
                Opcode::Ping => self.send(Opcode::Pong, &frame.payload),
                Opcode::Close => {
                    self.closed = true;
                    if self.state == State::Open {
                        self.send(Opcode::Close, &frame.payload);
                    }
                    self.state = State::Closing;
                }
                other => panic!("peer {}: {other:?}", self.id),
            }
        }
    }

    fn text(&mut self, payload: &[u8], ledger: &mut Ledger) {
        let text = std::str::from_utf8(payload).expect("text");
        if text == SERVED {
            self.send(Opcode::Close, &CloseCode::NORMAL.0.to_be_bytes());
            self.state = State::Closing;
            return;
        }
        let whole = (Opcode::Text, payload.to_vec());
        if !ledger.records[self.id].keys.heard(&whole) {
            ledger.received(self.id, text);
        }
    }

    fn say(&mut self, now: Tick, ledger: &Ledger) {
        if self.state != State::Open || self.out.len() > 20_000 {
            return;
        }
        if ledger.calm {
            self.plan = 0;
            if !self.probed && now >= ledger.settled_at {
                self.probed = true;
                self.send(Opcode::Text, PROBE);
            }
        } else if self.plan > 0 && self.choices.chance(500) {
            self.plan -= 1;
            let len = *self.choices.pick(&[10, 0, 200, 3000]);
            self.send(Opcode::Binary, &vec![self.plan as u8; len]);
        }
    }

    fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let key = (self.choices.below(1 << 16) as u32 * 0x9E37).to_be_bytes();
        self.out.extend(encode(true, opcode, payload, key));
    }

    /// The end must have a reason.
    fn see_the_end(&mut self, net: &mut Net, ledger: &mut Ledger, wire: Wire) {
        let record = &ledger.records[self.id];
        let excused = net.was_broken(wire) || record.ended_by_us || record.refused;
        let excused = excused || ledger.stopping || self.closed;
        assert!(excused, "peer {} ended for no reason, {:?}", self.id, self.state);
        net.end(wire);
        self.finish(ledger);
    }
}
