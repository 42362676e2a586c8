//! Connections that open, live and end, each in a slot of the ring, over and over.

use super::life::{Broken, Life, Step};
use super::report::{Failure, Failures};
use super::{ChurnPlan, Ends, Places};
use crate::load::connect;
use crate::ring::{self, Event, Op, Ring};
use crate::stream::Streams;
use hdrhistogram::Histogram;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Longer latencies are recorded as this one.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// What was counted since the clock started.
#[derive(Clone)]
pub(super) struct Tally {
    pub(super) handshakes: u64,
    pub(super) completed: u64,
    pub(super) latency: Histogram<u64>,
    pub(super) whole: Histogram<u64>,
    pub(super) failures: Failures,
    pub(super) last_failure: Option<String>,
}

struct Slot {
    life: Life,
    began: Instant,
    /// When something happened last.
    heard: Instant,
    /// Operations that have not completed; the slot is free when there are none.
    in_flight: u32,
    /// Whether the multishot receive is armed, one of them.
    armed: bool,
    state: State,
    /// Handshakes since the clock started.
    handshakes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Alive,
    /// Nothing that comes matters any more: what is in flight ends, then the slot is closed.
    Over,
    /// Being closed.
    Closing,
}

pub(super) struct Slots {
    server: SocketAddr,
    message: bool,
    ends: Ends,
    patience: Duration,
    streams: Streams,
    places: Places,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Connections opened so far.
    opened: usize,
    /// A response that was found right.
    known: Vec<u8>,
    /// Handshakes before the clock started.
    before: u64,
    pub(super) events: Vec<Event>,
    pub(super) tally: Tally,
}

impl Slots {
    pub(super) fn new(
        plan: &ChurnPlan,
        connections: u32,
        streams: Streams,
        places: Places,
    ) -> io::Result<Self> {
        let now = Instant::now();
        let slot = || Slot {
            life: Life::new(None),
            began: now,
            heard: now,
            in_flight: 0,
            armed: false,
            state: State::Free,
            handshakes: 0,
        };
        let histogram = || {
            let new = Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3);
            new.map_err(|error| io::Error::other(error.to_string()))
        };
        Ok(Self {
            server: plan.server,
            message: plan.message,
            ends: plan.ends,
            patience: plan.patience,
            streams,
            places,
            slots: (0..connections).map(|_| slot()).collect(),
            free: (0..connections).collect(),
            opened: 0,
            known: Vec::new(),
            before: 0,
            events: Vec::with_capacity(4096),
            tally: Tally {
                handshakes: 0,
                completed: 0,
                latency: histogram()?,
                whole: histogram()?,
                failures: Failures::default(),
                last_failure: None,
            },
        })
    }

    /// Handshakes of the whole run.
    pub(super) fn handshakes(&self) -> u64 {
        self.before + self.tally.handshakes
    }

    /// Starts the clock.
    pub(super) fn reset(&mut self) {
        self.before = self.handshakes();
        let tally = &mut self.tally;
        (tally.handshakes, tally.completed) = (0, 0);
        (tally.failures, tally.last_failure) = (Failures::default(), None);
        self.slots.iter_mut().for_each(|slot| slot.handshakes = 0);
        tally.latency.reset();
        tally.whole.reset();
    }

    /// Handshakes of each slot since then.
    pub(super) fn served(&self) -> Vec<u64> {
        self.slots.iter().map(|slot| slot.handshakes).collect()
    }

    /// Whether there is any connection.
    pub(super) fn busy(&self) -> bool {
        self.free.len() < self.slots.len()
    }

    /// Begins a connection in every free slot.
    pub(super) fn open_free(&mut self, ring: &mut Ring) -> io::Result<()> {
        while let Some(index) = self.free.pop() {
            let Some(slot) = self.slots.get_mut(index as usize) else { continue };
            let source = connect::source(self.server, self.opened);
            let now = Instant::now();
            let socket = ring::socket(self.server, source)?;
            ring.connect(index, &socket, self.server, self.places.request.clone())?;
            let message = self.message.then(|| self.streams.phase(self.opened));
            self.opened += 1;
            slot.life.begin(message);
            (slot.began, slot.heard) = (now, now);
            (slot.in_flight, slot.armed, slot.state) = (3, true, State::Alive);
        }
        Ok(())
    }

    pub(super) fn handle(&mut self, ring: &mut Ring, event: Event, now: Instant) {
        let index = event.slot;
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        let last = !(event.op == Op::Receive && event.more);
        if last {
            slot.in_flight -= 1;
            slot.armed &= event.op != Op::Receive;
        }
        slot.heard = now;
        let alive = slot.state == State::Alive;
        match (event.op, event.result, event.buffer) {
            (Op::Receive, 1.., Some(buffer)) => {
                if alive {
                    let bytes = ring.bytes(&buffer);
                    let step = slot.life.received(bytes, &mut self.known, &self.streams);
                    ring.give_back(buffer);
                    self.step(ring, index, step, now);
                } else {
                    ring.give_back(buffer);
                }
            }
            (Op::Receive, 0, buffer) => {
                // The end of the stream may hand back an empty buffer.
                if let Some(buffer) = buffer {
                    ring.give_back(buffer);
                }
                if alive {
                    self.ended(ring, index, now);
                }
            }
            (Op::Close, ..) => {
                slot.state = State::Free;
                self.free.push(index);
            }
            (Op::Receive, errno, _) if errno == -libc::ENOBUFS => {}
            (op, errno @ ..0, _) if alive => {
                let failure = if op == Op::Connect { Failure::Connect } else { Failure::Reset };
                let error = io::Error::from_raw_os_error(-errno);
                self.broken(ring, index, (failure, format!("{op:?}: {error}")));
            }
            _ => {}
        }
        self.go_on(ring, index);
    }

    /// Closes what is over, receives again where a receive ended without fault.
    fn go_on(&mut self, ring: &mut Ring, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        match slot.state {
            State::Over if slot.in_flight == 0 => {
                ring.close(index);
                slot.in_flight = 1;
                slot.state = State::Closing;
            }
            State::Alive if !slot.armed => {
                ring.receive(index);
                slot.in_flight += 1;
                slot.armed = true;
            }
            _ => {}
        }
    }

    fn step(&mut self, ring: &mut Ring, index: u32, step: Result<Step, Broken>, now: Instant) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        let places = &self.places;
        let part = match step {
            Ok(Step::More) => return,
            Err(broken) => return self.broken(ring, index, broken),
            Ok(Step::Closed) => {
                if self.ends == Ends::Client {
                    self.complete(index, now);
                    self.let_go(ring, index);
                }
                return;
            }
            Ok(Step::Message(number)) => {
                let start = places.messages + number * self.streams.sent_size;
                self.tally.opened(slot, now);
                start..start + self.streams.sent_size
            }
            Ok(Step::Close { opened }) => {
                if opened {
                    self.tally.opened(slot, now);
                }
                places.close.clone()
            }
        };
        ring.send(index, part);
        slot.in_flight += 1;
    }

    fn ended(&mut self, ring: &mut Ring, index: u32, now: Instant) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        match slot.life.ended() {
            Ok(()) => {
                slot.state = State::Over;
                self.complete(index, now);
            }
            Err(broken) => self.broken(ring, index, broken),
        }
    }

    fn complete(&mut self, index: u32, now: Instant) {
        let Some(slot) = self.slots.get(index as usize) else { return };
        self.tally.completed += 1;
        self.tally.whole.saturating_record((now - slot.began).as_nanos() as u64);
    }

    fn broken(&mut self, ring: &mut Ring, index: u32, (failure, why): Broken) {
        self.tally.failures.count(failure);
        self.tally.last_failure = Some(why);
        self.let_go(ring, index);
    }

    /// Makes what is in flight complete; then the slot is closed.
    fn let_go(&mut self, ring: &mut Ring, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        slot.state = State::Over;
        if slot.in_flight > 0 {
            ring.shut_down(index);
            slot.in_flight += 1;
        }
    }

    /// Gives up what has not been heard of for too long.
    pub(super) fn abandon_late(&mut self, ring: &mut Ring, now: Instant) {
        for index in 0..self.slots.len() as u32 {
            let Some(slot) = self.slots.get(index as usize) else { return };
            if slot.state == State::Alive && now - slot.heard > self.patience {
                let broken = slot.life.timed_out();
                self.broken(ring, index, broken);
            }
        }
    }
}

impl Tally {
    fn opened(&mut self, slot: &mut Slot, now: Instant) {
        self.handshakes += 1;
        slot.handshakes += 1;
        self.latency.saturating_record((now - slot.began).as_nanos() as u64);
    }
}
