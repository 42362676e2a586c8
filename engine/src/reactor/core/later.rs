//! Requests that are answered later: which of them still want an answer, for whoever has one.

use super::name::{CallError, Later};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What may be answered.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// To a request that is no upgrade.
    Reply,
    /// To an upgrade: with 101, and one of these subprotocols.
    Upgrade(Vec<String>),
}

/// Why an answer was not taken, or cannot be given later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaterError {
    /// It was answered before, or nobody waits for the answer any more.
    #[error("answered, or nobody waits any more")]
    Gone,
    /// To an upgrade 101 and 300..=599, to another request 200..=599.
    #[error("a status that cannot be the answer")]
    Status,
    /// Not one of those that the client has offered.
    #[error("a subprotocol that was not offered")]
    Protocol,
    /// Only in `on_upgrade` and `on_request`, and once.
    #[error("not to be answered later, or said before")]
    State,
    /// It could not be handed over.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Those of an engine that want an answer. Whoever takes one out has to see to it: the thread that
/// answers, or the reactor when nobody waits any more.
#[derive(Debug, Default)]
pub(crate) struct Laters(Mutex<HashMap<Later, Wanted>>);

impl Laters {
    fn lock(&self) -> MutexGuard<'_, HashMap<Later, Wanted>> {
        // No code that can panic runs under the lock; a poisoned one is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it still wanted an answer; now it does not.
    pub(crate) fn take(&self, later: Later) -> bool {
        self.lock().remove(&later).is_some()
    }

    /// Takes it out if `hand_over` takes the answer to it.
    pub(crate) fn answer(
        &self,
        later: Later,
        hand_over: impl FnOnce(&Wanted) -> Result<(), LaterError>,
    ) -> Result<(), LaterError> {
        let mut all = self.lock();
        hand_over(all.get(&later).ok_or(LaterError::Gone)?)?;
        all.remove(&later);
        Ok(())
    }
}

/// Whether a request that a callback is lent is answered later.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    later: Later,
    laters: &'a Laters,
    state: Cell<Answered>,
}

/// When a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    /// By what the callback returns, and it cannot say otherwise.
    Now,
    /// The same, unless it says otherwise.
    Open,
    /// Later.
    Later,
    /// By what the callback returns, though it has said otherwise.
    AtOnce,
    /// By another reactor.
    Elsewhere,
}

impl<'a> Ticket<'a> {
    /// Under this name, once the callback is called that may ask for it.
    pub(crate) fn new(later: Later, laters: &'a Laters) -> Self {
        Self { later, laters, state: Cell::new(Answered::Now) }
    }

    /// From here on it may be asked for.
    pub(crate) fn open(&self) {
        self.state.set(Answered::Open);
    }

    /// From here on any thread may answer.
    pub(crate) fn take(&self, wanted: Wanted) -> Result<Later, LaterError> {
        if self.state.get() != Answered::Open {
            return Err(LaterError::State);
        }
        self.state.set(Answered::Later);
        self.laters.lock().insert(self.later, wanted);
        Ok(self.later)
    }

    /// What the callback returns is the answer after all.
    pub(crate) fn give_back(&self) {
        if self.state.get() == Answered::Later {
            self.state.set(Answered::AtOnce);
        }
    }

    /// Another reactor answers.
    pub(crate) fn leave(&self) -> Result<(), LaterError> {
        if self.state.get() != Answered::Open {
            return Err(LaterError::State);
        }
        self.state.set(Answered::Elsewhere);
        Ok(())
    }

    /// Its name, if it was asked for.
    pub(crate) fn taken(&self) -> Option<Later> {
        matches!(self.state.get(), Answered::Later | Answered::AtOnce).then_some(self.later)
    }

    /// Whether the callback has left the answer for later.
    pub(crate) fn is_later(&self) -> bool {
        self.state.get() == Answered::Later
    }
}
