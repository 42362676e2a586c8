//! What was published in a cluster, and what each member has got of it or been told of it.
//!
//! It knows nothing of how an engine finds out what is missing. From outside it sees the numbers
//! that were given, what the network did to each frame, and what came to the members; and it holds
//! that against the promise:
//!
//! - nothing comes twice, what one engine publishes comes in its order, and nothing behind the gap
//!   that has told of it, nor of an earlier life behind a later one;
//! - a gap of counted messages names only numbers that were given and have not come, each once, and
//!   one of them at least was lost on the way, since the member was there;
//! - an open gap is told of nobody who has said its end, nor of anybody who was heard all the time:
//!   only where something has happened between the two ([`Ledger::trouble`]) since the last sign.

use super::members::{Heard, Life, Membership};
use super::script::TOPICS;
use crate::bus::{Cause, Envelope, Gap, Kind, Number, Origin};
use crate::tick::Tick;
use std::collections::{BTreeMap, HashMap};

/// What the network has done to a message on its way to one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Flying,
    Came,
    Lost,
}

/// A message that was published.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) start: u64,
    pub(super) at: Tick,
    id: u64,
    /// By life; none: it was never on its way there.
    fates: HashMap<usize, Fate>,
}

/// All that an engine has published on a topic.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    pub(super) given: BTreeMap<u64, Given>,
    /// The greatest number of the frames that it has sent.
    pub(super) said: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) now: Tick,
    pub(super) settle_ms: Tick,
    pub(super) lives: Vec<Life>,
    pub(super) members: Vec<Membership>,
    pub(super) spoken: HashMap<(usize, usize), Spoken>,
    /// Of each message by its id: who, on which topic, with which number.
    ids: HashMap<u64, (usize, usize, u64)>,
    troubled: HashMap<(usize, usize), Tick>,
    /// The latest of these.
    pub(super) last_id: u64,
    pub(super) gaps: u64,
    pub(super) came: u64,
}

impl Ledger {
    pub(super) fn new(settle_ms: u32) -> Self {
        Self { settle_ms: settle_ms.into(), ..Self::default() }
    }

    pub(super) fn begin(&mut self, origin: Origin) -> usize {
        let life =
            Life { origin, is_over: false, is_down: false, is_stalled: false, troubled_at: 0 };
        self.lives.push(life);
        self.lives.len() - 1
    }

    /// Something has happened on the way from one to another.
    pub(super) fn trouble(&mut self, from: usize, to: usize) {
        self.trouble_until(from, to, self.now);
    }

    /// It goes on for some time.
    pub(super) fn trouble_until(&mut self, from: usize, to: usize, until: Tick) {
        let at = self.troubled.entry((from, to)).or_default();
        *at = (*at).max(until + 1);
    }

    /// Something has happened, or happens until then, on all ways of one.
    pub(super) fn trouble_of(&mut self, life: usize, until: Tick) {
        let life = &mut self.lives[life];
        life.troubled_at = life.troubled_at.max(until + 1);
    }

    /// Whether anything has happened between two at a time or after it.
    fn is_troubled(&self, from: usize, to: usize, since: Tick) -> bool {
        let now = |of: &Life| of.is_over || of.is_down || of.is_stalled || of.troubled_at > since;
        let way = |way| self.troubled.get(&way).is_some_and(|at| *at > since);
        way((from, to)) || way((to, from)) || now(&self.lives[from]) || now(&self.lives[to])
    }

    /// A message was published and has a number.
    pub(super) fn given(&mut self, life: usize, topic: usize, number: Number, id: u64) {
        let spoken = self.spoken.entry((life, topic)).or_default();
        let Number { start, seq } = number;
        let last = spoken.given.last_key_value().map(|(seq, of)| (*seq, of.start));
        let (last, of) = last.unwrap_or_default();
        let goes_on = start == of && seq == last + 1;
        assert!(goes_on || start == seq && seq > last, "{number:?} follows {last} of {of}");
        let given = Given { start, at: self.now, id, fates: HashMap::new() };
        spoken.given.insert(seq, given);
        self.ids.insert(id, (life, topic, seq));
        self.last_id = id;
    }

    /// The client of the broker was given a frame to be sent.
    pub(super) fn sent(&mut self, life: usize, topic: usize, envelope: &Envelope<'_>) {
        let Number { start, seq } = envelope.number;
        let spoken = self.spoken.entry((life, topic)).or_default();
        let given = spoken.given.get(&seq).expect("a frame has a number that was given");
        assert_eq!(given.start, start, "the start of a frame is that of its number");
        match envelope.kind {
            Kind::Message { payload, .. } => {
                assert_eq!(payload[..8], given.id.to_be_bytes(), "a message has its own number");
            }
            _ => assert!(seq >= spoken.said, "a sign says {seq} after {}", spoken.said),
        }
        spoken.said = spoken.said.max(seq);
    }

    /// What the network does to a message.
    pub(super) fn fate(&mut self, (life, topic, seq): (usize, usize, u64), to: usize, fate: Fate) {
        let given = self.spoken.get_mut(&(life, topic)).and_then(|of| of.given.get_mut(&seq));
        if let Some(given) = given {
            given.fates.insert(to, fate);
        }
    }

    /// A member gets something.
    pub(super) fn delivered(&mut self, member: usize, payload: &[u8]) {
        let id = payload.first_chunk().map(|id| u64::from_be_bytes(*id)).unwrap_or_default();
        let (from, topic, seq) = *self.ids.get(&id).expect("a message that was refused came");
        let start = self.spoken[&(from, topic)].given[&seq].start;
        let (now, origin) = (self.now, self.lives[from].origin);
        let later = self.is_followed(member, origin);
        self.came += 1;
        let of = &mut self.members[member];
        assert_eq!(of.topic, topic, "a message came to another topic");
        assert!(!later, "a message of an earlier life came behind a later one's");
        let heard = of.heard.entry(from).or_insert_with(|| Heard::at(seq - 1, now));
        let last = heard.delivered.last().copied().unwrap_or_default();
        assert!(!heard.delivered.contains(&seq), "{seq} came twice");
        assert!(seq > last, "{seq} came behind {last}");
        assert!(!heard.told.iter().any(|(_, last)| seq <= *last), "{seq} came behind its gap");
        heard.close(seq - 1);
        if seq > heard.top {
            (heard.top, heard.start) = (seq, start);
            heard.starts.insert(start);
        }
        heard.delivered.insert(seq);
    }

    /// Whether a member has heard of a later life of the same engine.
    pub(super) fn is_followed(&self, member: usize, origin: Origin) -> bool {
        let later = |life: &usize| {
            let other = self.lives[*life].origin;
            other.node == origin.node && other.epoch > origin.epoch
        };
        self.members[member].heard.keys().any(later)
    }

    /// A member is told of a gap.
    pub(super) fn told(&mut self, member: usize, gap: &Gap) {
        let from = self.lives.iter().position(|life| life.origin == gap.origin);
        let from = from.unwrap_or_else(|| panic!("a gap of nobody: {gap:?}"));
        self.gaps += 1;
        match (gap.last, gap.cause) {
            (Some(last), Cause::Lost | Cause::Unheard) => {
                let knows = self.members[member].knows(from);
                assert!(gap.cause == Cause::Lost || !knows, "{gap:?} of who was heard");
                self.told_lost(member, from, gap.first, last);
            }
            (None, _) => self.told_open(member, from, gap),
            _ => panic!("{gap:?} cannot be"),
        }
    }

    fn told_lost(&mut self, member: usize, from: usize, first: u64, last: u64) {
        let of = &self.members[member];
        let fresh = Heard::at(u64::MAX, self.now);
        let heard = of.heard.get(&from).unwrap_or(&fresh);
        let given = self.spoken.get(&(from, of.topic)).map(|of| &of.given);
        let mut is_real = self.is_troubled(from, of.life, of.since) && !of.knows(from);
        for seq in first..=last {
            let given = given.and_then(|given| given.get(&seq));
            let given = given.unwrap_or_else(|| panic!("{seq} in a gap was never given"));
            assert!(!heard.delivered.contains(&seq), "{seq} in a gap has come");
            let twice = heard.told.iter().any(|(first, last)| (*first..=*last).contains(&seq));
            assert!(!twice, "{seq} is told twice");
            let was_there = given.id > of.since_id || seq > heard.owed_after;
            let fate = given.fates.get(&of.life);
            let overtaken = matches!(fate, Some(Fate::Flying | Fate::Came) | None)
                && self.is_troubled(from, of.life, of.since);
            is_real |= overtaken || was_there && matches!(fate, Some(Fate::Lost));
        }
        is_real |= of.is_muddled;
        let next = heard.delivered.last().is_none_or(|last| *last < first);
        assert!(next, "{first} to {last} are told behind later ones");
        assert!(is_real, "{first} to {last} are told, and nothing was lost");
        let heard = self.members[member].heard.entry(from).or_insert(fresh);
        heard.close(first - 1);
        heard.told.push((first, last));
    }

    fn told_open(&mut self, member: usize, from: usize, gap: &Gap) {
        let of = &self.members[member];
        let fresh = Heard::at(u64::MAX, self.now);
        let heard = of.heard.get(&from).or(of.is_muddled.then_some(&fresh));
        let heard = heard.unwrap_or_else(|| panic!("{gap:?} is of nobody who was heard"));
        let behind = heard.delivered.last().is_none_or(|last| *last < gap.first);
        assert!(behind, "{gap:?} is told behind later ones");
        assert_eq!(heard.open, None, "{gap:?} is told twice");
        let began_anew = gap.cause == Cause::Lost && heard.start > gap.first;
        assert!(began_anew || !heard.ended || of.is_muddled, "{gap:?}, and its end has come");
        let since = if began_anew { heard.came_before } else { heard.came_at };
        let is_real = self.is_troubled(from, of.life, since) || of.is_muddled;
        assert!(is_real, "{gap:?}, and it was heard all the time");
        let heard = self.members[member].heard.entry(from).or_insert(fresh);
        match began_anew {
            true => heard.told.push((gap.first, heard.start - 1)),
            false => heard.open = Some(gap.first),
        }
    }

    /// Long after the last trouble: whatever was lost must have been told.
    pub(super) fn converged(&self) {
        for of in self.members.iter().filter(|of| !of.is_over) {
            for (&(from, topic), spoken) in &self.spoken {
                if topic == of.topic {
                    self.has_all(of, from, spoken);
                }
            }
        }
    }

    fn has_all(&self, of: &Membership, from: usize, spoken: &Spoken) {
        let heard = of.heard.get(&from);
        let node_known = of.heard_of(self.lives[from].origin.node, from, &self.lives);
        for (seq, given) in spoken.given.iter().filter(|(_, given)| given.id > of.since_id) {
            let is_there = heard.is_some_and(|heard| heard.covers(*seq));
            if is_there {
                continue;
            }
            assert!(from != of.life, "{seq} of its own engine did not come to a member");
            let settled = of.settled_at.is_some_and(|at| given.at >= at);
            let attached = heard.is_some_and(|heard| *seq > heard.owed_after);
            // What came while the bus thought of members before is not known that well.
            let attached =
                !of.is_muddled && (attached || node_known.is_some_and(|at| given.at > at));
            if !settled && !attached {
                continue;
            }
            let origin = self.lives[from].origin;
            let reached = heard.is_some_and(|heard| heard.reaches(*seq, given.start));
            assert!(!reached, "{seq} of {origin:?} is missing, and nobody was told");
            let said = spoken.said >= *seq || self.lives[from].is_over;
            assert!(said, "{seq} of {origin:?} is missing, and nothing was said of it");
        }
    }
}

/// Whether a topic's number is one that members can be of.
pub(super) fn is_topic(topic: usize) -> bool {
    topic < TOPICS
}
