//! What a kind of fault works with: the server, those who are served beside it, and the watch.

use super::crew::{Account, Crew, CrewPlan, Crewed, Pace, Sample};
use super::link::Link;
use super::message::Sizes;
use super::oracle::{Books, Manner};
use super::subject::{Launch, Stats, Subject};
use super::{Plan, Programs};
use crate::error::{Error, Result};
use crate::process;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Connections that the fault does not concern, and messages of each in a second.
pub const BYSTANDERS: usize = 20;
const RATE: f64 = 40.0;
/// How long a server is used before its memory at rest is noted.
const WARM: Duration = Duration::from_millis(700);
/// How long all is well, before the fault and after it.
const CALM: Duration = Duration::from_millis(1_200);
/// How long it may take until nothing is left of anybody.
const SETTLE: Duration = Duration::from_secs(12);
const SMALL: Sizes = Sizes { least: 16, most: 2_048 };
const MIB: u64 = 1 << 20;
/// What the pools of two reactors keep for ever, 8 MiB each, and a little.
const SPARE_MAX: u64 = 18 * MIB;

/// What a server holds.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Rest {
    /// `VmRSS`.
    pub resident: u64,
    /// Bytes that `malloc` has given out, less `held`: what only grows is a leak.
    pub heap: u64,
    /// Bytes that the engine counts against `memory_max`: at rest, vectors to use again.
    pub held: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// One run of one kind.
pub struct Scene<'a> {
    /// What was asked for.
    pub plan: &'a Plan,
    /// What was built.
    pub programs: &'a Programs,
    /// Files of this run.
    pub directory: PathBuf,
    /// How the server is started; for [`super::Kind::prepare`].
    pub launch: Launch,
    /// How long clients wait for answers and ends at the end.
    pub patience: Duration,
    /// Where the network namespace is not the server's: that of clients.
    pub clients: Option<std::sync::Arc<super::space::Space>>,
    /// Links between both, bystanders' first.
    pub links: Vec<Link>,
    /// The port for TLS, where there is one.
    pub secure_port: u16,
    /// When the run began.
    pub origin: Instant,
    /// When the fault began and ended.
    pub period: [Duration; 2],
    /// What is worth saying.
    pub notes: Vec<String>,
    /// What was not as it has to be.
    pub violations: Vec<String>,
    pub(super) books: Books,
    pub(super) rest: [Rest; 2],
    /// What each bystander's connection got back.
    pub(super) samples: Vec<Sample>,
    pub(super) settled: Duration,
    /// See [`Scene::end`].
    pub(super) disturbed: f64,
    waited: Duration,
    subject: Option<Subject>,
    bystanders: Option<Crew>,
    next: u32,
    interrupted: &'a AtomicBool,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        programs: &'a Programs,
        directory: PathBuf,
        interrupted: &'a AtomicBool,
    ) -> Self {
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let backend = if plan.epoll { 2 } else { 1 };
        let command = vec![
            text(&programs.server),
            format!("backend={backend}"),
            format!("ledger={}", text(&directory.join("ledger"))),
            "recv_buffers=256".into(),
        ];
        Self {
            plan,
            programs,
            launch: Launch { command, directory: directory.clone(), ..Launch::default() },
            directory,
            patience: Duration::from_secs(6),
            clients: None,
            links: Vec::new(),
            secure_port: 0,
            origin: Instant::now(),
            period: [Duration::ZERO; 2],
            notes: Vec::new(),
            violations: Vec::new(),
            books: Books::default(),
            rest: [Rest::default(); 2],
            samples: Vec::new(),
            settled: Duration::ZERO,
            disturbed: 0.0,
            waited: Duration::ZERO,
            subject: None,
            bystanders: None,
            next: 1,
            interrupted,
        }
    }

    /// Adds a word to the server's command line.
    pub fn word(&mut self, word: impl Into<String>) {
        self.launch.command.push(word.into());
    }

    /// Starts the server, uses it for a while, notes what it holds at rest, and lets the
    /// bystanders begin.
    pub(super) fn open(&mut self) -> Result<()> {
        self.subject = Some(Subject::start(&self.launch)?);
        let warm = self.bystander_crew()?;
        self.sleep(WARM)?;
        self.books_of(Manner::Polite, warm.finish()?);
        self.wait_for_rest(None)?;
        self.rest[0] = self.holds()?;
        self.bystanders = Some(self.bystander_crew()?);
        self.sleep(CALM)
    }

    fn bystander_crew(&mut self) -> Result<Crew> {
        let crew = Crew::start(self.crew(BYSTANDERS, Pace::Rate(RATE), SMALL)?);
        if !crew.wait_open(BYSTANDERS as u64, Duration::from_secs(5)) {
            return Err(Error::Server("bystanders get no connection before the fault".into()));
        }
        Ok(crew)
    }

    /// A plan for a crew against the server, with numbers of its own.
    pub fn crew(&mut self, count: usize, pace: Pace, sizes: Sizes) -> Result<CrewPlan> {
        let first = self.next;
        self.next += count as u32;
        Ok(CrewPlan {
            server: self.subject()?.address,
            space: self.clients.clone(),
            first,
            count,
            pace,
            sizes,
            seed: self.plan.seed,
            receive_buffer: None,
            patience: self.patience,
            origin: self.origin,
        })
    }

    /// Small messages.
    pub fn small(&self) -> Sizes {
        SMALL
    }

    /// The fault is there from now on.
    pub fn begin(&mut self) {
        self.period = [self.origin.elapsed(); 2];
        self.waited = self.kept_waiting();
    }

    /// It is gone.
    pub fn end(&mut self) {
        self.period[1] = self.origin.elapsed();
        let time = (self.period[1] - self.period[0]).as_secs_f64().max(1e-3);
        let waited = self.kept_waiting().saturating_sub(self.waited);
        self.disturbed = waited.as_secs_f64() / time;
    }

    /// How long threads of the server and of this program were ready to run, and others had their
    /// processors.
    fn kept_waiting(&self) -> Duration {
        let of = |pid| process::usage(pid).map_or(Duration::ZERO, |usage| usage.kept_waiting);
        of(std::process::id()) + self.subject.as_ref().map_or(Duration::ZERO, |it| of(it.pid()))
    }

    /// How long a fault lasts.
    pub fn duration(&self) -> Duration {
        self.plan.seconds
    }

    /// The server.
    pub fn subject(&mut self) -> Result<&mut Subject> {
        self.subject.as_mut().ok_or_else(|| Error::Server("no server".into()))
    }

    /// One of its numbers now.
    pub fn stat(&mut self, name: &str) -> Result<u64> {
        let stats = self.subject()?.stats()?;
        number(&stats, name)
    }

    /// Adds what a crew has come to.
    pub fn books_of(&mut self, manner: Manner, crewed: Crewed) {
        self.books.clients.extend(crewed.accounts.into_iter().map(|account| (manner, account)));
    }

    /// Adds accounts that came otherwise.
    pub fn accounts(&mut self, manner: Manner, accounts: Vec<Account>) {
        self.books_of(manner, Crewed { accounts, samples: Vec::new() });
    }

    /// Says something in the report.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Something that has to be.
    pub fn must(&mut self, is: bool, what: impl Into<String>) {
        if !is {
            self.violations.push(what.into());
        }
    }

    /// Waits, unless the server ends or the user has had enough.
    pub fn sleep(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            if self.interrupted.load(Relaxed) {
                return Err(Error::Interrupted { elapsed: self.origin.elapsed(), done: 0 });
            }
            if let Some(status) = self.subject.as_mut().and_then(Subject::ended) {
                return Err(Error::Server(format!("the server has ended: {status}")));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
    }

    /// Waits until the server has ended by itself.
    pub fn ended_within(&mut self, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        while self.subject()?.ended().is_none() {
            if Instant::now() > end || self.interrupted.load(Relaxed) {
                return Err(Error::Server(format!("the server has not ended within {patience:?}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits until it is so; whether it came to be.
    pub fn wait_until(
        &mut self,
        patience: Duration,
        mut is: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<bool> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if is(self)? {
                return Ok(true);
            }
            self.sleep(Duration::from_millis(25))?;
        }
        Ok(false)
    }

    /// Calm, then the bystanders end in order and nothing may be left of anybody.
    pub(super) fn close(&mut self, manner: Manner, growth: u64) -> Result<()> {
        self.sleep(CALM)?;
        if let Some(crew) = self.bystanders.take() {
            let crewed = crew.finish()?;
            self.samples.clone_from(&crewed.samples);
            self.books_of(manner, crewed);
        }
        let begin = Instant::now();
        let allowed = self.rest[0];
        self.wait_for_rest(Some((allowed, growth)))?;
        self.settled = begin.elapsed();
        self.rest[1] = self.holds()?;
        let [before, after] = self.rest;
        let grown = after.heap.saturating_sub(before.heap);
        self.must(
            grown <= growth,
            format!("{grown} bytes more of the heap are in use than before: a leak"),
        );
        self.must(
            after.held <= SPARE_MAX,
            format!(
                "{} bytes are held for nobody: more than what is kept to use again",
                after.held
            ),
        );
        self.must(
            after.descriptors <= before.descriptors,
            format!("{} descriptors are open, {} before", after.descriptors, before.descriptors),
        );
        Ok(())
    }

    /// Ends the server in order, unless it has to have ended by itself.
    pub(super) fn end_server(&mut self, tell: bool, status: i32) -> Result<()> {
        if let Some(subject) = self.subject.take() {
            let (stats, ended) = subject.end(tell)?;
            self.books.stats = stats;
            self.must(
                ended.code() == Some(status),
                format!("the server ended with {ended}, not with {status}"),
            );
        }
        self.books.ledger = Subject::ledger(&self.directory)?;
        Ok(())
    }

    /// What bystanders have got, where the server ended before them.
    pub(super) fn end_bystanders(&mut self, manner: Manner) -> Result<()> {
        if let Some(crew) = self.bystanders.take() {
            let crewed = crew.finish()?;
            self.samples.clone_from(&crewed.samples);
            self.books_of(manner, crewed);
        }
        Ok(())
    }

    /// Lets nobody be connected, and memory be given back.
    fn wait_for_rest(&mut self, allowed: Option<(Rest, u64)>) -> Result<()> {
        let mut left = 0;
        let rests = self.wait_until(SETTLE, |scene| {
            // What is queued is looked at once a second.
            left = scene.stat("ringws_connections")? + scene.stat("ringws_queued")?;
            let Some((before, growth)) = allowed else { return Ok(left == 0) };
            let now = scene.holds()?;
            Ok(left == 0
                && now.heap <= before.heap + growth
                && now.held <= SPARE_MAX
                && now.descriptors <= before.descriptors)
        })?;
        self.must(
            rests || left == 0,
            format!("{left} connections, or bytes queued, are left after {SETTLE:?}"),
        );
        // Spare memory goes when a second has not needed it.
        if allowed.is_none() {
            self.sleep(Duration::from_millis(300))?;
        }
        Ok(())
    }

    fn holds(&mut self) -> Result<Rest> {
        let subject = self.subject()?;
        let stats = subject.stats()?;
        let held = number(&stats, "ringws_memory")?;
        Ok(Rest {
            resident: process::resident(subject.pid())?,
            heap: number(&stats, "heap")?.saturating_sub(held),
            held,
            descriptors: subject.descriptors()?,
        })
    }

    /// The server's resident memory now, MiB.
    pub fn resident_mib(&mut self) -> Result<u64> {
        Ok(process::resident(self.subject()?.pid())? / MIB)
    }

    /// Answers that bystanders have had so far.
    pub fn answered(&self) -> u64 {
        self.bystanders.as_ref().map_or(0, |crew| crew.signals().answered.load(Relaxed))
    }
}

/// A number that has to be there.
pub fn number(stats: &Stats, name: &str) -> Result<u64> {
    stats.get(name).copied().ok_or_else(|| Error::Server(format!("it has no {name}")))
}
