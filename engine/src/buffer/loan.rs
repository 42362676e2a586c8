//! A part of somebody else's memory, held for as long as it is being sent.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

/// Who counts the holders of its pieces of memory, by their numbers: the receive buffers of a ring.
pub trait Lender: Debug + Send + Sync {
    /// A part of piece `id`, which somebody holds.
    fn part(&self, id: u16, at: Range<usize>) -> &[u8];
    /// One holder of piece `id` less.
    fn give_back(&self, id: u16);
}

/// One holder of a part of a piece; the end of it gives it back, on whatever thread. Unlike a
/// `Bytes` it costs no allocation to make.
#[derive(Debug)]
pub struct Loan {
    lender: Arc<dyn Lender>,
    at: Range<usize>,
    id: u16,
}

impl Loan {
    /// Takes over one holder of piece `id`, which the caller has counted.
    pub(crate) fn new(lender: Arc<dyn Lender>, id: u16, at: Range<usize>) -> Self {
        Self { lender, at, id }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.lender.part(self.id, self.at.clone())
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Gives up the first `n` bytes, of at least as many.
    pub(super) fn advance(&mut self, n: usize) {
        debug_assert!(n <= self.len());
        self.at.start += n.min(self.len());
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.lender.give_back(self.id);
    }
}
