//! Connections that do nothing: what they cost a server in memory and in time, and what it costs
//! to keep them alive.

mod report;

pub use report::{IdleReport, PingReport};

use super::conn::Conn;
use super::connect::{self, Opened};
use super::control::{Control, explain};
use super::open::{self, OpenPlan, OpenReport};
use crate::error::{Error, Result};
use crate::handshake;
use crate::inflate::Inflater;
use crate::process::{self, Usage};
use crate::scenario::{Kind, Scenario};
use crate::stream::{Mismatch, Streams};
use crate::tls::Blocking;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);
/// What a difference of two times in ticks may be wrong by.
const TICKS: Duration = Duration::from_millis(20);
/// How often the caller is asked whether to go on.
const TICK: Duration = Duration::from_millis(100);
/// Pings that one send may carry: one, unless the load has fallen behind.
const PINGS: usize = 16;

/// What is measured of idle connections.
#[derive(Clone, Debug)]
pub struct IdlePlan {
    /// The server.
    pub server: SocketAddr,
    /// Connections; size and kind of the message. `depth` does not matter.
    pub scenario: Scenario,
    /// Whether one message is exchanged on each before they fall quiet.
    pub message: bool,
    /// How long they are held without a byte. A server that sends Pings meanwhile gets no answer:
    /// stay below its idle timeout.
    pub hold: Duration,
    /// Then each connection sends a Ping per so much time, for as long as `hold` and at least
    /// once. Not for servers without WebSocket.
    pub ping_interval: Option<Duration>,
    /// The server's process: without it only the times of the Pongs are measured.
    pub pid: Option<u32>,
}

/// Opens, holds and pings the connections.
pub fn run(plan: &IdlePlan, control: &Control) -> Result<IdleReport> {
    explain(plan.pid, run_here(plan, control))
}

fn run_here(plan: &IdlePlan, control: &Control) -> Result<IdleReport> {
    let resident = || plan.pid.map(process::resident).transpose();
    let resident_before = resident()?;
    let mut idle = Idle::open(plan.server, &plan.scenario)?;
    let begun = Instant::now();
    hold(SETTLE, begun, idle.count(), control)?;
    let resident_open = resident()?;
    let mut resident_quiet = None;
    if plan.message {
        idle.exchange()?;
        hold(SETTLE, begun, idle.count(), control)?;
        resident_quiet = resident()?;
    }
    let usage = || plan.pid.map(process::usage).transpose();
    let (start, before) = (Instant::now(), usage()?);
    hold(plan.hold, begun, idle.count(), control)?;
    let (after, seconds) = (usage()?, start.elapsed().as_secs_f64());
    let used = before.zip(after).map(|(before, after)| Quiet::between(&before, &after, seconds));
    let ping = match plan.ping_interval {
        Some(interval) => Some(idle.ping(plan, interval, used, control)?),
        None => None,
    };
    let count = idle.count() as f64;
    let per = |memory: Option<u64>| {
        let grown = memory?.saturating_sub(resident_before?);
        Some(grown as f64 / count)
    };
    Ok(IdleReport {
        connections: idle.count(),
        seconds,
        resident_before,
        resident_open,
        resident_quiet,
        bytes_per_connection: per(resident_quiet.or(resident_open)),
        bytes_per_open_connection: per(resident_open),
        idle_cpu: used.map(|used| used.cpu),
        idle_cpu_us_per_connection_second: used.map(|used| used.cpu * 1e6 / count),
        idle_switches_per_second: used.map(|used| used.switches),
        ping,
    })
}

/// Lets time pass.
fn hold(time: Duration, begun: Instant, count: usize, control: &Control) -> Result<()> {
    let end = Instant::now() + time;
    loop {
        control.look(begun.elapsed(), count as u64)?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(TICK));
    }
}

/// What a server uses while nothing happens.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    /// CPU time over wall time.
    cpu: f64,
    /// Context switches per second.
    switches: f64,
}

impl Quiet {
    fn between(before: &Usage, after: &Usage, seconds: f64) -> Self {
        let switches = |usage: &Usage| usage.voluntary_switches + usage.involuntary_switches;
        let running = after.running.saturating_sub(before.running);
        // A thread that has ended takes its time with it; not that in ticks.
        let ticks = after.cpu.saturating_sub(before.cpu).saturating_sub(TICKS);
        Self {
            cpu: running.max(ticks).as_secs_f64() / seconds,
            switches: switches(after).saturating_sub(switches(before)) as f64 / seconds,
        }
    }
}

/// Open connections. Dropping them resets them, which leaves no TIME-WAIT behind.
#[derive(Debug)]
pub struct Idle {
    opened: Opened,
    scenario: Scenario,
    bytes: Streams,
}

impl Idle {
    /// Opens as many connections as `scenario` says, through the handshake unless it is raw.
    pub fn open(server: SocketAddr, scenario: &Scenario) -> Result<Self> {
        scenario.check()?;
        let opened = connect::open(server, scenario.connections, scenario)?;
        for socket in &opened.sockets {
            rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO))
                .map_err(Error::io("SO_LINGER"))?;
        }
        Ok(Self { opened, scenario: *scenario, bytes: Streams::new(scenario)? })
    }

    /// One message on each connection, its echo checked. All are quiet afterwards.
    pub fn exchange(&mut self) -> Result<()> {
        let deflate = self.scenario.deflate;
        let mut inflater = Inflater::default();
        let mut sessions = self.opened.sessions.iter_mut();
        for (connection, socket) in self.opened.sockets.iter_mut().enumerate() {
            let mut conn = Conn::new(connection, 1, deflate, &self.bytes);
            let part = conn.send(&self.bytes, 0).unwrap_or_default();
            conn.sent(part.len());
            let message = self.bytes.outgoing.get(part).unwrap_or_default();
            let done = match sessions.next() {
                None => echo(socket, message, &mut conn, &self.bytes, &mut inflater)?,
                Some(session) => {
                    let mut stream = Blocking::new(socket, session);
                    echo(&mut stream, message, &mut conn, &self.bytes, &mut inflater)?
                }
            };
            done.map_err(|mismatch| Error::Echo { connection, mismatch })?;
        }
        Ok(())
    }

    /// One Ping per connection and interval, evenly spread over it.
    fn ping(
        &mut self,
        plan: &IdlePlan,
        interval: Duration,
        quiet: Option<Quiet>,
        control: &Control,
    ) -> Result<PingReport> {
        let size = plan.scenario.size.min(125);
        let scenario = Scenario { size, depth: PINGS, ..plan.scenario };
        if scenario.kind == Kind::Raw {
            return Err(Error::Usage("pings need WebSocket".into()));
        }
        let rate = self.count() as f64 / interval.as_secs_f64();
        let timed = plan.hold.max(interval);
        let open = OpenPlan {
            server: plan.server,
            scenario,
            rate,
            warmup: Duration::ZERO,
            timed,
            grace: Duration::from_secs(2),
            spin: false,
            pid: None,
        };
        let usage = || plan.pid.map(process::usage).transpose();
        let (start, before) = (Instant::now(), usage()?);
        let streams = Streams::pings(size, PINGS);
        let report = open::drive(&open, scenario, streams, &mut self.opened, control)?;
        let (after, seconds) = (usage()?, start.elapsed().as_secs_f64());
        let used =
            before.zip(after).map(|(before, after)| Quiet::between(&before, &after, seconds));
        let OpenReport { messages, latency, unanswered, .. } = report;
        let per_ping = |cpu: f64| cpu * seconds * 1e6 / messages.max(1) as f64;
        Ok(PingReport {
            interval: interval.as_secs_f64(),
            pings_per_second: rate,
            pings: messages,
            unanswered,
            seconds,
            latency,
            cpu: used.map(|used| used.cpu),
            cpu_us_per_ping: used.map(|used| per_ping(used.cpu)),
            cpu_us_per_ping_beyond_idle: used
                .zip(quiet)
                .map(|(used, quiet)| per_ping((used.cpu - quiet.cpu).max(0.0))),
        })
    }

    /// Open connections.
    pub fn count(&self) -> usize {
        self.opened.sockets.len()
    }
}

/// Sends a message and waits until its echo has come.
fn echo(
    stream: &mut (impl Read + Write),
    message: &[u8],
    conn: &mut Conn,
    bytes: &Streams,
    inflater: &mut Inflater,
) -> Result<std::result::Result<(), Mismatch>> {
    stream.write_all(message).map_err(Error::io("sending"))?;
    let mut piece = [0; 16 * 1024];
    while !conn.is_quiet() {
        let read = handshake::read(stream, &mut piece);
        let count = read.map_err(Error::io("receiving an echo"))?;
        if count == 0 {
            return Ok(Err(Mismatch::Ended { message: 0 }));
        }
        let piece = piece.get(..count).unwrap_or_default();
        if let Err(mismatch) = conn.received(piece, bytes, inflater) {
            return Ok(Err(mismatch));
        }
    }
    Ok(Ok(()))
}
