//! The closed loop: every connection keeps `depth` messages in flight; a message is sent when an
//! echo has come back. One system call per turn carries the sends of all connections.

use super::conn::Conn;
use super::connect;
use crate::error::{Error, Result};
use crate::process::{self, Usage};
use crate::report::{Bottleneck, Latency, Report, ServerUse};
use crate::ring::{Event, Op, Ring};
use crate::scenario::{Kind, Scenario};
use crate::stream::{Mismatch, Streams};
use hdrhistogram::Histogram;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nothing coming back for so long ends the run with an error.
const STALL: Duration = Duration::from_secs(5);
/// How often the clock is looked at when nothing happens.
const TICK: Duration = Duration::from_millis(100);
/// Longer latencies are recorded as this one.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// Memory for receiving: within the second-level cache.
const BUFFER_BYTES: usize = 1 << 20;

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
    plan.scenario.check()?;
    let websocket = plan.scenario.kind != Kind::Raw;
    let sockets = connect::open(plan.server, plan.scenario.connections, websocket)?;
    let mut closed = Closed::new(&plan.scenario, &sockets)?;
    closed.run_until(Instant::now() + plan.warmup)?;
    closed.latency.reset();
    let before = Reading::take(plan.pid, closed.messages)?;
    closed.run_until(before.at + plan.timed)?;
    let after = Reading::take(plan.pid, closed.messages)?;
    let latency = Latency::new(&closed.latency);
    closed.drain()?;
    report(plan, &before, &after, latency)
}

/// What has been used up to a moment.
struct Reading {
    at: Instant,
    messages: u64,
    load: Duration,
    kept_waiting: Duration,
    server: Option<Usage>,
}

impl Reading {
    fn take(pid: Option<u32>, messages: u64) -> Result<Self> {
        let server = pid.map(process::usage).transpose()?;
        let kept_waiting = process::thread_kept_waiting();
        let load = process::thread_cpu();
        Ok(Self { at: Instant::now(), messages, load, kept_waiting, server })
    }
}

fn report(plan: &Plan, before: &Reading, after: &Reading, latency: Latency) -> Result<Report> {
    let seconds = (after.at - before.at).as_secs_f64();
    let messages = after.messages - before.messages;
    let mut kept_waiting = after.kept_waiting.saturating_sub(before.kept_waiting);
    let server = match (plan.pid, before.server, after.server) {
        (Some(pid), Some(before), Some(after)) => {
            let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
            kept_waiting = kept_waiting.max(after.kept_waiting.saturating_sub(before.kept_waiting));
            let switches = after.context_switches.saturating_sub(before.context_switches);
            Some(ServerUse {
                cpu: cpu / seconds,
                cpu_us_per_message: cpu * 1e6 / messages.max(1) as f64,
                resident: process::resident(pid)?,
                context_switches_per_second: switches as f64 / seconds,
            })
        }
        _ => None,
    };
    let load_cpu = (after.load - before.load).as_secs_f64() / seconds;
    Ok(Report {
        scenario: plan.scenario,
        messages,
        seconds,
        messages_per_second: messages as f64 / seconds,
        load_cpu,
        latency,
        bottleneck: Bottleneck::judge(server.map(|server| server.cpu), load_cpu),
        server,
        disturbed: kept_waiting.as_secs_f64() / seconds,
    })
}

struct Closed {
    ring: Ring,
    streams: Streams,
    conns: Vec<Conn>,
    events: Vec<Event>,
    /// Connections that may send, each once.
    ready: Vec<u32>,
    /// Connections whose receive ended for want of buffers, or otherwise without fault.
    disarmed: Vec<u32>,
    messages: u64,
    latency: Histogram<u64>,
    start: Instant,
    now: Instant,
    progress: Instant,
    draining: bool,
}

impl Closed {
    fn new(scenario: &Scenario, sockets: &[TcpStream]) -> Result<Self> {
        let streams = Streams::new(scenario);
        let ring = ring(scenario, &streams, sockets).map_err(Error::io("setting up io_uring"))?;
        let conns: Vec<_> =
            (0..sockets.len()).map(|index| Conn::new(index, scenario.depth, &streams)).collect();
        let now = Instant::now();
        let all = 0..conns.len() as u32;
        Ok(Self {
            ring,
            streams,
            conns,
            events: Vec::with_capacity(4096),
            ready: all.clone().collect(),
            disarmed: all.collect(),
            messages: 0,
            latency: Histogram::new_with_bounds(1, LATENCY_MAX_NS, 2)
                .map_err(|error| Error::Usage(error.to_string()))?,
            start: now,
            now,
            progress: now,
            draining: false,
        })
    }

    fn run_until(&mut self, end: Instant) -> Result<()> {
        while self.now < end {
            self.turn()?;
        }
        Ok(())
    }

    /// Sends nothing new and waits for all that is outstanding.
    fn drain(&mut self) -> Result<()> {
        self.draining = true;
        while !self.conns.iter().all(Conn::is_quiet) {
            self.turn()?;
        }
        debug_assert_eq!(self.messages, self.conns.iter().map(Conn::done).sum::<u64>());
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        for slot in self.disarmed.drain(..) {
            self.ring.receive(slot);
        }
        self.send_ready();
        self.ring.wait(Some(TICK), &mut self.events).map_err(Error::io("io_uring_enter"))?;
        self.now = Instant::now();
        if !self.events.is_empty() {
            self.progress = self.now;
        } else if self.now - self.progress > STALL {
            let waiting = self.conns.iter().filter(|conn| !conn.is_quiet()).count();
            return Err(Error::Stalled(format!(
                "nothing came back for {STALL:?}: {waiting} connections wait, {} messages done",
                self.messages
            )));
        }
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.handle(event)?;
        }
        self.events = events;
        Ok(())
    }

    fn send_ready(&mut self) {
        let now_ns = (self.now - self.start).as_nanos() as u64;
        for slot in self.ready.drain(..) {
            let Some(conn) = self.conns.get_mut(slot as usize) else { continue };
            conn.listed = false;
            if self.draining {
                continue;
            }
            if let Some(range) = conn.send(&self.streams, now_ns) {
                self.ring.send(slot, range);
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<()> {
        let slot = event.slot;
        let Some(conn) = self.conns.get_mut(slot as usize) else { return Ok(()) };
        match (event.op, event.result, event.buffer) {
            (Op::Receive, 1.., Some(buffer)) => {
                let connection = slot as usize;
                let count = conn
                    .received(self.ring.bytes(&buffer), &self.streams)
                    .map_err(|mismatch| Error::Echo { connection, mismatch })?;
                self.ring.give_back(buffer);
                self.messages += count as u64;
                let now_ns = (self.now - self.start).as_nanos() as u64;
                conn.settle(count, |sent_ns, messages| {
                    self.latency.saturating_record_n(now_ns - sent_ns, messages as u64);
                });
            }
            (Op::Receive, 0, _) => {
                let mismatch = Mismatch::Ended { message: conn.done() };
                return Err(Error::Echo { connection: slot as usize, mismatch });
            }
            (Op::Send, bytes @ 0.., _) => {
                if let Some(rest) = conn.sent(bytes as usize) {
                    self.ring.send(slot, rest);
                }
            }
            (Op::Receive, errno, _) if errno == -libc::ENOBUFS => {}
            (op, errno, _) => {
                let error = std::io::Error::from_raw_os_error(-errno);
                return Err(Error::io(format!("{op:?} on connection {slot}"))(error));
            }
        }
        if event.op == Op::Receive && !event.more {
            self.disarmed.push(slot);
        }
        if conn.wants_to_send() && !conn.listed {
            conn.listed = true;
            self.ready.push(slot);
        }
        Ok(())
    }
}

/// Buffers as large as a connection's echoes in flight, within limits, and few enough to stay in
/// the cache: the kernel fills them in turn.
fn ring(scenario: &Scenario, streams: &Streams, sockets: &[TcpStream]) -> std::io::Result<Ring> {
    let in_flight = (streams.echo_size * scenario.depth).next_power_of_two();
    let size = in_flight.clamp(2048, 128 * 1024);
    let count = (BUFFER_BYTES / size).clamp(16, 512);
    let mut ring = Ring::new(sockets.len() as u32 * 2, Arc::clone(&streams.outgoing))?;
    ring.provide(count as u16, size as u32)?;
    ring.register(sockets)?;
    Ok(ring)
}
