//! Several reactors of one engine in one world: each on a lying kernel of its own, with a clock of
//! its own, turn by turn in an order that the seed draws; and a thread that is none of them.
//!
//! [`run_many`] plays one seed. What it checks beside what `run` does of one reactor:
//! - what is published on a topic comes to all members in one order, whoever publishes, on whatever
//!   reactor, and by whatever call; to nobody who has joined later, nor to anybody if it was
//!   refused;
//! - what one thread sends to a connection, of whatever reactor, comes in its order;
//! - what of it all does not come to a connection that ended in order, its `on_close` tells;
//! - jobs run once, on the reactor that they were posted to, and soon, in a stop too;
//! - whoever has mail was woken for it;
//! - a request that is left for later is answered once, by whatever reactor, or told to be gone;
//! - members are counted as they are.

mod app;
mod ledger;
mod peer;
mod report;
mod scenario;

use super::ledger::Trace;
use super::less::Less;
use super::names::NoNames;
use super::random;
use crate::proto::Origins;
use crate::reactor::log::Logger;
use crate::reactor::{
    AddressLimits, CallError, Conn, Handle, Listens, Reactor, Served, Setup, TopicLimits,
};
use crate::ring::Waker;
use crate::ring::sim::{Choices, Faults, Net, Sim, SimConfig, World};
use crate::tick::Tick;
use app::App;
use ledger::{Ledger, Shared, TOPICS};
use peer::Peer;
use scenario::{Ending, Scenario};
use std::sync::Arc;
use std::time::Duration;

pub use report::ManyReport;

/// How far the clock of one reactor may be ahead of another's: as if that slept.
const SKEW_MS: Tick = 200;
/// Everything that is said before the end is on its way for less.
const SETTLED_MS: Tick = 1_000;

/// The peers of one reactor.
struct Peers {
    all: Vec<Peer>,
    shared: Shared,
}

impl World for Peers {
    fn step(&mut self, net: &mut Net) -> Option<Tick> {
        let mut ledger = self.shared.lock();
        let next = self.all.iter_mut().filter_map(|peer| peer.step(net, &mut ledger)).min();
        // Who waits for the calm is not told of it.
        next.or_else(|| self.all.iter().any(|peer| !peer.is_done()).then(|| net.now() + 50))
    }
}

/// One reactor, until it has ended.
struct Seat {
    reactor: Option<Reactor<Sim>>,
    /// It is turned without waiting, when its kernel says that it is due.
    at_once: bool,
}

struct Run {
    seats: Vec<Seat>,
    shared: Shared,
    handle: Handle,
    app: Arc<App>,
    scenario: Scenario,
    choices: Choices,
    turns: u64,
    /// Who may be paused still.
    paused: Vec<Conn>,
    /// When a thread that is no reactor's does something next.
    meddles: Tick,
}

/// Plays one run, or less of it, to its end.
///
/// # Panics
/// When the engine breaks a promise: the message says which.
pub fn run_many(mut choices: Choices, less: Less, trace: Option<Trace>) -> ManyReport {
    random::begin(choices.fork());
    let scenario = Scenario::draw(&mut choices, less);
    let mut ledger = Ledger::new(choices.fork(), scenario.peers, scenario.reactors, trace);
    ledger.note(|| format!("{scenario:?}"));
    let mut run = Run::new(scenario, Shared::new(ledger), choices);
    run.play();
    run.report()
}

impl Run {
    fn new(scenario: Scenario, shared: Shared, mut choices: Choices) -> Self {
        let wakers: Arc<[Waker]> =
            (0..scenario.reactors).map(|_| Waker::new().expect("an eventfd")).collect();
        let topics = TopicLimits::default();
        let handle = Handle::new(Arc::clone(&wakers), topics, u64::MAX, scenario.mail_max);
        let app = Arc::new(App { shared: shared.clone() });
        let mut peers: Vec<Vec<Peer>> = (0..scenario.reactors).map(|_| Vec::new()).collect();
        for id in 0..scenario.peers {
            let reactor = choices.below(scenario.reactors);
            let peer = Peer::new(id, choices.fork()).lessened(&scenario.less);
            shared.lock().records[id].done = peer.is_done();
            peers[reactor].push(peer);
        }
        let mut seats = Vec::new();
        for (index, all) in peers.into_iter().enumerate() {
            let world = Peers { all, shared: shared.clone() };
            let kernel = Sim::new(SimConfig {
                choices: choices.fork(),
                faults: scenario.faults,
                listeners: 1,
                sockets_max: 64,
                buffers: scenario.buffers,
                buffer_size: 4096,
                large: (2, 1000),
                index,
                wakers: Arc::clone(&wakers),
                world: Box::new(world),
            });
            let reactor = Reactor::new(kernel, Self::setup(&scenario, index, &handle, &app));
            let at_once = choices.chance(600);
            seats.push(Seat { reactor: Some(reactor.expect("memory")), at_once });
        }
        Self {
            seats,
            shared,
            handle,
            app,
            scenario,
            choices,
            turns: 0,
            paused: Vec::new(),
            meddles: 0,
        }
    }

    fn setup(scenario: &Scenario, index: usize, handle: &Handle, app: &Arc<App>) -> Setup {
        let handler: Arc<App> = Arc::clone(app);
        Setup {
            index: index as u32,
            connections_max: 32,
            endpoints: vec![Served {
                handler,
                limits: scenario.limits,
                origins: Origins::default(),
                per_address: AddressLimits::default(),
                door: None,
                proxies: None,
                routes: None,
                tls: None,
                user: usize::MAX,
            }],
            listeners: vec![Listens { endpoint: 0, given: false, spreads: false }],
            resolver: Arc::new(NoNames),
            random: random::fill,
            codec_memory_max: 1 << 20,
            handle: handle.clone(),
            on_topic: None,
            on_gap: None,
            on_late: None,
            log: Logger::default(),
            user: 0,
        }
    }

    /// Until all reactors have ended.
    fn play(&mut self) {
        while let Some(floor) = self.floor() {
            self.shared.lock().now = floor;
            assert!(floor < self.scenario.deadline(), "no end by {floor}");
            self.outside(floor);
            let index = self.next(floor);
            let until = (floor + SKEW_MS).min(floor + self.choices.between(1, 30) as Tick);
            self.turn(index, until);
            self.check_members();
            self.check_wakes();
        }
    }

    /// The time of the reactor that is furthest behind.
    fn floor(&mut self) -> Option<Tick> {
        let running = self.seats.iter_mut().filter_map(|seat| seat.reactor.as_mut());
        running.map(|reactor| reactor.kernel().net().now()).min()
    }

    /// Whose turn it is: often whoever is furthest behind, but not always.
    fn next(&mut self, floor: Tick) -> usize {
        let mut may = Vec::new();
        for (index, seat) in self.seats.iter_mut().enumerate() {
            let now = seat.reactor.as_mut().map(|reactor| reactor.kernel().net().now());
            may.extend(now.filter(|&now| now < floor + SKEW_MS).map(|now| (now, index)));
        }
        may.sort_unstable();
        let at = if self.choices.chance(500) { 0 } else { self.choices.below(may.len()) };
        may[at].1
    }

    fn turn(&mut self, index: usize, until: Tick) {
        let seat = &mut self.seats[index];
        let reactor = seat.reactor.as_mut().expect("it runs");
        reactor.kernel().pace(until);
        if seat.at_once && !reactor.kernel().is_due() {
            return;
        }
        self.turns += 1;
        let here = self.handle.enter(index as u32);
        let turned = if seat.at_once { reactor.turn_at_once() } else { reactor.turn() };
        drop(here);
        if !turned.expect("a kernel that works") {
            self.end(index);
        }
    }

    /// A reactor has ended: nothing is left of it.
    fn end(&mut self, index: usize) {
        let mut reactor = self.seats[index].reactor.take().expect("it ran");
        assert_eq!(reactor.census().slots, 0, "reactor {index} has ended");
        let kernel = reactor.kernel();
        assert_eq!((kernel.leases_out(), kernel.open_sockets()), (0, 0), "reactor {index}");
        let buffers = usize::from(self.scenario.buffers) + 2;
        assert_eq!(kernel.free_buffers(), buffers, "reactor {index}: buffers lost");
        drop(reactor);
        let _ = self.handle.leave();
        let refused = self.handle.post(index as u32, Box::new(|_| {}));
        assert!(refused.is_err(), "a job for a reactor that has ended");
    }

    /// What happens between the turns: another thread, the calm, the end.
    fn outside(&mut self, floor: Tick) {
        let shared = self.shared.clone();
        let mut ledger = shared.lock();
        if floor >= self.meddles && !ledger.calm {
            self.meddles = floor + self.choices.below(15) as Tick;
            self.app.meddle_outside(&self.handle, &mut ledger);
        }
        if !ledger.calm && floor >= self.scenario.calm_at {
            ledger.note(|| "calm".into());
            (ledger.calm, ledger.settled_at) = (true, floor + SETTLED_MS);
            for seat in &mut self.seats {
                if let Some(reactor) = &mut seat.reactor {
                    reactor.kernel().net().faults = Faults::NONE;
                }
            }
            self.paused = ledger.conns.iter().map(|(conn, _)| *conn).collect();
        }
        // In the end nobody is paused; where there is no room for that it is tried again.
        let full =
            |conn: &Conn| self.handle.set_paused(*conn, false) == Err(CallError::MailboxFull);
        self.paused.retain(full);
        let over = ledger.records.iter().all(|record| record.done);
        let ends = self.scenario.ending.take_if(|(at, _)| floor >= *at);
        let ending = match ends {
            Some((_, ending)) => ending,
            None if over && !ledger.stopped => {
                ledger.stopped = true;
                Ending::Stop(Duration::from_millis(50))
            }
            None => return,
        };
        ledger.note(|| format!("{ending:?}"));
        ledger.stopping = true;
        match ending {
            Ending::Stop(grace) => self.handle.stop(grace),
            // Refused where it was stopped before.
            Ending::Drain(how) => _ = self.handle.drain(how),
        }
    }

    fn check_members(&self) {
        let ledger = self.shared.lock();
        for topic in TOPICS {
            let members = ledger.records.iter().filter(|record| record.joined.contains(topic));
            let told = self.handle.members(topic.as_bytes());
            assert_eq!(told, members.count(), "members of {topic} at {}", ledger.now);
        }
    }

    /// Whoever has mail was woken for it, or is about to be by a reactor whose turn goes on. Else
    /// it waits until something else happens, since whoever sends more takes it for awake.
    fn check_wakes(&mut self) {
        let mut about_to_be = Vec::new();
        for reactor in self.seats.iter_mut().filter_map(|seat| seat.reactor.as_mut()) {
            about_to_be.extend_from_slice(&reactor.context().post.to_wake);
        }
        for (index, seat) in self.seats.iter_mut().enumerate() {
            let Some(reactor) = &mut seat.reactor else { continue };
            let has_mail = self.handle.0.mailboxes[index].has_some();
            let woken = reactor.kernel().is_woken() || about_to_be.contains(&(index as u32));
            assert!(woken || !has_mail, "reactor {index} has mail, and nobody wakes it");
        }
    }

    fn report(self) -> ManyReport {
        let stats = self.handle.stats(None).expect("all reactors");
        let drained = self.handle.drained();
        let mut ledger = self.shared.lock();
        ledger.settle(&stats);
        let told = drained.closed + drained.timed_out + drained.aborted + drained.lost;
        assert_eq!(told, ledger.ended_draining, "{drained:?}");
        assert_eq!((stats.connections, stats.connections_by_state), (0, [0; 3]));
        assert_eq!(stats.topics, 0, "topics of nobody");
        ManyReport { stats, turns: self.turns, ..ledger.report }
    }
}
