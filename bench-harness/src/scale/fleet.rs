//! Crowds in processes of their own, since each has as many descriptors as its limit allows: told
//! what to do, and asked what they have seen, in lines of JSON.

use super::counts::Counts;
use super::crowd::{Crowd, Opening};
use crate::error::{Error, Result};
use crate::machine;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// Descriptors of a process beside its connections.
const SPARE: u64 = 64;
/// Addresses between those of two processes.
const GROUPS: usize = 8;
/// How often a fleet is asked whether it has come to where it should.
const LOOK: Duration = Duration::from_millis(50);

/// What a process is told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Order {
    Open(Opening),
    Mark,
    AtOnce(usize),
    Close,
    Report,
}

/// Where processes of clients run.
#[derive(Clone, Debug)]
pub struct Where {
    /// The program that calls [`serve`] when its first argument is `worker`.
    pub program: PathBuf,
    /// On which CPU.
    pub cpu: usize,
    /// Behind all others: for measurements on a machine that does nothing else. Beside other work
    /// they starve, and their Pongs come too late.
    pub behind: bool,
}

/// One process of clients: lives until its input ends.
pub fn serve(
    server: SocketAddr,
    group: usize,
    count: usize,
    cpu: usize,
    behind: bool,
) -> Result<()> {
    machine::allow_descriptors(count as u64 + SPARE)?;
    machine::pin(cpu)?;
    if behind {
        machine::run_behind_all_others()?;
    }
    let mut crowd = Crowd::new(server, group)?;
    let orders = orders();
    let mut out = std::io::stdout();
    loop {
        crowd.turn()?;
        loop {
            match orders.try_recv() {
                Ok(Order::Open(opening)) => crowd.open(opening),
                Ok(Order::Mark) => crowd.mark(),
                Ok(Order::AtOnce(most)) => crowd.at_once(most),
                Ok(Order::Close) => crowd.close(),
                Ok(Order::Report) => {}
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
            let line = serde_json::to_string(&crowd.counts())
                .map_err(|error| Error::Usage(error.to_string()))?;
            writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Error::io("reporting"))?;
        }
    }
}

fn orders() -> Receiver<Order> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let order = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            let Some(order) = order else { return };
            if sender.send(order).is_err() {
                return;
            }
        }
    });
    receiver
}

#[derive(Debug)]
struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn tell(&mut self, order: Order) -> Result<()> {
        let line =
            serde_json::to_string(&order).map_err(|error| Error::Usage(error.to_string()))?;
        writeln!(self.orders, "{line}").map_err(Error::io("telling a process of clients"))
    }

    fn answer(&mut self) -> Result<Counts> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(Error::io("hearing a process of clients"))?;
        serde_json::from_str(&line)
            .map_err(|error| Error::Server(format!("a process of clients has ended: {error}")))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All processes of clients. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Fleet {
    workers: Vec<Worker>,
    each: usize,
    total: usize,
}

impl Fleet {
    /// Starts as many processes as `total` connections take when each has at most `each`.
    pub(super) fn start(at: &Where, server: SocketAddr, total: usize, each: usize) -> Result<Self> {
        let processes = total.div_ceil(each.max(1));
        let each = total.div_ceil(processes.max(1));
        let start = |index: usize| {
            let numbers = [index * GROUPS, each, at.cpu].map(|number| number.to_string());
            let mut child = Command::new(&at.program)
                .arg("worker")
                .arg(server.to_string())
                .args(numbers)
                .args(at.behind.then_some("--behind"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(Error::io(format!("starting {}", at.program.display())))?;
            let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
            let (Some(orders), Some(stdout)) = (stdin, stdout) else {
                return Err(Error::Server("a process without pipes".into()));
            };
            Ok(Worker { child, orders, answers: BufReader::new(stdout) })
        };
        let workers = (0..processes).map(start).collect::<Result<_>>()?;
        Ok(Self { workers, each, total })
    }

    /// How many processes there are.
    pub(super) fn processes(&self) -> usize {
        self.workers.len()
    }

    /// Begins to open all, `at_once` at a time over all processes.
    pub(super) fn open(
        &mut self,
        at_once: usize,
        comes_back: bool,
        patience: Duration,
    ) -> Result<()> {
        let (each, total) = (self.each, self.total);
        let at_once = at_once.div_ceil(self.workers.len().max(1));
        let patience_ms = patience.as_millis() as u64;
        self.all(|index| {
            let count = each.min(total.saturating_sub(index * each));
            Order::Open(Opening { count, at_once, comes_back, patience_ms })
        })?;
        Ok(())
    }

    /// Counts of messages, Pings and attempts begin anew.
    pub(super) fn mark(&mut self) -> Result<()> {
        self.all(|_| Order::Mark).map(drop)
    }

    /// From now on that many attempts at a time, over all processes.
    pub(super) fn at_once(&mut self, most: usize) -> Result<()> {
        let most = most.div_ceil(self.workers.len().max(1));
        self.all(|_| Order::AtOnce(most)).map(drop)
    }

    /// All begin the closing handshake.
    pub(super) fn close(&mut self) -> Result<()> {
        self.all(|_| Order::Close).map(drop)
    }

    /// What all have seen.
    pub(super) fn counts(&mut self) -> Result<Counts> {
        self.all(|_| Order::Report)
    }

    /// Waits until that holds, or for so long; what was seen last.
    pub(super) fn wait(
        &mut self,
        most: Duration,
        mut until: impl FnMut(&Counts) -> bool,
    ) -> Result<(Counts, bool)> {
        let end = Instant::now() + most;
        loop {
            let counts = self.counts()?;
            let reached = until(&counts);
            if reached || Instant::now() >= end {
                return Ok((counts, reached));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn all(&mut self, order: impl Fn(usize) -> Order) -> Result<Counts> {
        for (index, worker) in self.workers.iter_mut().enumerate() {
            worker.tell(order(index))?;
        }
        let mut sum = Counts::default();
        for worker in &mut self.workers {
            sum.add(&worker.answer()?);
        }
        Ok(sum)
    }
}
