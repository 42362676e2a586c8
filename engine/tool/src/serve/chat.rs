//! Rooms: a path is a topic.

use slab::Slab;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// In which room each connection is. Its user word is its number here.
#[derive(Default)]
pub(super) struct Rooms(Mutex<Slab<Arc<[u8]>>>);

impl Rooms {
    /// A number for a connection to this path.
    pub(super) fn enter(&self, path: &[u8]) -> usize {
        self.lock().insert(path.into())
    }

    pub(super) fn of(&self, number: usize) -> Option<Arc<[u8]>> {
        self.lock().get(number).cloned()
    }

    pub(super) fn leave(&self, number: usize) {
        self.lock().try_remove(number);
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Arc<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
