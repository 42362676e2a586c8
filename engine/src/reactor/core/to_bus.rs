//! What the reactors have for the bus to other machines.
//!
//! Whoever publishes puts the message here under the lock of its topic, so what is published on a
//! topic goes out in the order in which members here get it. The bus's thread takes it from here.

use super::mail::Publication;
use super::mailbox::{Mailbox, Weigh};
use super::name::CallError;
use crate::bus::{Name, Number};
use crate::conn::SendError;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// For the bus's thread.
pub(crate) enum BusMail {
    /// A message was published and has this number.
    Published { topic: Name, number: Number, what: Arc<Publication> },
    /// A topic has got its first member on this engine, or lost its last one.
    Interest { topic: Name, on: bool },
    /// All reactors have ended.
    Stop,
}

impl Weigh for BusMail {
    fn weight(&self) -> usize {
        match self {
            Self::Published { topic, what, .. } => weight(topic, what),
            _ => size_of::<Self>(),
        }
    }
}

fn weight(topic: &[u8], what: &Publication) -> usize {
    size_of::<BusMail>() + topic.len() + what.message.payload().len()
}

/// Wakes whoever reads it.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// What the reactors have for the bus.
pub(crate) struct ToBus {
    mails: Mailbox<BusMail>,
    /// Topics that begin with these bytes cross machines; others stay here.
    prefix: Box<[u8]>,
    /// What is published goes out; else it has a number and stays here.
    up: AtomicBool,
    /// Bytes of a message.
    payload_max: AtomicUsize,
    wake: OnceLock<Wake>,
    /// All reactors have ended.
    stopping: AtomicBool,
}

impl ToBus {
    pub(crate) fn new(prefix: &[u8], bytes_max: usize) -> Self {
        let mails = Mailbox::new(bytes_max);
        mails.open();
        Self {
            mails,
            prefix: prefix.into(),
            up: AtomicBool::new(false),
            payload_max: AtomicUsize::new(usize::MAX),
            wake: OnceLock::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// How the names of topics begin that cross machines.
    pub(crate) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Whether the topic crosses machines.
    pub(crate) fn carries(&self, topic: &[u8]) -> bool {
        topic.starts_with(&self.prefix)
    }

    /// Whether a message is of a size and kind that crosses machines.
    pub(crate) fn check(&self, what: &Publication) -> Result<bool, CallError> {
        let message = &what.message;
        match message.payload().len() > self.payload_max.load(Ordering::Relaxed) {
            // Pings are between two ends of a connection.
            _ if message.opcode().is_control() => Ok(false),
            true => Err(SendError::TooBig.into()),
            false => Ok(true),
        }
    }

    /// Keeps room for a message. `false`: the bus is down, and it stays here.
    pub(crate) fn reserve(&self, topic: &[u8], what: &Publication) -> Result<bool, CallError> {
        if !self.up.load(Ordering::Acquire) {
            return Ok(false);
        }
        match self.mails.reserve(weight(topic, what)) {
            Err(CallError::MailboxFull) => Err(CallError::BusFull),
            // It has ended.
            Err(_) => Ok(false),
            Ok(()) => Ok(true),
        }
    }

    /// Puts it in; whether somebody must then [wake](Self::wake) the bus, which is left to the
    /// caller because members of this engine come first.
    #[must_use]
    pub(crate) fn put(&self, topic: Name, number: Number, what: Arc<Publication>) -> bool {
        self.mails.push_reserved(BusMail::Published { topic, number, what }) == Ok(true)
    }

    pub(crate) fn interest(&self, topic: &Name, on: bool) {
        if self.carries(topic) {
            let topic = Name::clone(topic);
            self.wake_if(self.mails.push_anyway(BusMail::Interest { topic, on }));
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.wake_if(self.mails.push_anyway(BusMail::Stop));
    }

    /// Whether [`ToBus::stop`] was called, wherever that stands in line.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn wake_if(&self, put: Result<bool, CallError>) {
        if put == Ok(true) {
            self.wake();
        }
    }

    /// There is something for it.
    pub(crate) fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    /// Who is woken when there is something, and now: what came before has woken nobody. The first
    /// one counts.
    pub(crate) fn on_wake(&self, wake: Wake) {
        let _ = self.wake.set(wake);
        self.wake();
    }

    /// Moves all of it behind what is in `into`.
    pub(crate) fn take(&self, into: &mut VecDeque<BusMail>) {
        self.mails.take(into);
    }

    /// It takes no more.
    pub(crate) fn close(&self) {
        self.mails.close(&mut VecDeque::new());
    }

    /// What is published from now on goes out, or not.
    pub(crate) fn set_up(&self, payload_max: Option<usize>) {
        if let Some(max) = payload_max {
            self.payload_max.store(max, Ordering::Relaxed);
        }
        self.up.store(payload_max.is_some(), Ordering::Release);
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.mails.bytes()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }
}
