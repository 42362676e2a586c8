//! Memory of the reactor that the kernel receives into.

use super::Token;
use std::collections::HashMap;

/// The memory of the receives that need no provided buffer: at most one per token. Those few that
/// are out carry so much each that a map is no cost.
#[derive(Debug, Default)]
pub(super) struct DirectReceives(HashMap<u64, Vec<u8>>);

impl DirectReceives {
    /// Takes memory over until [`DirectReceives::end`]. Returns where at most `most` bytes may be
    /// written. That stays valid and in place: it is on the heap, and nobody touches the vector.
    ///
    /// # Panics
    /// When the token has memory out already, or there is no room.
    pub(super) fn begin(&mut self, token: Token, memory: Vec<u8>, most: usize) -> (*mut u8, u32) {
        // Longer than a length can be: the rest comes with the next receive.
        let len = most.min(memory.capacity() - memory.len()).min(i32::MAX as usize) as u32;
        assert!(len > 0, "a receive into no room");
        let held = self.0.entry(token.pack());
        let std::collections::hash_map::Entry::Vacant(place) = held else {
            panic!("one receive per socket at a time");
        };
        let at = place.insert(memory).spare_capacity_mut().as_mut_ptr();
        (at.cast(), len)
    }

    /// Gives memory back when the kernel is done with it, longer by the `written` bytes that the
    /// kernel says it wrote.
    ///
    /// # Safety
    /// So many bytes were written to where `begin` said.
    pub(super) unsafe fn end(&mut self, token: Token, written: usize) -> Option<Vec<u8>> {
        let mut memory = self.0.remove(&token.pack())?;
        let len = memory.len() + written;
        assert!(len <= memory.capacity(), "more was received than there was room for");
        // SAFETY: below the capacity, and written by the caller's promise.
        unsafe { memory.set_len(len) };
        Some(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token { slot: 3, generation: 7 };

    #[test]
    fn memory_comes_back_longer_by_what_was_written() {
        let mut receives = DirectReceives::default();
        let mut memory = Vec::with_capacity(64);
        memory.extend_from_slice(b"head ");
        let (at, len) = receives.begin(TOKEN, memory, 4);
        assert_eq!(len, 4);
        // SAFETY: inside the room that was just handed out.
        unsafe { at.copy_from_nonoverlapping(b"tail".as_ptr(), 4) };
        // SAFETY: written above.
        let memory = unsafe { receives.end(TOKEN, 4) }.expect("out");
        assert_eq!(memory, b"head tail");
        // SAFETY: nothing is out, so nothing was written.
        assert!(unsafe { receives.end(TOKEN, 0) }.is_none(), "ends once");
        let (_, len) = receives.begin(TOKEN, memory, usize::MAX);
        assert_eq!(len, 55, "no more than there is room for");
    }

    #[test]
    #[should_panic(expected = "into no room")]
    fn memory_without_room_is_refused() {
        DirectReceives::default().begin(TOKEN, Vec::new(), 1);
    }
}
