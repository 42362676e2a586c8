//! Crews: connections that send numbered messages and compare every byte that comes back. One
//! thread each, with `poll(2)`: no part of the engine, so its defects cannot hide in it.

mod member;

use super::message::Sizes;
use super::space::Space;
use crate::error::{Error, Result};
use member::Member;
use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest that nobody looks at the clock or at what a crew is told.
const LOOK: Duration = Duration::from_millis(10);

/// When messages are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many in a second and connection, whatever has come back.
    Rate(f64),
    /// So many without an answer at a time.
    Window(usize),
    /// As many as the socket takes.
    Flood,
    /// None.
    Silent,
}

impl Pace {
    fn period(self) -> Duration {
        match self {
            Self::Rate(rate) => Duration::from_secs_f64(1.0 / rate.max(0.01)),
            _ => Duration::ZERO,
        }
    }
}

/// What a crew does.
#[derive(Clone, Debug)]
pub struct CrewPlan {
    /// To whom it connects.
    pub server: SocketAddr,
    /// In which network; `None`: this process's.
    pub space: Option<Arc<Space>>,
    /// The number of its first connection; the others follow.
    pub first: u32,
    /// Connections.
    pub count: usize,
    /// When it sends.
    pub pace: Pace,
    /// What it sends.
    pub sizes: Sizes,
    /// Of the messages.
    pub seed: u64,
    /// `SO_RCVBUF`.
    pub receive_buffer: Option<usize>,
    /// For how long answers, and ends, are waited for at the end.
    pub patience: Duration,
    /// When the clock of samples began.
    pub origin: Instant,
}

/// How a connection ended, as its client saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// It has not.
    #[default]
    Open,
    /// It got no connection, or no 101: why.
    Refused(String),
    /// It was told to stop before it had one.
    GaveUp,
    /// The peer's Close came, with this code.
    Closed(u16),
    /// The stream ended without a Close.
    Eof,
    /// Receiving failed.
    Reset(String),
    /// It was there to the last, but not all has come.
    Hanging,
    /// Dropped by its client on purpose, or its process was killed.
    Dropped,
    /// What came was not what was sent.
    Wrong(String),
}

/// What a client knows of its connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// Its number.
    pub id: u32,
    /// Whether 101 came.
    pub opened: bool,
    /// Messages that the kernel has taken whole.
    pub sent: u64,
    /// Answers, each compared.
    pub answered: u64,
    /// Their payloads.
    pub answered_bytes: u64,
    /// Pings that came.
    pub pings: u64,
    /// How it ended.
    pub end: End,
}

/// An answer: when, after how long, whose.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the origin.
    pub at: Duration,
    /// Since it was due.
    pub took: Duration,
    /// The index of the connection.
    pub member: u32,
}

/// What may be said to a crew, and seen of it, while it works.
#[derive(Debug)]
pub struct Signals {
    stop: AtomicBool,
    leave: AtomicBool,
    /// Whether it reads.
    pub reading: AtomicBool,
    /// Whether it sends.
    pub sending: AtomicBool,
    /// Connections that are open, and answers so far.
    pub open: AtomicU64,
    /// Answers so far.
    pub answered: AtomicU64,
}

/// A crew at work. Dropping it ends it at once.
#[derive(Debug)]
pub struct Crew {
    signals: Arc<Signals>,
    thread: Option<JoinHandle<Result<Crewed>>>,
}

/// What came of a crew.
#[derive(Debug, Default)]
pub struct Crewed {
    /// One for each connection.
    pub accounts: Vec<Account>,
    /// All answers.
    pub samples: Vec<Sample>,
}

impl Crew {
    /// Sets it to work.
    pub fn start(plan: CrewPlan) -> Self {
        let signals = Arc::new(Signals {
            stop: false.into(),
            leave: false.into(),
            reading: true.into(),
            sending: true.into(),
            open: 0.into(),
            answered: 0.into(),
        });
        let seen = Arc::clone(&signals);
        let thread = std::thread::spawn(move || {
            plan.space.as_ref().map_or(Ok(()), |space| space.enter())?;
            Work::new(&plan).run(&plan, &seen)
        });
        Self { signals, thread: Some(thread) }
    }

    /// What may be said and seen.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Waits until so many of its connections are open; whether they are.
    pub fn wait_open(&self, count: u64, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while self.signals.open.load(Relaxed) < count && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.signals.open.load(Relaxed) >= count
    }

    /// Waits for the answers, closes all in order, and tells what came.
    pub fn finish(mut self) -> Result<Crewed> {
        self.signals.reading.store(true, Relaxed);
        self.signals.stop.store(true, Relaxed);
        self.join()
    }

    /// Drops the connections as they are.
    pub fn leave(mut self) -> Result<Crewed> {
        self.signals.leave.store(true, Relaxed);
        self.join()
    }

    fn join(&mut self) -> Result<Crewed> {
        let panicked = || Err(Error::Server("a thread of the load panicked".into()));
        self.thread.take().map_or_else(
            || Ok(Crewed::default()),
            |thread| thread.join().unwrap_or_else(|_| panicked()),
        )
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.signals.leave.store(true, Relaxed);
        let _ = self.join();
    }
}

struct Work {
    members: Vec<Member>,
    samples: Vec<Sample>,
}

impl Work {
    fn new(plan: &CrewPlan) -> Self {
        let now = Instant::now();
        let members = (0..plan.count).map(|index| Member::connect(plan, index, now)).collect();
        Self { members, samples: Vec::new() }
    }

    fn run(mut self, plan: &CrewPlan, signals: &Signals) -> Result<Crewed> {
        let mut stopped = None;
        loop {
            let now = Instant::now();
            if signals.leave.load(Relaxed) {
                self.members.iter_mut().for_each(|member| member.give_up(End::Dropped));
            } else if signals.stop.load(Relaxed) {
                let since: Instant = *stopped.get_or_insert(now);
                self.members.iter_mut().for_each(Member::finish);
                if now > since + plan.patience {
                    self.members.iter_mut().for_each(|member| member.give_up(End::Hanging));
                }
            } else if signals.sending.load(Relaxed) {
                self.members.iter_mut().for_each(|member| member.produce(plan, now));
            }
            let open = self.members.iter().filter(|member| member.is_open()).count();
            signals.open.store(open as u64, Relaxed);
            let telling = signals.stop.load(Relaxed) || signals.leave.load(Relaxed);
            if telling && self.members.iter().all(Member::is_over) {
                break;
            }
            self.turn(plan, signals, now)?;
        }
        let accounts = self.members.into_iter().map(|member| member.account).collect();
        Ok(Crewed { accounts, samples: self.samples })
    }

    fn turn(&mut self, plan: &CrewPlan, signals: &Signals, now: Instant) -> Result<()> {
        let reading = signals.reading.load(Relaxed);
        let due = self.members.iter().filter_map(Member::due).min();
        let rest = match plan.pace {
            Pace::Rate(_) => due.map_or(LOOK, |due| due.saturating_duration_since(now).min(LOOK)),
            _ => LOOK,
        };
        let (mut polled, mut whose) = (Vec::new(), Vec::new());
        for (index, member) in self.members.iter().enumerate() {
            let Some(fd) = member.fd() else { continue };
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, reading);
            flags.set(PollFlags::OUT, member.wants_to_write());
            polled.push(PollFd::from_borrowed_fd(fd, flags));
            whose.push(index);
        }
        let rest = rest.try_into().map_err(|_| Error::Usage("a wait that is too long".into()))?;
        match poll(&mut polled, Some(&rest)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::io("poll")(errno)),
        }
        let ready: Vec<_> = whose.into_iter().zip(polled.iter().map(PollFd::revents)).collect();
        let mut beaten = false;
        for (index, events) in ready {
            let Some(member) = self.members.get_mut(index) else { continue };
            if events.intersects(PollFlags::OUT | PollFlags::ERR) {
                member.write();
            }
            let broken = PollFlags::ERR | PollFlags::HUP;
            beaten |= !reading && events.intersects(broken);
            if reading && events.intersects(PollFlags::IN | broken) {
                let samples = &mut self.samples;
                member.read(plan, |took| {
                    samples.push(Sample { at: plan.origin.elapsed(), took, member: index as u32 });
                });
            }
        }
        signals.answered.store(self.samples.len() as u64, Relaxed);
        // A broken connection that is not read is ready for ever.
        if beaten {
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}
