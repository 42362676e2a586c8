//! How many buffers to have in the kernel's ring at a time.
//!
//! The kernel takes buffers from one end and we put them back at the other, so it walks through
//! all that are in there. Few and hot are better than many and cold; too few end every receive
//! that finds none (`ENOBUFS`). So the number follows what the turns use.

/// At the start.
const START: u16 = 64;
/// Never fewer, when there are as many.
const MIN: u16 = 16;
/// Turns after which the window may shrink.
const PERIOD: u32 = 1_000;
/// Bytes received in one turn from which on more buffers do not help: what is received leaves the
/// second-level cache before it is looked at. The receives that found no buffer wait a turn.
const TURN_BYTES: usize = 1 << 20;

/// Mean bytes in a buffer from which on each that is too many costs cache: those of short messages
/// are touched in their first lines only.
const HEAVY: usize = 4 << 10;

/// The number of buffers to keep in the kernel's ring.
#[derive(Debug)]
pub(super) struct Window {
    target: u16,
    max: u16,
    /// This turn: buffers filled, bytes in them, and whether they ran out.
    filled: u32,
    bytes: usize,
    exhausted: bool,
    /// This period: turns, the most buffers that one of them filled, and the bytes in those.
    turns: u32,
    peak: u32,
    peak_bytes: usize,
}

impl Window {
    pub(super) fn new(max: u16) -> Self {
        let target = START.min(max);
        let (filled, turns, peak) = (0, 0, 0);
        Self { target, max, filled, bytes: 0, exhausted: false, turns, peak, peak_bytes: 0 }
    }

    /// The number now.
    #[inline]
    pub(super) fn target(&self) -> u16 {
        self.target
    }

    /// A buffer came back with `bytes` in it.
    #[inline]
    pub(super) fn filled(&mut self, bytes: usize) {
        self.filled += 1;
        self.bytes += bytes;
    }

    /// A receive found no buffer.
    pub(super) fn exhausted(&mut self) {
        self.exhausted = true;
    }

    /// Between two turns: draws the conclusion.
    #[inline]
    pub(super) fn turn(&mut self) {
        if self.exhausted && self.bytes < TURN_BYTES {
            self.target = self.target.saturating_mul(2).min(self.max);
            (self.turns, self.peak) = (0, 0);
        }
        if self.filled > self.peak {
            (self.peak, self.peak_bytes) = (self.filled, self.bytes);
        }
        self.turns += 1;
        if self.turns == PERIOD {
            self.shrink();
            (self.turns, self.peak) = (0, 0);
        }
        (self.filled, self.bytes, self.exhausted) = (0, 0, false);
    }

    /// By half when most were not needed; to little more than was needed when each counts.
    fn shrink(&mut self) {
        let least = MIN.min(self.max);
        if self.peak > 0 && self.peak_bytes / self.peak as usize >= HEAVY {
            let needed = u16::try_from(self.peak + self.peak / 8 + 2).unwrap_or(u16::MAX);
            self.target = self.target.min(needed.max(least));
        } else if self.peak < u32::from(self.target) / 4 {
            self.target = (self.target / 2).max(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(window: &mut Window, count: u32, filled: u32) {
        for _ in 0..count {
            (0..filled).for_each(|_| window.filled(20));
            window.turn();
        }
    }

    #[test]
    fn doubles_when_it_runs_out_and_only_once_a_turn() {
        let mut window = Window::new(1_000);
        for want in [128, 256, 512, 1_000, 1_000] {
            window.exhausted();
            window.exhausted();
            window.turn();
            assert_eq!(window.target(), want);
        }
    }

    #[test]
    fn does_not_grow_for_bytes_that_leave_the_cache() {
        let mut window = Window::new(1_024);
        (0..64).for_each(|_| window.filled(16_384));
        window.exhausted();
        window.turn();
        assert_eq!(window.target(), 64);
    }

    #[test]
    fn shrinks_slowly_and_not_below_the_least() {
        let mut window = Window::new(1_024);
        turns(&mut window, 999, 1);
        assert_eq!(window.target(), 64);
        turns(&mut window, 1, 1);
        assert_eq!(window.target(), 32);
        turns(&mut window, 10_000, 1);
        assert_eq!(window.target(), 16);
        assert_eq!(Window::new(4).target(), 4);
    }

    #[test]
    fn full_buffers_are_kept_to_what_is_needed() {
        let mut window = Window::new(1_024);
        for _ in 0..1_000 {
            (0..32).for_each(|_| window.filled(16_384));
            window.turn();
        }
        assert_eq!(window.target(), 38);
    }

    #[test]
    fn one_busy_turn_in_a_period_keeps_it() {
        let mut window = Window::new(1_024);
        for _ in 0..5 {
            turns(&mut window, 999, 0);
            turns(&mut window, 1, 16);
            assert_eq!(window.target(), 64);
        }
    }
}
