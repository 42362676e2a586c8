//! What is published in either process goes to the other one, between the records of the hand-over,
//! until the old one has ended.

use super::SuccessionError;
use super::line::{Line, Record};
use super::wire;
use crate::reactor::{CallError, CrossedFrom, Handle};
use crate::ring::{Errno, signals};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{Builder, Scope};
use std::time::{Duration, Instant};

/// How long the other process may take to read.
const PROMPT: Duration = Duration::from_secs(5);
/// How often is looked whether there is still something to do.
const LOOK: Duration = Duration::from_millis(50);
/// How soon is tried again what a reactor has no room for.
const AGAIN: Duration = Duration::from_millis(1);
/// Bytes of a record; what is longer comes in parts.
const PART: usize = 1 << 20;

/// The line to the other process, with what is published.
pub(crate) struct Relay {
    pub(crate) line: Line,
    handle: Handle,
    lane: OnceLock<u64>,
    /// Whose turn it is to send.
    turn: Mutex<()>,
    /// The parts of a record that have come.
    begun: Mutex<Vec<u8>>,
    over: AtomicBool,
}

impl Relay {
    pub(crate) fn new(line: Line, handle: Handle) -> Self {
        let (lane, turn, begun) = (OnceLock::new(), Mutex::default(), Mutex::default());
        Self { line, handle, lane, turn, begun, over: AtomicBool::new(false) }
    }

    /// From here on what is published is for the other process, too.
    pub(crate) fn begin(&self, bus: wire::Prefix) -> u64 {
        *self.lane.get_or_init(|| self.handle.begin_crossing(bus))
    }

    /// 0 names none.
    pub(crate) fn lane(&self) -> u64 {
        self.lane.get().copied().unwrap_or(0)
    }

    /// Sends a record, behind all that was published before.
    pub(crate) fn send(
        &self,
        kind: u8,
        body: &[u8],
        fd: Option<BorrowedFd<'_>>,
    ) -> Result<(), SuccessionError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.send_published()?;
        self.line.send(kind, body, fd, Instant::now() + PROMPT)
    }

    /// Sends a record of the begin. What is published comes behind it.
    pub(crate) fn send_first(&self, kind: u8, body: &[u8]) -> Result<(), SuccessionError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.line.send(kind, body, None, Instant::now() + PROMPT)
    }

    /// The new process is about to accept: whoever comes to it is to hear what is published in the
    /// old one from then on.
    pub(crate) fn ask_for_lane(&self) -> Result<(), SuccessionError> {
        self.send_first(wire::LANE, &wire::lane(self.handle.bus_prefix()))?;
        match self.line.receive(Instant::now() + PROMPT)?.kind {
            wire::LANE => Ok(()),
            _ => Err(SuccessionError::Malformed("no answer")),
        }
    }

    /// Sends what is published until the lane closes. A thread of its own.
    pub(crate) fn pump(&self) {
        while self.handle.crossings().wait(self.lane(), LOOK) {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            if self.send_published().is_err() {
                break;
            }
        }
        self.hang_up();
    }

    fn send_published(&self) -> Result<(), SuccessionError> {
        for out in self.handle.crossings().take(self.lane()) {
            let body = wire::published(&out);
            let mut rest = &body[..];
            while let Some((part, behind)) = rest.split_at_checked(PART) {
                self.line.send(wire::PART, part, None, Instant::now() + PROMPT)?;
                rest = behind;
            }
            self.line.send(wire::PUBLISHED, rest, None, Instant::now() + PROMPT)?;
        }
        Ok(())
    }

    /// The next record that is none of what is published; that is delivered. Waits as long as
    /// `goes_on`.
    pub(crate) fn receive(
        &self,
        within: Duration,
        mut goes_on: impl FnMut() -> bool,
    ) -> Result<Record, SuccessionError> {
        loop {
            while goes_on() && !self.line.has_some(Instant::now() + LOOK) {}
            if !goes_on() {
                return Err(SuccessionError::Stopped);
            }
            let record = self.line.receive(Instant::now() + within)?;
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            match (record.kind, record.fd.is_some()) {
                (wire::PART, false) => begun.extend_from_slice(&record.body),
                (wire::PUBLISHED, false) if begun.is_empty() => self.deliver(&record.body)?,
                (wire::PUBLISHED, false) => {
                    begun.extend_from_slice(&record.body);
                    self.deliver(&std::mem::take(&mut *begun))?;
                }
                _ if !begun.is_empty() => {
                    return Err(SuccessionError::Malformed("a record inside another"));
                }
                _ => return Ok(record),
            }
        }
    }

    /// A reactor that has no room for it is waited for: so whoever publishes too much in the other
    /// process is told so there.
    fn deliver(&self, body: &[u8]) -> Result<(), SuccessionError> {
        let said = wire::read_published(body)?;
        if said.number != self.handle.crossings().upcoming(self.lane()) {
            return Err(SuccessionError::Malformed("published out of order"));
        }
        let from = CrossedFrom { lane: self.lane(), except: said.except };
        loop {
            match self.handle.publish_crossed(from, said.topic, &said.message, said.manner) {
                Err(CallError::MailboxFull | CallError::BusFull) if !self.is_over() => {
                    std::thread::sleep(AGAIN);
                }
                _ => return Ok(()),
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Nothing is said any more from either end; what was said before is still heard.
    pub(crate) fn hang_up(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.line.shut_down();
        self.handle.crossings().mute(self.lane());
    }

    /// What is published is this process's again.
    pub(crate) fn close(&self) {
        self.handle.crossings().close(self.lane());
    }

    /// A thread that ends before the scope does.
    pub(crate) fn spawn<'scope>(
        scope: &'scope Scope<'scope, '_>,
        run: impl FnOnce() + Send + 'scope,
    ) -> Result<(), SuccessionError> {
        let thread = || Builder::new().name("rws-pass".into()).spawn_scoped(scope, run);
        match signals::blocked(thread) {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(SuccessionError::System(Errno::from_io_error(&error).unwrap_or(Errno::AGAIN)))
            }
        }
    }
}
