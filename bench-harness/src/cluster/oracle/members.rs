//! What each member has heard: once, in order, and all of it but what it was told of.

use super::super::history::{At, Ending, History, Speaker, Try};
use super::super::wire::Answer;
use super::places::{Period, Place, Stay};
use super::{Figures, Finding, Findings, SLACK, Seconds, Streams};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A member that was cut off is not told what its engine had yet to find out, or to send.
const CUT: At = 1_000_000;

/// A member's time in a topic on a life of an engine.
pub(super) struct Member<'h> {
    pub(super) history: &'h History,
    pub(super) streams: &'h Streams,
    /// The last number of each stream that was heard anywhere.
    pub(super) last_heard: &'h HashMap<(Speaker, u8), u64>,
    pub(super) at: Speaker,
    pub(super) topic: u8,
    pub(super) place: &'h Place,
    pub(super) period: &'h Period,
    pub(super) stay: &'h Stay,
}

impl Member<'_> {
    fn who(&self) -> String {
        let (Speaker { node, life }, member, topic) = (self.at, self.stay.member, self.topic);
        format!("topic {topic}, member {member} on engine {node} (life {life})")
    }

    /// No message twice, and those of a publisher in its order, life by life.
    pub(super) fn order(&self, findings: &mut Findings) {
        let (mut seen, mut last) = (HashSet::new(), BTreeMap::<u8, (u16, u64)>::new());
        for (at, from, number) in &self.stay.heard {
            let text = || {
                let Speaker { node, life } = from;
                format!(
                    "{}: {number} of engine {node} (life {life}) at {}",
                    self.who(),
                    Seconds(*at)
                )
            };
            let (this, before) = ((from.life, *number), last.entry(from.node).or_default());
            if !seen.insert((*from, *number)) {
                findings.add(Finding { what: "it came twice", text: text() });
            } else if this < *before {
                let text = format!("{}, behind {} of life {}", text(), before.1, before.0);
                findings.add(Finding { what: "out of order", text });
            }
            *before = this.max(*before);
        }
    }

    /// What is missing was told.
    pub(super) fn coverage(&self, figures: &mut Figures, findings: &mut Findings) {
        let here: HashSet<(Speaker, u64)> =
            self.stay.heard.iter().map(|(_, from, number)| (*from, *number)).collect();
        for (from, topic) in self.streams.keys() {
            if *topic != self.topic {
                continue;
            }
            let owes = Owes::new(self, *from);
            let stream = &self.streams[&(*from, *topic)];
            let mut untold: Vec<u64> = Vec::new();
            for number in 1..=stream.last() {
                let missing = !here.contains(&(*from, number));
                let Some(one) = stream.of(number).filter(|_| missing) else { continue };
                match owes.number(number, one) {
                    None => {}
                    Some(false) => figures.not_owed += 1,
                    Some(true) => {
                        figures.lost += 1;
                        if !self.place.covers(*from, number) {
                            untold.push(number);
                        }
                    }
                }
            }
            self.untold(*from, &untold, findings);
        }
    }

    fn untold(&self, from: Speaker, numbers: &[u64], findings: &mut Findings) {
        let [first, .., last] = numbers else {
            let Some(one) = numbers.first() else { return };
            return self.untold(from, &[*one, *one], findings);
        };
        let stream = &self.streams[&(from, self.topic)];
        let when = |number| Seconds(stream.of(number).map_or(0, |one| one.sent));
        let heard: Vec<(At, u64)> = self.heard(from);
        let near: Vec<String> = [
            heard.iter().rfind(|(_, number)| number < first),
            heard.iter().find(|(_, number)| number > last),
        ]
        .into_iter()
        .flatten()
        .map(|(at, number)| format!("{number} came at {}", Seconds(*at)))
        .collect();
        let gaps: Vec<String> = self
            .place
            .gaps
            .iter()
            .filter(|told| told.whose == Some(from))
            .map(|told| format!("{}..{:?} at {}", told.gap.first, told.gap.last, Seconds(told.at)))
            .collect();
        let text = format!(
            "{}: {first} to {last} of engine {} (life {}), published from {} to {}; {near:?}; \
             member since {} until {}, settled at {}; gaps told of it: {gaps:?}",
            self.who(),
            from.node,
            from.life,
            when(*first),
            when(*last),
            Seconds(self.stay.joined),
            Seconds(self.stay.left),
            Seconds(self.period.settled),
        );
        findings.add(Finding { what: "lost, and not told", text });
    }

    fn heard(&self, from: Speaker) -> Vec<(At, u64)> {
        let of = self.stay.heard.iter().filter(|of| of.1 == from);
        of.map(|(at, _, number)| (*at, *number)).collect()
    }
}

/// What a member has a right to of what one life of an engine has published.
struct Owes<'m> {
    member: &'m Member<'m>,
    from: Speaker,
    ended: Option<At>,
    /// The first number that somebody here has heard of it.
    contact: Option<u64>,
    /// An earlier life of it was heard here.
    known: bool,
    /// The last that was heard anywhere.
    last_heard: u64,
    /// The greatest that came to this member in time for it to be told of all before.
    evidence: (u16, u64),
}

impl<'m> Owes<'m> {
    fn new(member: &'m Member<'m>, from: Speaker) -> Self {
        let heard = &member.period.heard;
        let life = member.history.lives.get(&from);
        let in_time = |at: At| at + CUT <= member.stay.left;
        let evidence =
            member.stay.heard.iter().filter(|(at, by, _)| by.node == from.node && in_time(*at));
        Self {
            member,
            from,
            ended: life.filter(|life| life.ending != Ending::Runs).map(|life| life.ended),
            contact: heard.get(&from).and_then(|numbers| numbers.first().copied()),
            known: heard.keys().any(|by| by.node == from.node && by.life < from.life),
            last_heard: member.last_heard.get(&(from, member.topic)).copied().unwrap_or_default(),
            evidence: evidence.map(|(_, by, number)| (by.life, *number)).max().unwrap_or_default(),
        }
    }

    /// Whether this number is owed, though it was published before the member knew the publisher;
    /// `None`: it was no member then, or nobody knows that it was published, or it had gone before
    /// it could be told.
    fn number(&self, number: u64, one: &Try) -> Option<bool> {
        let (stay, is_own) = (self.member.stay, self.from == self.member.at);
        let published = one.answer == Answer::Accepted || number < self.last_heard;
        let answered = if one.answered == 0 { self.ended.unwrap_or(At::MAX) } else { one.answered };
        let attends = one.sent > stay.joined && answered < stay.left;
        let can_be_told = stay.to_the_end || (self.from.life, number) < self.evidence;
        if !published || !attends || !can_be_told {
            return None;
        }
        let is_late = one.sent > self.member.period.settled.saturating_add(SLACK);
        let is_known = self.contact.is_some_and(|first| number > first) || self.known;
        let will_be = stay.to_the_end && self.ended.is_none();
        Some(is_own || is_known || is_late && (self.contact.is_some() || will_be))
    }
}
