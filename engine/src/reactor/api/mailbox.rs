//! What other threads ask of a reactor, and how it is woken for it.

use crate::buffer::Outgoing;
use crate::conn::SendFlags;
use crate::proto::{CloseCode, Opcode};
use crate::reactor::api::context::Context;
use crate::reactor::client::dials::Found;
use crate::reactor::client::target::Target;
use crate::reactor::core::name::{CallError, Conn, DialId};
use crate::ring::Token;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Work for a reactor's thread.
pub(crate) type Job = Box<dyn FnOnce(&mut Context) + Send>;

/// Who calls, and may expect that his calls keep their order: a reactor by its number, any other
/// thread by one of its own.
pub(crate) type Sender = u32;

/// Queues up to here are not worth giving back.
const KEPT: usize = 1024;

/// A call on a connection, or a job, on its way to the reactor that owns it.
pub(crate) enum Mail {
    Frame { conn: Conn, sender: Sender, opcode: Opcode, payload: Box<[u8]>, flags: SendFlags },
    Message { conn: Conn, sender: Sender, message: Outgoing },
    Close { conn: Conn, sender: Sender, code: CloseCode, reason: Box<str> },
    Abort { conn: Conn },
    Pause { conn: Conn, paused: bool },
    SetUser { conn: Conn, user: usize },
    Connect(DialId, Arc<Target>),
    CancelConnect(DialId),
    Resolved { dial: Token, found: Found },
    Job(Job),
}

impl Mail {
    /// What it counts against the mailbox's limit: its payload and its own size.
    pub(crate) fn weight(&self) -> usize {
        self.payload_len() + size_of::<Self>()
    }

    /// Bytes to be sent with it.
    pub(crate) fn payload_len(&self) -> usize {
        match self {
            Self::Frame { payload, .. } => payload.len(),
            Self::Message { message, .. } => message.payload().len(),
            _ => 0,
        }
    }

    /// What it sends, if that is a frame of a message or a control frame of the application.
    pub(crate) fn opcode(&self) -> Option<Opcode> {
        match self {
            Self::Frame { opcode, .. } => Some(*opcode),
            Self::Message { message, .. } => Some(message.opcode()),
            _ => None,
        }
    }
}

/// Many senders, one reader. Order is kept per sender.
pub(crate) struct Mailbox {
    /// Something was put in since the reader last looked: later senders need not wake it.
    notified: AtomicBool,
    queue: Mutex<Queue>,
    bytes_max: usize,
}

struct Queue {
    mails: VecDeque<Mail>,
    bytes: usize,
    open: bool,
}

impl Mailbox {
    /// Closed until `open`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            notified: AtomicBool::new(false),
            queue: Mutex::new(Queue { mails: VecDeque::new(), bytes: 0, open: false }),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic runs under the lock; a poisoned one is still consistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self) {
        self.lock().open = true;
    }

    /// Whether something was put in since the reader last looked.
    #[inline(always)]
    pub(crate) fn has_some(&self) -> bool {
        self.notified.load(Ordering::Relaxed)
    }

    /// Puts one in; `Ok(true)` when the reader must be woken. One always finds room where there is
    /// none, however large it is.
    pub(crate) fn push(&self, mail: Mail) -> Result<bool, CallError> {
        self.push_after(mail, || ())
    }

    /// The same; calls `taken` once it is certain to be taken, before the reader can have it.
    pub(crate) fn push_after(&self, mail: Mail, taken: impl FnOnce()) -> Result<bool, CallError> {
        let weight = mail.weight();
        let mut queue = self.lock();
        if !queue.open {
            return Err(CallError::Stopped);
        }
        if queue.bytes > 0 && queue.bytes + weight > self.bytes_max {
            return Err(CallError::MailboxFull);
        }
        taken();
        queue.bytes += weight;
        queue.mails.push_back(mail);
        drop(queue);
        Ok(!self.notified.swap(true, Ordering::AcqRel))
    }

    /// Moves all mail into `into` (empty, with capacity from the last time).
    pub(crate) fn take(&self, into: &mut VecDeque<Mail>) {
        // The flag goes down before the queue is read: mail that comes in between wakes again.
        if self.notified.load(Ordering::Relaxed) && self.notified.swap(false, Ordering::AcqRel) {
            let mut queue = self.lock();
            std::mem::swap(&mut queue.mails, into);
            queue.bytes = 0;
        }
    }

    /// Gives back the memory of a burst, down to what `needed` at once takes. `true` while there is
    /// more than is worth keeping.
    pub(crate) fn trim(&self, needed: usize) -> bool {
        trim(&mut self.lock().mails, needed)
    }

    /// Refuses mail from now on and moves what is there into `into`.
    pub(crate) fn close(&self, into: &mut VecDeque<Mail>) {
        let mut queue = self.lock();
        queue.open = false;
        queue.bytes = 0;
        std::mem::swap(&mut queue.mails, into);
    }
}

/// Gives back what a queue has beyond `needed`. `true` while that is more than is worth keeping.
pub(crate) fn trim(mails: &mut VecDeque<Mail>, needed: usize) -> bool {
    if is_large(mails) {
        mails.shrink_to(needed.max(KEPT));
    }
    is_large(mails)
}

/// Whether a queue has more than is worth keeping.
#[inline]
pub(crate) fn is_large(mails: &VecDeque<Mail>) -> bool {
    mails.capacity() > KEPT
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
        let mut mails = VecDeque::new();
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
        mailbox.take(&mut VecDeque::new());
        assert!(mailbox.push(abort(1)).is_ok());
    }

    #[test]
    fn one_of_any_size_finds_room_in_an_empty_mailbox() {
        let mailbox = Mailbox::new(1000);
        mailbox.open();
        let (conn, flags) = (Conn::from_bits(1), SendFlags::default());
        let large = || {
            let payload = vec![0; 5000].into();
            Mail::Frame { conn, sender: 0, opcode: Opcode::Binary, payload, flags }
        };
        assert_eq!(mailbox.push(large()), Ok(true));
        assert_eq!(mailbox.push(large()), Err(CallError::MailboxFull));
        assert_eq!(mailbox.push(abort(1)), Err(CallError::MailboxFull), "it holds others back");
        mailbox.take(&mut VecDeque::new());
        assert_eq!(mailbox.push(large()), Ok(true));
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        let mailbox = Mailbox::new(1 << 30);
        mailbox.open();
        let mut mails = VecDeque::new();
        for _ in 0..2 {
            assert!((0..100_000).all(|bits| mailbox.push(abort(bits)).is_ok()));
            mails.clear();
            mailbox.take(&mut mails);
        }
        mails.clear();
        assert!(is_large(&mails) && mailbox.lock().mails.capacity() >= 100_000);
        assert!(trim(&mut mails, 50_000) && mailbox.trim(50_000), "as much is needed");
        assert!(mails.capacity() < 100_000 && mailbox.lock().mails.capacity() < 100_000);
        assert!(!trim(&mut mails, 10) && !mailbox.trim(10));
    }
}
