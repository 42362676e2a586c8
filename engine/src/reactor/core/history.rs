//! What was published on a topic, for a while: so that a member that comes back misses nothing, or
//! is told that it does.
//!
//! A log is kept where the order of its topic is made, under the same lock: it has all that members
//! get, in their order.

use super::mail::Publication;
use super::publishers::Publishers;
use super::spoken::Spoken;
use crate::bus::position::stamp;
use crate::bus::{Gap, LogName, Name, Number, Origin, Position};
use crate::memory::Outgoing;
use crate::proto::Opcode;
use crate::tick::Tick;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Messages that are looked at, and that are taken out, at once.
const LOOK_MAX: usize = 4_096;
const TAKE_MAX: usize = 256;
/// What a message has around it in a send queue, at most.
const AROUND: usize = 14;

/// Topics with a history, and how much of it there is. Zero means the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryRule {
    /// Topics that begin with these bytes.
    pub prefix: Vec<u8>,
    /// Bytes that are kept of a topic, with what there is around each message; 0: 1 MiB.
    pub bytes_max: u32,
    /// Messages that are kept of a topic; 0: as many as there is room for.
    pub messages_max: u32,
    /// How long each is kept, in milliseconds, and how long a topic without members and messages is
    /// remembered. 0: 60,000; from 10 to 86,400,000.
    pub age_ms: u32,
    /// Each message of data is delivered with its place in front: Text behind
    /// `node.epoch.seq` in hexadecimal and a space, Binary behind these three in eight bytes each,
    /// in network byte order.
    pub stamp: bool,
}

/// Whence what time it is comes, in milliseconds.
pub(crate) type Clock = Arc<dyn Fn() -> Tick + Send + Sync>;

/// What all logs of an engine share.
pub(crate) struct History {
    rules: Vec<HistoryRule>,
    pub(crate) origin: Origin,
    clock: Clock,
    bytes_max: usize,
    bytes: AtomicUsize,
    births: AtomicU64,
}

impl History {
    /// Of rules that are checked.
    pub(crate) fn new(
        rules: Vec<HistoryRule>,
        bytes_max: usize,
        origin: Origin,
        clock: Clock,
    ) -> Self {
        let (bytes, births) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { rules, origin, clock, bytes_max, bytes, births }
    }

    /// The first rule that a topic falls under.
    pub(crate) fn rule(&self, topic: &[u8]) -> Option<&HistoryRule> {
        self.rules.iter().find(|rule| topic.starts_with(&rule.prefix))
    }

    pub(crate) fn now(&self) -> Tick {
        (self.clock)()
    }

    /// How often logs are looked through, in milliseconds.
    pub(crate) fn sweep_ms(&self) -> u64 {
        let youngest = self.rules.iter().map(|rule| u64::from(rule.age_ms)).min();
        (youngest.unwrap_or_default() / 4).clamp(5, 1_000)
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// All that may be kept is.
    fn is_full(&self) -> bool {
        self.bytes() > self.bytes_max
    }

    fn name(&self) -> LogName {
        let birth = 1 + self.births.fetch_add(1, Ordering::Relaxed);
        LogName { origin: self.origin, birth }
    }
}

/// With its number in front.
fn stamped(message: &Outgoing, from: Origin, seq: u64) -> Outgoing {
    let stamp = match message.opcode() {
        Opcode::Text => format!("{} ", stamp(from, seq)).into_bytes(),
        _ => [from.node, from.epoch, seq].map(u64::to_be_bytes).concat(),
    };
    message.again(&[&stamp, message.payload()].concat())
}

struct Kept {
    at: Tick,
    origin: Origin,
    seq: u64,
    what: Arc<Publication>,
}

impl Kept {
    fn weight(&self) -> usize {
        size_of::<Self>() + size_of::<Publication>() + self.what.message.payload().len()
    }
}

/// What was published on a topic.
pub(crate) struct Log {
    pub(crate) name: LogName,
    pub(crate) rule: HistoryRule,
    /// Numbers of a topic that stays on this engine.
    pub(crate) spoken: Spoken,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// The place that the next message gets. Those that are kept have the places before it.
    next: u64,
    publishers: Publishers,
    /// When something was published last, or the last member has left.
    touched: Tick,
}

/// A part of a log that somebody has not heard.
pub(crate) struct Read {
    pub(crate) messages: Vec<Unheard>,
    /// Where to read on.
    pub(crate) next: u64,
    /// Nothing is left: what comes from here on is in mailboxes.
    pub(crate) is_end: bool,
    /// Something has left the log before it was read.
    pub(crate) is_late: bool,
}

/// A message that somebody has not heard.
pub(crate) struct Unheard {
    pub(crate) place: u64,
    pub(crate) origin: Origin,
    pub(crate) seq: u64,
    pub(crate) what: Arc<Publication>,
}

impl Log {
    /// From now on: this engine has given numbers up to `last` on the topic.
    pub(crate) fn begin(shared: &History, rule: &HistoryRule, name: &Name, last: u64) -> Self {
        let bytes = size_of::<Self>() + 2 * name.len();
        shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        Self {
            name: shared.name(),
            rule: rule.clone(),
            spoken: Spoken::default(),
            kept: VecDeque::new(),
            bytes,
            next: 0,
            publishers: Publishers::new(shared.origin, last),
            touched: shared.now(),
        }
    }

    /// Whether there is room for one more.
    pub(crate) fn may_begin(shared: &History) -> bool {
        !shared.is_full()
    }

    pub(crate) fn end(self, shared: &History) {
        shared.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }

    pub(crate) fn touch(&mut self, now: Tick) {
        self.touched = now;
    }

    /// Whether it may end, once there are no members.
    pub(crate) fn is_over(&self, now: Tick) -> bool {
        now >= self.touched + u64::from(self.rule.age_ms)
    }

    /// A message as members get it, with the place that it has if it is appended next.
    pub(crate) fn place(
        &self,
        what: &Arc<Publication>,
        from: Origin,
        seq: u64,
    ) -> Arc<Publication> {
        let message = match self.rule.stamp {
            true => Some(stamped(&what.message, from, seq)),
            false => what.message.kept(),
        };
        let what = message.map_or_else(|| Arc::clone(what), |made| Arc::new(what.with(made)));
        what.set_place(self.next);
        what
    }

    fn oldest(&self) -> u64 {
        self.next - self.kept.len() as u64
    }

    /// A message has its place.
    pub(crate) fn append(
        &mut self,
        shared: &History,
        (origin, number): (Origin, Number),
        what: Arc<Publication>,
    ) {
        if self.publishers.is_full_for(origin) {
            self.begin_anew(shared);
        }
        self.publishers.append(origin, number);
        let at = shared.now();
        let kept = Kept { at, origin, seq: number.seq, what };
        self.weigh(shared, kept.weight() as isize);
        self.kept.push_back(kept);
        (self.next, self.touched) = (self.next + 1, at);
        self.evict(shared, at);
    }

    /// Too many have published: positions that were given out say nothing any more.
    #[cold]
    fn begin_anew(&mut self, shared: &History) {
        while self.take_oldest(shared) {}
        self.name = shared.name();
        let own = self.publishers.last(shared.origin);
        self.publishers = Publishers::new(shared.origin, own);
    }

    /// Messages are missing that were published elsewhere.
    pub(crate) fn miss(&mut self, gap: &Gap) {
        self.publishers.miss(gap);
    }

    fn weigh(&mut self, shared: &History, change: isize) {
        self.bytes = self.bytes.wrapping_add_signed(change);
        shared.bytes.fetch_add(change as usize, Ordering::Relaxed);
    }

    /// What is too old, or too much, leaves.
    pub(crate) fn evict(&mut self, shared: &History, now: Tick) {
        let count_max = match self.rule.messages_max {
            0 => usize::MAX,
            max => max as usize,
        };
        while let Some(oldest) = self.kept.front() {
            let is_old = oldest.at + u64::from(self.rule.age_ms) <= now;
            let is_much = self.kept.len() > count_max || self.bytes > self.rule.bytes_max as usize;
            if !is_old && !is_much && !shared.is_full() {
                break;
            }
            self.take_oldest(shared);
        }
    }

    fn take_oldest(&mut self, shared: &History) -> bool {
        let Some(oldest) = self.kept.pop_front() else { return false };
        self.publishers.lose(oldest.origin, oldest.seq);
        self.weigh(shared, -(oldest.weight() as isize));
        true
    }

    /// What somebody has heard who has heard all of it.
    pub(crate) fn position(&self) -> Position {
        self.publishers.position(self.name)
    }

    /// Whether all is here that was published behind a position: that can be proved.
    pub(crate) fn is_whole_behind(&self, position: &Position) -> bool {
        self.publishers.is_whole_behind(position, self.name)
    }

    /// The place of the first message that was not heard. From the end, since mostly few were not.
    pub(crate) fn first_unheard(&self, position: &Position) -> u64 {
        // Of these, messages are still to be found.
        let mut more: Vec<Origin> = self.publishers.unheard(position);
        let mut place = self.next;
        for kept in self.kept.iter().rev() {
            if more.is_empty() {
                break;
            }
            place -= 1;
            let before = kept.seq.saturating_sub(1);
            if position.has(kept.origin, kept.seq) || position.has(kept.origin, before) {
                more.retain(|origin| *origin != kept.origin);
            }
        }
        place
    }

    /// What comes from a place on and was not heard: about `room` bytes of it in a send queue, but
    /// at least one message.
    pub(crate) fn read(&self, place: u64, heard: &Position, room: usize) -> Read {
        let is_late = place < self.oldest() && !self.is_whole_behind(heard);
        let from = place.max(self.oldest());
        let mut read = Read { messages: Vec::new(), next: from, is_end: false, is_late };
        let mut bytes = 0;
        let kept = self.kept.range((from - self.oldest()) as usize..);
        for Kept { origin, seq, what, .. } in kept.take(LOOK_MAX) {
            if !heard.has(*origin, *seq) {
                bytes += what.message.payload().len() + AROUND;
                if read.messages.len() == TAKE_MAX || bytes > room && !read.messages.is_empty() {
                    return read;
                }
                let (place, what) = (read.next, Arc::clone(what));
                read.messages.push(Unheard { place, origin: *origin, seq: *seq, what });
            }
            read.next += 1;
        }
        // Whoever has heard more than the log skips that when it comes.
        let is_ahead = self.publishers.are_behind(heard, self.name.origin);
        read.is_end = read.next == self.next && !is_ahead;
        read
    }
}
