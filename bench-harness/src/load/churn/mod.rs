//! Opening and closing: connect, upgrade, perhaps one message, the closing handshake, again.
//!
//! The server ends TCP first, as RFC 6455 §7.1.1 asks, and has the TIME-WAIT: the client's ports
//! are free at once. Where the client ends first, they are not; connections leave from as many
//! addresses of 127.0.0.0/8 as there are, each with its own 28,000 ports.

mod life;
mod report;
mod slots;

pub use report::{ChurnReport, Failures};

use super::control::{Control, explain};
use super::meter::{self, Reading};
use super::wire::STALL;
use crate::error::{Error, Result};
use crate::frame;
use crate::handshake;
use crate::machine;
use crate::process;
use crate::report::{Latency, Served};
use crate::ring::Ring;
use crate::scenario::{Kind, Scenario};
use crate::stream::Streams;
use slots::Slots;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most connections at a time: each turn may submit several operations for each.
const CONNECTIONS_MAX: usize = 1000;
/// How often progress is reported and answers that do not come are looked for.
const TICK: Duration = Duration::from_millis(100);
/// So many failures without a single handshake end the run.
const HOPELESS: u64 = 1000;
/// Buffers to receive into.
const BUFFERS: u16 = 512;

/// A run of opening and closing.
#[derive(Clone, Debug)]
pub struct ChurnPlan {
    /// The server.
    pub server: SocketAddr,
    /// Connections at a time; the size and kind of the message. `depth` does not matter.
    pub scenario: Scenario,
    /// Whether one message is echoed on each connection.
    pub message: bool,
    /// Which side ends TCP after the closing handshake.
    pub ends: Ends,
    /// Load before the clock starts.
    pub warmup: Duration,
    /// How long the clock runs.
    pub timed: Duration,
    /// How long one answer may take.
    pub patience: Duration,
    /// The server's process, to read from `/proc` what it uses.
    pub pid: Option<u32>,
}

/// Which side ends TCP after the closing handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    /// The server: what RFC 6455 §7.1.1 asks for. One that does not is a failure.
    #[default]
    Server,
    /// The client, at once.
    Client,
}

/// Runs it on the calling thread.
pub fn run(plan: &ChurnPlan, control: &Control) -> Result<ChurnReport> {
    explain(plan.pid, run_here(plan, control))
}

fn run_here(plan: &ChurnPlan, control: &Control) -> Result<ChurnReport> {
    let scenario = Scenario { depth: 1, ..plan.scenario };
    scenario.check()?;
    scenario.uncompressed("churn")?;
    if scenario.tls {
        return Err(Error::Usage("churn is not measured with TLS".into()));
    }
    if scenario.kind == Kind::Raw || scenario.connections > CONNECTIONS_MAX {
        return Err(Error::Usage(format!(
            "churn: WebSocket, at most {CONNECTIONS_MAX} connections at a time"
        )));
    }
    machine::allow_descriptors(scenario.connections as u64 * 2 + 64)?;
    let streams = Streams::new(&scenario)?;
    let churn = Churn::new(plan, &scenario, streams, control);
    let mut churn = churn.map_err(Error::io("setting up"))?;
    churn.run_until(Instant::now() + plan.warmup)?;
    churn.slots.reset();
    let before = Reading::take(plan.pid)?;
    churn.run_until(before.at + plan.timed)?;
    let after = Reading::take(plan.pid)?;
    let tally = churn.slots.tally.clone();
    let served = Served::of(churn.slots.served());
    churn.drain()?;
    let thread = after.thread.since(&before.thread);
    let sides = meter::between(plan.pid, &before, &after, &[thread], tally.handshakes)?;
    let seconds = (after.at - before.at).as_secs_f64();
    Ok(ChurnReport {
        connections: scenario.connections,
        message: plan.message.then_some(scenario.size),
        seconds,
        handshakes: tally.handshakes,
        handshakes_per_second: tally.handshakes as f64 / seconds,
        completed: tally.completed,
        latency: Latency::new(&tally.latency),
        whole: Latency::new(&tally.whole),
        served,
        failures: tally.failures,
        last_failure: tally.last_failure,
        sides,
    })
}

/// Where in the arena what is sent lies.
struct Places {
    request: Range<usize>,
    close: Range<usize>,
    /// Start of the messages.
    messages: usize,
}

struct Churn<'a> {
    ring: Ring,
    slots: Slots,
    control: &'a Control,
    start: Instant,
    looked: Instant,
    /// Handshakes, and when there was one more of them.
    succeeded: (u64, Instant),
    patience: Duration,
    pid: Option<u32>,
}

impl<'a> Churn<'a> {
    fn new(
        plan: &ChurnPlan,
        scenario: &Scenario,
        streams: Streams,
        control: &'a Control,
    ) -> std::io::Result<Self> {
        let mut arena = handshake::request(plan.server, "/");
        let request = 0..arena.len();
        frame::append(&mut arena, frame::CLOSE, &life::NORMAL.to_be_bytes(), Some([7, 1, 4, 2]));
        let close = request.end..arena.len();
        let places = Places { request, close, messages: arena.len() };
        arena.extend_from_slice(&streams.outgoing);
        let connections = scenario.connections as u32;
        // Three operations open a connection, and as many may end one.
        let mut ring = Ring::new(connections * 4, Arc::from(arena))?;
        ring.reserve(connections)?;
        let size = (streams.echo_size + 512).next_power_of_two().clamp(1024, 64 * 1024);
        ring.provide(BUFFERS, size as u32)?;
        let now = Instant::now();
        let slots = Slots::new(plan, connections, streams, places)?;
        let (patience, pid) = (plan.patience, plan.pid);
        let succeeded = (0, now);
        Ok(Self { ring, slots, control, start: now, looked: now, succeeded, patience, pid })
    }

    fn run_until(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            self.slots.open_free(&mut self.ring).map_err(Error::io("opening a socket"))?;
            self.turn()?;
        }
        Ok(())
    }

    /// Opens nothing new and waits for the connections there are.
    fn drain(&mut self) -> Result<()> {
        while self.slots.busy() {
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        let mut events = std::mem::take(&mut self.slots.events);
        self.ring.wait(Some(TICK), &mut events).map_err(Error::io("io_uring_enter"))?;
        let now = Instant::now();
        for event in events.drain(..) {
            self.slots.handle(&mut self.ring, event, now);
        }
        self.slots.events = events;
        if now - self.looked > TICK {
            self.looked = now;
            self.slots.abandon_late(&mut self.ring, now);
            self.control.look(now - self.start, self.slots.handshakes())?;
            self.look_at_success(now)?;
        }
        Ok(())
    }

    /// Failures are figures, unless nothing but failures comes.
    fn look_at_success(&mut self, now: Instant) -> Result<()> {
        let handshakes = self.slots.handshakes();
        if handshakes != self.succeeded.0 {
            self.succeeded = (handshakes, now);
        }
        let tally = &self.slots.tally;
        let never = handshakes == 0 && tally.failures.total() >= HOPELESS;
        let dead = self.pid.is_some_and(|pid| !process::is_alive(pid));
        if never || dead || now - self.succeeded.1 > STALL.max(self.patience * 2) {
            return Err(Error::Stalled(format!(
                "no handshake succeeds any more, after {handshakes}: {:?}; the last: {}",
                tally.failures,
                tally.last_failure.as_deref().unwrap_or_default()
            )));
        }
        Ok(())
    }
}
