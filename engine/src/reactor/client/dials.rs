//! The connections that are being made, and the attempts at each.

use crate::reactor::client::target::Target;
use crate::reactor::core::name::DialId;
use crate::reactor::core::wheel::NodeId;
use crate::ring::{Errno, Token};
use crate::tick::Tick;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// Names no dial.
pub(crate) const NO_DIAL: u32 = u32::MAX;

/// What a resolver found: addresses, or why there are none.
pub type Found = Result<Vec<SocketAddr>, Arc<str>>;

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

/// A target that is being connected to, or is connected.
pub(crate) struct Dial {
    pub(crate) name: DialId,
    pub(crate) target: Arc<Target>,
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

/// Entries by number and generation, used again.
struct Table<T> {
    entries: Vec<(u32, Option<T>)>,
    vacant: Vec<u32>,
}

impl<T> Table<T> {
    const fn new() -> Self {
        Self { entries: Vec::new(), vacant: Vec::new() }
    }

    fn insert(&mut self, value: T) -> Token {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push((1, None));
            (self.entries.len() - 1) as u32
        });
        let (generation, entry) = &mut self.entries[slot as usize];
        *entry = Some(value);
        Token { slot, generation: *generation }
    }

    fn remove(&mut self, slot: u32) -> Option<T> {
        let (generation, entry) = self.entries.get_mut(slot as usize)?;
        let value = entry.take()?;
        *generation = generation.wrapping_add(1).max(1);
        self.vacant.push(slot);
        Some(value)
    }

    fn name(&self, slot: u32) -> Token {
        Token { slot, generation: self.entries[slot as usize].0 }
    }

    fn is_current(&self, name: Token) -> bool {
        let entry = self.entries.get(name.slot as usize);
        entry.is_some_and(|(generation, entry)| *generation == name.generation && entry.is_some())
    }

    fn len(&self) -> usize {
        self.entries.len() - self.vacant.len()
    }
}

/// An attempt at one address.
struct Attempt {
    /// Whose; [`NO_DIAL`] when it is not wanted any more.
    dial: u32,
    to: SocketAddr,
}

/// All dials of a reactor.
pub(crate) struct Dials {
    dials: Table<Dial>,
    /// Where they are, by the names that the application knows.
    places: HashMap<DialId, u32>,
    attempts: Table<Attempt>,
    /// Asked for, and not begun.
    pub(crate) wanted: VecDeque<(DialId, Arc<Target>)>,
    /// Names that were looked up.
    pub(crate) found: Vec<(Token, Found)>,
    /// Given up, and not told yet.
    pub(crate) cancels: Vec<DialId>,
}

impl Dials {
    pub(crate) fn new() -> Self {
        Self {
            dials: Table::new(),
            places: HashMap::new(),
            attempts: Table::new(),
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

    pub(crate) fn insert(&mut self, dial: Dial) -> u32 {
        let name = dial.name;
        let index = self.dials.insert(dial).slot;
        self.places.insert(name, index);
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Dial> {
        let dial = self.dials.remove(index)?;
        self.places.remove(&dial.name);
        Some(dial)
    }

    /// Where that is; `None` when it is over.
    pub(crate) fn place(&self, name: DialId) -> Option<u32> {
        self.places.get(&name).copied()
    }

    /// Panics when there is none.
    pub(crate) fn at(&mut self, index: u32) -> &mut Dial {
        self.dials.entries[index as usize].1.as_mut().expect("a dial of this number")
    }

    /// The dial's name, for whoever answers later.
    pub(crate) fn name(&self, index: u32) -> Token {
        self.dials.name(index)
    }

    /// Whether that dial is still there and waits for its addresses.
    pub(crate) fn is_resolving(&self, name: Token) -> bool {
        let stage = |(_, dial): &(u32, Option<Dial>)| {
            dial.as_ref().is_some_and(|dial| matches!(dial.stage, Stage::Resolving))
        };
        self.dials.is_current(name) && self.dials.entries.get(name.slot as usize).is_some_and(stage)
    }

    /// All that have no socket.
    pub(crate) fn without_socket(&self) -> Vec<u32> {
        let entries = self.dials.entries.iter().enumerate();
        let waiting = |dial: &Dial| !matches!(dial.stage, Stage::Up(_));
        entries
            .filter(|(_, (_, dial))| dial.as_ref().is_some_and(waiting))
            .map(|(index, _)| index as u32)
            .collect()
    }

    pub(crate) fn begin_attempt(&mut self, dial: u32, to: SocketAddr) -> Token {
        self.attempts.insert(Attempt { dial, to })
    }

    /// Its result will not be wanted.
    pub(crate) fn disown_attempt(&mut self, attempt: Token) {
        if let Some(attempt) = &mut self.attempts.entries[attempt.slot as usize].1 {
            attempt.dial = NO_DIAL;
        }
    }

    /// It has ended: whose it was, if that still wants it, and where it went.
    pub(crate) fn end_attempt(&mut self, attempt: Token) -> Option<(u32, SocketAddr)> {
        let Attempt { dial, to } = self.attempts.remove(attempt.slot)?;
        (dial != NO_DIAL).then_some((dial, to))
    }
}
