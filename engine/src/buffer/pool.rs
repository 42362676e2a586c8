//! Spare byte vectors, so that a warm reactor allocates nothing per message.

/// Recycled vectors of one reactor, bounded by the bytes they hold.
#[derive(Debug, Default)]
pub struct Pool {}

impl Pool {
    /// A pool that keeps at most `bytes_max` of capacity.
    pub fn new(_bytes_max: usize) -> Self {
        Self {}
    }
    /// An empty vector with some capacity.
    pub fn get(&mut self) -> Vec<u8> {
        unimplemented!()
    }
    /// Takes a vector back; it is emptied, and freed when the pool is full or it is too large.
    pub fn put(&mut self, _bytes: Vec<u8>) {
        unimplemented!()
    }
}
