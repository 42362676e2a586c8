//! One run: a cluster is made, loaded, and broken by a seed; it heals, and is judged.

use super::children::{Process, Site};
use super::clients::{MEMBERS, PUBLISHERS, Tries, member, publisher};
use super::engine::{TIMES, Tuning};
use super::faults::{Act, Fault, Whom, schedule};
use super::history::{At, Ending, History, Life, Speaker, Visit};
use super::oracle::{Figures, Finding, judge};
use super::stage::{Phase, Post, Stage};
use crate::error::{Error, Result};
use crate::random::Random;
use rustix::process::Signal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// Brokers, and engines.
const COUNT: usize = 3;
/// Before the first fault.
const HEAD_START: At = 2_000_000;
/// All processes run again, and publishers go on.
const HEAL: At = 1_000_000;
/// Nobody publishes any more: who has ended is missed by then, and who was not reached is.
const SETTLE: At = 5_000_000;
/// Between two looks at the clock.
const LOOK: Duration = Duration::from_millis(50);

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program that becomes the brokers and engines: `cluster`.
    pub program: PathBuf,
    /// Where configurations and logs are written.
    pub directory: PathBuf,
    /// What decides all that is done.
    pub seed: u64,
    /// The length of the run, with the time to settle: more than 9 s.
    pub length: Duration,
    /// Messages a second of each of two publishers on each engine.
    pub rate: u64,
    /// Nothing is done to the processes.
    pub calm: bool,
}

/// Told from time to time: the time since the begin of the run, and what was published, delivered
/// elsewhere and told of gaps by then.
pub type Progress<'p> = &'p dyn Fn(Duration, [u64; 3]);

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// How much of what.
    pub figures: Figures,
    /// What must not be.
    pub findings: Vec<Finding>,
    /// What was done to processes, with the time in seconds.
    pub faults: Vec<String>,
}

struct Cluster<'r> {
    site: Site,
    stage: &'r Stage,
    brokers: Vec<Option<Process>>,
    engines: Vec<Option<Process>>,
    lives: Vec<u16>,
    history: History,
}

/// Does it. Must be called by a thread that lives longer than the run: children end with it.
pub fn run(plan: &Plan, stop: &AtomicBool, progress: Progress<'_>) -> Result<Outcome> {
    let site = Site::new(&plan.program, &plan.directory, COUNT, Tuning::UnderFire)?;
    let brokers = (0..COUNT).map(|index| site.broker(index).map(Some)).collect::<Result<_>>()?;
    let end = Instant::now() + Duration::from_secs(5);
    while (0..COUNT).any(|index| site.routes(index) < COUNT - 1) {
        if Instant::now() > end {
            return Err(Error::Server("the brokers do not find each other".into()));
        }
        std::thread::sleep(LOOK);
    }
    let stage = Stage::new(COUNT);
    let (engines, lives) = ((0..COUNT).map(|_| None).collect(), vec![0; COUNT]);
    let history = History::default();
    let mut cluster = Cluster { site, stage: &stage, brokers, engines, lives, history };
    for engine in 0..COUNT {
        cluster.start_engine(engine)?;
    }
    let (visits, tries) = std::thread::scope(|scope| {
        let clients = Clients::start(scope, &stage, plan);
        let done = cluster.go_on(plan, stop, progress);
        stage.set_phase(Phase::Over);
        if done.is_err() {
            // Some may be frozen: who waits for them waits no longer.
            cluster.engines.clear();
        }
        let came = clients.join();
        done.and(came)
    })?;
    let mut history = cluster.history;
    (history.visits, history.tries) = (visits, tries);
    let (figures, findings) = judge(&history, At::from(TIMES.settle_ms) * 1_000);
    let in_words = |(at, what): &(At, String)| format!("{:.3} {what}", *at as f64 / 1e6);
    Ok(Outcome { figures, findings, faults: history.faults.iter().map(in_words).collect() })
}

fn time_of_day() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u64
}

impl Cluster<'_> {
    fn start_engine(&mut self, engine: usize) -> Result<()> {
        let from = time_of_day();
        let (process, port) = self.site.engine(engine)?;
        self.engines[engine] = Some(process);
        let at = Speaker { node: engine as u8 + 1, life: self.lives[engine] };
        self.lives[engine] += 1;
        let life = Life { epochs: (from, time_of_day()), ending: Ending::Runs, ended: At::MAX };
        self.history.lives.insert(at, life);
        self.stage.set_post(engine, Some(Post { at, port }));
        Ok(())
    }

    fn ends(&mut self, engine: usize, ending: Ending) {
        self.stage.set_post(engine, None);
        let at = Speaker { node: engine as u8 + 1, life: self.lives[engine] - 1 };
        if let Some(life) = self.history.lives.get_mut(&at) {
            (life.ending, life.ended) = (ending, self.stage.now());
        }
    }

    /// Until the run is over.
    fn go_on(&mut self, plan: &Plan, stop: &AtomicBool, progress: Progress<'_>) -> Result<()> {
        let length = plan.length.as_micros() as At;
        let Some(healed) = length.checked_sub(HEAL + SETTLE).filter(|at| *at > HEAD_START) else {
            return Err(Error::Usage("a run is longer than 9 s".into()));
        };
        let faults = match plan.calm {
            true => Vec::new(),
            false => schedule(&mut Random(plan.seed), COUNT, (HEAD_START, healed)),
        };
        for fault in faults {
            self.wait(fault.at, stop, progress)?;
            self.history.faults.push((self.stage.now(), fault.to_string()));
            self.carry_out(fault)?;
        }
        self.wait(healed + HEAL, stop, progress)?;
        self.stage.set_phase(Phase::Settle);
        self.wait(length, stop, progress)
    }

    fn wait(&self, at: At, stop: &AtomicBool, progress: Progress<'_>) -> Result<()> {
        loop {
            let left = self.stage.left(at);
            let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
            let stage = self.stage;
            let done = [&stage.published, &stage.delivered, &stage.gaps].map(count);
            let elapsed = Duration::from_micros(stage.now());
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted { elapsed, done: done[1] });
            }
            progress(elapsed, done);
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    fn carry_out(&mut self, Fault { whom, act, .. }: Fault) -> Result<()> {
        let (Whom::Broker(index) | Whom::Engine(index)) = whom;
        match (act, whom) {
            (Act::Start, Whom::Broker(_)) => {
                self.brokers[index] = Some(self.site.broker(index)?);
                return Ok(());
            }
            (Act::Start, Whom::Engine(_)) => return self.start_engine(index),
            (Act::Kill, Whom::Engine(_)) => self.ends(index, Ending::Killed),
            (Act::Stop, Whom::Engine(_)) => self.ends(index, Ending::Stopped),
            _ => {}
        }
        let process = match whom {
            Whom::Broker(_) => &mut self.brokers[index],
            Whom::Engine(_) => &mut self.engines[index],
        };
        match act {
            Act::Freeze => process.iter().for_each(|process| process.signal(Signal::STOP)),
            Act::Thaw => process.iter().for_each(|process| process.signal(Signal::CONT)),
            Act::Kill => process.take().into_iter().for_each(Process::kill),
            Act::Stop => process.take().map_or(Ok(()), Process::stop).map_err(|error| {
                Error::Server(format!("{}: {error}", Fault { at: 0, whom, act }))
            })?,
            Act::Start => {}
        }
        Ok(())
    }
}

struct Clients<'s> {
    members: Vec<ScopedJoinHandle<'s, Vec<Visit>>>,
    publishers: Vec<ScopedJoinHandle<'s, Tries>>,
}

impl<'s> Clients<'s> {
    fn start<'e>(scope: &'s Scope<'s, 'e>, stage: &'e Stage, plan: &Plan) -> Self {
        let mut random = Random(plan.seed ^ 0x5eed);
        let (mut members, mut publishers) = (Vec::new(), Vec::new());
        for engine in 0..COUNT {
            for number in 0..MEMBERS.len() as u8 {
                let mut random = Random(random.draw());
                let body = move || member(stage, engine, number, &mut random);
                members.push(scope.spawn(body));
            }
            for topics in PUBLISHERS {
                let (mut random, rate) = (Random(random.draw()), plan.rate);
                let body = move || publisher(stage, engine, topics, rate, &mut random);
                publishers.push(scope.spawn(body));
            }
        }
        Self { members, publishers }
    }

    fn join(self) -> Result<(Vec<Visit>, Tries)> {
        let panicked = |_| Error::Server("a thread of the clients panicked".into());
        let mut visits = Vec::new();
        for member in self.members {
            visits.extend(member.join().map_err(panicked)?);
        }
        let mut tries = Tries::default();
        for publisher in self.publishers {
            tries.extend(publisher.join().map_err(panicked)?);
        }
        Ok((visits, tries))
    }
}
