//! An engine of the cluster: a process that does what its clients ask, and tells its members what
//! they will not get.

use super::wire::{self, ACROSS, topic_of};
use crate::error::{Error, Result};
use ringws_engine::broker::{BusConfig, Gap, State};
use ringws_engine::config::{Address, Config, Endpoint};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::memory::Outgoing;
use ringws_engine::nats::{Nats, Options};
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Conn, Context, Handle, Handler, Message};
use rustix::process::{Signal, set_parent_process_death_signal};
use signal_hook::consts::SIGTERM;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// The times of the buses of a cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// As [`BusConfig`].
    pub(super) heartbeat_ms: u32,
    /// As [`BusConfig`].
    pub(super) forget_ms: u32,
    /// As [`BusConfig`].
    pub(super) settle_ms: u32,
    /// Of [`Options`].
    pub(super) ping_interval_ms: u32,
}

/// Those of all runs.
pub(super) const TIMES: Times =
    Times { heartbeat_ms: 50, forget_ms: 60_000, settle_ms: 500, ping_interval_ms: 400 };

/// How the bus and its client are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuning {
    /// So that what is done to processes shows within seconds.
    UnderFire,
    /// As they are where nothing is set.
    Defaults,
}

/// Bytes that may wait for the bus, so few that a broker that hangs makes publishes be refused.
const QUEUE_MAX: u32 = 128 << 10;
const REACTORS: u32 = 2;

/// Serves until SIGTERM, or its parent's end; says first where it listens.
pub fn serve(node: u64, servers: Vec<String>, tuning: Tuning) -> Result<()> {
    die_with_parent()?;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, Arc::clone(&stop)).map_err(Error::io("taking signals"))?;
    let engine = engine(node, servers, tuning).map_err(|error| Error::Server(error.to_string()))?;
    let server = |error: ringws_engine::engine::Error| Error::Server(error.to_string());
    let limits =
        Limits { send_queue_max: 256 << 20, idle_timeout_ms: u32::MAX, ..Limits::default() };
    let address = Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let up = engine.up;
    let endpoint = Endpoint { address, limits, ..Endpoint::new(0, Arc::new(Obedient { up })) };
    let engine = engine.engine;
    let port = engine.listen(endpoint).map_err(server)?;
    engine.start().map_err(server)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {port}")
        .and_then(|()| stdout.flush())
        .map_err(Error::io("saying the port"))?;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(5));
    }
    engine.end();
    Ok(())
}

/// Whatever ends the parent ends this process, and what it becomes by execve.
pub(super) fn die_with_parent() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Error::io("PR_SET_PDEATHSIG"))
}

struct Made {
    engine: Engine,
    up: Arc<AtomicBool>,
}

fn engine(
    node: u64,
    servers: Vec<String>,
    tuning: Tuning,
) -> std::result::Result<Made, Box<dyn std::error::Error>> {
    let on_gap = |ctx: &mut Context, topic: &[u8], gap: &Gap| {
        let notice = Outgoing::copied(Opcode::Binary, &wire::gap(topic, gap));
        let here = here(ctx.index());
        // Nobody is there, or there is room.
        let _ = ctx.publish(here.as_bytes(), &notice, None);
    };
    let log = |level, line: &str| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = now.as_secs_f64();
        let _ = writeln!(std::io::stderr(), "{now:.3} {level:?} {line}");
    };
    let (up, handle) = (Arc::<AtomicBool>::default(), Arc::<OnceLock<Handle>>::default());
    let (shown, all) = (Arc::clone(&up), Arc::clone(&handle));
    let on_bus = move |state: &State| {
        let is_up = *state == State::Up;
        shown.store(is_up, Ordering::SeqCst);
        let notice = Outgoing::copied(Opcode::Binary, &[b's', is_up.into()]);
        for reactor in 0..REACTORS {
            let _ = all.get().map(|all| all.publish(here(reactor).as_bytes(), &notice, None));
        }
    };
    let config = Config {
        reactors: REACTORS,
        on_gap: Some(Arc::new(on_gap)),
        on_bus: Some(Arc::new(on_bus)),
        log: Some(Arc::new(log)),
        ..Config::default()
    };
    let engine = Engine::new(config)?;
    // Before the bus has its thread.
    let _ = handle.set(engine.handle().clone());
    let (bus, options) = settings(tuning);
    let bus = BusConfig { node, prefix: ACROSS.into(), ..bus };
    let nats = Nats::new(Options { servers, ..options })?;
    engine.set_bus(bus, Box::new(nats))?;
    Ok(Made { engine, up })
}

fn settings(tuning: Tuning) -> (BusConfig, Options) {
    if tuning == Tuning::Defaults {
        return (BusConfig::default(), Options::default());
    }
    let bus = BusConfig {
        queue_max: QUEUE_MAX,
        heartbeat_ms: TIMES.heartbeat_ms,
        forget_ms: TIMES.forget_ms,
        settle_ms: TIMES.settle_ms,
        ..BusConfig::default()
    };
    let options = Options {
        reconnect_min_ms: 20,
        reconnect_max_ms: 200,
        connect_timeout_ms: 500,
        ping_interval_ms: TIMES.ping_interval_ms,
        pending_max: 64 << 10,
        ..Options::default()
    };
    (bus, options)
}

/// Where the number stands in a message of which many are published at once.
pub(crate) const NUMBER: Range<usize> = 9..17;

/// The topic of all clients of a reactor, which does not cross machines.
fn here(reactor: u32) -> String {
    format!("here/{reactor}")
}

/// Publishes a message so many times, with numbers that count on from the one in it; says how many
/// were taken.
fn publish_many(ctx: &mut Context, topic: &[u8], count: u16, words: &[u8]) -> Vec<u8> {
    let (mut words, mut taken) = (words.to_vec(), 0u16);
    for _ in 0..count {
        let message = Outgoing::copied(Opcode::Binary, &words);
        taken += u16::from(ctx.publish(topic, &message, None).is_ok());
        let number = words.get_mut(NUMBER).and_then(|at| at.first_chunk_mut());
        if let Some(number) = number {
            *number = u64::from_be_bytes(*number).wrapping_add(1).to_be_bytes();
        }
    }
    [b"q", &taken.to_be_bytes()[..], &(count - taken).to_be_bytes()[..]].concat()
}

/// Does what its clients ask.
struct Obedient {
    up: Arc<AtomicBool>,
}

impl Handler for Obedient {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let answer = match message.payload {
            b"H" => {
                let joined = ctx.join(conn, here(ctx.index()).as_bytes());
                joined.is_ok().then(|| vec![b's', self.up.load(Ordering::SeqCst).into()])
            }
            [b'J', name @ ..] => {
                let joined = ctx.join(conn, name).is_ok();
                topic_of(name).filter(|_| joined).map(|topic| vec![b'j', topic])
            }
            [b'L', name @ ..] => {
                let left = ctx.leave(conn, name).is_ok();
                topic_of(name).filter(|_| left).map(|topic| vec![b'l', topic])
            }
            [b'P', len, rest @ ..] => rest.split_at_checked((*len).into()).map(|(name, words)| {
                let message = Outgoing::copied(Opcode::Binary, words);
                vec![b'p', ctx.publish(name, &message, None).is_err().into()]
            }),
            [b'M', len, rest @ ..] => {
                rest.split_at_checked((*len).into()).and_then(|(name, rest)| {
                    let (count, words) = rest.split_first_chunk()?;
                    Some(publish_many(ctx, name, u16::from_be_bytes(*count), words))
                })
            }
            _ => None,
        };
        let sent = answer.map(|bytes| ctx.send(conn, Opcode::Binary, &bytes, SendFlags::default()));
        if !matches!(sent, Some(Ok(_))) {
            // The client will notice that.
            let _ = ctx.abort(conn);
        }
    }
}
