//! The engine as other threads see it.

use crate::conn::{Cause, SendError, SendFlags};
use crate::memory::Outgoing;
use crate::proto::{CloseCode, Opcode, utf8};
use crate::reactor::api::contract::{Context, Handle, Mail, Shared, Target};
use crate::reactor::client::refusal::TargetError;
use crate::reactor::core::addresses::Addresses;
use crate::reactor::core::budget::Budget;
use crate::reactor::core::directory::{Directory, TopicLimits};
use crate::reactor::core::ending::{Drain, DrainError, Drained, Tally};
use crate::reactor::core::gauge::Gauges;
use crate::reactor::core::later::Laters;
use crate::reactor::core::loads::Loads;
use crate::reactor::core::mail::Sender;
use crate::reactor::core::mailbox::Mailbox;
use crate::reactor::core::name::{CallError, Conn, DialId};
use crate::reactor::core::own::Own;
use crate::ring::Waker;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The lower part of the word that asks for a stop is 1 + the grace in milliseconds, or `DRAIN`;
/// above it each call counts, so that one with the same grace is another.
const GRACE_BITS: u32 = 48;
/// As `Shared::drain` says.
const DRAIN: u64 = (1 << GRACE_BITS) - 1;

/// Numbers below are those of reactors.
static SENDERS: AtomicU32 = AtomicU32::new(1 << 8);

thread_local! {
    /// The reactor whose thread this is.
    static HERE: RefCell<Option<(Handle, u32)>> = const { RefCell::new(None) };
    /// The number of a thread that is no reactor's; 0 while it has none.
    static SENDER: Cell<Sender> = const { Cell::new(0) };
}

/// Whose the thread was before: see [`Handle::enter`].
pub(crate) struct Here(Option<(Handle, u32)>);

impl Drop for Here {
    fn drop(&mut self) {
        let before = self.0.take();
        // Where the thread ends nobody asks any more.
        let _ = HERE.try_with(|here| here.replace(before));
    }
}

impl Handle {
    /// For `wakers.len()` reactors, none of which takes mail yet, and then so many bytes of it.
    pub(crate) fn new(
        wakers: Arc<[Waker]>,
        topics: TopicLimits,
        memory_max: u64,
        mail_max: usize,
    ) -> Self {
        let reactors = wakers.len();
        let counters: Vec<_> = (0..reactors).map(|_| Arc::default()).collect();
        Self(Arc::new(Shared {
            mailboxes: (0..reactors).map(|_| Mailbox::new(mail_max)).collect(),
            owns: (0..reactors).map(|_| Arc::new(Own::new(mail_max))).collect(),
            gauges: (0..reactors).map(|_| Gauges::default()).collect(),
            directory: Directory::new(topics),
            laters: Laters::default(),
            budget: Budget::new(memory_max),
            addresses: Addresses::default(),
            loads: Loads::new(&counters),
            counters,
            adopts: OnceLock::new(),
            wakers,
            stop: AtomicU64::new(0),
            drain: OnceLock::new(),
            tally: Tally::default(),
            left: AtomicU32::new(reactors as u32),
            next: AtomicU32::new(0),
            dials: AtomicU64::new(0),
        }))
    }

    /// Queues one frame. `Ok` means handed over: if the connection has gone by then, is full, or
    /// refuses it otherwise, it is dropped and counted, in `forward_dropped` of
    /// [`Stats`](crate::reactor::Stats) and for the connection. If that was a fragment behind
    /// others, the connection is closed with 1011.
    /// [`Handle::buffered`] tells when to hold back.
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
        let (sender, payload) = (self.sender(), payload.into());
        self.mail(conn, Mail::Frame { conn, sender, opcode, payload, flags })
    }

    /// Queues a message made before, by reference. As [`Handle::send`].
    ///
    /// # Errors
    /// As [`Handle::send`].
    pub fn send_message(&self, conn: Conn, message: &Outgoing) -> Result<(), CallError> {
        self.mail(conn, Mail::Message { conn, sender: self.sender(), message: message.clone() })
    }

    /// Begins the closing handshake.
    ///
    /// # Errors
    /// [`SendError::Sequence`] for a code that must not be sent, or a reason without one,
    /// [`SendError::TooBig`] for a reason over 123 bytes, otherwise as [`Handle::send`].
    pub fn close(&self, conn: Conn, code: CloseCode, reason: &str) -> Result<(), CallError> {
        if !code.can_say(reason) {
            return Err(SendError::Sequence.into());
        }
        if reason.len() > 123 {
            return Err(SendError::TooBig.into());
        }
        let (sender, reason) = (self.sender(), reason.into());
        self.mail(conn, Mail::Close { conn, sender, cause: Cause::Close, code, reason })
    }

    /// Ends the connection without a handshake.
    ///
    /// # Errors
    /// As [`Handle::send`].
    pub fn abort(&self, conn: Conn) -> Result<(), CallError> {
        self.mail(conn, Mail::Abort { conn })
    }

    /// No messages, or messages again, from when the reactor has taken this: as [`Context::pause`]
    /// and [`Context::resume`].
    ///
    /// # Errors
    /// As [`Handle::send`].
    pub fn set_paused(&self, conn: Conn, paused: bool) -> Result<(), CallError> {
        self.mail(conn, Mail::Pause { conn, paused })
    }

    /// Bytes on their way to a connection that gets mail: what waits for its reactor, and what the
    /// connection had queued when the reactor last looked, which it does whenever it takes mail
    /// for the connection, sends for it, or the kernel has taken something. 0 for a connection
    /// that has gone, or was never sent anything by a handle.
    pub fn buffered(&self, conn: Conn) -> usize {
        let gauges = self.0.gauges.get(conn.reactor() as usize);
        gauges.and_then(|gauges| gauges.get(conn)).map_or(0, |gauge| gauge.read(conn))
    }

    /// Connects to a server: `on_open` or `on_refused` of its handler follows, on the reactor that
    /// the target names, or on each in turn.
    ///
    /// # Errors
    /// [`TargetError::Limits`], and [`TargetError::Call`] as [`Handle::post`] has it. Nothing
    /// follows then.
    pub fn connect(&self, target: Target) -> Result<DialId, TargetError> {
        let mut name = DialId::from_bits(0);
        self.connect_as(target, |dial| name = dial)?;
        Ok(name)
    }

    /// As [`Handle::connect`]. `named` is told the name before anything can follow, and not at all
    /// if nothing does; it must be short.
    ///
    /// # Errors
    /// As [`Handle::connect`].
    pub fn connect_as(
        &self,
        mut target: Target,
        named: impl FnOnce(DialId),
    ) -> Result<(), TargetError> {
        target.check()?;
        let reactor = target.reactor.unwrap_or_else(|| self.next_reactor());
        let dial = self.name_dial(reactor);
        let mail = Mail::Connect(dial, Arc::new(target));
        Ok(self.put_after(reactor as usize, mail, || named(dial))?)
    }

    /// Gives a connect up, and its retries. If it is not open then, and not over, `on_refused`
    /// follows once, as its last callback; if it is open, it stays so, and is not made again.
    ///
    /// # Errors
    /// As [`Handle::post`] has them. A name of something that is over does nothing.
    pub fn cancel_connect(&self, dial: DialId) -> Result<(), CallError> {
        if dial.to_bits() == 0 {
            return Err(CallError::Gone);
        }
        self.put(dial.reactor() as usize, Mail::CancelConnect(dial))
    }

    pub(crate) fn name_dial(&self, reactor: u32) -> DialId {
        DialId::new(reactor, 1 + self.0.dials.fetch_add(1, Ordering::Relaxed))
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

    /// Each reactor's number in turn, for work that any of them may do.
    pub fn next_reactor(&self) -> u32 {
        self.0.next.fetch_add(1, Ordering::Relaxed) % self.reactors()
    }

    /// Begins to stop: no accept, Close 1001 to all, the rest aborted after `grace`. Called again,
    /// the later call decides how long is waited, from then on.
    /// Async-signal-safe: an atomic update, and a `write` per reactor.
    pub fn stop(&self, grace: Duration) {
        let asked = |before| Some(stop_word(before, grace));
        // Never refused: each word has a successor.
        let _ = self.0.stop.fetch_update(Ordering::AcqRel, Ordering::Relaxed, asked);
        self.wake_all();
    }

    /// The same, unless a stop was asked for already.
    pub(crate) fn stop_if_running(&self, grace: Duration) {
        let word = stop_word(0, grace);
        if self.0.stop.compare_exchange(0, word, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.wake_all();
        }
    }

    /// Empties the engine, and stops it: nobody is accepted any more, open connections are served
    /// on for a while, then sent their Close one after the other. A [`Handle::stop`] during that
    /// sends all that are left their Close at once, and its grace takes the place of the deadline.
    ///
    /// # Errors
    /// What [`DrainError`] says; then nothing has changed.
    pub fn drain(&self, how: Drain) -> Result<(), DrainError> {
        how.check()?;
        if self.stop_word() != 0 {
            return Err(DrainError::Stopping);
        }
        self.0.drain.set(Some(how)).map_err(|_| DrainError::Stopping)?;
        // A stop that has come in between hurries this one.
        let word = 1 << GRACE_BITS | DRAIN;
        let _ = self.0.stop.compare_exchange(0, word, Ordering::AcqRel, Ordering::Relaxed);
        self.wake_all();
        Ok(())
    }

    /// The drain that is going on; from the first look on there is one or there never will be.
    pub(crate) fn plan(&self) -> Option<&Drain> {
        self.0.drain.get_or_init(|| None).as_ref()
    }

    /// A reactor has ended, and nothing is left of it. Of the last one: how the drain went, and who
    /// wants to know.
    pub(crate) fn leave(&self) -> Option<(Option<&Drain>, Drained)> {
        let last = self.0.left.fetch_sub(1, Ordering::AcqRel) == 1;
        last.then(|| (self.plan(), self.drained()))
    }

    /// What the reactors that have ended have counted.
    pub(crate) fn drained(&self) -> Drained {
        self.0.tally.sum()
    }

    fn wake_all(&self) {
        self.0.wakers.iter().for_each(Waker::wake);
    }

    /// Number of reactors.
    pub fn reactors(&self) -> u32 {
        self.0.wakers.len() as u32
    }

    pub(crate) fn wakers(&self) -> Arc<[Waker]> {
        Arc::clone(&self.0.wakers)
    }

    /// The stop that was asked for: 0 for none, another word for each call.
    pub(crate) fn stop_word(&self) -> u64 {
        self.0.stop.load(Ordering::Acquire)
    }

    /// This thread is that reactor's for as long as the answer is kept.
    pub(crate) fn enter(&self, reactor: u32) -> Here {
        let entered = Some((self.clone(), reactor));
        Here(HERE.try_with(|here| here.replace(entered)).ok().flatten())
    }

    /// The reactor of this engine whose thread this is.
    pub(crate) fn here(&self) -> Option<u32> {
        let here =
            |(handle, reactor): &(Self, u32)| Arc::ptr_eq(&handle.0, &self.0).then_some(*reactor);
        // Nothing can be sent from a destructor that runs after that of the thread-local.
        HERE.try_with(|entered| entered.borrow().as_ref().and_then(here)).ok().flatten()
    }

    fn sender(&self) -> Sender {
        self.here().unwrap_or_else(|| {
            SENDER.with(|sender| {
                if sender.get() == 0 {
                    sender.set(SENDERS.fetch_add(1, Ordering::Relaxed).max(1 << 8));
                }
                sender.get()
            })
        })
    }

    /// The gauges of a reactor of this engine.
    pub(crate) fn gauges(&self, reactor: u32) -> &Gauges {
        &self.0.gauges[reactor as usize]
    }

    pub(crate) fn mail(&self, conn: Conn, mail: Mail) -> Result<(), CallError> {
        if self.here() == Some(conn.reactor()) {
            return self.gauged(conn, mail, |mail| self.0.owns[conn.reactor() as usize].put(mail));
        }
        if self.push(conn, mail)? {
            self.0.wakers[conn.reactor() as usize].wake();
        }
        Ok(())
    }

    /// Puts mail for a connection into its reactor's box; `true` when that must be woken.
    pub(crate) fn push(&self, conn: Conn, mail: Mail) -> Result<bool, CallError> {
        let mailbox = self.0.mailboxes.get(conn.reactor() as usize).ok_or(CallError::Gone)?;
        self.gauged(conn, mail, |mail| mailbox.push(mail))
    }

    fn gauged<T>(
        &self,
        conn: Conn,
        mail: Mail,
        put: impl FnOnce(Mail) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let bytes = mail.payload_len();
        if bytes == 0 {
            return put(mail);
        }
        let gauge = self.gauges(conn.reactor()).of(conn);
        // Before it can be taken out.
        if let Some(gauge) = gauge {
            gauge.mailed(bytes);
        }
        let done = put(mail);
        if let (Err(_), Some(gauge)) = (&done, gauge) {
            gauge.taken(bytes);
        }
        done
    }

    pub(crate) fn put(&self, reactor: usize, mail: Mail) -> Result<(), CallError> {
        self.put_after(reactor, mail, || ())
    }

    fn put_after(&self, reactor: usize, mail: Mail, taken: impl FnOnce()) -> Result<(), CallError> {
        let mailbox = self.0.mailboxes.get(reactor).ok_or(CallError::Gone)?;
        if mailbox.push_after(mail, taken)? {
            self.0.wakers[reactor].wake();
        }
        Ok(())
    }
}

/// The word that asks for a stop after `before` did.
fn stop_word(before: u64, grace: Duration) -> u64 {
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    let low = grace_ms.min(DRAIN - 2) + 1;
    ((before >> GRACE_BITS) + 1) << GRACE_BITS | low
}

/// The grace that a word asks for, in milliseconds; `None`: it asks for the drain.
pub(crate) fn grace_of(word: u64) -> Option<u64> {
    let low = word & DRAIN;
    (low != DRAIN).then(|| low.saturating_sub(1))
}
