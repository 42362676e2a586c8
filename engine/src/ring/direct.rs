//! Memory that is received into without a provided buffer being taken for it.

use super::memory::Buffers;
use super::{Lease, Token};
use std::collections::HashMap;

/// Memory that is received into, behind what it holds.
#[derive(Debug)]
pub enum Destination {
    /// A vector of the reactor.
    Vector(Vec<u8>),
    /// A receive buffer that was filled in part.
    Buffer(Lease),
}

/// The memory of the receives that need no provided buffer: at most one per token. Those few that
/// are out carry so much each that a map is no cost.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    out: HashMap<u64, Destination>,
    /// Receive buffers among them.
    buffers: usize,
}

impl Destinations {
    /// Takes memory over until [`Destinations::end`]. Returns where at most `most` bytes may be
    /// written. That stays valid and in place: a vector's is on the heap, a buffer's in the
    /// mapping, and nobody touches either.
    ///
    /// # Panics
    /// When the token has memory out already, or there is no room.
    pub(super) fn begin(
        &mut self,
        token: Token,
        memory: Destination,
        most: usize,
        buffers: &Buffers,
    ) -> (*mut u8, u32) {
        let held = self.out.entry(token.pack());
        let std::collections::hash_map::Entry::Vacant(place) = held else {
            panic!("one receive per socket at a time");
        };
        let (at, room) = match place.insert(memory) {
            Destination::Vector(memory) => {
                let room = memory.spare_capacity_mut();
                (room.as_mut_ptr().cast(), room.len())
            }
            Destination::Buffer(lease) => {
                self.buffers += 1;
                buffers.room_behind(lease)
            }
        };
        // Longer than a length can be: the rest comes with the next receive.
        let len = most.min(room).min(i32::MAX as usize) as u32;
        assert!(len > 0, "a receive into no room");
        (at, len)
    }

    /// Receive buffers that are being received into.
    #[inline]
    pub(super) fn buffers(&self) -> usize {
        self.buffers
    }

    /// Gives memory back when the kernel is done with it, longer by the `written` bytes that the
    /// kernel says it wrote.
    ///
    /// # Safety
    /// So many bytes were written to where `begin` said.
    pub(super) unsafe fn end(&mut self, token: Token, written: usize) -> Option<Destination> {
        let mut memory = self.out.remove(&token.pack())?;
        match &mut memory {
            Destination::Vector(memory) => {
                let len = memory.len() + written;
                assert!(len <= memory.capacity(), "more was received than there was room for");
                // SAFETY: below the capacity, and written by the caller's promise.
                unsafe { memory.set_len(len) };
            }
            Destination::Buffer(lease) => {
                self.buffers -= 1;
                lease.len += written as u32;
            }
        }
        Some(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token { slot: 3, generation: 7 };

    #[test]
    fn memory_comes_back_longer_by_what_was_written() {
        let (buffers, mut free) = Buffers::new(1, 64).expect("memory");
        let mut receives = Destinations::default();
        let mut memory = Vec::with_capacity(64);
        memory.extend_from_slice(b"head ");
        let lease = buffers.fill(free.pop().expect("one"), b"head ");
        for memory in [Destination::Vector(memory), Destination::Buffer(lease)] {
            let (at, len) = receives.begin(TOKEN, memory, 4, &buffers);
            assert_eq!(len, 4);
            // SAFETY: inside the room that was just handed out.
            unsafe { at.copy_from_nonoverlapping(b"tail".as_ptr(), 4) };
            // SAFETY: written above.
            let mut memory = unsafe { receives.end(TOKEN, 4) }.expect("out");
            let (bytes, room) = match &mut memory {
                Destination::Vector(bytes) => (bytes.to_vec(), 55),
                Destination::Buffer(lease) => (buffers.bytes(lease).to_vec(), 128 - 9),
            };
            assert_eq!(bytes, b"head tail");
            // SAFETY: nothing is out, so nothing was written.
            assert!(unsafe { receives.end(TOKEN, 0) }.is_none(), "ends once");
            let (_, len) = receives.begin(TOKEN, memory, usize::MAX, &buffers);
            assert_eq!(len, room, "no more than there is room for");
            // SAFETY: nothing was written.
            let memory = unsafe { receives.end(TOKEN, 0) };
            if let Some(Destination::Buffer(lease)) = memory {
                assert!(buffers.release(lease).is_some());
            }
        }
        assert_eq!(receives.buffers(), 0);
    }

    #[test]
    #[should_panic(expected = "into no room")]
    fn memory_without_room_is_refused() {
        let (buffers, _) = Buffers::new(1, 64).expect("memory");
        Destinations::default().begin(TOKEN, Destination::Vector(Vec::new()), 1, &buffers);
    }
}
