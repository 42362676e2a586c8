//! How mail gets from many threads to one reactor, and when that must be woken for it.

use super::name::CallError;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of mail that may wait for one reactor.
pub(crate) const MAIL_MAX: usize = 64 << 20;

/// Queues up to here are not worth giving back.
const KEPT: usize = 1024;

/// What counts against the limit of whatever holds it.
pub(crate) trait Weigh {
    /// In bytes.
    fn weight(&self) -> usize;

    /// Whether it was published on a topic.
    fn is_published(&self) -> bool {
        false
    }

    /// Whether it may call the application, and so must not be carried out inside a callback.
    fn runs_alone(&self) -> bool {
        false
    }
}

/// Many senders, one reader. Order is kept per sender.
pub(crate) struct Mailbox<M> {
    /// Something was put in since the reader last looked: later senders need not wake it.
    notified: AtomicBool,
    queue: Mutex<Queue<M>>,
    bytes_max: usize,
}

struct Queue<M> {
    mails: VecDeque<M>,
    bytes: usize,
    /// Room that is kept for mail that will come.
    reserved: usize,
    /// Those of `mails` that were published.
    published: usize,
    open: bool,
}

impl<M: Weigh> Queue<M> {
    fn admit(&self, weight: usize, bytes_max: usize) -> Result<(), CallError> {
        let taken = self.bytes + self.reserved;
        match self.open {
            false => Err(CallError::Stopped),
            true if taken > 0 && taken + weight > bytes_max => Err(CallError::MailboxFull),
            true => Ok(()),
        }
    }

    fn put(&mut self, mail: M, weight: usize) {
        self.bytes += weight;
        self.published += usize::from(mail.is_published());
        self.mails.push_back(mail);
    }

    /// Moves all of it behind what is there; how much of it was published.
    fn take(&mut self, into: &mut VecDeque<M>) -> usize {
        match into.is_empty() {
            true => std::mem::swap(&mut self.mails, into),
            false => into.append(&mut self.mails),
        }
        self.bytes = 0;
        std::mem::take(&mut self.published)
    }
}

impl<M: Weigh> Mailbox<M> {
    /// Closed until `open`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            notified: AtomicBool::new(false),
            queue: Mutex::new(Queue {
                mails: VecDeque::new(),
                bytes: 0,
                reserved: 0,
                published: 0,
                open: false,
            }),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<M>> {
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
    pub(crate) fn push(&self, mail: M) -> Result<bool, CallError> {
        self.push_after(mail, || ())
    }

    /// The same; calls `taken` once it is certain to be taken, before the reader can have it.
    pub(crate) fn push_after(&self, mail: M, taken: impl FnOnce()) -> Result<bool, CallError> {
        let weight = mail.weight();
        let mut queue = self.lock();
        queue.admit(weight, self.bytes_max)?;
        taken();
        queue.put(mail, weight);
        drop(queue);
        Ok(!self.notified.swap(true, Ordering::AcqRel))
    }

    /// As [`Mailbox::push`], whatever waits there already: for what is little, rare, and must come.
    pub(crate) fn push_anyway(&self, mail: M) -> Result<bool, CallError> {
        let weight = mail.weight();
        let mut queue = self.lock();
        if !queue.open {
            return Err(CallError::Stopped);
        }
        queue.put(mail, weight);
        drop(queue);
        Ok(!self.notified.swap(true, Ordering::AcqRel))
    }

    /// Puts in what `as_mail` makes of a thing, or gives the thing back.
    pub(crate) fn offer<T>(
        &self,
        thing: T,
        weight: usize,
        as_mail: impl FnOnce(T) -> M,
    ) -> Result<bool, (CallError, T)> {
        let mut queue = self.lock();
        if let Err(error) = queue.admit(weight, self.bytes_max) {
            return Err((error, thing));
        }
        queue.put(as_mail(thing), weight);
        drop(queue);
        Ok(!self.notified.swap(true, Ordering::AcqRel))
    }

    /// Keeps room for mail of that weight: for what is put into several mailboxes or into none.
    pub(crate) fn reserve(&self, weight: usize) -> Result<(), CallError> {
        let mut queue = self.lock();
        queue.admit(weight, self.bytes_max)?;
        queue.reserved += weight;
        Ok(())
    }

    /// Gives that room back.
    pub(crate) fn give_up(&self, weight: usize) {
        self.lock().reserved -= weight;
    }

    /// Puts one in for which room is kept: only a mailbox that was closed meanwhile refuses it.
    pub(crate) fn push_reserved(&self, mail: M) -> Result<bool, CallError> {
        let weight = mail.weight();
        let mut queue = self.lock();
        queue.reserved -= weight;
        if !queue.open {
            return Err(CallError::Stopped);
        }
        queue.put(mail, weight);
        drop(queue);
        Ok(!self.notified.swap(true, Ordering::AcqRel))
    }

    /// Moves all mail behind what is in `into` (mostly nothing, with capacity from the last time).
    /// How much of it was published.
    pub(crate) fn take(&self, into: &mut VecDeque<M>) -> usize {
        // The flag goes down before the queue is read: mail that comes in between wakes again.
        if self.notified.load(Ordering::Relaxed) && self.notified.swap(false, Ordering::AcqRel) {
            return self.lock().take(into);
        }
        0
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Gives back the memory of a burst, down to what `needed` at once takes. `true` while there is
    /// more than is worth keeping.
    pub(crate) fn trim(&self, needed: usize) -> bool {
        trim(&mut self.lock().mails, needed)
    }

    /// Refuses mail from now on; otherwise as [`Mailbox::take`].
    pub(crate) fn close(&self, into: &mut VecDeque<M>) -> usize {
        let mut queue = self.lock();
        queue.open = false;
        queue.take(into)
    }
}

/// Gives back what a queue has beyond `needed`. `true` while that is more than is worth keeping.
pub(crate) fn trim<M>(mails: &mut VecDeque<M>, needed: usize) -> bool {
    if is_large(mails) {
        mails.shrink_to(needed.max(KEPT));
    }
    is_large(mails)
}

/// Whether a queue has more than is worth keeping.
#[inline]
pub(crate) fn is_large<M>(mails: &VecDeque<M>) -> bool {
    mails.capacity() > KEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a number, and so heavy.
    #[derive(Debug, PartialEq, Eq)]
    struct Letter(u64, usize);

    impl Weigh for Letter {
        fn weight(&self) -> usize {
            self.1
        }
    }

    fn letter(number: u64) -> Letter {
        Letter(number, 50)
    }

    #[test]
    fn wakes_once_per_look_and_keeps_order() {
        let mailbox = Mailbox::new(1 << 20);
        assert_eq!(mailbox.push(letter(1)), Err(CallError::Stopped));
        mailbox.open();
        assert_eq!(mailbox.push(letter(1)), Ok(true));
        assert_eq!(mailbox.push(letter(2)), Ok(false));
        let mut mails = VecDeque::new();
        mailbox.take(&mut mails);
        assert_eq!(mails.drain(..).map(|letter| letter.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(mailbox.push(letter(3)), Ok(true));
        mailbox.close(&mut mails);
        assert_eq!(mails, [letter(3)]);
        assert_eq!(mailbox.push(letter(4)), Err(CallError::Stopped));
    }

    #[test]
    fn is_bounded_by_weight() {
        let mailbox = Mailbox::new(500);
        mailbox.open();
        let refused = (0..20).find(|&number| mailbox.push(letter(number)).is_err());
        assert_eq!(refused, Some(10));
        mailbox.take(&mut VecDeque::new());
        assert!(mailbox.push(letter(1)).is_ok());
    }

    #[test]
    fn one_of_any_weight_finds_room_in_an_empty_mailbox() {
        let mailbox = Mailbox::new(1000);
        mailbox.open();
        let heavy = || Letter(0, 5000);
        assert_eq!(mailbox.push(heavy()), Ok(true));
        assert_eq!(mailbox.push(heavy()), Err(CallError::MailboxFull));
        assert_eq!(mailbox.push(letter(1)), Err(CallError::MailboxFull), "it holds others back");
        mailbox.take(&mut VecDeque::new());
        assert_eq!(mailbox.push(heavy()), Ok(true));
    }

    #[test]
    fn room_that_is_kept_is_nobody_elses() {
        let mailbox = Mailbox::new(500);
        assert_eq!(mailbox.reserve(50), Err(CallError::Stopped));
        mailbox.open();
        (0..9).for_each(|_| mailbox.reserve(50).unwrap());
        assert!(mailbox.push(letter(1)).is_ok());
        assert_eq!(mailbox.push(letter(2)), Err(CallError::MailboxFull));
        assert_eq!(mailbox.reserve(50), Err(CallError::MailboxFull));
        mailbox.give_up(50);
        let mut mails = VecDeque::new();
        mailbox.take(&mut mails);
        assert!((0..2).all(|_| mailbox.push(letter(3)).is_ok()));
        assert_eq!(mailbox.push(letter(4)), Err(CallError::MailboxFull), "that of 8 is still kept");
        assert_eq!(mailbox.push_reserved(letter(5)), Ok(false));
        mailbox.take(&mut mails);
        let came: Vec<u64> = mails.drain(..).map(|letter| letter.0).collect();
        assert_eq!(came, [1, 3, 3, 5], "behind what was there");
        mailbox.close(&mut mails);
        assert_eq!(mailbox.push_reserved(letter(6)), Err(CallError::Stopped));
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        let mailbox = Mailbox::new(1 << 30);
        mailbox.open();
        let mut mails = VecDeque::new();
        for _ in 0..2 {
            assert!((0..100_000).all(|number| mailbox.push(letter(number)).is_ok()));
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
