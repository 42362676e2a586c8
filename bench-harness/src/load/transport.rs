//! Between a connection's frames and its socket: the one place where encryption would stand.
//!
//! Compression would not: what is compressed without context is prepared once like any other
//! bytes, in [`crate::stream`].

use crate::error::Result;
use crate::ring::Ring;
use std::ops::Range;

/// What frames pass on their way to the socket and back. Offsets and lengths are those of the
/// frames, whatever goes over the wire.
pub(crate) trait Transport {
    /// Queues a part of the ring's arena to be sent. One per connection is in flight.
    fn send(&mut self, ring: &mut Ring, slot: u32, part: Range<usize>);
    /// The socket took `bytes`: how many of the part that is.
    fn sent(&mut self, slot: u32, bytes: usize) -> usize;
    /// What came from the socket, as frames.
    fn open<'b>(&'b mut self, slot: u32, bytes: &'b [u8]) -> Result<&'b [u8]>;
}

/// Bytes as they are.
#[derive(Debug)]
pub(crate) struct Plain;

impl Transport for Plain {
    #[inline]
    fn send(&mut self, ring: &mut Ring, slot: u32, part: Range<usize>) {
        ring.send(slot, part);
    }

    #[inline]
    fn sent(&mut self, _slot: u32, bytes: usize) -> usize {
        bytes
    }

    #[inline]
    fn open<'b>(&'b mut self, _slot: u32, bytes: &'b [u8]) -> Result<&'b [u8]> {
        Ok(bytes)
    }
}
