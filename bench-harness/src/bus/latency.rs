//! How long a message takes: to a member on the engine where it is published, of a topic that stays
//! there and of one that crosses; to a member on the other engine; and between two bare clients of
//! the broker.

use super::Plan;
use super::message::Stamp;
use super::pair::{Awake, PATIENCE, Pair, TOPIC, WITHIN};
use crate::error::{Error, Result};
use crate::report::Latency;
use crate::scale::now_ns;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// Messages before those that count.
const WARM_UP: u64 = 500;

/// What was measured at a rate.
#[derive(Clone, Debug, Serialize)]
pub struct Latencies {
    /// Messages a second of each kind, which take turns.
    pub rate: u64,
    /// How many count.
    pub messages: u64,
    /// To a member on the same engine, of a topic that stays there.
    pub within: Latency,
    /// To a member on the same engine, of the topic that crosses.
    pub local: Latency,
    /// To a member on the other engine.
    pub across: Latency,
    /// How much later, for each message, it came to the other engine's member.
    pub added: Latency,
    /// From one bare client of the broker to another.
    pub bare: Latency,
}

/// By serial: how long each has taken, in nanoseconds.
type Took = Vec<u64>;

pub(super) fn measure(pair: &Pair, plan: &Plan, rate: u64) -> Result<Latencies> {
    let messages = (plan.time.as_secs_f64() * rate as f64) as u64;
    let (count, size) = (WARM_UP + messages, plan.size);
    let (mut here, mut there) = (pair.member(0, TOPIC)?, pair.member(1, TOPIC)?);
    let mut stays = pair.member(0, WITHIN)?;
    let (mut publisher, mut hears) = (pair.client(0)?, pair.bare(true)?);
    let (mut answers, mut says) = (publisher.listener()?, pair.bare(false)?);
    pair.settle();
    let _awake = Awake::keep(plan.cpus);
    let all = std::thread::scope(|scope| {
        let patience = PATIENCE;
        let within = scope.spawn(move || listen(count, size, || owned(stays.receive(patience))));
        let local = scope.spawn(move || listen(count, size, || owned(here.receive(patience))));
        let across = scope.spawn(move || listen(count, size, || owned(there.receive(patience))));
        let bare = scope.spawn(move || listen(count, size, || owned(hears.receive(patience))));
        let accepted = scope.spawn(move || -> Result<u64> {
            let mut accepted = 0;
            for _ in 0..2 * count {
                let answer = answers.receive(patience)?.ok_or_else(missing)?;
                accepted += u64::from(answer == b"p\0");
            }
            Ok(accepted)
        });
        let (begun, mut message) = (Instant::now(), Vec::new());
        let third = Duration::from_secs_f64(1.0 / 3.0 / rate as f64);
        for serial in 0..count {
            let due = third * 3 * serial as u32;
            let mut stamped = |due| {
                wait(begun, due);
                Stamp { at_ns: now_ns(), serial }.write(size, &mut message);
                message.clone()
            };
            publisher.publish(WITHIN, &stamped(due));
            publisher.flush()?;
            publisher.publish(TOPIC, &stamped(due + third));
            publisher.flush()?;
            says.publish(&stamped(due + third * 2));
            says.say()?;
        }
        if joined(accepted)? != 2 * count {
            return Err(Error::Server("publishes were refused at this rate".into()));
        }
        Ok([joined(within)?, joined(local)?, joined(across)?, joined(bare)?])
    })?;
    let [within, local, across, bare] = &all;
    // On few CPUs the other engine may be served first.
    let later = across.iter().zip(local).map(|(across, local)| across.saturating_sub(*local));
    let added: Took = later.collect();
    Ok(Latencies {
        rate,
        messages,
        within: summary(within)?,
        local: summary(local)?,
        across: summary(across)?,
        added: summary(&added)?,
        bare: summary(bare)?,
    })
}

/// Not a thread that sleeps is woken on the microsecond.
fn wait(begun: Instant, due: Duration) {
    std::thread::sleep(due.saturating_sub(begun.elapsed()));
}

fn missing() -> Error {
    Error::Stalled("not all messages have come".into())
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(Error::Server("a thread of the load panicked".into())))
}

fn owned(received: Result<Option<&[u8]>>) -> Result<Option<Vec<u8>>> {
    received.map(|message| message.map(<[u8]>::to_vec))
}

/// All messages of the run, each once and in order.
fn listen(
    count: u64,
    size: usize,
    mut receive: impl FnMut() -> Result<Option<Vec<u8>>>,
) -> Result<Took> {
    let mut took = Took::new();
    while (took.len() as u64) < count {
        let message = receive()?.ok_or_else(missing)?;
        let Some(stamp) = Stamp::read(&message, size)? else { continue };
        if stamp.serial != took.len() as u64 {
            let text = format!("message {} came in the place of {}", stamp.serial, took.len());
            return Err(Error::Protocol(text));
        }
        took.push(now_ns().saturating_sub(stamp.at_ns));
    }
    Ok(took)
}

fn summary(took: &Took) -> Result<Latency> {
    let usage = |error: hdrhistogram::CreationError| Error::Usage(error.to_string());
    let mut all = Histogram::<u64>::new_with_bounds(1, LATENCY_MAX_NS, 3).map_err(usage)?;
    for ns in took.iter().skip(WARM_UP as usize) {
        // It is within the bounds.
        let _ = all.record((*ns).clamp(1, LATENCY_MAX_NS));
    }
    Ok(Latency::new(&all))
}
