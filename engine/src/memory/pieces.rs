//! The pieces of a batch that are sent by reference.

use super::shared::Shared;
use std::collections::VecDeque;

/// A piece sent by reference.
#[derive(Debug)]
pub(super) struct Piece {
    /// How many copied bytes go before it.
    pub(super) at: usize,
    /// What of it is not yet sent; never empty.
    pub(super) memory: Shared,
}

/// The pieces by reference that are not sent yet. Boxed, since most batches have none, and used
/// again through the pool.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) next: Option<Piece>,
    /// Behind `next`: empty when that is.
    pub(super) more: VecDeque<Piece>,
}

impl Pieces {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Piece> {
        self.next.iter().chain(&self.more)
    }

    pub(super) fn push(&mut self, piece: Piece) {
        match &self.next {
            Some(_) => self.more.push_back(piece),
            None => self.next = Some(piece),
        }
    }

    /// Releases what is referred to.
    pub(super) fn clear(&mut self) {
        self.next = None;
        self.more.clear();
    }
}
