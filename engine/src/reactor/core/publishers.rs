//! What a log knows of each publisher: from which number on it has had everything, so that what it
//! cannot prove to be complete it does not call so.

use crate::bus::{Gap, LogName, Number, Origin, Position};
use std::collections::BTreeMap;

/// Publishers of a topic that are remembered: lives of engines. With more, its log begins anew.
const PUBLISHERS_MAX: usize = 256;

/// What is known of one publisher.
#[derive(Clone, Copy, Debug)]
struct Publisher {
    /// The first number that the log has heard of, and the start of the stream that it was in.
    first: u64,
    start: u64,
    /// From here on nothing is missing, and nothing has left the log.
    whole_from: u64,
    last: u64,
    /// Something may be missing behind the last one: it has fallen silent.
    open: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Publishers(BTreeMap<Origin, Publisher>);

impl Publishers {
    /// This engine has given numbers up to `last`; nobody was heard.
    pub(super) fn new(own: Origin, last: u64) -> Self {
        let mut all = Self::default();
        all.hear_first(own, Number { start: last + 1, seq: last + 1 });
        all
    }

    fn hear_first(&mut self, from: Origin, Number { start, seq }: Number) -> &mut Publisher {
        let whole_from = seq;
        let new = Publisher { first: seq, start, whole_from, last: seq - 1, open: false };
        self.0.entry(from).or_insert(new)
    }

    /// There is no room for one more.
    pub(super) fn is_full_for(&self, origin: Origin) -> bool {
        self.0.len() >= PUBLISHERS_MAX && !self.0.contains_key(&origin)
    }

    /// The last number of one; 0: it is not known.
    pub(super) fn last(&self, origin: Origin) -> u64 {
        self.0.get(&origin).map_or(0, |of| of.last)
    }

    /// A message has its place.
    pub(super) fn append(&mut self, origin: Origin, number: Number) {
        let publisher = self.hear_first(origin, number);
        publisher.last = number.seq;
        if std::mem::take(&mut publisher.open) {
            publisher.whole_from = number.seq;
        }
    }

    /// Messages are missing that were published elsewhere.
    pub(super) fn miss(&mut self, gap: &Gap) {
        let number = Number { start: gap.first, seq: gap.first };
        let publisher = self.hear_first(gap.origin, number);
        match gap.last {
            Some(last) => {
                publisher.last = publisher.last.max(last);
                publisher.whole_from = publisher.whole_from.max(last + 1);
            }
            None => publisher.open = true,
        }
    }

    /// A message has left the log.
    pub(super) fn lose(&mut self, origin: Origin, seq: u64) {
        if let Some(publisher) = self.0.get_mut(&origin) {
            publisher.whole_from = publisher.whole_from.max(seq + 1);
        }
    }

    /// What somebody has heard who has heard all of the log of that name. Of whom nothing was heard
    /// it says nothing, of this engine neither: a log elsewhere may never have heard of it. Who has
    /// fallen silent is named: until he is heard again nothing of his is owed.
    pub(super) fn position(&self, name: LogName) -> Position {
        let mut position = Position::new(name);
        for (&origin, of) in &self.0 {
            if of.last >= of.first {
                position.note(origin, of.last);
            }
            if of.open {
                position.note_silence(origin, of.last);
            }
        }
        position
    }

    /// Whether all is in the log of that name that was published behind a position: that can be
    /// proved.
    pub(super) fn is_whole_behind(&self, position: &Position, name: LogName) -> bool {
        let heard_all_since = |(origin, seq): (Origin, u64)| {
            let Some(of) = self.0.get(&origin) else { return position.was_silent(origin, 0) };
            let possible = origin != name.origin || seq <= of.last;
            let is_known = !of.open || position.was_silent(origin, of.last);
            possible && is_known && seq.saturating_add(1) >= of.whole_from
        };
        if !position.iter().all(heard_all_since) {
            return false;
        }
        let is_ours = position.log == Some(name);
        let is_later = self.are_older_than(position);
        self.0.iter().all(|(origin, of)| {
            let life = position.of(origin.node).map(|(epoch, _)| epoch);
            if life >= Some(origin.epoch) {
                return true;
            }
            // Of a publisher that the position does not know, all must be here.
            let from = if is_ours { of.first } else { of.start };
            let is_known = !of.open || position.was_silent(*origin, of.last);
            (is_ours || is_later) && is_known && of.whole_from <= from
        })
    }

    /// Whether the position was made after the log has begun: it has heard something that the log
    /// has heard, too.
    fn are_older_than(&self, position: &Position) -> bool {
        position.iter().any(|(origin, seq)| {
            let publisher = self.0.get(&origin);
            publisher.is_some_and(|of| of.first <= seq.min(of.last))
        })
    }

    /// Of whom the log has something that was not heard.
    pub(super) fn unheard(&self, position: &Position) -> Vec<Origin> {
        let has_more = |(origin, of): &(&Origin, &Publisher)| {
            of.last >= of.first && !position.has(**origin, of.last)
        };
        self.0.iter().filter(has_more).map(|(origin, _)| *origin).collect()
    }

    /// Whether a position has heard more of somebody elsewhere than the log `own` is in.
    pub(super) fn are_behind(&self, position: &Position, own: Origin) -> bool {
        position.iter().any(|(origin, seq)| {
            origin != own && self.0.get(&origin).is_some_and(|of| seq > of.last)
        })
    }
}
