//! The server under test: a child process that obeys commands and ends with its harness.

use super::space::Space;
use crate::error::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long it may take to start and to answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The program, what it is run by and its words.
    pub command: Vec<String>,
    /// What is added to its environment.
    pub environment: Vec<(String, String)>,
    /// Its network; `None`: this one.
    pub space: Option<Arc<Space>>,
    /// Its address there.
    pub address: Option<Ipv4Addr>,
    /// A directory for what it writes.
    pub directory: PathBuf,
}

/// What a connection's server knows of it, when it has ended: a line of the ledger.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Entry {
    /// The client's number.
    pub id: u32,
    /// Messages that came.
    pub received: u64,
    /// Their payloads.
    pub received_bytes: u64,
    /// Answers that were taken.
    pub answered: u64,
    /// Their payloads.
    pub answered_bytes: u64,
    /// Answers that were refused with a status.
    pub refused: u64,
    /// Messages that were not the next one, or not as they were sent.
    pub wrong: u64,
    /// The peer's close code.
    pub code: u16,
    /// `RWS_CAUSE_*`.
    pub cause: u32,
    /// `RWS_E_*`.
    pub status: i32,
    /// Bytes that were queued and not taken by the kernel.
    pub unsent: u64,
    /// Bytes that came and were not delivered.
    pub unread: u64,
    /// Messages that were dropped.
    pub dropped: u32,
}

/// All its numbers.
pub type Stats = BTreeMap<String, u64>;

/// A running server. Dropping it kills the process.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    commands: Option<ChildStdin>,
    lines: Receiver<String>,
    directory: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// `uring` or `epoll`.
    pub backend: String,
}

impl Subject {
    /// Starts it and waits until it listens.
    pub fn start(launch: &Launch) -> Result<Self> {
        let Some((program, words)) = launch.command.split_first() else {
            return Err(Error::Usage("no program".into()));
        };
        let errors = fs::File::create(launch.directory.join("stderr"))
            .map_err(Error::io("what the server says"))?;
        let mut command = Command::new(program);
        command.args(words).envs(launch.environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = spawn(&mut command, launch.space.as_deref())?;
        let commands = child.stdin.take();
        let (sender, lines) = channel();
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(std::result::Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let address = SocketAddr::from((launch.address.unwrap_or(Ipv4Addr::LOCALHOST), 0));
        let directory = launch.directory.clone();
        let backend = String::new();
        let mut subject = Self { child, commands, lines, directory, address, backend };
        let line = subject.line(PATIENCE)?;
        let words: Vec<_> = line.split(' ').collect();
        let port = match words.as_slice() {
            ["listening", "on", port, backend] => {
                subject.backend = (*backend).to_owned();
                port.parse().ok()
            }
            _ => None,
        };
        let said = || Error::Server(format!("the server said `{line}`"));
        subject.address.set_port(port.ok_or_else(said)?);
        Ok(subject)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send_signal(self.pid(), signal)
    }

    /// Gives a command and returns the answer.
    pub fn ask(&mut self, command: &str) -> Result<String> {
        let write = |to: &mut ChildStdin| writeln!(to, "{command}").and_then(|()| to.flush());
        self.commands
            .as_mut()
            .map_or(Ok(()), write)
            .map_err(|error| self.lost(&format!("`{command}` cannot be asked: {error}")))?;
        self.line(PATIENCE)
    }

    /// The same for one that answers whether it was done.
    pub fn order(&mut self, command: &str) -> Result<()> {
        let answer = self.ask(command)?;
        if answer.contains("\"done\":1") {
            return Ok(());
        }
        Err(self.lost(&format!("`{command}`: {answer}")))
    }

    /// Its numbers now.
    pub fn stats(&mut self) -> Result<Stats> {
        let line = self.ask("stats")?;
        serde_json::from_str(&line).map_err(|error| self.lost(&format!("{error}: {line}")))
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end, after SIGTERM if `tell`; its last numbers, and how it ended.
    pub fn end(mut self, tell: bool) -> Result<(Stats, ExitStatus)> {
        if tell {
            self.signal(Signal::TERM)?;
        }
        let limit = Instant::now() + PATIENCE;
        let status = loop {
            match self.ended() {
                Some(status) => break status,
                None if Instant::now() > limit => {
                    return Err(self.lost(&format!("it does not end within {PATIENCE:?}")));
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let mut stats = Stats::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
            let last: Stats = serde_json::from_str(&line).unwrap_or_default();
            stats.extend(last);
        }
        if stats.is_empty() {
            return Err(self.lost(&format!("it ended without its numbers, {status}")));
        }
        Ok((stats, status))
    }

    /// Descriptors that are open in it.
    pub fn descriptors(&self) -> Result<usize> {
        let path = format!("/proc/{}/fd", self.pid());
        Ok(fs::read_dir(&path).map_err(Error::io(path))?.count())
    }

    /// What it wrote about connections that have ended.
    pub fn ledger(directory: &std::path::Path) -> Result<Vec<Entry>> {
        let text = fs::read_to_string(directory.join("ledger")).map_err(Error::io("the ledger"))?;
        let entry = |line| serde_json::from_str(line);
        text.lines()
            .map(entry)
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| Error::Server(format!("the ledger: {error}")))
    }

    fn line(&mut self, patience: Duration) -> Result<String> {
        self.lines.recv_timeout(patience).map_err(|_| match self.ended() {
            Some(status) => self.lost(&format!("the server has ended: {status}")),
            None => self.lost(&format!("the server says nothing within {patience:?}")),
        })
    }

    fn lost(&self, why: &str) -> Error {
        let said = fs::read_to_string(self.directory.join("stderr")).unwrap_or_default();
        let from = said.char_indices().rev().nth(600).map_or(0, |(at, _)| at);
        Error::Server(format!("{why}\n{}", said.get(from..).unwrap_or_default().trim()))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Also one that was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub fn send_signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Error::Usage("no process".into()))?;
    kill_process(pid, signal).map_err(Error::io("a signal"))
}

/// A child is in the namespaces of the thread that starts it.
fn spawn(command: &mut Command, space: Option<&Space>) -> Result<Child> {
    let start = || {
        space.map_or(Ok(()), Space::enter)?;
        command.spawn().map_err(Error::io("starting the server"))
    };
    std::thread::scope(|scope| scope.spawn(start).join())
        .unwrap_or_else(|_| Err(Error::Server("the starting thread panicked".into())))
}
