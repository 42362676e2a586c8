//! Very many connections that do nothing: what they take, what keeping them costs, how somebody
//! among them is served, and how long a message to all of them takes.

use super::counts::Counts;
use super::crowd::now_ns;
use super::fleet::{Fleet, Where};
use super::subject::Subject;
use super::trend::Trend;
use super::watch::{self, Counters, Memory};
use crate::error::{Error, Result};
use crate::frame::{self, TEXT};
use crate::handshake;
use crate::load::control::Control;
use crate::load::open::{self, OpenPlan, OpenReport};
use crate::process;
use crate::report::Latency;
use crate::scenario::{Kind, Scenario};
use serde::Serialize;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Who echo among the others, and messages a second of all of them.
const BYSTANDERS: usize = 10;
const RATE: f64 = 200.0;
/// Messages to all.
const BROADCASTS: usize = 5;
/// How long all may take to come, to hear a broadcast, or to go.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the server's CPU time is read while a message goes to all.
const LOOK: Duration = Duration::from_millis(5);
/// Attempts at a time, of all processes together.
const AT_ONCE: usize = 512;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Connections.
    pub connections: usize,
    /// The most of them in one process.
    pub each: usize,
    /// How long they are held.
    pub hold: Duration,
    /// Where the clients run.
    pub clients: Where,
    /// How long a server is left alone before its memory is read.
    pub settle: Duration,
    /// From one message to all to the next.
    pub between: Duration,
    /// Whether all come and go a second time.
    pub twice: bool,
}

/// All that was measured of a server.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Connections that were open.
    pub connections: usize,
    /// Processes of clients.
    pub processes: usize,
    /// Seconds until all were open, and what the server spent on each, in microseconds.
    pub open_seconds: f64,
    /// See above.
    pub open_cpu_us_each: f64,
    /// Of each reactor, if the server tells.
    pub by_reactor: Vec<f64>,
    /// Resident bytes of the server for each connection.
    pub resident_each: f64,
    /// The kernel's objects for each connection, both ends.
    pub slab_each: f64,
    /// What the machine has less available for each connection, both ends and all processes.
    pub available_each: f64,
    /// Which objects, most bytes first.
    pub slabs: Vec<(String, f64)>,
    /// The time of quiet.
    pub quiet: Quiet,
    /// Messages to all.
    pub broadcasts: Vec<Broadcast>,
    /// How the others were served during these.
    pub bystanders_at_broadcasts: Option<Latency>,
    /// Seconds until all had gone, each by a closing handshake, and the server's share of each.
    pub close_seconds: f64,
    /// See above.
    pub close_cpu_us_each: f64,
    /// Memory of the server and the kernel: before, open, after the quiet, closed, and, if they
    /// came again, open and closed again.
    pub memory: Vec<(&'static str, Memory)>,
    /// What went otherwise than it should: all of these are 0.
    pub wrong: Wrong,
}

/// What must not be.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Wrong {
    /// Connections that ended without our doing.
    pub lost: u64,
    /// Attempts that did not succeed.
    pub attempts: u64,
    /// What came and is not RFC 6455.
    pub bytes: u64,
    /// Echoes that never came.
    pub unanswered: u64,
}

/// The time in which nothing happens but Pings.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Quiet {
    /// How long.
    pub seconds: f64,
    /// Pings that came in it, and were answered.
    pub pings: u64,
    /// The most in a second.
    pub pings_second_most: u32,
    /// CPU time of the server over wall time.
    pub cpu: f64,
    /// Echoes of the others: how many, and how long they took.
    pub echoes: u64,
    /// See above.
    pub latency: Option<Latency>,
    /// Resident memory of the server, in bytes a second.
    pub resident: Option<Trend>,
    /// Pings in each tenth of a second.
    pub pings_by_tenth: Vec<u32>,
}

/// A message to all.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Broadcast {
    /// From sending it to its first and its last delivery, in microseconds.
    pub first_us: f64,
    /// See above.
    pub last_us: f64,
    /// What it cost the server, in microseconds of CPU.
    pub cpu_us: f64,
}

/// Measures a server.
pub fn run(plan: &Plan, subject: &Subject, say: &dyn Fn(&str)) -> Result<Report> {
    let pid = subject.server.pid();
    if let Some(echo) = subject.echo {
        // A server that has had traffic.
        bystanders(echo, Duration::from_millis(300))?;
    }
    let mut fleet = Fleet::start(&plan.clients, subject.members, plan.connections, plan.each)?;
    std::thread::sleep(plan.settle);
    let (before, slabs_before) = (Memory::read(pid)?, watch::slabs());
    let opened = open_all(plan, pid, &mut fleet)?;
    say(&format!("{} open in {:.1} s", plan.connections, opened.seconds));
    std::thread::sleep(plan.settle);
    let (open, slabs_open) = (Memory::read(pid)?, watch::slabs());
    let by_reactor = match subject.echo {
        Some(echo) => Counters::read(echo)?.each("ringws_connections"),
        None => Vec::new(),
    };
    let mut memory = vec![("before", before), ("open", open)];
    let mut wrong = Wrong::default();
    let quiet = hold(plan, subject, &mut fleet, &mut wrong)?;
    memory.push(("after the quiet", Memory::read(pid)?));
    say(&format!("{} Pings in {:.0} s", quiet.pings, quiet.seconds));
    let broadcasts = publish(plan, subject, &mut fleet)?;
    let beside = publish_beside(plan, subject, &mut fleet, &mut wrong)?;
    say(&format!("{} messages to all", broadcasts.len()));
    let (seen, sent) = (fleet.counts()?, Memory::read(pid)?);
    let closed = close_all(plan, subject, &mut fleet)?;
    memory.push(("after messages to all", sent));
    memory.push(("closed", settled(plan, pid)?));
    say(&format!("closed in {:.1} s", closed.seconds));
    if plan.twice {
        open_all(plan, pid, &mut fleet)?;
        memory.push(("open again", settled(plan, pid)?));
        close_all(plan, subject, &mut fleet)?;
        memory.push(("closed again", settled(plan, pid)?));
    }
    wrong.lost += seen.lost;
    wrong.bytes += seen.wrong;
    wrong.attempts += failed(&opened.counts);
    let each = |now: u64, before: u64| (now as f64 - before as f64) / plan.connections as f64;
    Ok(Report {
        connections: plan.connections,
        processes: fleet.processes(),
        open_seconds: opened.seconds,
        open_cpu_us_each: opened.cpu_us / plan.connections as f64,
        by_reactor,
        resident_each: each(open.resident, before.resident),
        slab_each: each(open.slab, before.slab),
        available_each: each(before.available, open.available),
        slabs: watch::slabs_each(&slabs_before, &slabs_open, plan.connections),
        quiet,
        broadcasts,
        bystanders_at_broadcasts: beside,
        close_seconds: closed.seconds,
        close_cpu_us_each: closed.cpu_us / plan.connections as f64,
        memory,
        wrong,
    })
}

fn settled(plan: &Plan, pid: u32) -> Result<Memory> {
    std::thread::sleep(plan.settle);
    Memory::read(pid)
}

fn failed(counts: &Counts) -> u64 {
    counts.refused + counts.unheard + counts.broken + counts.stuck
}

/// How long something took, and what it cost the server.
struct Took {
    seconds: f64,
    cpu_us: f64,
    counts: Counts,
}

fn open_all(plan: &Plan, pid: u32, fleet: &mut Fleet) -> Result<Took> {
    let (begun, before) = (now_ns(), process::usage(pid)?);
    fleet.open(AT_ONCE, false, PATIENCE)?;
    let all = plan.connections as u64;
    let (counts, reached) = fleet.wait(PATIENCE, |counts| counts.open >= all)?;
    let cpu = process::usage(pid)?.running.saturating_sub(before.running);
    if !reached {
        return Err(Error::Stalled(format!("not all are open: {counts:?}")));
    }
    let seconds = counts.opened_last_ns.saturating_sub(begun) as f64 / 1e9;
    Ok(Took { seconds, cpu_us: cpu.as_secs_f64() * 1e6, counts })
}

fn close_all(plan: &Plan, subject: &Subject, fleet: &mut Fleet) -> Result<Took> {
    let pid = subject.server.pid();
    fleet.mark()?;
    let (begun, before) = (now_ns(), process::usage(pid)?);
    fleet.close()?;
    let (counts, reached) = fleet.wait(PATIENCE, |counts| counts.open == 0)?;
    let cpu = process::usage(pid)?.running.saturating_sub(before.running);
    if !reached || counts.closed < plan.connections as u64 {
        return Err(Error::Stalled(format!("not all have closed: {counts:?}")));
    }
    let seconds = counts.closed_last_ns.saturating_sub(begun) as f64 / 1e9;
    Ok(Took { seconds, cpu_us: cpu.as_secs_f64() * 1e6, counts })
}

/// Echoes for so long.
fn bystanders(server: SocketAddr, timed: Duration) -> Result<OpenReport> {
    let plan = OpenPlan {
        server,
        scenario: Scenario::plain(BYSTANDERS, 64, 1, Kind::Binary),
        rate: RATE,
        warmup: Duration::from_millis(200),
        timed,
        grace: Duration::from_secs(10),
        spin: false,
        pid: None,
    };
    open::run(&plan, &Control::default())
}

/// Runs something while there are bystanders, if the server has an echo for them.
fn beside<T: Send>(
    echo: Option<SocketAddr>,
    timed: Duration,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<(T, Option<OpenReport>)> {
    std::thread::scope(|scope| {
        let others = echo.map(|echo| scope.spawn(move || bystanders(echo, timed)));
        let done = work();
        let panicked = || Err(Error::Server("a thread of the load panicked".into()));
        let others = others.map(|it| it.join().unwrap_or_else(|_| panicked())).transpose()?;
        Ok((done?, others))
    })
}

fn hold(plan: &Plan, subject: &Subject, fleet: &mut Fleet, wrong: &mut Wrong) -> Result<Quiet> {
    let pid = subject.server.pid();
    fleet.mark()?;
    let watch = || {
        let (start, before) = (Instant::now(), process::usage(pid)?);
        let mut resident = Vec::new();
        while start.elapsed() < plan.hold {
            std::thread::sleep(Duration::from_millis(500).min(plan.hold));
            resident.push((start.elapsed().as_secs_f64(), process::resident(pid)? as f64));
        }
        let used = process::usage(pid)?.running.saturating_sub(before.running);
        let (counts, seconds) = (fleet.counts()?, start.elapsed().as_secs_f64());
        Ok((counts, used.as_secs_f64() / seconds, seconds, Trend::of(&resident)))
    };
    let ((counts, cpu, seconds, resident), others) = beside(subject.echo, plan.hold, watch)?;
    wrong.unanswered += others.as_ref().map_or(0, |it| it.unanswered);
    let second = |tenths: &[u32]| tenths.iter().sum();
    let pings_second_most = counts.pings_by_tenth.windows(10).map(second).max().unwrap_or(0);
    Ok(Quiet {
        seconds,
        pings: counts.pings,
        pings_second_most,
        cpu,
        echoes: others.as_ref().map_or(0, |it| it.messages),
        latency: others.map(|it| it.latency),
        resident,
        pings_by_tenth: counts.pings_by_tenth,
    })
}

fn publish(plan: &Plan, subject: &Subject, fleet: &mut Fleet) -> Result<Vec<Broadcast>> {
    let mut speaker = speaker(subject.members)?;
    (0..BROADCASTS).map(|_| broadcast(plan, subject, &mut speaker, fleet)).collect()
}

/// How somebody is served meanwhile.
fn publish_beside(
    plan: &Plan,
    subject: &Subject,
    fleet: &mut Fleet,
    wrong: &mut Wrong,
) -> Result<Option<Latency>> {
    if subject.echo.is_none() {
        return Ok(None);
    }
    let time = plan.between * BROADCASTS as u32;
    let work = || publish(plan, subject, fleet);
    let (_, others) = beside(subject.echo, time, work)?;
    wrong.unanswered += others.as_ref().map_or(0, |it| it.unanswered);
    Ok(others.map(|it| it.latency))
}

/// One connection that publishes.
fn speaker(server: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(server).map_err(Error::io("connecting the speaker"))?;
    stream
        .write_all(&handshake::request(server, "/"))
        .map_err(Error::io("sending the speaker's request"))?;
    handshake::read_response(&mut stream)?;
    Ok(stream)
}

fn broadcast(
    plan: &Plan,
    subject: &Subject,
    speaker: &mut TcpStream,
    fleet: &mut Fleet,
) -> Result<Broadcast> {
    let pid = subject.server.pid();
    fleet.mark()?;
    let mut wire = Vec::new();
    frame::append(&mut wire, TEXT, &[b'm'; 128], Some([1, 2, 3, 4]));
    let sent = now_ns();
    let before = process::usage(pid)?.running;
    speaker.write_all(&wire).map_err(Error::io("publishing"))?;
    // Nobody is asked meanwhile: who answers is in the way of those who hear.
    let mut used = Vec::new();
    while now_ns() - sent < plan.between.as_nanos() as u64 {
        std::thread::sleep(LOOK);
        used.push((now_ns(), process::usage(pid)?.running));
    }
    let all = plan.connections as u64;
    let (counts, reached) = fleet.wait(PATIENCE, |counts| counts.messages >= all)?;
    used.push((u64::MAX, process::usage(pid)?.running));
    if !reached || counts.messages > all {
        return Err(Error::Stalled(format!("not each has the message once: {counts:?}")));
    }
    let last = used.iter().find(|(at, _)| *at >= counts.message_last_ns);
    let cpu = last.map_or(Duration::ZERO, |(_, running)| running.saturating_sub(before));
    let us = |at: u64| at.saturating_sub(sent) as f64 / 1e3;
    Ok(Broadcast {
        first_us: us(counts.message_first_ns),
        last_us: us(counts.message_last_ns),
        cpu_us: cpu.as_secs_f64() * 1e6,
    })
}
