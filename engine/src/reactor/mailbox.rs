//! What other threads ask of a reactor, and how it is woken for it.

use super::ctx::Context;
use super::dials::Found;
use super::name::{CallError, Conn};
use super::target::Target;
use crate::buffer::Outgoing;
use crate::conn::SendFlags;
use crate::proto::{CloseCode, Opcode};
use crate::ring::Token;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Work for a reactor's thread.
pub(super) type Job = Box<dyn FnOnce(&mut Context) + Send>;

/// A call on a connection, or a job, on its way to the reactor that owns it.
pub(super) enum Mail {
    Frame { conn: Conn, opcode: Opcode, payload: Box<[u8]>, flags: SendFlags },
    Message { conn: Conn, message: Outgoing },
    Close { conn: Conn, code: CloseCode, reason: Box<str> },
    Abort { conn: Conn },
    Pause { conn: Conn, paused: bool },
    SetUser { conn: Conn, user: usize },
    Connect(Arc<Target>),
    Resolved { dial: Token, found: Found },
    Job(Job),
}

impl Mail {
    /// What it counts against the mailbox's limit: its payload and its own size.
    fn weight(&self) -> usize {
        let payload = match self {
            Self::Frame { payload, .. } => payload.len(),
            Self::Message { message, .. } => message.payload().len(),
            _ => 0,
        };
        payload + size_of::<Self>()
    }
}

/// Many senders, one reader. Order is kept per sender.
pub(super) struct Mailbox {
    /// Something was put in since the reader last looked: later senders need not wake it.
    notified: AtomicBool,
    queue: Mutex<Queue>,
    bytes_max: usize,
}

struct Queue {
    mails: Vec<Mail>,
    bytes: usize,
    open: bool,
}

impl Mailbox {
    /// Closed until `open`.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            notified: AtomicBool::new(false),
            queue: Mutex::new(Queue { mails: Vec::new(), bytes: 0, open: false }),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic runs under the lock; a poisoned one is still consistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self) {
        self.lock().open = true;
    }

    /// Puts one in; `Ok(true)` when the reader must be woken.
    pub(super) fn push(&self, mail: Mail) -> Result<bool, CallError> {
        let weight = mail.weight();
        let mut queue = self.lock();
        if !queue.open {
            return Err(CallError::Stopped);
        }
        if queue.bytes + weight > self.bytes_max {
            return Err(CallError::MailboxFull);
        }
        queue.bytes += weight;
        queue.mails.push(mail);
        drop(queue);
        Ok(!self.notified.swap(true, Ordering::AcqRel))
    }

    /// Moves all mail into `into` (empty, with capacity from the last time).
    pub(super) fn take(&self, into: &mut Vec<Mail>) {
        // The flag goes down before the queue is read: mail that comes in between wakes again.
        if self.notified.load(Ordering::Relaxed) && self.notified.swap(false, Ordering::AcqRel) {
            let mut queue = self.lock();
            std::mem::swap(&mut queue.mails, into);
            queue.bytes = 0;
        }
    }

    /// Refuses mail from now on and moves what is there into `into`.
    pub(super) fn close(&self, into: &mut Vec<Mail>) {
        let mut queue = self.lock();
        queue.open = false;
        queue.bytes = 0;
        std::mem::swap(&mut queue.mails, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn abort(bits: u64) -> Mail {
        Mail::Abort { conn: Conn::from_bits(bits) }
    }

    #[test]
    fn wakes_once_per_look_and_keeps_order() {
        let mailbox = Mailbox::new(1 << 20);
        assert_eq!(mailbox.push(abort(1)), Err(CallError::Stopped));
        mailbox.open();
        assert_eq!(mailbox.push(abort(1)), Ok(true));
        assert_eq!(mailbox.push(abort(2)), Ok(false));
        let mut mails = Vec::new();
        mailbox.take(&mut mails);
        let bits: Vec<u64> = mails
            .drain(..)
            .map(|mail| match mail {
                Mail::Abort { conn } => conn.to_bits(),
                _ => 0,
            })
            .collect();
        assert_eq!(bits, [1, 2]);
        assert_eq!(mailbox.push(abort(3)), Ok(true));
        mailbox.close(&mut mails);
        assert_eq!(mails.len(), 1);
        assert_eq!(mailbox.push(abort(4)), Err(CallError::Stopped));
    }

    #[test]
    fn is_bounded_by_bytes() {
        let mailbox = Mailbox::new(10 * size_of::<Mail>());
        mailbox.open();
        let refused = (0..20).find(|&bits| mailbox.push(abort(bits)).is_err());
        assert_eq!(refused, Some(10));
        mailbox.take(&mut Vec::new());
        assert!(mailbox.push(abort(1)).is_ok());
    }
}
