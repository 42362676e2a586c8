//! Mail that its reactor has taken out of the mailbox and not yet carried out.

use super::mailbox::{self, Mailbox, Weigh};
use std::collections::VecDeque;

/// What is still to be carried out, in the order in which it came.
pub(crate) struct Inbox<M> {
    /// What had to wait for the end of a callback that needed what came behind it. All of it came
    /// before `mails`.
    held: VecDeque<M>,
    mails: VecDeque<M>,
    /// Those of `mails` that were published.
    published: usize,
}

impl<M> Default for Inbox<M> {
    fn default() -> Self {
        Self { held: VecDeque::new(), mails: VecDeque::new(), published: 0 }
    }
}

impl<M: Weigh> Inbox<M> {
    pub(crate) fn len(&self) -> usize {
        self.held.len() + self.mails.len()
    }

    /// Moves all that is in a mailbox behind what is here.
    #[inline]
    pub(crate) fn take(&mut self, mailbox: &Mailbox<M>) {
        self.published += mailbox.take(&mut self.mails);
    }

    /// The same; the mailbox takes no more.
    pub(crate) fn close(&mut self, mailbox: &Mailbox<M>) {
        self.published += mailbox.close(&mut self.mails);
    }

    /// What came first.
    pub(crate) fn pop(&mut self) -> Option<M> {
        self.held.pop_front().or_else(|| self.pop_mail())
    }

    /// In a callback, which is about to publish: what is to be carried out first, so that all that
    /// was published before goes before. What may not run in a callback is held; the calls of one
    /// sender on connections keep their order.
    pub(crate) fn pop_before_publishing(&mut self) -> Option<M> {
        while self.published > 0 {
            let mail = self.pop_mail()?;
            if !mail.runs_alone() {
                return Some(mail);
            }
            self.held.push_back(mail);
        }
        None
    }

    /// All that may run in a callback: what others have asked for by now is carried out.
    pub(crate) fn pop_what_runs(&mut self) -> Option<M> {
        while let Some(mail) = self.pop_mail() {
            if !mail.runs_alone() {
                return Some(mail);
            }
            self.held.push_back(mail);
        }
        None
    }

    fn pop_mail(&mut self) -> Option<M> {
        let mail = self.mails.pop_front()?;
        self.published -= usize::from(mail.is_published());
        Some(mail)
    }

    /// Gives back the memory of a burst, as [`mailbox::trim`] does.
    pub(crate) fn trim(&mut self, needed: usize) -> bool {
        mailbox::trim(&mut self.held, 0) | mailbox::trim(&mut self.mails, needed)
    }

    /// Whether there is more room than is worth keeping.
    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        mailbox::is_large(&self.mails) || mailbox::is_large(&self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `p`: published; upper case: runs alone.
    #[derive(Debug, PartialEq, Eq)]
    struct Letter(char);

    impl Weigh for Letter {
        fn weight(&self) -> usize {
            1
        }
        fn is_published(&self) -> bool {
            self.0 == 'p'
        }
        fn runs_alone(&self) -> bool {
            self.0.is_uppercase()
        }
    }

    #[test]
    fn what_goes_before_a_publish_overtakes_only_what_runs_alone() {
        let (mailbox, mut inbox) = (Mailbox::new(100), Inbox::default());
        mailbox.open();
        let send = |letters: &str| {
            letters.chars().for_each(|letter| assert!(mailbox.push(Letter(letter)).is_ok()));
        };
        let before = |inbox: &mut Inbox<Letter>| {
            std::iter::from_fn(|| inbox.pop_before_publishing()).map(|l| l.0).collect::<String>()
        };
        send("AbC");
        inbox.take(&mailbox);
        assert_eq!(before(&mut inbox), "", "nothing was published");
        send("pDepFg");
        assert_eq!(before(&mut inbox), "", "nothing was taken");
        inbox.take(&mailbox);
        assert_eq!((before(&mut inbox).as_str(), inbox.len()), ("bpep", 5));
        send("pH");
        inbox.take(&mailbox);
        let rest: String = std::iter::from_fn(|| inbox.pop()).map(|letter| letter.0).collect();
        assert_eq!(rest, "ACDFgpH");
        assert_eq!((inbox.published, inbox.len()), (0, 0));
    }
}
