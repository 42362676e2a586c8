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

    /// Bytes that came in this turn.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
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

/// The number of large buffers to supply in a turn.
///
/// A message lies whole in its buffer, is unmasked there and sent from there. So that it is in the
/// second-level cache all the while, no more buffers are in use at a time than fit in most of it:
/// those that the kernel may fill in this turn, and those of the last one that are being sent from.
/// Receives that find none wait in line: nobody is received twice before all that are ready have
/// been received once.
#[derive(Debug)]
pub(super) struct Hot {
    /// Bytes that may be in use at a time.
    bytes_max: usize,
    max: u16,
    /// What a buffer is expected to be filled with.
    expected: usize,
    /// This turn: buffers filled, and the most bytes in one of them.
    filled: u16,
    most: usize,
}

impl Hot {
    /// For a cache of so many bytes, with at most `max` buffers.
    pub(super) fn new(cache: usize, max: u16) -> Self {
        let bytes_max = cache / 4 * 3;
        Self { bytes_max, max, expected: bytes_max, filled: 0, most: 0 }
    }

    /// A buffer came back with `bytes` in it, or has come to hold so many.
    #[inline]
    pub(super) fn filled(&mut self, bytes: usize) {
        self.filled += 1;
        self.most = self.most.max(bytes);
    }

    /// Between two turns, `out` buffers being neither free nor with the kernel, and `growing` ones
    /// being filled further: how many to have in the kernel's ring. Always one: a turn that brought
    /// none would be for nothing.
    #[inline]
    pub(super) fn turn(&mut self, out: usize, growing: usize) -> u16 {
        // Older ones are out because a peer does not read what is sent to it: they have left the
        // cache, and must not stop the others.
        let sending = out.min(usize::from(self.filled));
        if self.filled > 0 {
            self.expected = self.most.max(self.expected - self.expected / 8);
            (self.filled, self.most) = (0, 0);
        }
        let fit = u16::try_from(self.bytes_max / self.expected.max(1)).unwrap_or(u16::MAX);
        let in_use = u16::try_from(sending + growing).unwrap_or(u16::MAX);
        // So many may be lent at the same time.
        fit.min(self.max / 2).saturating_sub(in_use).max(1)
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

    #[test]
    fn large_buffers_are_as_many_as_the_cache_takes() {
        let mut hot = Hot::new(512 << 10, 16);
        assert_eq!(hot.turn(0, 0), 1, "nothing is known yet");
        (0..100).for_each(|_| {
            hot.turn(0, 0);
            hot.filled(64 << 10);
        });
        assert_eq!(hot.turn(0, 0), 6);
        hot.filled(200 << 10);
        assert_eq!(hot.turn(0, 0), 1, "larger ones at once");
        (0..100).for_each(|_| {
            hot.turn(0, 0);
            hot.filled(100);
        });
        assert_eq!(hot.turn(0, 0), 8, "no more than may be lent");
    }

    #[test]
    fn what_is_being_sent_has_its_place_in_the_cache_but_what_nobody_reads_has_none() {
        let mut hot = Hot::new(1 << 20, 16);
        let settled = |hot: &mut Hot, filled: u16, out| {
            (0..100).for_each(|_| {
                hot.turn(out, 0);
                (0..filled).for_each(|_| hot.filled(128 << 10));
            });
            hot.turn(out, 0)
        };
        assert_eq!(settled(&mut hot, 1, 0), 6, "all are free");
        assert_eq!(settled(&mut hot, 2, 2), 4, "two of the last turn are being sent");
        assert_eq!(settled(&mut hot, 1, 8), 5, "seven of eight are older");
        assert_eq!(settled(&mut hot, 6, 6), 1, "one at least");
        assert_eq!(hot.turn(0, 2), 4, "two are being filled further");
    }
}
