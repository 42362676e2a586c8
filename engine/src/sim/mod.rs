//! Whole connections on a simulated kernel: a real reactor, an application that does everything it
//! may, clients of every manner, and a record of who promised what.
//!
//! [`run`] plays one seed. What it checks (a run that breaks one of these panics):
//! - every message that a connection took was delivered once and in order, or the connection ended
//!   with a reason;
//! - every member of a topic gets what is published on it once and in order, or it is counted that
//!   it does not;
//! - `on_open` and `on_close` pair, and no callback comes outside of them;
//! - sockets, slots, buffers, timers and jobs are all accounted for at the end;
//! - queues keep their limits; of what a policy drops each is counted, and the newest of a key
//!   comes;
//! - nobody who keeps to the protocol and answers is dropped, however long the process was stopped;
//! - a Close that came is reported, also when the peer has reset the connection behind it;
//! - what was not sent, and what came and was not delivered, is told;
//! - a connection that is paused for ever ends when its peer has gone;
//! - once the faults have stopped, every healthy client is served within a bounded time;
//! - a full queue ends its connection where the policy says so, once, and only then;
//! - nobody outlives its lifetime, nor is closed for that before its window;
//! - one address has no more connections and upgrades than it may;
//! - requests that are no upgrades are heard once and whole, and answered once and in order;
//! - how a drain ended the connections is told as it was;
//! - connections hold no more than the budget, and who is closed for that has held something;
//! - a stop ends in time, whatever the moment.

mod ask;
mod chaos;
mod checks;
mod client;
mod cluster;
mod dials;
mod frame;
mod keys;
mod latest;
mod ledger;
mod less;
mod manner;
mod many;
mod message;
mod names;
mod notice;
mod policy;
mod publish;
mod random;
mod records;
mod requests;
mod rules;
mod scenario;
mod sends;
mod timers;
mod topics;
mod upgrades;
mod world;

use crate::conn::WhenFull;
use crate::proto::Origins;
use crate::reactor::log::Logger;
use crate::reactor::{Handle, Listens, MAIL_MAX, Reactor, Served, Setup, Stats, TopicLimits};
use crate::ring::Waker;
use crate::ring::sim::{Sim, SimConfig};
use chaos::Chaos;
use client::Client;
use ledger::{Ledger, Shared};
use names::NoNames;
use scenario::Scenario;
use std::sync::Arc;
use std::time::Duration;
use world::Outside;

pub use crate::bus::Plant;
pub use crate::ring::sim::Choices;
pub use cluster::{ClusterReport, ENGINES, Script, Step, TOPICS, play as play_cluster};
pub use dials::run_dials;
pub use ledger::Trace;
pub use less::Less;
pub use many::{ManyReport, run_many};
pub use records::read_records;

/// Turns within one millisecond of virtual time: more than any run has work for.
const SPIN_MAX: u32 = 20_000;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Milliseconds of virtual time.
    pub ticks: u64,
    /// Messages delivered whole.
    pub delivered: u64,
    /// The reactor's counters at the end.
    pub stats: Stats,
    /// Receives directly into the memory of large messages.
    pub direct: u64,
    /// Such receives that had to wait for a turn.
    pub waited: u64,
    /// Receives into large buffers.
    pub large: u64,
    /// Receives of the rest of a message into such a buffer.
    pub rests: u64,
    /// Messages that have kept such a buffer for too long.
    pub slow: u64,
    /// Messages sent back out of the buffers they came in.
    pub echoed: u64,
    /// The kernel failed, as it was told to.
    pub died: bool,
    /// Times that the process was stopped, or a callback blocked.
    pub stalls: u64,
    /// Connections that ended with messages not sent.
    pub cut_short: u64,
    /// Connections that ended with messages not read.
    pub left_unread: u64,
    /// Closes that were heard although the peer had reset the connection behind them.
    pub last_words: u64,
}

/// Plays one run, or less of it, to its end.
///
/// # Panics
/// When the engine breaks a promise: the message says which.
pub fn run(mut choices: Choices, less: Less, trace: Option<Trace>) -> Report {
    random::begin(choices.fork());
    let scenario = Scenario::draw(&mut choices, less);
    let mut ledger = Ledger::new(choices.fork(), scenario.clients, trace);
    ledger.rules = scenario.rules();
    ledger.stream = scenario.limits.stream;
    ledger.drops_oldest = scenario.limits.when_full == WhenFull::DropOldest;
    ledger.message_max = scenario.limits.message_max as usize;
    ledger.memory_max = scenario.memory_max;
    ledger.note(|| format!("{scenario:?}"));
    let mut run = Run::new(scenario, Shared::new(ledger), choices);
    run.play();
    run.report()
}

struct Run {
    reactor: Reactor<Sim>,
    shared: Shared,
    handle: Handle,
    scenario: Scenario,
    died: bool,
}

impl Run {
    fn new(scenario: Scenario, shared: Shared, mut choices: Choices) -> Self {
        let wakers: Arc<[Waker]> = [Waker::new().expect("an eventfd")].into();
        let handle =
            Handle::new(Arc::clone(&wakers), TopicLimits::default(), scenario.memory_max, MAIL_MAX);
        let message_max = scenario.limits.message_max as usize;
        let clients = (0..scenario.clients)
            .map(|id| {
                let message_max = message_max.min(20_000);
                let client = Client::new(id, choices.fork(), message_max, scenario.listeners);
                client.lessened(&scenario.less)
            })
            .collect();
        let world = Outside {
            shared: shared.clone(),
            handle: handle.clone(),
            choices: choices.fork(),
            clients,
            scenario: scenario.clone(),
            meddles: 0,
        };
        let kernel = Sim::new(SimConfig {
            choices,
            faults: scenario.faults,
            listeners: scenario.listeners,
            sockets_max: scenario.sockets_max,
            buffers: scenario.buffers,
            buffer_size: scenario.buffer_size,
            large: scenario.large,
            index: 0,
            wakers,
            world: Box::new(world),
        });
        let handler = Arc::new(Chaos(shared.clone()));
        let setup = Setup {
            index: 0,
            connections_max: scenario.connections_max,
            endpoints: vec![Served {
                handler,
                limits: scenario.limits,
                origins: Origins::default(),
                per_address: scenario.per_address,
                door: None,
                proxies: None,
                routes: None,
                tls: None,
                user: usize::MAX,
            }],
            listeners: vec![
                Listens { endpoint: 0, given: false, spreads: false };
                scenario.listeners
            ],
            resolver: Arc::new(NoNames),
            random: random::fill,
            codec_memory_max: 1 << 20,
            handle: handle.clone(),
            on_topic: None,
            on_gap: None,
            on_late: None,
            log: Logger::default(),
            user: 0,
        };
        let mut reactor = Reactor::new(kernel, setup).expect("memory");
        reactor.receive_by(scenario.sizes);
        reactor.send_in_batches_of(scenario.batch_max);
        reactor.many_are_above(scenario.many);
        Self { reactor, shared, handle, scenario, died: false }
    }

    /// Until the clients are done and the engine has been stopped.
    fn play(&mut self) {
        let (mut instant, mut turns) = (0, 0);
        loop {
            let now = self.shared.lock().now;
            turns = if now == instant { turns + 1 } else { 0 };
            instant = now;
            assert!(turns < SPIN_MAX, "{turns} turns and no time passes: the reactor spins");
            let heard = self.reactor.context().draining;
            if !heard {
                let mut ledger = self.shared.lock();
                ledger.ended_before = gone(&ledger);
            }
            let turned = match self.scenario.at_once {
                true => self.reactor.turn_at_once(),
                false => self.reactor.turn(),
            };
            match turned {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => {
                    self.died = true;
                    return;
                }
            }
            assert!(!self.reactor.kernel().is_stuck(), "the reactor sleeps for ever");
            if !heard && self.reactor.context().draining {
                let mut ledger = self.shared.lock();
                ledger.ended_heard = gone(&ledger);
            }
            self.check_bounds();
            self.shared.lock().turned();
            let ledger = self.shared.lock();
            let over = ledger.clients_done && ledger.calm && !ledger.stopping;
            drop(ledger);
            if over && self.reactor.census().slots == 0 {
                self.check_rest();
                let grace = Duration::from_millis(50);
                self.shared.lock().stop(grace);
                self.handle.stop(grace);
            }
        }
    }
}

/// How many connections have ended.
fn gone(ledger: &Ledger) -> usize {
    ledger.records.iter().filter(|record| record.closed).count()
}
