//! Everything at once for minutes: echoes small and large, encrypted and compressed, messages to
//! all, guests that come and go, readers that are slow, Pings; every byte checked. Whether the
//! server grows meanwhile, and whether its counters add up in the end.

mod guests;

use super::subject::{Settings, Subject};
use super::trend::Trend;
use super::watch::{Counters, Memory, heap};
use crate::error::{Error, Result};
use crate::load::broadcast::{self, BroadcastPlan};
use crate::load::closed::{self, Plan as ClosedPlan};
use crate::load::control::Control;
use crate::load::open::{self, OpenPlan};
use crate::process;
use crate::report::Latency;
use crate::scenario::{Kind, Scenario};
use crate::tls::Certificate;
use guests::Guest;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Echoes: name, connections, bytes, whether encrypted.
const ECHOES: [(&str, usize, usize, bool); 3] = [
    ("small echoes, 64 x 128 B", 64, 128, false),
    ("large echoes, 8 x 64 KiB", 8, 64 << 10, false),
    ("encrypted echoes, 16 x 1 KiB", 16, 1 << 10, true),
];
/// Who hears what is sent to all, and how often that is in a second.
const MEMBERS: usize = 200;
const TO_ALL: f64 = 10.0;
/// What is not counted of the server's growth: its beginning.
const YOUNG: f64 = 0.1;
const WARMUP: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_secs(20);
/// How long the last guests may take to be gone.
const GONE: Duration = Duration::from_secs(10);
/// Between two looks at the server.
const LOOK: Duration = Duration::from_secs(1);
/// Those who do one thing each until it is over, and what they do.
const GUESTS: [(&str, Guest); 4] = [
    ("guests that come and go", guests::visitors),
    ("Pings", guests::pings),
    ("slow reader, 32 KiB", guests::slow_reader),
    ("compressed echoes, 4 x 2 KiB", guests::compressed),
];

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long.
    pub time: Duration,
    /// Of the capacity, what is asked for.
    pub share: f64,
    /// How long the capacity is measured before that.
    pub calibration: Duration,
    /// The server's program.
    pub program: PathBuf,
    /// The server's CPU.
    pub cpu: usize,
    /// Where a certificate may be written to.
    pub directory: PathBuf,
}

/// One kind of traffic.
#[derive(Clone, Debug, Serialize)]
pub struct Lane {
    /// What it is.
    pub name: &'static str,
    /// Of echoes: what was reached in a second when nothing held them back, and what was asked for.
    pub capacity: Option<f64>,
    /// See above.
    pub rate: Option<f64>,
    /// How often it went right.
    pub done: u64,
    /// How long it took, where that was measured.
    pub latency: Option<Latency>,
    /// What never came.
    pub unanswered: u64,
    /// What went wrong: then all after it is missing.
    pub failure: Option<String>,
}

/// A look at the server.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// Since the begin.
    pub seconds: f64,
    /// Of server and kernel.
    pub memory: Memory,
    /// Bytes that the server has allocated.
    pub heap: u64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How long it lasted.
    pub seconds: f64,
    /// All kinds of traffic.
    pub lanes: Vec<Lane>,
    /// CPU time of the server over wall time: when its capacity was measured, and then.
    pub cpu: [f64; 2],
    /// Bytes in a second by which the server's resident memory grew, without the first tenth.
    pub resident: Option<Trend>,
    /// The same of the bytes that it has allocated: what is resident besides is the allocator's to
    /// keep or give back.
    pub heap: Option<Trend>,
    /// Those at the end of that tenth, at most, in the end, when all had gone.
    pub heap_at: [u64; 4],
    /// Resident bytes: at the end of that tenth, at most, in the end, when all had gone.
    pub resident_at: [u64; 4],
    /// The fewest and the most descriptors of the server.
    pub descriptors: [u64; 2],
    /// Sums that should be 0: what they are called, and what they are.
    pub sums: Vec<(&'static str, f64)>,
    /// A look in each second.
    pub samples: Vec<Sample>,
}

impl Report {
    /// Whether all went right. Growth is for people to judge.
    pub fn is_right(&self) -> bool {
        let lanes = self
            .lanes
            .iter()
            .all(|lane| lane.failure.is_none() && lane.unanswered == 0 && lane.done > 0);
        lanes && self.sums.iter().all(|(_, sum)| *sum == 0.0)
    }
}

/// Where the server listens.
#[derive(Clone, Copy)]
struct At {
    plain: SocketAddr,
    members: SocketAddr,
    secure: SocketAddr,
    pid: u32,
}

/// Measures it.
pub fn run(plan: &Plan, say: &dyn Fn(&str)) -> Result<Report> {
    let certificate = Certificate::write(&plan.directory)?;
    let settings = Settings {
        reactors: 1,
        connections_max: 4_096,
        // The load takes nothing but what it has asked for: the Pings are the guest's.
        idle_timeout_ms: 2_000_000_000,
        admitted_per_second: 0,
    };
    let subject = Subject::start_secure(&plan.program, settings, plan.cpu, &certificate)?;
    let (Some(plain), Some(secure)) = (subject.echo, subject.secure) else {
        return Err(Error::Usage("a server without an echo".into()));
    };
    let at = At { plain, secure, members: subject.members, pid: subject.server.pid() };
    let before = process::usage(at.pid)?.running;
    let first = together(at, plan.calibration, &|index| closed_lane(at, index, plan.calibration))?;
    let used = process::usage(at.pid)?.running.saturating_sub(before);
    let busy = used.as_secs_f64() / first.seconds;
    if let Some(lane) = first.lanes.iter().find(|lane| lane.failure.is_some()) {
        return Err(Error::Server(format!("when measuring the capacity: {lane:?}")));
    }
    let capacities: Vec<f64> = first.lanes.iter().filter_map(|lane| lane.capacity).collect();
    say(&format!("capacity: {capacities:.0?} echoes a second, the server is busy {busy:.2}"));
    let capacity = |index: usize| capacities.get(index).copied().unwrap_or(1.0);
    let before = process::usage(at.pid)?.running;
    let all = together(at, plan.time, &|index| open_lane(at, index, capacity(index), plan))?;
    let used = process::usage(at.pid)?.running.saturating_sub(before);
    let sums = sums(at, first.deliveries + all.deliveries)?;
    let (gone, heap_gone) = (Memory::read(at.pid)?, heap(at.plain)?);
    say("all have gone");
    let young = plan.time.as_secs_f64() * YOUNG;
    let old: Vec<&Sample> = all.samples.iter().filter(|it| it.seconds >= young).collect();
    let trend = |of: &dyn Fn(&Sample) -> u64| {
        Trend::of(&old.iter().map(|it| (it.seconds, of(it) as f64)).collect::<Vec<_>>())
    };
    let at_times = |of: &dyn Fn(&Sample) -> u64, gone: u64| {
        let one = |sample: Option<&&Sample>| sample.map_or(0, |it| of(it));
        let most = old.iter().map(|it| of(it)).max().unwrap_or(0);
        [one(old.first()), most, one(old.last()), gone]
    };
    let descriptors = || old.iter().map(|it| it.memory.descriptors);
    let report = Report {
        seconds: all.seconds,
        cpu: [busy, used.as_secs_f64() / all.seconds],
        heap: trend(&|it| it.heap),
        heap_at: at_times(&|it| it.heap, heap_gone),
        resident: trend(&|it| it.memory.resident),
        resident_at: at_times(&|it| it.memory.resident, gone.resident),
        descriptors: [descriptors().min().unwrap_or(0), descriptors().max().unwrap_or(0)],
        sums,
        lanes: all.lanes,
        samples: all.samples,
    };
    subject.server.interrupt()?;
    Ok(report)
}

/// What all kinds of traffic have come to beside each other.
struct Together {
    lanes: Vec<Lane>,
    samples: Vec<Sample>,
    seconds: f64,
    /// Deliveries of messages to all.
    deliveries: u64,
}

fn together(at: At, time: Duration, echo: &(dyn Fn(usize) -> Lane + Sync)) -> Result<Together> {
    let over = AtomicBool::new(false);
    let over = &over;
    std::thread::scope(|scope| {
        let begun = Instant::now();
        let echoes: Vec<_> =
            (0..ECHOES.len()).map(|index| scope.spawn(move || echo(index))).collect();
        let to_all = scope.spawn(move || to_all(at, time));
        let guests: Vec<_> = GUESTS
            .iter()
            .map(|&(name, guest)| scope.spawn(move || lane(name, guest(at.plain, over))))
            .collect();
        let samples = samples(at, begun, time);
        // Also when the server has ended: then they must.
        over.store(true, Ordering::Relaxed);
        let panicked = |_| lane("a thread", Err(Error::Server("panicked".into())));
        let mut lanes: Vec<Lane> =
            echoes.into_iter().map(|it| it.join().unwrap_or_else(panicked)).collect();
        let (one, deliveries) = to_all.join().unwrap_or_else(|it| (panicked(it), 0));
        lanes.push(one);
        lanes.extend(guests.into_iter().map(|it| it.join().unwrap_or_else(panicked)));
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Together { lanes, samples: samples?, seconds, deliveries })
    })
}

fn samples(at: At, begun: Instant, time: Duration) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    while begun.elapsed() < time + WARMUP {
        std::thread::sleep(LOOK.min(time));
        let (seconds, memory) = (begun.elapsed().as_secs_f64(), Memory::read(at.pid)?);
        samples.push(Sample { seconds, memory, heap: heap(at.plain)? });
    }
    Ok(samples)
}

fn lane(name: &'static str, done: Result<u64>) -> Lane {
    let (done, failure) = match done {
        Ok(done) => (done, None),
        Err(error) => (0, Some(error.to_string())),
    };
    let (capacity, rate, latency) = (None, None, None);
    Lane { name, capacity, rate, done, latency, unanswered: 0, failure }
}

fn scenario(index: usize, at: At) -> (&'static str, Scenario, SocketAddr) {
    let (name, connections, size, tls) = ECHOES.get(index).copied().unwrap_or(ECHOES[0]);
    let scenario = Scenario { tls, ..Scenario::plain(connections, size, 1, Kind::Binary) };
    (name, scenario, if tls { at.secure } else { at.plain })
}

fn closed_lane(at: At, index: usize, timed: Duration) -> Lane {
    let (name, scenario, server) = scenario(index, at);
    let plan = ClosedPlan { server, scenario, warmup: WARMUP, timed, pid: None };
    match closed::run_with(&plan, &Control::default()) {
        Ok(report) => Lane {
            capacity: Some(report.messages_per_second),
            latency: Some(report.latency),
            ..lane(name, Ok(report.messages))
        },
        Err(error) => lane(name, Err(error)),
    }
}

fn open_lane(at: At, index: usize, capacity: f64, soak: &Plan) -> Lane {
    let (name, scenario, server) = scenario(index, at);
    let (rate, timed) = ((capacity * soak.share).max(1.0), soak.time);
    let plan = OpenPlan {
        server,
        scenario,
        rate,
        warmup: WARMUP,
        timed,
        grace: GRACE,
        spin: false,
        pid: None,
    };
    let lane = match open::run(&plan, &Control::default()) {
        Ok(report) => Lane {
            latency: Some(report.latency),
            unanswered: report.unanswered,
            ..lane(name, Ok(report.messages))
        },
        Err(error) => lane(name, Err(error)),
    };
    Lane { capacity: Some(capacity), rate: Some(rate), ..lane }
}

fn to_all(at: At, timed: Duration) -> (Lane, u64) {
    let plan = BroadcastPlan {
        server: at.members,
        scenario: Scenario::plain(MEMBERS, 256, 16, Kind::Binary),
        rate: Some(TO_ALL),
        warmup: WARMUP,
        timed,
        pid: None,
    };
    let name = "messages to all, 200 x 256 B";
    match broadcast::run(&plan, &Control::default()) {
        Ok(report) => {
            let one = lane(name, Ok(report.messages));
            let lane = Lane { latency: Some(report.last), rate: Some(TO_ALL), ..one };
            (lane, report.deliveries)
        }
        Err(error) => (lane(name, Err(error)), 0),
    }
}

/// What the server's counters come to when all have gone: differences that should be 0.
fn sums(at: At, deliveries: u64) -> Result<Vec<(&'static str, f64)>> {
    let end = Instant::now() + GONE;
    let mut counters = Counters::read(at.plain)?;
    // Who asks is one.
    while counters.sum("ringws_connections") > 1.0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
        counters = Counters::read(at.plain)?;
    }
    let sum = |name: &str| counters.sum(name);
    let published = sum("ringws_published_total");
    let echoed = sum("ringws_messages_in_total") - published;
    let delivered = sum("ringws_messages_out_total") - echoed;
    Ok(vec![
        ("connections that are left", sum("ringws_connections") - 1.0),
        ("opened and never ended", sum("ringws_upgraded_total") - sum("ringws_ends_total")),
        ("refused", sum("ringws_refused_total")),
        ("violations", sum("ringws_violations_total")),
        ("timed out", sum("ringws_timeouts_total")),
        ("dropped of a topic", sum("ringws_publish_dropped_total")),
        ("messages out but echoes and messages to all", delivered - published * MEMBERS as f64),
        ("deliveries that the server has not counted", (deliveries as f64 - delivered).max(0.0)),
    ])
}
