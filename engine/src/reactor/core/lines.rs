//! Who waits for the end of somebody's message.
//!
//! The frames of a message that is sent in fragments must not be mixed with other messages
//! (RFC 6455 §5.4). A message belongs to the sender that began it; until it has ended, what others
//! send to the connection waits in line beside it, each sender's in its order.

use super::mail::Sender;
use super::mailbox::Weigh;
use super::name::Conn;
use std::collections::{HashMap, VecDeque};

/// What waits of one sender, numbered in the order of arrival. Never nothing.
struct Waiter<M> {
    sender: Sender,
    mails: VecDeque<(u64, M)>,
}

/// Who is in the middle of a message on one connection, and who waits.
pub(crate) struct Line<M> {
    pub(crate) speaker: Sender,
    waiting: Vec<Waiter<M>>,
    arrivals: u64,
    /// What it counts against the limit of the queue.
    pub(crate) bytes: usize,
}

impl<M: Weigh> Line<M> {
    pub(crate) fn new(speaker: Sender) -> Self {
        Self { speaker, waiting: Vec::new(), arrivals: 0, bytes: 0 }
    }

    pub(crate) fn waits(&self, sender: Sender) -> bool {
        self.waiting.iter().any(|waiter| waiter.sender == sender)
    }

    pub(crate) fn push(&mut self, sender: Sender, mail: M) {
        self.bytes += mail.weight();
        let arrival = (self.arrivals, mail);
        self.arrivals += 1;
        match self.waiting.iter_mut().find(|waiter| waiter.sender == sender) {
            Some(waiter) => waiter.mails.push_back(arrival),
            None => self.waiting.push(Waiter { sender, mails: VecDeque::from([arrival]) }),
        }
    }

    /// What came first: of one sender, or of all.
    pub(crate) fn pop(&mut self, of: Option<Sender>) -> Option<(Sender, M)> {
        let arrival = |waiter: &Waiter<M>| waiter.mails.front().map(|(arrival, _)| *arrival);
        let mut waiting = self.waiting.iter().enumerate();
        let (at, _) = match of {
            Some(sender) => waiting.find(|(_, waiter)| waiter.sender == sender)?,
            None => waiting.min_by_key(|(_, waiter)| arrival(waiter))?,
        };
        let Waiter { sender, mails } = self.waiting.get_mut(at)?;
        let (sender, (_, mail)) = (*sender, mails.pop_front()?);
        if mails.is_empty() {
            self.waiting.swap_remove(at);
        }
        self.bytes -= mail.weight();
        Some((sender, mail))
    }

    /// How many wait: of that sender, and of others.
    pub(crate) fn waiting(&self, of: Sender) -> (usize, usize) {
        let sum = |ours| {
            let waiters = self.waiting.iter().filter(|waiter| (waiter.sender == of) == ours);
            waiters.map(|waiter| waiter.mails.len()).sum()
        };
        (sum(true), sum(false))
    }
}

/// The lines of a reactor: of connections in the middle of a message that mail has begun, or that
/// mail waits for.
pub(crate) struct Lines<M>(pub(crate) HashMap<Conn, Line<M>>);

impl<M> Default for Lines<M> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<M: Weigh> Lines<M> {
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What waits for a connection.
    pub(crate) fn bytes(&self, conn: Conn) -> usize {
        if self.is_empty() { 0 } else { self.0.get(&conn).map_or(0, |line| line.bytes) }
    }
}
