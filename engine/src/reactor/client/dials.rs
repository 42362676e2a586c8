//! The connections that are being made, and the attempts at each.

use crate::reactor::core::arena::Arena;
use crate::reactor::core::mail::Found;
use crate::reactor::core::name::DialId;
use crate::reactor::core::slab::NO_DIAL;
use crate::reactor::core::wheel::NodeId;
use crate::ring::{Errno, Token};
use crate::tick::Tick;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// Looks names up, on threads of its own.
pub trait Resolve: Send + Sync {
    /// Calls `found` once, on any thread, at any time later.
    ///
    /// # Errors
    /// [`Busy`], and `found` is dropped.
    fn resolve(
        &self,
        name: &str,
        port: u16,
        found: Box<dyn FnOnce(Found) + Send>,
    ) -> Result<(), Busy>;
}

/// Too many names are being looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many names are being looked up")]
pub struct Busy;

/// How far a dial is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// For the time of the next try.
    Waiting,
    /// For the addresses of a name.
    Resolving,
    /// Attempts are out.
    Connecting {
        /// Addresses that were not tried yet.
        left: VecDeque<SocketAddr>,
        /// Those being tried, by their attempts.
        out: Vec<Token>,
        /// When to try the next beside them.
        next: Tick,
    },
    /// A socket is connected, in this slot.
    Up(u32),
}

/// A target, a `T`, that is being connected to, or is connected.
pub(crate) struct Dial<T> {
    pub(crate) name: DialId,
    pub(crate) target: Arc<T>,
    pub(crate) endpoint: u32,
    pub(crate) stage: Stage,
    pub(crate) timer: Option<NodeId>,
    /// When it is too late for a connection.
    pub(crate) deadline: Tick,
    /// Tries that failed since the last connection.
    pub(crate) failures: u32,
    /// How the latest attempt failed.
    pub(crate) errno: Option<Errno>,
    /// The application has given it up: no try follows.
    pub(crate) cancelled: bool,
}

/// An attempt at one address.
struct Attempt {
    /// Whose; [`NO_DIAL`] when it is not wanted any more.
    dial: u32,
    to: SocketAddr,
}

/// All dials of a reactor.
pub(crate) struct Dials<T> {
    dials: Arena<Dial<T>>,
    /// Where they are, by the names that the application knows.
    places: HashMap<DialId, u32>,
    attempts: Arena<Attempt>,
    /// Asked for, and not begun.
    pub(crate) wanted: VecDeque<(DialId, Arc<T>)>,
    /// Names that were looked up.
    pub(crate) found: Vec<(Token, Found)>,
    /// Given up, and not told yet.
    pub(crate) cancels: Vec<DialId>,
}

impl<T> Dials<T> {
    pub(crate) fn new() -> Self {
        Self {
            dials: Arena::new(),
            places: HashMap::new(),
            attempts: Arena::new(),
            wanted: VecDeque::new(),
            found: Vec::new(),
            cancels: Vec::new(),
        }
    }

    /// Whether there is something for `run_dials` to do.
    pub(crate) fn are_due(&self) -> bool {
        !(self.wanted.is_empty() && self.found.is_empty() && self.cancels.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.dials.len() + self.attempts.len() + self.wanted.len() == 0
    }

    /// Sockets that are being connected.
    pub(crate) fn attempts(&self) -> usize {
        self.attempts.len()
    }

    pub(crate) fn insert(&mut self, dial: Dial<T>) -> u32 {
        let name = dial.name;
        let index = self.dials.insert(dial).slot;
        self.places.insert(name, index);
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Dial<T>> {
        let dial = self.dials.remove(index)?;
        self.places.remove(&dial.name);
        Some(dial)
    }

    /// Where that is; `None` when it is over.
    pub(crate) fn place(&self, name: DialId) -> Option<u32> {
        self.places.get(&name).copied()
    }

    /// Panics when there is none.
    pub(crate) fn at(&mut self, index: u32) -> &mut Dial<T> {
        self.dials.at(index).expect("a dial of this number")
    }

    /// The dial's name, for whoever answers later.
    pub(crate) fn name(&self, index: u32) -> Token {
        self.dials.name(index)
    }

    /// Whether that dial is still there and waits for its addresses.
    pub(crate) fn is_resolving(&self, name: Token) -> bool {
        self.dials.get(name).is_some_and(|dial| matches!(dial.stage, Stage::Resolving))
    }

    /// All that have no socket.
    pub(crate) fn without_socket(&self) -> Vec<u32> {
        let waiting = |(_, dial): &(u32, &Dial<T>)| !matches!(dial.stage, Stage::Up(_));
        self.dials.iter().filter(waiting).map(|(index, _)| index).collect()
    }

    pub(crate) fn begin_attempt(&mut self, dial: u32, to: SocketAddr) -> Token {
        self.attempts.insert(Attempt { dial, to })
    }

    /// Its result will not be wanted.
    pub(crate) fn disown_attempt(&mut self, attempt: Token) {
        if let Some(attempt) = self.attempts.at(attempt.slot) {
            attempt.dial = NO_DIAL;
        }
    }

    /// It has ended: whose it was, if that still wants it, and where it went.
    pub(crate) fn end_attempt(&mut self, attempt: Token) -> Option<(u32, SocketAddr)> {
        let Attempt { dial, to } = self.attempts.remove(attempt.slot)?;
        (dial != NO_DIAL).then_some((dial, to))
    }
}
