//! The closed loop: every connection keeps `depth` messages in flight; a message is sent when an
//! echo has come back. One system call per turn carries the sends of all connections.

use super::conn::Conn;
use super::connect::{self, Opened};
use super::control::{Control, explain};
use super::meter::{self, Reading};
use super::wire::{Handler, Received, Wait, Wire};
use crate::error::{Error, Result};
use crate::inflate::Inflater;
use crate::process::ThreadUsage;
use crate::report::{Latency, Report, Served};
use crate::scenario::Scenario;
use crate::stream::Streams;
use hdrhistogram::Histogram;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Longer latencies are recorded as this one.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// A run of the closed loop.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub server: SocketAddr,
    /// What is sent.
    pub scenario: Scenario,
    /// Load before the clock starts.
    pub warmup: Duration,
    /// How long the clock runs.
    pub timed: Duration,
    /// The server's process, to read from `/proc` what it uses.
    pub pid: Option<u32>,
}

/// Runs it on the calling thread. Ends when all that was sent has come back.
pub fn run(plan: &Plan) -> Result<Report> {
    run_with(plan, &Control::default())
}

/// The same, reporting progress, and to be interrupted.
pub fn run_with(plan: &Plan, control: &Control) -> Result<Report> {
    explain(plan.pid, run_here(plan, control))
}

fn run_here(plan: &Plan, control: &Control) -> Result<Report> {
    plan.scenario.check()?;
    let mut closed = Closed::open(plan.server, &plan.scenario, 0, control)?;
    let begin = Instant::now() + plan.warmup;
    closed.run_until(begin)?;
    closed.reset();
    let before = Reading::take(plan.pid)?;
    closed.run_until(before.at + plan.timed)?;
    let after = Reading::take(plan.pid)?;
    let part = closed.part(after.thread.since(&before.thread));
    closed.drain()?;
    report(plan, &before, &after, &[part])
}

/// What one thread measured.
pub(super) struct Part {
    pub(super) messages: u64,
    pub(super) latency: Histogram<u64>,
    /// Messages of each connection.
    pub(super) served: Vec<u64>,
    pub(super) thread: ThreadUsage,
}

/// All threads together.
pub(super) fn report(
    plan: &Plan,
    before: &Reading,
    after: &Reading,
    parts: &[Part],
) -> Result<Report> {
    let seconds = (after.at - before.at).as_secs_f64();
    let messages = parts.iter().map(|part| part.messages).sum();
    let mut latency = histogram()?;
    for part in parts {
        latency.add(&part.latency).map_err(|error| Error::Usage(error.to_string()))?;
    }
    let threads: Vec<_> = parts.iter().map(|part| part.thread).collect();
    let sides = meter::between(plan.pid, before, after, &threads, messages)?;
    Ok(Report {
        scenario: plan.scenario,
        messages,
        seconds,
        messages_per_second: messages as f64 / seconds,
        load_cpu: sides.load.cpu,
        load_us_per_message: sides.load.us_per_message,
        load: sides.load,
        latency: Latency::new(&latency),
        served: Served::of(parts.iter().flat_map(|part| part.served.iter().copied())),
        bottleneck: sides.bottleneck,
        server: sides.server,
        disturbed: sides.disturbed,
    })
}

fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, 2)
        .map_err(|error| Error::Usage(error.to_string()))
}

/// One thread's connections and its ring.
pub(super) struct Closed {
    wire: Wire,
    loops: Loops,
    /// Open as long as the ring works on them.
    _opened: Opened,
}

/// The connections, apart from the ring.
struct Loops {
    streams: Streams,
    conns: Vec<Conn>,
    inflater: Inflater,
    /// Connections that may send, each once.
    ready: Vec<u32>,
    messages: u64,
    /// Messages when the clock started, of all and of each connection.
    before: u64,
    each_before: Vec<u64>,
    latency: Histogram<u64>,
}

impl Closed {
    /// Opens the connections; `first` is the index of the first among those of all threads.
    pub(super) fn open(
        server: SocketAddr,
        scenario: &Scenario,
        first: usize,
        control: &Control,
    ) -> Result<Self> {
        let Scenario { connections, depth, deflate, .. } = *scenario;
        let mut opened = connect::open(server, connections, scenario)?;
        let streams = Streams::new(scenario)?;
        let in_flight = streams.echo_size * depth;
        let wire = Wire::new(&streams, &mut opened, in_flight, control)?;
        let indices = first..first + connections;
        let conns = indices.map(|index| Conn::new(index, depth, deflate, &streams)).collect();
        let ready = (0..connections as u32).collect();
        let inflater = Inflater::default();
        let latency = histogram()?;
        let (messages, before, each_before) = (0, 0, vec![0; connections]);
        let loops =
            Loops { streams, conns, inflater, ready, messages, before, each_before, latency };
        Ok(Self { wire, loops, _opened: opened })
    }

    pub(super) fn run_until(&mut self, end: Instant) -> Result<()> {
        while self.wire.now() < end {
            self.send_ready()?;
            self.wire.turn(Wait::Event, &mut self.loops)?;
        }
        Ok(())
    }

    /// Starts the clock.
    pub(super) fn reset(&mut self) {
        self.loops.latency.reset();
        self.loops.before = self.loops.messages;
        self.loops.each_before = self.loops.conns.iter().map(Conn::done).collect();
    }

    /// What was measured since then. `thread`: what this one used.
    pub(super) fn part(&self, thread: ThreadUsage) -> Part {
        let Loops { messages, before, latency, conns, each_before, .. } = &self.loops;
        let served = conns.iter().zip(each_before).map(|(conn, before)| conn.done() - before);
        let (messages, served) = (messages - before, served.collect());
        Part { messages, latency: latency.clone(), served, thread }
    }

    /// Sends nothing new and waits for all that is outstanding.
    pub(super) fn drain(&mut self) -> Result<()> {
        while !self.loops.conns.iter().all(Conn::is_quiet) {
            self.wire.turn(Wait::Event, &mut self.loops)?;
        }
        debug_assert_eq!(self.loops.messages, self.loops.conns.iter().map(Conn::done).sum::<u64>());
        Ok(())
    }

    fn send_ready(&mut self) -> Result<()> {
        let now_ns = self.wire.now_ns();
        let Loops { streams, conns, ready, .. } = &mut self.loops;
        for slot in ready.drain(..) {
            let Some(conn) = conns.get_mut(slot as usize) else { continue };
            conn.listed = false;
            if let Some(range) = conn.send(streams, now_ns) {
                self.wire.send(slot, range)?;
            }
        }
        Ok(())
    }
}

impl Loops {
    fn list(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot as usize) else { return };
        if conn.wants_to_send() && !conn.listed {
            conn.listed = true;
            self.ready.push(slot);
        }
    }
}

impl Handler for Loops {
    fn received(&mut self, slot: u32, bytes: &[u8], now_ns: u64) -> Received {
        let Some(conn) = self.conns.get_mut(slot as usize) else { return Ok(()) };
        let count = conn.received(bytes, &self.streams, &mut self.inflater)?;
        self.messages += count as u64;
        conn.settle(count, |sent_ns, messages| {
            self.latency.saturating_record_n(now_ns - sent_ns, messages as u64);
        });
        self.list(slot);
        Ok(())
    }

    fn sent(&mut self, slot: u32, bytes: usize, _now_ns: u64) -> Option<Range<usize>> {
        let rest = self.conns.get_mut(slot as usize)?.sent(bytes);
        if rest.is_none() {
            self.list(slot);
        }
        rest
    }

    fn done(&self, slot: u32) -> u64 {
        self.conns.get(slot as usize).map_or(0, Conn::done)
    }

    fn summary(&self) -> (u64, usize) {
        (self.messages, self.conns.iter().filter(|conn| !conn.is_quiet()).count())
    }
}
