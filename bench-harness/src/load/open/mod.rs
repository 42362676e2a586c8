//! The open loop: messages leave at a fixed rate, whether or not the server keeps up, and latency
//! counts from the time a message was to leave. A server that stops for a moment so pays for all
//! that fell due meanwhile (no coordinated omission).

mod lane;
mod report;
mod schedule;
mod slack;

pub use report::{LATE_MAX, OpenReport};

use super::connect::{self, Opened};
use super::control::{Control, explain};
use super::meter::{self, Reading};
use super::wire::{Handler, Received, STALL, Wait, Wire};
use crate::error::{Error, Result};
use crate::report::{Latency, Served};
use crate::scenario::Scenario;
use crate::stream::Streams;
use hdrhistogram::Histogram;
use lane::{Batch, LATE_NS, Lane};
use schedule::Schedule;
use slack::NoSlack;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// Longer latencies are recorded as this one.
const LATENCY_MAX_NS: u64 = 600_000_000_000;
/// Before a message falls due, the loop spins for so long: more than a timer is late.
const SPIN_NS: u64 = 60_000;
/// The most messages that one send carries, and about how many bytes.
const WINDOW: usize = 256;
const WINDOW_BYTES: usize = 1 << 20;
/// The highest rate: a thousand messages per microsecond are no schedule any more.
const RATE_MAX: f64 = 1e9;

/// A run of the open loop.
#[derive(Clone, Debug)]
pub struct OpenPlan {
    /// The server.
    pub server: SocketAddr,
    /// Connections, size and kind. `depth` does not matter.
    pub scenario: Scenario,
    /// Messages per second on all connections together.
    pub rate: f64,
    /// Load before the clock starts.
    pub warmup: Duration,
    /// How long the clock runs.
    pub timed: Duration,
    /// How long to wait for what has not come back then.
    pub grace: Duration,
    /// Whether to spin for the last microseconds before a message; needs a CPU of its own.
    pub spin: bool,
    /// The server's process, to read from `/proc` what it uses.
    pub pid: Option<u32>,
}

/// Runs it on the calling thread.
pub fn run(plan: &OpenPlan, control: &Control) -> Result<OpenReport> {
    explain(plan.pid, run_here(plan, control))
}

fn run_here(plan: &OpenPlan, control: &Control) -> Result<OpenReport> {
    let scenario = windowed(plan.scenario)?;
    scenario.uncompressed("an open loop")?;
    let mut opened = connect::open(plan.server, scenario.connections, &scenario)?;
    drive(plan, scenario, Streams::new(&scenario)?, &mut opened, control)
}

/// The scenario with the window of a send as its depth.
pub(super) fn windowed(scenario: Scenario) -> Result<Scenario> {
    let depth = (WINDOW_BYTES / (scenario.size + 14)).clamp(1, WINDOW);
    let scenario = Scenario { depth, ..scenario };
    scenario.check()?;
    Ok(scenario)
}

/// Runs it over open connections. `scenario.depth` is the window for which `streams` was made.
pub(super) fn drive(
    plan: &OpenPlan,
    scenario: Scenario,
    streams: Streams,
    opened: &mut Opened,
    control: &Control,
) -> Result<OpenReport> {
    if !(plan.rate > 0.0 && plan.rate <= RATE_MAX) {
        return Err(Error::Usage(format!("rate: more than 0, at most {RATE_MAX}")));
    }
    let _precise = NoSlack::begin();
    let in_flight = streams.echo_size * scenario.depth;
    let mut wire = Wire::new(&streams, opened, in_flight, control)?;
    let begin_ns = plan.warmup.as_nanos() as u64;
    let end_ns = begin_ns + plan.timed.as_nanos() as u64;
    let mut lanes = Lanes::new(&scenario, streams, plan.rate, begin_ns..end_ns)?;
    lanes.run_until(&mut wire, begin_ns, plan.spin)?;
    let (before, done, each) = (Reading::take(plan.pid)?, lanes.messages, lanes.done_by_each());
    lanes.run_until(&mut wire, end_ns, plan.spin)?;
    let (after, came) = (Reading::take(plan.pid)?, lanes.messages - done);
    let served = lanes.done_by_each().into_iter().zip(each).map(|(now, before)| now - before);
    let served = Served::of(served);
    let grace_ns = end_ns + plan.grace.as_nanos() as u64;
    lanes.drain(&mut wire, grace_ns)?;
    let unanswered = lanes.give_up(wire.look_at_the_clock());
    let thread = after.thread.since(&before.thread);
    let mut sides = meter::between(plan.pid, &before, &after, &[thread], came)?;
    let late = lanes.late as f64 / lanes.measured_len().max(1) as f64;
    sides.bottleneck = OpenReport::judge(sides.server.map(|server| server.cpu), late);
    let seconds = (after.at - before.at).as_secs_f64();
    Ok(OpenReport {
        scenario,
        rate: plan.rate,
        seconds,
        messages: lanes.measured_len(),
        achieved_per_second: came as f64 / seconds,
        latency: Latency::new(&lanes.latency),
        served,
        unanswered,
        backlog_max: lanes.backlog_max,
        late,
        late_max: lanes.late_max_ns as f64 / 1e3,
        spin: plan.spin,
        sides,
    })
}

struct Lanes {
    streams: Streams,
    schedule: Schedule,
    lanes: Vec<Lane>,
    /// Connections that may send, each once.
    ready: Vec<u32>,
    /// What was queued in this turn.
    leaving: Vec<(u32, Batch)>,
    window: u64,
    turn: u64,
    /// Messages that came back.
    messages: u64,
    backlog_max: u64,
    /// Which of all messages are measured.
    measured: Range<u64>,
    latency: Histogram<u64>,
    late: u64,
    late_max_ns: u64,
}

impl Lanes {
    fn new(scenario: &Scenario, streams: Streams, rate: f64, times: Range<u64>) -> Result<Self> {
        let connections = scenario.connections;
        let schedule = Schedule::new(rate, connections);
        let lanes = (0..connections).map(|index| Lane::new(index, &streams)).collect();
        Ok(Self {
            streams,
            lanes,
            ready: Vec::new(),
            leaving: Vec::new(),
            window: scenario.depth as u64,
            turn: 0,
            messages: 0,
            backlog_max: 0,
            measured: schedule.first_from(times.start)..schedule.first_from(times.end),
            schedule,
            latency: Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3)
                .map_err(|error| Error::Usage(error.to_string()))?,
            late: 0,
            late_max_ns: 0,
        })
    }

    fn done_by_each(&self) -> Vec<u64> {
        self.lanes.iter().map(Lane::done).collect()
    }

    fn measured_len(&self) -> u64 {
        self.measured.end - self.measured.start
    }

    fn run_until(&mut self, wire: &mut Wire, end_ns: u64, spin: bool) -> Result<()> {
        loop {
            let now_ns = wire.look_at_the_clock();
            // Up to the very end and no further: nothing due is left out, nothing else is sent.
            self.fall_due(now_ns.min(end_ns.saturating_sub(1)));
            if now_ns >= end_ns {
                return Ok(());
            }
            let next_ns = self.schedule.next_at().min(end_ns);
            self.turn(wire, wait_for(next_ns.saturating_sub(now_ns), spin))?;
        }
    }

    fn fall_due(&mut self, now_ns: u64) {
        while let Some(connection) = self.schedule.due(now_ns) {
            if let Some(lane) = self.lanes.get_mut(connection) {
                lane.fall_due();
            }
            self.list(connection as u32);
        }
    }

    /// What is due leaves in one system call, which does not wait then: when it is over, it has
    /// left.
    fn turn(&mut self, wire: &mut Wire, wait: Wait) -> Result<()> {
        self.turn += 1;
        for slot in self.ready.drain(..) {
            let Some(lane) = self.lanes.get_mut(slot as usize) else { continue };
            lane.listed = false;
            if let Some((part, batch)) = lane.send(&self.streams, self.window, self.turn) {
                wire.send(slot, part)?;
                self.leaving.push((slot, batch));
            }
        }
        let wait = if self.leaving.is_empty() { wait } else { Wait::Poll };
        wire.turn(wait, self)?;
        self.left(wire.now_ns());
        Ok(())
    }

    /// Counts what left late.
    fn left(&mut self, now_ns: u64) {
        for (slot, batch) in self.leaving.drain(..) {
            let connection = slot as usize;
            let Some(lane) = self.lanes.get(connection) else { continue };
            let first = self.schedule.number(connection, batch.start);
            if !self.measured.contains(&first) {
                continue;
            }
            let delay = lane.delay(connection, batch.start, now_ns, &self.schedule);
            self.late_max_ns = self.late_max_ns.max(delay);
            if delay > LATE_NS {
                self.late += lane.late(connection, batch, now_ns, &self.schedule);
            }
        }
    }

    /// Waits for all that is outstanding, at most until `end_ns`.
    fn drain(&mut self, wire: &mut Wire, end_ns: u64) -> Result<()> {
        while self.summary().1 > 0 && wire.now_ns() < end_ns {
            self.turn(wire, Wait::AtMost(STALL))?;
        }
        Ok(())
    }

    /// Records what has not come back with the time that was waited for it.
    fn give_up(&mut self, now_ns: u64) -> u64 {
        let mut unanswered = 0;
        for (connection, lane) in self.lanes.iter().enumerate() {
            for index in lane.done()..lane.done() + lane.backlog() {
                if self.measured.contains(&self.schedule.number(connection, index)) {
                    unanswered += 1;
                    let waited = now_ns.saturating_sub(self.schedule.of(connection, index));
                    self.latency.saturating_record(waited);
                }
            }
        }
        unanswered
    }

    fn list(&mut self, slot: u32) {
        let Some(lane) = self.lanes.get_mut(slot as usize) else { return };
        if lane.wants_to_send() && !lane.listed {
            lane.listed = true;
            self.ready.push(slot);
        }
    }
}

/// How to wait for `left_ns` nanoseconds.
fn wait_for(left_ns: u64, spin: bool) -> Wait {
    let margin = if spin { SPIN_NS } else { 0 };
    match left_ns.saturating_sub(margin) {
        0 => Wait::Poll,
        coarse => Wait::AtMost(Duration::from_nanos(coarse)),
    }
}

impl Handler for Lanes {
    fn received(&mut self, slot: u32, bytes: &[u8], now_ns: u64) -> Received {
        let connection = slot as usize;
        let Some(lane) = self.lanes.get_mut(connection) else { return Ok(()) };
        let came = lane.received(bytes, &self.streams)?;
        self.messages += came.end - came.start;
        for index in came {
            if self.measured.contains(&self.schedule.number(connection, index)) {
                let intended = self.schedule.of(connection, index);
                self.latency.saturating_record(now_ns.saturating_sub(intended));
            }
        }
        Ok(())
    }

    fn sent(&mut self, slot: u32, bytes: usize, now_ns: u64) -> Option<Range<usize>> {
        let rest = self.lanes.get_mut(slot as usize)?.sent(bytes, self.turn, now_ns);
        if rest.is_none() {
            self.list(slot);
        }
        rest
    }

    fn done(&self, slot: u32) -> u64 {
        self.lanes.get(slot as usize).map_or(0, Lane::done)
    }

    fn looked_at(&mut self) {
        let backlog = self.lanes.iter().map(Lane::backlog).sum();
        self.backlog_max = self.backlog_max.max(backlog);
    }

    fn summary(&self) -> (u64, usize) {
        (self.messages, self.lanes.iter().filter(|lane| lane.backlog() > 0).count())
    }
}
