//! Things by number and generation: numbers are used again, so the generation tells a tenant from
//! those before it, and a stale name finds nothing.

use crate::ring::Token;
use std::collections::TryReserveError;

/// A dense array whose places are used again, the one that was left last first.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    entries: Vec<(u32, Option<T>)>,
    vacant: Vec<u32>,
}

impl<T> Arena<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), vacant: Vec::new() }
    }

    /// With room for so many, reserved now and touched when used.
    pub(crate) fn with_room(room: usize) -> Result<Self, TryReserveError> {
        let mut arena = Self::new();
        arena.entries.try_reserve_exact(room)?;
        arena.vacant.try_reserve_exact(room)?;
        Ok(arena)
    }

    /// Its name. No generation is ever 0, so that no name is all zeros.
    pub(crate) fn insert(&mut self, value: T) -> Token {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push((1, None));
            (self.entries.len() - 1) as u32
        });
        let (generation, entry) = &mut self.entries[slot as usize];
        *entry = Some(value);
        Token { slot, generation: *generation }
    }

    /// Takes out what has that number: all its names are stale from here on.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let (generation, entry) = self.entries.get_mut(slot as usize)?;
        let value = entry.take()?;
        *generation = generation.wrapping_add(1).max(1);
        self.vacant.push(slot);
        Some(value)
    }

    /// The name of what has that number now.
    #[inline]
    pub(crate) fn name(&self, slot: u32) -> Token {
        Token { slot, generation: self.entries[slot as usize].0 }
    }

    /// What a name names, if it is still there.
    #[inline]
    pub(crate) fn get(&self, name: Token) -> Option<&T> {
        let (generation, entry) = self.entries.get(name.slot as usize)?;
        if *generation == name.generation { entry.as_ref() } else { None }
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, name: Token) -> Option<&mut T> {
        let (generation, entry) = self.entries.get_mut(name.slot as usize)?;
        if *generation == name.generation { entry.as_mut() } else { None }
    }

    /// What has that number, whatever the generation.
    #[inline]
    pub(crate) fn at(&mut self, slot: u32) -> Option<&mut T> {
        self.entries.get_mut(slot as usize)?.1.as_mut()
    }

    /// All, with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(slot, (_, entry))| Some((slot as u32, entry.as_ref()?)))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.vacant.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_name_finds_nothing_and_its_number_is_used_again() {
        let mut arena = Arena::new();
        let (a, b) = (arena.insert('a'), arena.insert('b'));
        assert_eq!((arena.get(a), arena.get(b), arena.len()), (Some(&'a'), Some(&'b'), 2));
        assert_eq!((arena.remove(a.slot), arena.remove(a.slot)), (Some('a'), None));
        assert_eq!((arena.get(a), arena.len()), (None, 1));
        assert_eq!(arena.at(a.slot), None);
        let c = arena.insert('c');
        assert_eq!((c.slot, arena.get(a), arena.get(c)), (a.slot, None, Some(&'c')));
        assert!(c.generation != a.generation && arena.name(c.slot) == c);
        assert_eq!(arena.iter().collect::<Vec<_>>(), [(0, &'c'), (1, &'b')]);
    }

    #[test]
    fn generations_that_wrap_leave_out_zero() {
        let mut arena = Arena { entries: vec![(u32::MAX, Some(()))], vacant: Vec::new() };
        arena.remove(0);
        assert_eq!(arena.insert(()).generation, 1);
    }
}
