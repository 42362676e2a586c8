//! What others publish on the topics that have members here: what is new, what came before, what is
//! missing.

use super::Name;
use super::gap::{Cause, Gap, Origin};
use super::plant::{Plant, is_planted};
use super::said::SLOWEST;
use crate::tick::Tick;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// An origin keeps silent for this many times what it has promised before it is missed.
const PATIENCE: u64 = 3;
/// And so many milliseconds more: brokers reconnect, machines are busy.
const GRACE_MS: u64 = 2_000;
/// More than that nobody's promise may be worth.
const PROMISE_MAX_MS: u32 = 60_000 * SLOWEST;
/// For so long it is remembered how an origin has ended: what a broker that hung brings late is
/// known to be old.
const REMEMBER_MS: u64 = 600_000;
/// Streams of a topic from which those that have ended are swept.
const MANY: usize = 64;

/// What we know of one origin on one topic.
#[derive(Clone, Copy, Debug)]
struct Stream {
    epoch: u64,
    /// The last number that we have, or have given up.
    last: u64,
    state: State,
    /// When it last made itself heard.
    heard_at: Tick,
    /// When its silence becomes a gap.
    due: Tick,
    /// When it is looked at next, no later than that: what is planned otherwise is void.
    planned: Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has promised to go on.
    Live,
    /// It has said its end: nothing is owed before it begins anew.
    Ended,
    /// An open gap was told behind `last`: what comes next may follow on it or not.
    Lost,
}

#[derive(Debug, Default)]
struct Topic {
    /// From then on an origin that nobody has heard of must begin at its start.
    settled_at: Tick,
    /// By node.
    streams: HashMap<u64, Stream>,
}

/// What a frame comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody here is in the topic.
    Nobody,
    /// It came before, or is of an earlier life.
    Known,
    /// It is new; before it these are missing.
    New(Missing),
}

/// What is missing before a frame: of the life before this one, and of this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) before: Option<Gap>,
    pub(super) here: Option<Gap>,
}

/// What others publish on the topics that have members here.
#[derive(Debug, Default)]
pub(super) struct Heard {
    topics: HashMap<Name, Topic>,
    /// When to look at which stream, at the latest; it may have made itself heard since.
    dues: BinaryHeap<Reverse<(Tick, Name, u64)>>,
}

/// Until when who has promised to be heard within so many milliseconds may keep silent.
fn silence(now: Tick, promise_ms: u32) -> Tick {
    now + u64::from(promise_ms.min(PROMISE_MAX_MS)) * PATIENCE + GRACE_MS
}

impl Heard {
    /// The topic has members here. Origins that make themselves heard before `settled_at` may be
    /// in the middle: what they have published before is not owed.
    pub(super) fn begin(&mut self, topic: &Name, settled_at: Tick) {
        self.topics.entry(topic.clone()).or_default().settled_at = settled_at;
    }

    /// The bus is up: so long those may be in the middle whose topics have got members meanwhile.
    pub(super) fn settle(&mut self, settled_at: Tick) {
        let unsettled = self.topics.values_mut().filter(|topic| topic.settled_at == Tick::MAX);
        unsettled.for_each(|topic| topic.settled_at = settled_at);
    }

    /// The bus is down: a topic that was not settled by then has heard not everybody, and begins
    /// anew with it.
    pub(super) fn unsettle(&mut self, now: Tick) {
        let unsettled = self.topics.values_mut().filter(|topic| now < topic.settled_at);
        unsettled.for_each(|topic| topic.settled_at = Tick::MAX);
    }

    /// Whether it has.
    pub(super) fn has(&self, topic: &[u8]) -> bool {
        self.topics.contains_key(topic)
    }

    /// It has none any more.
    pub(super) fn end(&mut self, topic: &[u8]) {
        self.topics.remove(topic);
    }

    /// The topics that have members here.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Name> {
        self.topics.keys()
    }

    /// What a frame is that came now. With it, all numbers before `next` are known to be given.
    /// Nothing changes yet.
    pub(super) fn judge(
        &self,
        now: Tick,
        topic: &[u8],
        from: Origin,
        start: u64,
        next: u64,
    ) -> Verdict {
        let Some(topic) = self.topics.get(topic) else { return Verdict::Nobody };
        let from_on = |first: u64| {
            let gap = Gap { origin: from, first, last: Some(next - 1), cause: Cause::Lost };
            let spared = u64::from(is_planted(Plant::Gap));
            (first + spared < next).then_some(gap)
        };
        let Some(stream) = topic.streams.get(&from.node) else {
            let is_settled = now >= topic.settled_at && !is_planted(Plant::Settle);
            let owed = if is_settled { start } else { next };
            let unheard = |gap| Gap { cause: Cause::Unheard, ..gap };
            return Verdict::New(Missing { before: None, here: from_on(owed).map(unheard) });
        };
        if from.epoch > stream.epoch && !is_planted(Plant::Epoch) {
            let origin = Origin { epoch: stream.epoch, ..from };
            let first = stream.last + 1;
            let before = Gap { origin, first, last: None, cause: Cause::Restarted };
            let before = (stream.state == State::Live).then_some(before);
            return Verdict::New(Missing { before, here: from_on(start) });
        }
        if from.epoch < stream.epoch || next + u64::from(is_planted(Plant::Dedup)) <= stream.last {
            return Verdict::Known;
        }
        let first = stream.last + 1;
        let owed = match stream.state {
            // It has ended and begun anew, and its end has not come: what was said before the end
            // nobody knows, and numbers between an end and the next start were never given.
            State::Live if start > first => {
                let before = Gap { origin: from, first, last: None, cause: Cause::Lost };
                return Verdict::New(Missing { before: Some(before), here: from_on(start) });
            }
            State::Live => first,
            State::Ended if start <= stream.last => return Verdict::Known,
            State::Ended => start,
            // They lie in the gap that was told.
            State::Lost => next,
        };
        Verdict::New(Missing { before: None, here: from_on(owed) })
    }

    /// The frame was taken: all up to `last` is known or given up. Without a promise of more the
    /// topic has ended for its origin.
    pub(super) fn take(
        &mut self,
        now: Tick,
        topic: &[u8],
        from: Origin,
        last: u64,
        promise_ms: Option<u32>,
    ) {
        let Some(of_topic) = self.topics.get_mut(topic) else { return };
        let due = promise_ms.map(|promise| silence(now, promise));
        let state = if due.is_some() { State::Live } else { State::Ended };
        let due = due.unwrap_or(Tick::MAX);
        let before = of_topic.streams.get(&from.node);
        let mut planned = before.map_or(Tick::MAX, |before| before.planned);
        if due < planned {
            planned = due;
            self.dues.push(Reverse((due, topic.into(), from.node)));
        }
        let stream = Stream { epoch: from.epoch, last, state, heard_at: now, due, planned };
        of_topic.streams.insert(from.node, stream);
        if of_topic.streams.len() > MANY {
            let is_remembered = |of: &Stream| now < of.heard_at + REMEMBER_MS;
            of_topic.streams.retain(|_, of| of.state == State::Live || is_remembered(of));
        }
    }

    /// Who is a member now was not told of the open gaps of those before: what lies in them is told
    /// with its range, when it shows.
    pub(super) fn renew(&mut self, topic: &[u8]) {
        let Some(topic) = self.topics.get_mut(topic) else { return };
        for stream in topic.streams.values_mut().filter(|of| of.state == State::Lost) {
            (stream.state, stream.due, stream.planned) = (State::Live, Tick::MAX, Tick::MAX);
        }
    }

    /// Whether an open gap was told of an origin, and nothing of it was taken since.
    pub(super) fn is_lost(&self, topic: &[u8], from: Origin) -> bool {
        let stream = self.topics.get(topic).and_then(|topic| topic.streams.get(&from.node));
        stream.is_some_and(|of| of.epoch == from.epoch && of.state == State::Lost)
    }

    /// When to call [`Heard::silent`] next.
    pub(super) fn due(&self) -> Option<Tick> {
        self.dues.peek().map(|Reverse((due, ..))| *due)
    }

    /// The next origin that has been silent for too long: an open gap.
    pub(super) fn silent(&mut self, now: Tick) -> Option<(Name, Gap)> {
        while self.due().is_some_and(|due| due <= now) {
            let Some(Reverse((due, name, node))) = self.dues.pop() else { break };
            let stream = self.topics.get_mut(&name).and_then(|of| of.streams.get_mut(&node));
            let Some(stream) = stream.filter(|of| of.planned == due) else { continue };
            stream.planned = Tick::MAX;
            if stream.state != State::Live {
                continue;
            }
            if stream.due > now {
                stream.planned = stream.due;
                self.dues.push(Reverse((stream.due, name, node)));
                continue;
            }
            stream.state = State::Lost;
            let (origin, first) = (Origin { node, epoch: stream.epoch }, stream.last + 1);
            return Some((name, Gap { origin, first, last: None, cause: Cause::Silent }));
        }
        None
    }

    /// The broker was out of reach and is back: whoever lives is asked, and has time to come back,
    /// too.
    pub(super) fn ask_all(&mut self, now: Tick, heartbeat_ms: u32) {
        let due = silence(now, heartbeat_ms.saturating_mul(SLOWEST));
        for (name, topic) in &mut self.topics {
            for (node, stream) in &mut topic.streams {
                if stream.state == State::Live && stream.due != due {
                    (stream.due, stream.planned) = (due, due);
                    self.dues.push(Reverse((due, name.clone(), *node)));
                }
            }
        }
    }

    /// How many origins are followed, over all topics.
    pub(super) fn streams(&self) -> usize {
        self.topics.values().map(|topic| topic.streams.len()).sum()
    }
}
