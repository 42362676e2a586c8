//! What compressed messages take of the turns.
//!
//! A kilobyte on the wire may be a megabyte to inflate, to check and to deliver: what bounds the
//! bytes that one turn receives does not bound its work. So what a connection may inflate within
//! one turn is bounded, and what all may together. Who has had its share, or finds none left, waits
//! for the next turn with what it has received, in the order in which it came: behind those that
//! have not taken much.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::ring::Token;
use crate::tick::Tick;
use std::collections::VecDeque;

/// Bytes that a connection inflates within one turn. The message that goes over it is the last.
const SHARE: usize = 256 << 10;

/// Bytes that all connections inflate within one turn, before others have to wait: about as much
/// as a millisecond.
const TURN: usize = 1 << 20;

/// For how long whoever has used up a share waits behind those who have not.
const GREEDY_MS: Tick = 10_000;

/// What one connection has inflated.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Appetite {
    /// It stands in line: what comes meanwhile has to wait, too.
    pub(crate) waits: bool,
    /// Within that turn.
    inflated: usize,
    turn: u32,
    /// Until then it stands behind others.
    greedy_until: Tick,
}

/// What all have inflated in this turn, and who waits for the next.
#[derive(Debug, Default)]
pub(crate) struct Inflating {
    inflated: usize,
    /// How far the codec's own count was looked at.
    seen: u64,
    modest: VecDeque<Token>,
    greedy: VecDeque<Token>,
}

impl Inflating {
    /// A turn begins.
    #[inline]
    pub(crate) fn begin_turn(&mut self) {
        self.inflated = 0;
    }

    /// Whether nobody is to begin to inflate any more in this turn.
    #[inline(always)]
    pub(crate) fn is_spent(&self) -> bool {
        self.inflated >= TURN
    }

    /// Whether some wait for the next turn.
    #[inline]
    pub(crate) fn are_waiting(&self) -> bool {
        !(self.modest.is_empty() && self.greedy.is_empty())
    }

    /// How many bytes were inflated since this was last asked, when the codec has come to `all`.
    #[inline(always)]
    pub(crate) fn newly(&mut self, all: u64) -> usize {
        (all - std::mem::replace(&mut self.seen, all)) as usize
    }

    /// A connection has inflated so many bytes in the turn of that number. Whether that is enough.
    pub(crate) fn take(&mut self, who: &mut Appetite, bytes: usize, turn: u32, now: Tick) -> bool {
        self.inflated += bytes;
        if std::mem::replace(&mut who.turn, turn) != turn {
            who.inflated = 0;
        }
        who.inflated += bytes;
        if who.inflated >= SHARE {
            who.greedy_until = now + GREEDY_MS;
        }
        who.inflated >= SHARE || self.is_spent()
    }

    /// Puts a connection in line, unless it stands there.
    pub(crate) fn wait(&mut self, who: &mut Appetite, token: Token, now: Tick) {
        if !std::mem::replace(&mut who.waits, true) {
            let line = if now < who.greedy_until { &mut self.greedy } else { &mut self.modest };
            line.push_back(token);
        }
    }

    /// How many wait: of the modest, and of the others.
    pub(crate) fn waiting(&self) -> [usize; 2] {
        [self.modest.len(), self.greedy.len()]
    }

    /// Takes the first out of one of the lines.
    pub(crate) fn next(&mut self, modest: bool) -> Option<Token> {
        if modest { self.modest.pop_front() } else { self.greedy.pop_front() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(slot: u32) -> Token {
        Token { slot, generation: 1 }
    }

    #[test]
    fn a_share_is_of_one_connection_and_one_turn() {
        let (mut all, mut one, mut other) = <(Inflating, Appetite, Appetite)>::default();
        assert!(!all.take(&mut one, SHARE - 1, 1, 0));
        assert!(!all.take(&mut other, SHARE - 1, 1, 0));
        assert!(all.take(&mut one, 1, 1, 0), "used up");
        assert!(!all.take(&mut one, SHARE - 1, 2, 0), "another turn");
    }

    #[test]
    fn a_turn_is_for_all() {
        let mut all = Inflating::default();
        assert!(all.take(&mut Appetite::default(), TURN, 1, 0) && all.is_spent());
        assert!(all.take(&mut Appetite::default(), 1, 1, 0), "nothing is left for others");
        all.begin_turn();
        assert!(!all.is_spent() && !all.take(&mut Appetite::default(), 1, 2, 0));
    }

    #[test]
    fn the_greedy_stand_behind_the_modest_for_a_while() {
        let (mut all, mut greedy, mut modest) = <(Inflating, Appetite, Appetite)>::default();
        assert!(all.take(&mut greedy, SHARE, 1, 5));
        all.wait(&mut greedy, token(1), 5);
        all.wait(&mut greedy, token(1), 5);
        all.wait(&mut modest, token(2), 5);
        assert_eq!((all.waiting(), all.are_waiting()), ([1, 1], true));
        assert_eq!((all.next(true), all.next(false)), (Some(token(2)), Some(token(1))));
        assert_eq!((all.next(true), all.next(false), all.are_waiting()), (None, None, false));
        greedy.waits = false;
        all.wait(&mut greedy, token(1), 5 + GREEDY_MS);
        assert_eq!(all.waiting(), [1, 0], "it is long ago");
    }

    #[test]
    fn what_was_seen_is_not_counted_again() {
        let mut all = Inflating::default();
        assert_eq!([all.newly(7), all.newly(7), all.newly(9)], [7, 0, 2]);
    }
}
