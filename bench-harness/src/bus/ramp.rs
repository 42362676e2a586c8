//! How many messages a second go from one engine to the other: more and more are published until
//! the first engine refuses. The same rates between bare clients of the broker.

use super::Plan;
use super::bare::Bare;
use super::message::Stamp;
use super::pair::{Pair, TOPIC};
use crate::cluster::client::Client;
use crate::error::{Error, Result};
use crate::scale::now_ns;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// From one step to the next.
const FACTOR: f64 = 1.25;
/// Steps from the first that is refused something on.
const BEYOND: usize = 3;
/// Of what was asked, what must have been sent: the publisher is held back else.
const HELD_BACK: f64 = 0.9;
/// What is asked for at once, at most.
const BATCH: u64 = 256;
/// Between two looks at the clock of who sends.
const PAUSE: Duration = Duration::from_millis(1);
/// Without progress for so long nothing comes any more.
const SILENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);

/// Step after step.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ramp {
    /// In their order.
    pub steps: Vec<Step>,
}

/// What has come of a rate.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Step {
    /// Messages a second that were wanted.
    pub rate: u64,
    /// Messages that were sent to the engine, a second.
    pub offered: f64,
    /// Those that it took.
    pub accepted: u64,
    /// Those that it refused.
    pub refused: u64,
    /// Those that came to the member on the other engine, each once and in order.
    pub delivered: u64,
    /// Those that it was told it would not get.
    pub told: u64,
    /// Those that came, a second, from the first publish to the last delivery.
    pub delivered_each_second: f64,
    /// The same of the bare clients, and of them what never came.
    pub bare_each_second: f64,
    /// See above.
    pub bare_lost: u64,
}

impl Ramp {
    /// The greatest rate offered of which nothing was refused, before anything was.
    pub fn all_taken(&self) -> Option<f64> {
        self.steps.iter().take_while(|step| step.refused == 0).map(|step| step.offered).last()
    }

    /// The rate offered at which something was refused first.
    pub fn first_refused(&self) -> Option<f64> {
        self.steps.iter().find(|step| step.refused > 0).map(|step| step.offered)
    }

    /// The most that came in a second, and between bare clients.
    pub fn most(&self) -> [f64; 2] {
        let most = |of: &dyn Fn(&Step) -> f64| self.steps.iter().map(of).fold(0.0, f64::max);
        [most(&|step| step.delivered_each_second), most(&|step| step.bare_each_second)]
    }
}

/// What threads that listen have seen.
#[derive(Default)]
struct Seen {
    over: AtomicBool,
    accepted: AtomicU64,
    refused: AtomicU64,
    delivered: AtomicU64,
    told: AtomicU64,
    bare: AtomicU64,
    /// When the last one came, of the engine's and the bare ones.
    last_ns: [AtomicU64; 2],
}

impl Seen {
    fn get(&self, of: &AtomicU64) -> u64 {
        of.load(Ordering::SeqCst)
    }

    fn arrived(&self, of: &AtomicU64, which: usize) {
        of.fetch_add(1, Ordering::SeqCst);
        self.last_ns[which].store(now_ns(), Ordering::SeqCst);
    }
}

/// Who sends, and how.
trait Sends {
    /// So many messages, the first of which has this number.
    fn put(&mut self, size: usize, first: u64, count: u16);
    fn send(&mut self) -> Result<()>;
}

impl Sends for Client {
    /// As one request: what bounds the rate is the bus, and not what comes over WebSocket.
    fn put(&mut self, size: usize, first: u64, count: u16) {
        let mut message = Vec::new();
        Stamp { at_ns: 0, serial: first }.write(size, &mut message);
        self.publish_many(TOPIC, count, &message);
    }
    fn send(&mut self) -> Result<()> {
        self.flush()
    }
}

impl Sends for Bare {
    fn put(&mut self, size: usize, first: u64, count: u16) {
        let mut message = Vec::new();
        for serial in first..first + u64::from(count) {
            Stamp { at_ns: 0, serial }.write(size, &mut message);
            self.publish(&message);
        }
    }
    fn send(&mut self) -> Result<()> {
        self.say()
    }
}

pub(super) fn climb(pair: &Pair, plan: &Plan, say: &dyn Fn(&str)) -> Result<Ramp> {
    let (member, mut publisher) = (pair.member(1, TOPIC)?, pair.client(0)?);
    let (hears, mut says) = (pair.bare(true)?, pair.bare(false)?);
    let (answers, seen, size) = (publisher.listener()?, Seen::default(), plan.size);
    pair.settle();
    std::thread::scope(|scope| {
        let seen = &seen;
        let threads = [
            scope.spawn(move || heed(answers, seen)),
            scope.spawn(move || follow(member, seen, size)),
            scope.spawn(move || follow_bare(hears, seen, size)),
        ];
        let mut ramp = Ramp::default();
        let climbed = steps(&mut ramp, [&mut publisher, &mut says], plan, seen, say);
        seen.over.store(true, Ordering::SeqCst);
        for thread in threads {
            let panicked = || Err(Error::Server("a thread of the load panicked".into()));
            thread.join().unwrap_or_else(|_| panicked())?;
        }
        climbed.map(|()| ramp)
    })
}

fn steps(
    ramp: &mut Ramp,
    [publisher, says]: [&mut dyn Sends; 2],
    plan: &Plan,
    seen: &Seen,
    say: &dyn Fn(&str),
) -> Result<()> {
    let ([mut rate, last], mut serials) = (plan.ramp, [0, 0]);
    let is_beyond = |step: &Step| step.refused > 0 || step.offered < HELD_BACK * step.rate as f64;
    while rate <= last && ramp.steps.iter().filter(|step| is_beyond(step)).count() < BEYOND {
        let step = step(rate, plan, publisher, &mut serials[0], seen)?;
        let before = seen.get(&seen.bare);
        let (sent, begun) = send(rate, plan, says, &mut serials[1])?;
        let came = || seen.get(&seen.bare) - before;
        quiet(came, |count| count >= sent);
        let bare_each_second = a_second(came(), begun, seen.get(&seen.last_ns[1]));
        let bare_lost = sent.saturating_sub(came());
        ramp.steps.push(Step { bare_each_second, bare_lost, ..step });
        say(&format!(
            "{rate} a second: {} taken, {} refused, {:.0} a second came; \
             bare {bare_each_second:.0}",
            step.accepted, step.refused, step.delivered_each_second
        ));
        rate = (rate as f64 * FACTOR) as u64;
    }
    Ok(())
}

fn a_second(count: u64, begun_ns: u64, last_ns: u64) -> f64 {
    count as f64 * 1e9 / last_ns.saturating_sub(begun_ns).max(1) as f64
}

/// Over the engines.
fn step(
    rate: u64,
    plan: &Plan,
    publisher: &mut dyn Sends,
    serial: &mut u64,
    seen: &Seen,
) -> Result<Step> {
    let all = [&seen.accepted, &seen.refused, &seen.delivered, &seen.told];
    let before = all.map(|of| seen.get(of));
    let (sent, begun) = send(rate, plan, publisher, serial)?;
    let sending = (now_ns() - begun) as f64 / 1e9;
    let now = || {
        let mut now = all.map(|of| seen.get(of));
        now.iter_mut().zip(before).for_each(|(now, before)| *now -= before);
        now
    };
    let answered = || now()[0] + now()[1];
    if !quiet(answered, |count| count >= sent) {
        return Err(Error::Stalled("not all publishes were answered".into()));
    }
    let [accepted, refused, ..] = now();
    // What neither comes nor is told shows in the report.
    quiet(|| now()[2] + now()[3], |count| count >= accepted);
    let [_, _, delivered, told] = now();
    let delivered_each_second = a_second(delivered, begun, seen.get(&seen.last_ns[0]));
    let offered = sent as f64 / sending;
    let none = Step::default();
    Ok(Step { rate, offered, accepted, refused, delivered, told, delivered_each_second, ..none })
}

/// Whether the count gets where it is wanted, before it stands still.
fn quiet(count: impl Fn() -> u64, wanted: impl Fn(u64) -> bool) -> bool {
    let (mut last, mut since) = (count(), Instant::now());
    while !wanted(last) && since.elapsed() < SILENCE {
        std::thread::sleep(LOOK);
        let now = count();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    wanted(last)
}

/// Sends for the time of a step; how many, and from when on.
fn send(rate: u64, plan: &Plan, to: &mut dyn Sends, serial: &mut u64) -> Result<(u64, u64)> {
    let (begun, begun_ns, first) = (Instant::now(), now_ns(), *serial);
    while begun.elapsed() < plan.step {
        let due = first + (begun.elapsed().as_secs_f64() * rate as f64) as u64;
        let count = due.saturating_sub(*serial).min(BATCH);
        if count > 0 {
            to.put(plan.size, *serial, count as u16);
            to.send()?;
            *serial += count;
        }
        if due <= *serial {
            std::thread::sleep(PAUSE);
        }
    }
    Ok((*serial - first, begun_ns))
}

/// Counts what the engine answers.
fn heed(mut answers: Client, seen: &Seen) -> Result<()> {
    while !seen.over.load(Ordering::SeqCst) {
        if let Some([b'q', taken @ .., a, b]) = answers.receive(LOOK)?
            && let Some(taken) = taken.first_chunk()
        {
            let count = |bytes: [u8; 2]| u64::from(u16::from_be_bytes(bytes));
            seen.accepted.fetch_add(count(*taken), Ordering::SeqCst);
            seen.refused.fetch_add(count([*a, *b]), Ordering::SeqCst);
        }
    }
    Ok(())
}

fn follow(mut member: Client, seen: &Seen, size: usize) -> Result<()> {
    let mut next = 0;
    while !seen.over.load(Ordering::SeqCst) {
        let Some(message) = member.receive(LOOK)? else { continue };
        match Stamp::read(message, size)? {
            Some(stamp) if stamp.serial >= next => {
                next = stamp.serial + 1;
                seen.arrived(&seen.delivered, 0);
            }
            Some(stamp) => {
                return Err(Error::Protocol(format!("{} came again, or late", stamp.serial)));
            }
            None => {
                seen.told.fetch_add(crate::cluster::missing(message), Ordering::SeqCst);
            }
        }
    }
    Ok(())
}

fn follow_bare(mut hears: Bare, seen: &Seen, size: usize) -> Result<()> {
    while !seen.over.load(Ordering::SeqCst) {
        let Some(message) = hears.receive(LOOK)? else { continue };
        if Stamp::read(message, size)?.is_some() {
            seen.arrived(&seen.bare, 1);
        }
    }
    Ok(())
}
