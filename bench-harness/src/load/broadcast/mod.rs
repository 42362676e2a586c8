//! One to many: a publisher sends, the server passes it on to all, and every copy is checked.
//!
//! The last connection publishes. Whether the server sends a message to its publisher, too, is
//! found out with the first one; from then on it has to stay with that.

mod fan;
mod report;

pub use report::BroadcastReport;

use super::check::Check;
use super::connect;
use super::control::{Control, explain};
use super::meter::{self, Reading};
use super::wire::{Handler, Received, Wait, Wire};
use crate::error::{Error, Result};
use crate::report::{Latency, Served};
use crate::scenario::{Kind, Scenario};
use crate::stream::Streams;
use fan::Fan;
use hdrhistogram::Histogram;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// Longer latencies are recorded as this one.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// How long a server may take, after the handshake, until a connection takes part.
const JOIN: Duration = Duration::from_millis(200);
/// How long the publisher waits for its own message when all others have it.
const ECHO: Duration = Duration::from_millis(100);

/// A run of a broadcast.
#[derive(Clone, Debug)]
pub struct BroadcastPlan {
    /// The server.
    pub server: SocketAddr,
    /// `connections`: the receivers, without the publisher. `depth`: messages under way.
    pub scenario: Scenario,
    /// Messages per second to publish. A message that is due while `depth` are under way waits, and
    /// its time runs from when it was due. `None`: the next when one has reached all.
    pub rate: Option<f64>,
    /// Load before the clock starts.
    pub warmup: Duration,
    /// How long the clock runs.
    pub timed: Duration,
    /// The server's process, to read from `/proc` what it uses.
    pub pid: Option<u32>,
}

/// Runs it on the calling thread. Ends when all that was published has reached all.
pub fn run(plan: &BroadcastPlan, control: &Control) -> Result<BroadcastReport> {
    explain(plan.pid, run_here(plan, control))
}

fn run_here(plan: &BroadcastPlan, control: &Control) -> Result<BroadcastReport> {
    let scenario = plan.scenario;
    let connections = scenario.connections + 1;
    Scenario { connections, ..scenario }.check()?;
    if scenario.kind == Kind::Raw {
        return Err(Error::Usage("a broadcast needs WebSocket messages".into()));
    }
    if plan.rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1e9)) {
        return Err(Error::Usage("rate: more than 0".into()));
    }
    scenario.uncompressed("a broadcast")?;
    let mut opened = connect::open(plan.server, connections, &scenario)?;
    std::thread::sleep(JOIN);
    let streams = Streams::new(&scenario)?;
    let mut wire = Wire::new(&streams, &mut opened, streams.echo_size * scenario.depth, control)?;
    let mut hall = Hall::new(streams, scenario, connections)?;
    hall.find_out(&mut wire)?;
    let pace = Pace { rate: plan.rate, begin_ns: wire.look_at_the_clock(), published: 0 };
    hall.pace = pace;
    let warm = pace.begin_ns + plan.warmup.as_nanos() as u64;
    hall.run_until(&mut wire, warm)?;
    hall.reset();
    let before = Reading::take(plan.pid)?;
    let end = wire.look_at_the_clock() + plan.timed.as_nanos() as u64;
    hall.run_until(&mut wire, end)?;
    let after = Reading::take(plan.pid)?;
    let (messages, deliveries) = (hall.fan.done() - hall.before, hall.each.len());
    let served = Served::of(hall.served());
    let [first, last, each] = [&hall.first, &hall.last, &hall.each].map(Latency::new);
    hall.drain(&mut wire)?;
    let thread = after.thread.since(&before.thread);
    let sides = meter::between(plan.pid, &before, &after, &[thread], deliveries)?;
    let seconds = (after.at - before.at).as_secs_f64();
    Ok(BroadcastReport {
        scenario,
        rate: plan.rate,
        to_publisher: hall.to_publisher,
        seconds,
        messages,
        deliveries,
        deliveries_per_second: deliveries as f64 / seconds,
        first,
        last,
        each,
        served,
        sides,
    })
}

/// When messages are to be published.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rate: Option<f64>,
    begin_ns: u64,
    published: u64,
}

impl Pace {
    /// When the next is due, if there is a rate.
    fn next_at(&self) -> Option<u64> {
        let rate = self.rate?;
        Some(self.begin_ns + (self.published as f64 * 1e9 / rate) as u64)
    }
}

struct Hall {
    streams: Streams,
    scenario: Scenario,
    /// What each connection has to get; the last one is the publisher.
    checks: Vec<Check>,
    publisher: u32,
    to_publisher: bool,
    fan: Fan,
    pace: Pace,
    /// The next message of the period to publish.
    next: usize,
    flight: Range<usize>,
    deliveries: u64,
    /// Messages that had reached all when the clock started.
    before: u64,
    /// And those that had reached each.
    each_before: Vec<u64>,
    first: Histogram<u64>,
    last: Histogram<u64>,
    each: Histogram<u64>,
}

impl Hall {
    fn new(streams: Streams, scenario: Scenario, connections: usize) -> Result<Self> {
        let histogram = || {
            Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3)
                .map_err(|error| Error::Usage(error.to_string()))
        };
        Ok(Self {
            checks: (0..connections).map(|_| Check::new(0, &streams)).collect(),
            publisher: scenario.connections as u32,
            to_publisher: false,
            fan: Fan::new(scenario.connections, 0),
            pace: Pace { rate: None, begin_ns: 0, published: 0 },
            next: 0,
            flight: 0..0,
            deliveries: 0,
            before: 0,
            each_before: vec![0; connections],
            first: histogram()?,
            last: histogram()?,
            each: histogram()?,
            streams,
            scenario,
        })
    }

    /// Publishes one message and sees who gets it.
    fn find_out(&mut self, wire: &mut Wire) -> Result<()> {
        // The publisher may get it or not: it is owed and, if it does not come, no longer.
        self.to_publisher = true;
        self.fan = Fan::new(self.checks.len(), 0);
        self.publish(wire, 1)?;
        let owing = |hall: &Self| hall.checks.iter().filter(|check| check.owed() > 0).count();
        let own = self.publisher as usize;
        while owing(self) > 1 || (owing(self) == 1 && !self.owes(own)) {
            wire.turn(Wait::Event, self)?;
        }
        let end = wire.now() + ECHO;
        while self.owes(own) && wire.now() < end {
            wire.turn(Wait::Event, self)?;
        }
        self.to_publisher = !self.owes(own);
        if !self.to_publisher
            && let Some(check) = self.checks.get_mut(own)
        {
            *check = Check::new(0, &self.streams);
        }
        let receivers = self.scenario.connections + usize::from(self.to_publisher);
        // The first message was number 0 everywhere.
        self.fan = Fan::new(receivers, 1);
        Ok(())
    }

    fn owes(&self, connection: usize) -> bool {
        self.checks.get(connection).is_some_and(|check| check.owed() > 0)
    }

    fn run_until(&mut self, wire: &mut Wire, end_ns: u64) -> Result<()> {
        loop {
            let now_ns = wire.look_at_the_clock();
            if now_ns >= end_ns {
                return Ok(());
            }
            let mut wait = Wait::Event;
            if self.flight.is_empty() && self.fan.under_way() < self.scenario.depth {
                match self.pace.next_at().map_or(0, |at| at.saturating_sub(now_ns)) {
                    0 => self.publish(wire, self.due(now_ns))?,
                    left => wait = Wait::AtMost(Duration::from_nanos(left)),
                }
            }
            wire.turn(wait, self)?;
        }
    }

    /// How many messages may leave now.
    fn due(&self, now_ns: u64) -> usize {
        let room = self.scenario.depth - self.fan.under_way();
        let due = self.pace.rate.map_or(usize::MAX, |rate| {
            let all = (now_ns.saturating_sub(self.pace.begin_ns)) as f64 * rate / 1e9;
            (all as u64 + 1).saturating_sub(self.pace.published) as usize
        });
        room.min(due).max(1)
    }

    fn publish(&mut self, wire: &mut Wire, count: usize) -> Result<()> {
        let now_ns = wire.now_ns();
        for _ in 0..count {
            self.fan.publish(self.pace.next_at().unwrap_or(now_ns));
            self.pace.published += 1;
        }
        let own = self.publisher as usize;
        for (connection, check) in self.checks.iter_mut().enumerate() {
            if connection != own || self.to_publisher {
                check.owe(count, &self.streams);
            }
        }
        self.flight = self.streams.part(self.next, count);
        self.next = (self.next + count) % self.streams.period;
        wire.send(self.publisher, self.flight.clone())
    }

    fn reset(&mut self) {
        [&mut self.first, &mut self.last, &mut self.each].into_iter().for_each(Histogram::reset);
        self.before = self.fan.done();
        self.each_before = self.checks.iter().map(Check::done).collect();
    }

    /// What each receiver got since then; the publisher is one if it gets its own messages.
    fn served(&self) -> Vec<u64> {
        let receivers = self.scenario.connections + usize::from(self.to_publisher);
        let pairs = self.checks.iter().zip(&self.each_before).take(receivers);
        pairs.map(|(check, before)| check.done() - before).collect()
    }

    fn drain(&mut self, wire: &mut Wire) -> Result<()> {
        while self.fan.under_way() > 0 || !self.flight.is_empty() {
            wire.turn(Wait::Event, self)?;
        }
        Ok(())
    }
}

impl Handler for Hall {
    fn received(&mut self, slot: u32, bytes: &[u8], now_ns: u64) -> Received {
        let Some(check) = self.checks.get_mut(slot as usize) else { return Ok(()) };
        let before = check.done();
        check.received(bytes, &self.streams)?;
        for number in before..check.done() {
            self.deliveries += 1;
            let Some(delivery) = self.fan.delivered(number, now_ns) else { continue };
            self.each.saturating_record(delivery.after_ns);
            if let Some((first_ns, last_ns)) = delivery.complete {
                self.first.saturating_record(first_ns);
                self.last.saturating_record(last_ns);
            }
        }
        Ok(())
    }

    fn sent(&mut self, _slot: u32, bytes: usize, _now_ns: u64) -> Option<Range<usize>> {
        self.flight.start = (self.flight.start + bytes).min(self.flight.end);
        (!self.flight.is_empty()).then(|| self.flight.clone())
    }

    fn done(&self, slot: u32) -> u64 {
        self.checks.get(slot as usize).map_or(0, Check::done)
    }

    fn summary(&self) -> (u64, usize) {
        (self.deliveries, self.checks.iter().filter(|check| check.owed() > 0).count())
    }
}
