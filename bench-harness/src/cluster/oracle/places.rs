//! What was heard on each life of an engine of each topic: who was a member when, and what they
//! were told.

use super::super::history::{At, Came, History, Life, Speaker, Visit};
use super::{Finding, Findings, Streams};
use ringws_engine::broker::Gap;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A member's time in a topic.
#[derive(Clone, Debug)]
pub(super) struct Stay {
    pub(super) member: u8,
    /// It has asked for it then, and was one then.
    pub(super) asked: At,
    pub(super) joined: At,
    /// It has asked to leave, or was cut off, and was none any more.
    pub(super) left: At,
    pub(super) gone: At,
    pub(super) to_the_end: bool,
    /// What came, in order: who has published it, and its number.
    pub(super) heard: Vec<(At, Speaker, u64)>,
    pub(super) gaps: Vec<(At, Gap)>,
}

/// A gap that an engine told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// To its first member.
    pub(super) at: At,
    pub(super) gap: Gap,
    /// Whose messages are missing.
    pub(super) whose: Option<Speaker>,
}

/// A time in which a topic had members, without a pause.
#[derive(Clone, Debug)]
pub(super) struct Period {
    pub(super) asked: At,
    pub(super) joined: At,
    pub(super) gone: At,
    /// From then on publishers that nobody has heard of owe all from their start.
    pub(super) settled: At,
    /// What any of the members has heard.
    pub(super) heard: BTreeMap<Speaker, BTreeSet<u64>>,
}

/// A topic on a life of an engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) stays: Vec<Stay>,
    pub(super) periods: Vec<Period>,
    pub(super) gaps: Vec<Told>,
}

pub(super) type Places = BTreeMap<(Speaker, u8), Place>;

/// When the bus of a life was down, as its members were told.
type Downs = HashMap<Speaker, Vec<(At, At)>>;

fn downs(visits: &[Visit]) -> Downs {
    let mut states: HashMap<Speaker, Vec<(At, bool)>> = HashMap::new();
    for visit in visits {
        let of = states.entry(visit.at).or_default();
        of.extend(visit.came.iter().filter_map(|(at, came)| match came {
            Came::Up(up) => Some((*at, *up)),
            _ => None,
        }));
    }
    let of_life = |mut all: Vec<(At, bool)>| {
        all.sort_unstable();
        // Before anybody knows it is down.
        let (mut downs, mut since) = (Vec::new(), Some(0));
        for (at, up) in all {
            match (up, since) {
                (true, Some(from)) => {
                    downs.push((from, at));
                    since = None;
                }
                (false, None) => since = Some(at),
                _ => {}
            }
        }
        downs.extend(since.map(|from| (from, At::MAX)));
        downs
    };
    states.into_iter().map(|(life, all)| (life, of_life(all))).collect()
}

/// When a topic is settled that has got its first member then: it takes so long, undisturbed.
fn settled(joined: At, downs: &[(At, At)], settle: At) -> At {
    let mut at = joined;
    let disturbed = |at: At| downs.iter().find(|(from, to)| *from <= at + settle && at < *to);
    while let Some((_, to)) = disturbed(at) {
        at = *to;
        if at == At::MAX {
            return at;
        }
    }
    at.saturating_add(settle)
}

/// The life whose epoch that is.
pub(super) fn whose(lives: &HashMap<Speaker, Life>, gap: &Gap) -> Option<Speaker> {
    let is_it = |(speaker, life): &(&Speaker, &Life)| {
        let (from, to) = life.epochs;
        u64::from(speaker.node) == gap.origin.node && (from..=to).contains(&gap.origin.epoch)
    };
    lives.iter().find(is_it).map(|(speaker, _)| *speaker)
}

/// All that members have written down, by place.
pub(super) fn places(
    history: &History,
    streams: &Streams,
    settle: At,
    findings: &mut Findings,
) -> Places {
    let mut places = Places::new();
    for visit in &history.visits {
        for (topic, stay) in stays(visit, streams, findings) {
            places.entry((visit.at, topic)).or_default().stays.push(stay);
        }
    }
    let downs = downs(&history.visits);
    for ((at, _), place) in &mut places {
        place.stays.sort_by_key(|stay| stay.asked);
        let of = downs.get(at).map_or(&[][..], Vec::as_slice);
        place.periods = periods(&place.stays, |joined| settled(joined, of, settle));
        place.gaps = told(&place.stays, &history.lives);
    }
    places
}

fn stays(visit: &Visit, streams: &Streams, findings: &mut Findings) -> Vec<(u8, Stay)> {
    let (mut done, mut open) = (Vec::new(), BTreeMap::<u8, Stay>::new());
    let new = |asked| Stay {
        member: visit.member,
        asked,
        joined: At::MAX,
        left: visit.ended,
        gone: visit.ended,
        to_the_end: visit.to_the_end,
        heard: Vec::new(),
        gaps: Vec::new(),
    };
    for (at, came) in &visit.came {
        let mut odd = |what, text: String| {
            let text = format!("{} at {}: {text}", Who(visit), super::Seconds(*at));
            findings.add(Finding { what, text });
        };
        match *came {
            Came::Joins(topic) => _ = open.insert(topic, new(*at)),
            Came::Joined(topic) => _ = open.get_mut(&topic).map(|stay| stay.joined = *at),
            Came::Leaves(topic) => {
                if let Some(stay) = open.get_mut(&topic) {
                    (stay.left, stay.to_the_end) = (*at, false);
                }
            }
            Came::Left(topic) => {
                if let Some(mut stay) = open.remove(&topic) {
                    stay.gone = *at;
                    done.push((topic, stay));
                }
            }
            Came::Message { topic, from, serial } => {
                let number = streams.get(&(from, topic)).and_then(|of| of.number(serial));
                let text = || format!("{serial} of {from:?} on topic {topic}");
                match (number, open.get_mut(&topic)) {
                    (None, _) => odd("nobody has published it, or it was refused", text()),
                    (_, None) => odd("it came to whom was no member", text()),
                    (Some(number), Some(stay)) => stay.heard.push((*at, from, number)),
                }
            }
            Came::Garbage => odd("these bytes nobody has published", String::new()),
            // Of another member of the engine.
            Came::Gap(topic, gap) => {
                _ = open.get_mut(&topic).map(|stay| stay.gaps.push((*at, gap)));
            }
            Came::Up(_) => {}
        }
    }
    done.extend(open);
    done
}

/// In words.
pub(super) struct Who<'v>(pub(super) &'v Visit);

impl std::fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Visit { at: Speaker { node, life }, member, .. } = self.0;
        write!(f, "member {member} on engine {node} (life {life})")
    }
}

fn periods(stays: &[Stay], settled: impl Fn(At) -> At) -> Vec<Period> {
    let mut periods: Vec<Period> = Vec::new();
    for stay in stays {
        let goes_on = periods.last_mut().filter(|period| stay.asked <= period.gone);
        let period = match goes_on {
            Some(period) => period,
            None => {
                let (asked, joined, gone) = (stay.asked, stay.joined, stay.gone);
                let (settled, heard) = (settled(stay.joined), BTreeMap::new());
                periods.push(Period { asked, joined, gone, settled, heard });
                periods.last_mut().expect("pushed")
            }
        };
        period.joined = period.joined.min(stay.joined);
        period.gone = period.gone.max(stay.gone);
        for (_, from, number) in &stay.heard {
            period.heard.entry(*from).or_default().insert(*number);
        }
    }
    periods
}

/// Each gap once, as the first member heard of it.
fn told(stays: &[Stay], lives: &HashMap<Speaker, Life>) -> Vec<Told> {
    let mut all: Vec<(At, Gap)> = stays.iter().flat_map(|stay| stay.gaps.clone()).collect();
    all.sort_by_key(|(at, _)| *at);
    let mut gaps: Vec<Told> = Vec::new();
    for (at, gap) in all {
        if gaps.iter().all(|told| told.gap != gap) {
            gaps.push(Told { at, gap, whose: whose(lives, &gap) });
        }
    }
    gaps
}

impl Place {
    /// Whether a gap that was told has this number in it. Open ones end where the publisher is
    /// heard again.
    pub(super) fn covers(&self, whose: Speaker, number: u64) -> bool {
        self.gaps.iter().filter(|told| told.whose == Some(whose)).any(|Told { gap, .. }| {
            let again = || {
                let heard = self.stays.iter().flat_map(|stay| &stay.heard);
                let of = heard.filter(|(_, from, number)| *from == whose && *number >= gap.first);
                of.map(|(_, _, number)| *number).min().unwrap_or(u64::MAX)
            };
            gap.first <= number && gap.last.map_or_else(|| number < again(), |last| number <= last)
        })
    }

    /// The period that has this stay in it.
    pub(super) fn period(&self, stay: &Stay) -> Option<&Period> {
        self.periods.iter().find(|of| of.asked <= stay.asked && stay.gone <= of.gone)
    }
}
