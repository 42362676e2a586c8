//! What one send owns while the kernel holds it.

use bytes::Bytes;
use std::io::IoSlice;

/// Bytes to be sent in order: copied ones and shared ones. Owned by the operation in flight.
#[derive(Debug, Default)]
pub struct Batch {}

impl Batch {
    /// A batch that appends to `bytes` (usually empty, from a pool).
    pub fn new(_bytes: Vec<u8>) -> Self {
        unimplemented!()
    }
    /// Appends a copy.
    pub fn copy(&mut self, _bytes: &[u8]) {
        unimplemented!()
    }
    /// Appends by reference.
    pub fn share(&mut self, _bytes: Bytes) {
        unimplemented!()
    }
    /// Bytes not yet sent.
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    /// Whether all is sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Marks the next `n` bytes as sent.
    pub fn advance(&mut self, _n: usize) {
        unimplemented!()
    }
    /// All that is not yet sent, when it lies in one piece.
    pub fn contiguous(&self) -> Option<&[u8]> {
        unimplemented!()
    }
    /// The first pieces not yet sent, in order; returns how many were written to `out`.
    pub fn slices<'a>(&'a self, _out: &mut [IoSlice<'a>]) -> usize {
        unimplemented!()
    }
    /// Gives the vector back for reuse; shared pieces are released.
    pub fn recycle(self) -> Vec<u8> {
        unimplemented!()
    }
}
