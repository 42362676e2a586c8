//! The memory of the buffers of one group.

use super::map::Map;
use std::io;
use std::sync::atomic::AtomicU32;

/// Bytes of a buffer beyond the payload size asked for: a frame header and a little more, so that
/// a message of exactly that size still lies whole in one buffer.
const HEADROOM: usize = 64;
/// A cache line. Buffers start on one.
pub(super) const LINE: usize = 64;

/// Buffers of one size, one behind the other. Memory becomes resident as it is touched.
#[derive(Debug)]
pub(super) struct Block {
    map: Map,
    pub(super) count: u16,
    /// Bytes that each takes.
    pub(super) capacity: usize,
    pub(super) stride: usize,
    /// How many are shared.
    pub(super) shared: AtomicU32,
}

impl Block {
    /// `count` buffers for `size` bytes of payload each.
    pub(super) fn new(count: u16, size: u32) -> io::Result<Self> {
        let lines = (size as usize + HEADROOM).div_ceil(LINE);
        // An odd number of lines: the first lines of all buffers, the ones that small messages
        // touch, then fall into different sets of the cache instead of fighting for a few.
        let stride = (lines | 1) * LINE;
        let map = Map::new((stride * usize::from(count)).max(LINE))?;
        let capacity = size as usize + HEADROOM;
        Ok(Self { map, count, capacity, stride, shared: AtomicU32::new(0) })
    }

    /// Where one begins.
    #[inline]
    pub(super) fn start(&self, at: u16) -> *mut u8 {
        assert!(at < self.count, "no such buffer");
        // SAFETY: `at < count`, so the offset lies inside the mapping of `count * stride` bytes.
        unsafe { self.map.base().as_ptr().add(usize::from(at) * self.stride) }
    }
}
