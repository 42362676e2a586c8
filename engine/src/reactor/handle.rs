//! The engine as other threads see it.

use super::ctx::Context;
use super::mailbox::{Mail, Mailbox};
use super::name::{CallError, Conn};
use super::stats::{Counters, Stats};
use super::target::{Target, TargetError};
use crate::buffer::Outgoing;
use crate::conn::{SendError, SendFlags};
use crate::proto::{CloseCode, Opcode, utf8};
use crate::ring::Waker;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of mail that may wait for one reactor.
const MAILBOX_MAX: usize = 64 << 20;

/// What all threads of an engine share.
pub(crate) struct Shared {
    pub(super) mailboxes: Vec<Mailbox>,
    pub(crate) wakers: Arc<[Waker]>,
    pub(crate) counters: Vec<Arc<Counters>>,
    /// 0 while running, else 1 + the grace in milliseconds.
    stop: AtomicU64,
    /// Which reactor gets the next connection.
    next: AtomicU32,
}

/// The engine as other threads see it. Calls are queued to the reactor that owns the connection;
/// order is kept per calling thread. Never blocks for long; wakes the reactor once per batch.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Shared>);

impl Handle {
    /// For `wakers.len()` reactors, none of which takes mail yet.
    pub(crate) fn new(wakers: Arc<[Waker]>) -> Self {
        let reactors = wakers.len();
        Self(Arc::new(Shared {
            mailboxes: (0..reactors).map(|_| Mailbox::new(MAILBOX_MAX)).collect(),
            counters: (0..reactors).map(|_| Arc::default()).collect(),
            wakers,
            stop: AtomicU64::new(0),
            next: AtomicU32::new(0),
        }))
    }

    /// Queues one frame. `Ok` means handed over: if the connection has gone by then, or refuses
    /// it, it is counted in [`Stats::forward_dropped`].
    ///
    /// # Errors
    /// [`SendError::Utf8`], [`SendError::TooBig`] or [`SendError::Sequence`] for what can be seen
    /// here, [`CallError::Gone`] for a handle of no reactor, [`CallError::MailboxFull`],
    /// [`CallError::Stopped`].
    pub fn send(
        &self,
        conn: Conn,
        opcode: Opcode,
        payload: &[u8],
        flags: SendFlags,
    ) -> Result<(), CallError> {
        if opcode == Opcode::Close {
            return Err(SendError::Sequence.into());
        }
        if opcode.is_control() && payload.len() > 125 || u32::try_from(payload.len()).is_err() {
            return Err(SendError::TooBig.into());
        }
        // Fragments are checked where the rest of the message is known.
        if opcode == Opcode::Text && !flags.more && utf8::check(payload).is_err() {
            return Err(SendError::Utf8.into());
        }
        self.mail(conn, Mail::Frame { conn, opcode, payload: payload.into(), flags })
    }

    /// Queues a message framed before, by reference. As [`Handle::send`].
    ///
    /// # Errors
    /// As [`Handle::send`].
    pub fn send_message(&self, conn: Conn, message: &Outgoing) -> Result<(), CallError> {
        self.mail(conn, Mail::Message { conn, message: message.clone() })
    }

    /// Begins the closing handshake.
    ///
    /// # Errors
    /// [`SendError::Sequence`] for a code that must not be sent, [`SendError::TooBig`] for a reason
    /// over 123 bytes, otherwise as [`Handle::send`].
    pub fn close(&self, conn: Conn, code: CloseCode, reason: &str) -> Result<(), CallError> {
        if !code.is_sendable() {
            return Err(SendError::Sequence.into());
        }
        if reason.len() > 123 {
            return Err(SendError::TooBig.into());
        }
        self.mail(conn, Mail::Close { conn, code, reason: reason.into() })
    }

    /// Ends the connection without a handshake.
    ///
    /// # Errors
    /// As [`Handle::send`].
    pub fn abort(&self, conn: Conn) -> Result<(), CallError> {
        self.mail(conn, Mail::Abort { conn })
    }

    /// Connects to a server: `on_open` or `on_refused` of its handler follows, on the reactor that
    /// the target names, or on each in turn.
    ///
    /// # Errors
    /// [`TargetError::Limits`], and [`TargetError::Call`] as [`Handle::post`] has it. Nothing
    /// follows then.
    pub fn connect(&self, mut target: Target) -> Result<(), TargetError> {
        target.check()?;
        let turn = || self.0.next.fetch_add(1, Ordering::Relaxed) % self.reactors();
        let reactor = target.reactor.unwrap_or_else(turn);
        Ok(self.put(reactor as usize, Mail::Connect(Arc::new(target)))?)
    }

    /// Runs `job` on a reactor's thread, exactly once if it was taken, at the latest when that
    /// reactor ends.
    ///
    /// # Errors
    /// [`CallError::Gone`] when there is no such reactor, [`CallError::Stopped`] before the start
    /// and after the end, [`CallError::MailboxFull`]. The job is then dropped.
    pub fn post(
        &self,
        reactor: u32,
        job: Box<dyn FnOnce(&mut Context) + Send>,
    ) -> Result<(), CallError> {
        self.put(reactor as usize, Mail::Job(job))
    }

    /// Begins to stop: no accept, Close 1001 to all, the rest aborted after `grace`.
    /// Async-signal-safe: an atomic store, and a `write` per reactor.
    pub fn stop(&self, grace: Duration) {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX).min(u64::MAX - 1);
        self.0.stop.store(1 + grace_ms, Ordering::Release);
        for waker in self.0.wakers.iter() {
            waker.wake();
        }
    }

    /// Number of reactors.
    pub fn reactors(&self) -> u32 {
        self.0.wakers.len() as u32
    }

    /// The counters of one reactor, or the sum of all with `None`. `None` when there is no such
    /// reactor.
    pub fn stats(&self, reactor: Option<u32>) -> Option<Stats> {
        if let Some(index) = reactor {
            return Some(self.0.counters.get(index as usize)?.snapshot());
        }
        let mut sum = Stats::default();
        self.0.counters.iter().for_each(|counters| sum += counters.snapshot());
        Some(sum)
    }

    pub(crate) fn wakers(&self) -> Arc<[Waker]> {
        Arc::clone(&self.0.wakers)
    }

    /// The grace of a stop that was asked for, in milliseconds.
    pub(super) fn stopping(&self) -> Option<u64> {
        self.0.stop.load(Ordering::Acquire).checked_sub(1)
    }

    fn mail(&self, conn: Conn, mail: Mail) -> Result<(), CallError> {
        self.put(conn.reactor() as usize, mail)
    }

    pub(super) fn put(&self, reactor: usize, mail: Mail) -> Result<(), CallError> {
        let mailbox = self.0.mailboxes.get(reactor).ok_or(CallError::Gone)?;
        if mailbox.push(mail)? {
            self.0.wakers[reactor].wake();
        }
        Ok(())
    }
}
