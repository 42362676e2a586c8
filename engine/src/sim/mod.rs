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
//! - connections hold no more than the budget, and who is closed for that has held something;
//! - a stop ends in time, whatever the moment.

mod chaos;
mod client;
mod dials;
mod frame;
mod keys;
mod latest;
mod ledger;
mod manner;
mod message;
mod names;
mod publish;
mod scenario;
mod topics;
mod upgrades;
mod world;

use crate::conn::WhenFull;
use crate::proto::Origins;
use crate::reactor::log::Logger;
use crate::reactor::{
    AddressLimits, CallError, Handle, Listens, Reactor, Served, Setup, Stats, TopicLimits,
};
use crate::ring::Waker;
use crate::ring::sim::{Sim, SimConfig};
use crate::tick::Tick;
use chaos::Chaos;
use client::Client;
use ledger::{Ledger, Shared};
use names::NoNames;
use scenario::Scenario;
use std::sync::Arc;
use std::time::Duration;
use world::Outside;

pub use crate::ring::sim::Choices;
pub use dials::run_dials;
pub use ledger::Trace;

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

/// Plays one run to its end.
///
/// # Panics
/// When the engine breaks a promise: the message says which.
pub fn run(mut choices: Choices, trace: Option<Trace>) -> Report {
    let scenario = Scenario::draw(&mut choices);
    let mut ledger = Ledger::new(choices.fork(), scenario.clients, trace);
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
        let handle = Handle::new(Arc::clone(&wakers), TopicLimits::default(), scenario.memory_max);
        let message_max = scenario.limits.message_max as usize;
        let clients = (0..scenario.clients)
            .map(|id| Client::new(id, choices.fork(), message_max.min(20_000), scenario.listeners))
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
                per_address: AddressLimits::default(),
                proxies: None,
                routes: None,
                tls: None,
                user: usize::MAX,
            }],
            listeners: vec![Listens { endpoint: 0, given: false }; scenario.listeners],
            resolver: Arc::new(NoNames),
            random: |block| block.fill(0x5A),
            codec_memory_max: 1 << 20,
            handle: handle.clone(),
            on_topic: None,
            log: Logger::default(),
            user: 0,
        };
        let mut reactor = Reactor::new(kernel, setup).expect("memory");
        reactor.receive_by(scenario.sizes);
        reactor.send_in_batches_of(scenario.batch_max);
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

    /// What is queued for a connection stays within its limit, give or take the last message, and
    /// nothing is received for one that is paused.
    fn check_bounds(&mut self) {
        let ledger = self.shared.lock();
        let late = ledger.stopping && ledger.now > ledger.stop_by;
        assert!(!late, "{} ms: the engine should have stopped by {}", ledger.now, ledger.stop_by);
        let overtaken = self.reactor.census().direct.overtaken;
        let most = self.scenario.sizes.overtakes_max.max(1);
        assert!(overtaken <= most, "a message waited {overtaken} turns for others, at most {most}");
        let held = self.reactor.census().held as u64;
        let most = self.scenario.memory_max;
        assert!(held <= most, "connections hold {held} bytes after a turn, at most {most}");
        let limits = &self.scenario.limits;
        // The message that went over the limit, an echo of whatever size came, and one that waits
        // for its turn to be queued; pongs and a Close.
        let message_max = (limits.message_max as usize).max(5000);
        let most = limits.send_queue_max as usize + 2 * message_max + 4096;
        for (conn, client) in &ledger.conns {
            let buffered = self.reactor.context().buffered(*conn);
            assert!(buffered <= most, "client {client}: {buffered} bytes queued, at most {most}");
            // The closing handshake needs the peer's Close, whatever the application has paused.
            if ledger.records[*client].app_close.is_some() {
                assert!(!self.reactor.is_held(*conn), "client {client}: closing, and not read");
            }
            let paused = ledger.records[*client].paused;
            // Of a stop nobody has heard yet.
            let heeded = |since: Tick| ledger.now > since.max(ledger.stalled_at) + 100;
            if paused.is_some_and(heeded) {
                let receiving = self.reactor.is_receiving(*conn);
                assert!(!receiving, "client {client}: receives although paused since {paused:?}");
            }
        }
    }

    /// Nothing is left of the connections when all of them have gone.
    fn check_rest(&mut self) {
        let armed = self.shared.lock().timers_armed;
        let census = self.reactor.census();
        // A retry of accepting, and the trimming of spare memory.
        assert!(census.deadlines <= armed + 2, "{census:?}, timers of the application: {armed}");
        assert_eq!(census.granted, 0, "memory granted to messages that have gone");
        assert_eq!(census.held, 0, "memory counted for connections that have gone");
        assert_eq!(census.rests, 0, "buffers of messages that have gone");
        self.check_buffers();
    }

    fn check_buffers(&mut self) {
        let kernel = self.reactor.kernel();
        assert_eq!(kernel.leases_out(), 0, "leases that were not given back");
        let buffers = usize::from(self.scenario.buffers + self.scenario.large.0);
        assert_eq!(kernel.free_buffers(), buffers, "buffers lost");
        assert_eq!(kernel.open_sockets(), 0, "sockets that were not given back");
    }

    fn report(mut self) -> Report {
        {
            let mut ledger = self.shared.lock();
            for at in (0..ledger.kept.len()).rev() {
                chaos::release(&mut ledger, at);
            }
        }
        if !self.died {
            self.check_buffers();
        }
        let stats = self.handle.stats(None).expect("one reactor");
        let census = self.reactor.census();
        let large = self.reactor.kernel().received_large();
        drop(self.reactor);
        let ledger = self.shared.lock();
        if ledger.drain.is_some() {
            let drained = self.handle.drained();
            let ended = drained.closed + drained.timed_out + drained.aborted + drained.lost;
            let since = |before: usize| gone(&ledger).saturating_sub(before) as u64;
            let right = since(ledger.ended_heard)..=since(ledger.ended_before);
            assert!(right.contains(&ended), "{right:?} have ended, told: {drained:?}");
        }
        // What was taken and has not come; of what was published, what was not taken, too.
        let (skipped, gaps) = (ledger.skipped, ledger.gaps);
        let (oldest, newest) = (stats.dropped_oldest, stats.dropped_newest);
        assert!(skipped <= oldest, "{skipped} messages that were taken lost, {oldest} told");
        let told = stats.publish_dropped + newest + oldest - skipped;
        assert!(gaps <= told, "{gaps} published messages lost, {told} told");
        assert_eq!((stats.publish_refused, stats.topics), (0, 0));
        for (client, record) in ledger.records.iter().enumerate() {
            assert_eq!(record.opened, record.closed, "client {client}: open without close");
        }
        let opened = ledger.records.iter().filter(|record| record.opened).count();
        assert_eq!(stats.upgraded, opened as u64);
        let shed = ledger.records.iter().filter(|record| record.shed).count() as u64;
        assert!(shed <= stats.budget_closed, "{shed} closed for memory: {stats:?}");
        let budget = self.scenario.memory_max < u64::MAX;
        assert!(budget || stats.budget_closed + stats.budget_refused == 0, "{stats:?}");
        assert_eq!(ledger.jobs_run, ledger.jobs_taken, "jobs lost or run twice");
        let refused = self.handle.post(0, Box::new(|_| {}));
        assert_eq!(refused, Err(CallError::Stopped), "mail for a reactor that has ended");
        if !self.died {
            let stopped_early = self.scenario.stop.is_some() || self.scenario.drain.is_some();
            assert!(stats.accept_dropped == 0 || stopped_early, "turned away: {stats:?}");
            assert_eq!((stats.connections, stats.connections_by_state), (0, [0; 3]));
        }
        Report {
            ticks: ledger.now,
            delivered: ledger.delivered,
            stats,
            direct: census.direct.direct,
            waited: census.direct.waited,
            large,
            rests: census.direct.rests,
            slow: census.direct.slow,
            echoed: census.echoed,
            died: self.died,
            stalls: ledger.stalls,
            cut_short: ledger.cut_short,
            left_unread: ledger.left_unread,
            last_words: ledger.last_words,
        }
    }
}

/// How many connections have ended.
fn gone(ledger: &Ledger) -> usize {
    ledger.records.iter().filter(|record| record.closed).count()
}
