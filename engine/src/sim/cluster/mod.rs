//! Several engines and a bus between them that loses, doubles and delays what it carries.
//!
//! Of each engine the real parts are what its threads share (`Handle`, with the directory of
//! topics and the queue to the bus) and its end of the bus (`broker::Link`, `bus::Node`). The
//! clock, the client of the broker and whoever reads the mail of members are the simulation's. What
//! happens is a [`Script`], so that a run that fails can be made shorter, and kept as a test.
//!
//! [`play`] panics where a promise is broken: what `ledger` says of each message, and
//! - a frame goes out with the number that was given to its message; a refused publish takes none;
//! - who publishes is heard again when it has promised to be;
//! - once all trouble is over whatever was lost is told within a bounded time;
//! - and what has ended and been forgotten leaves nothing behind.

mod comes;
mod ledger;
mod members;
mod network;
mod script;
mod site;
mod steps;

use crate::bus::{Call, Envelope, Kind, Origin, Received, Settings};
use crate::tick::Tick;
use ledger::{Fate, Ledger, is_topic};
use network::{Flight, Network};
use site::{Got, Site, name, topic_of};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use script::{ENGINES, Script, Step, TOPICS};

/// A delay that is more than what brokers need.
const SLOW_MS: Tick = 50;
/// Frames that an engine may have at the same moment.
const SPIN_MAX: u32 = 10_000;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClusterReport {
    /// Messages that were published.
    pub published: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Messages that members got.
    pub came: u64,
    /// Gaps that members were told of.
    pub gaps: u64,
    /// Frames that came twice, or too late.
    pub known: u64,
    /// Messages that found no room.
    pub full: u64,
    /// Frames that the broker dropped.
    pub dropped: u64,
    /// Engines that there were.
    pub lives: u64,
}

impl ClusterReport {
    /// Of several runs together.
    pub fn add(&mut self, other: &Self) {
        self.published += other.published;
        self.refused += other.refused;
        self.came += other.came;
        self.gaps += other.gaps;
        self.known += other.known;
        self.full += other.full;
        self.dropped += other.dropped;
        self.lives += other.lives;
    }
}

/// Plays a script to its end, and then a long time without trouble.
///
/// # Panics
/// When a promise is broken: the message says which.
pub fn play(script: &Script) -> ClusterReport {
    let mut world = World::new(script);
    for (after, step) in &script.steps {
        world.pass(*after);
        world.step(step);
    }
    world.calm();
    world.report
}

/// The number of the message in a frame; 0, which none has, for other frames.
fn message_of(envelope: &Envelope<'_>) -> u64 {
    let is_message = matches!(envelope.kind, Kind::Message { .. });
    if is_message { envelope.number.seq } else { 0 }
}

/// When an engine has promised to be heard again of a topic, and it is not there.
type Promises = HashMap<(usize, usize), Tick>;

struct World {
    settings: Settings,
    clock: Arc<AtomicU64>,
    now: Tick,
    /// By place.
    sites: [Option<Site>; ENGINES],
    network: Network,
    ledger: Ledger,
    promises: Promises,
    engines: usize,
    /// The numbers of those that were in these places.
    gone: [Option<u64>; ENGINES],
    /// Of the latest life.
    epoch: u64,
    ids: u64,
    report: ClusterReport,
}

impl World {
    fn new(script: &Script) -> Self {
        let Script { heartbeat_ms, forget_ms, settle_ms, .. } = *script;
        let origin = Origin { node: 0, epoch: 0 };
        let ledger = Ledger::new(settle_ms);
        let mut world = Self {
            settings: Settings { origin, heartbeat_ms, forget_ms, settle_ms },
            clock: Arc::default(),
            now: 0,
            sites: Default::default(),
            network: Network::new(),
            ledger,
            promises: Promises::new(),
            engines: script.engines,
            gone: [None; ENGINES],
            epoch: 0,
            ids: 0,
            report: ClusterReport::default(),
        };
        (0..script.engines).for_each(|at| world.start(at, None));
        world
    }

    fn at(&mut self, now: Tick) {
        (self.now, self.ledger.now) = (now, now);
        self.clock.store(now, Ordering::Relaxed);
    }

    /// An engine begins.
    fn start(&mut self, at: usize, node: Option<u64>) {
        self.epoch += 1;
        self.report.lives += 1;
        let origin = Origin { node: node.unwrap_or(100 + self.epoch), epoch: self.epoch };
        let life = self.ledger.begin(origin);
        let settings = Settings { origin, ..self.settings };
        self.sites[at] = Some(Site::new(life, settings, &self.clock));
        self.pump(at);
        self.up(at, 0, 10_000);
    }

    /// Time passes, and what is due in it happens.
    fn pass(&mut self, ms: Tick) {
        if ms == 0 {
            return;
        }
        let until = self.now + ms;
        let mut turns = 0;
        loop {
            (0..ENGINES).for_each(|at| self.pump(at));
            (0..ENGINES).for_each(|at| self.read(at));
            let due = |site: &Site| site.port.due().filter(|_| !site.is_stalled);
            let dues = self.sites.iter().flatten().filter_map(due);
            let next = dues.chain(self.network.next_at()).min().filter(|at| *at <= until);
            let Some(next) = next else { break };
            turns = if next <= self.now { turns + 1 } else { 0 };
            assert!(turns < SPIN_MAX, "something is due and does not happen");
            self.at(next.max(self.now));
            while let Some(flight) = self.network.next(self.now) {
                self.arrive(&flight);
            }
        }
        self.at(until);
    }

    /// The client of the broker does what it is given to do.
    fn pump(&mut self, at: usize) {
        let Some(site) = self.sites[at].as_mut().filter(|site| !site.is_stalled) else { return };
        let (mut frames, mut is_over) = (Vec::new(), false);
        while let Some(call) = site.port.next_call() {
            match call {
                Call::Interest { topic, on: true } => {
                    _ = site.wants.insert(topic_of(&topic), self.now + site.late_ms);
                }
                Call::Interest { topic, on: false } => _ = site.wants.remove(&topic_of(&topic)),
                Call::Send { topic, frame } => frames.push((topic_of(&topic), frame)),
                Call::Stop => is_over = true,
            }
            assert!(frames.len() < SPIN_MAX as usize, "the bus is never done");
        }
        let (life, late_ms, is_up) = (site.life, site.late_ms, site.is_up);
        for topic in (0..TOPICS).filter(|topic| site.wants.contains_key(topic)) {
            let Some(member) = site.members[topic] else { continue };
            if !self.ledger.members[member].is_asked && late_ms > SLOW_MS {
                self.ledger.trouble_of(life, self.now + late_ms);
            }
            self.ledger.asked(member, is_up);
        }
        frames.iter().for_each(|(topic, frame)| self.send(at, *topic, frame));
        match is_over {
            true => self.over(at, false),
            false => self.are_kept(life),
        }
    }

    /// What an engine has promised to say by now it has said.
    fn are_kept(&self, life: usize) {
        let of_life = &self.ledger.lives[life];
        let late = self.promises.iter().find(|(of, due)| of.0 == life && **due < self.now);
        let excused = of_life.is_down || of_life.is_stalled;
        assert!(excused || late.is_none(), "{late:?} was promised, and it is {}", self.now);
    }

    /// A frame goes to the broker, and from there to all that want it.
    fn send(&mut self, at: usize, topic: usize, frame: &[u8]) {
        let Some(site) = &self.sites[at] else { return };
        let (life, fits) = (site.life, frame.len() <= site.frame_max && site.is_up);
        let envelope = Envelope::decode(frame).expect("a frame of ours");
        if is_topic(topic) {
            self.ledger.sent(life, topic, &envelope);
            match envelope.kind {
                Kind::End => _ = self.promises.remove(&(life, topic)),
                _ => {
                    let due = self.now + Tick::from(envelope.promise_ms);
                    self.promises.insert((life, topic), due);
                }
            }
        }
        let to = |site: &Site| (site.life, site.conn, site.is_up, site.wants.get(&topic).copied());
        for to_at in 0..ENGINES {
            let Some((to_life, conn, is_up, wants)) = self.sites[to_at].as_ref().map(to) else {
                continue;
            };
            let message = (life, topic, message_of(&envelope));
            let flight =
                Flight { way: (life, to_life, topic), to: to_at, conn, frame: frame.into() };
            self.network.keep(&flight);
            let is_wanted = is_up && wants.is_some_and(|from| from <= self.now);
            if !fits || !is_wanted || self.network.is_dropped(at, to_at, topic) {
                if wants.is_some() {
                    self.lost(message, to_life);
                }
                continue;
            }
            self.ledger.fate(message, to_life, Fate::Flying);
            let comes = self.network.send(self.now, at, flight);
            if comes > self.now + SLOW_MS {
                self.ledger.trouble_until(life, to_life, comes);
            }
        }
    }

    fn lost(&mut self, message: (usize, usize, u64), to: usize) {
        self.report.dropped += 1;
        self.ledger.fate(message, to, Fate::Lost);
        self.ledger.trouble(message.0, to);
    }

    /// A frame that was on its way is lost.
    fn is_lost(&mut self, flight: &Flight) {
        let (from, to, topic) = flight.way;
        let envelope = Envelope::decode(&flight.frame).expect("a frame of ours");
        self.lost((from, topic, message_of(&envelope)), to);
    }

    /// A frame comes to an engine.
    fn arrive(&mut self, flight: &Flight) {
        let (from, life, topic) = flight.way;
        let envelope = Envelope::decode(&flight.frame).expect("a frame of ours");
        let message = (from, topic, message_of(&envelope));
        let Some(site) = self.sites[flight.to].as_mut().filter(|site| site.life == life) else {
            return;
        };
        if !site.is_up || site.conn != flight.conn {
            return self.is_lost(flight);
        }
        self.ledger.fate(message, life, Fate::Came);
        let member = site.members.get(topic).copied().flatten();
        let member = member.filter(|_| from != life);
        let open = member.and_then(|member| self.ledger.open_gap(member, from));
        if let Some(member) = member {
            self.ledger.comes(member, from, &envelope);
        }
        match site.inbound.deliver(name(topic), &flight.frame) {
            Received::Full => {
                self.report.full += 1;
                self.ledger.fate(message, life, Fate::Lost);
                self.ledger.trouble(from, life);
                if let (Some(member), Some(first)) = (member, open) {
                    self.ledger.still_open(member, from, first);
                }
            }
            Received::Known => self.report.known += 1,
            Received::Malformed(what) => panic!("{what:?} came of a frame of ours"),
            Received::Own => assert_eq!(from, life, "a frame of another passes for one's own"),
            Received::Delivered | Received::Sign | Received::Nobody => {}
        }
        self.read(flight.to);
        self.pump(flight.to);
    }

    /// Members get what waits for them.
    fn read(&mut self, at: usize) {
        let Some(site) = &mut self.sites[at] else { return };
        for got in site.read() {
            match got {
                Got::Message(member, payload) => self.ledger.delivered(member, &payload),
                Got::Gap(member, gap) => self.ledger.told(member, &gap),
            }
        }
    }
}
