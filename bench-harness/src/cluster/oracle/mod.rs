//! The judge of a run: what each member has heard, and what it was told that it will not hear, must
//! agree with what was published.
//!
//! - No message comes twice, and those of an engine on a topic come in its order.
//! - What was published while somebody was a member of the topic, and has not come, lies in a gap
//!   that its engine told. An open gap goes on until its publisher is heard again. Not owed is what
//!   was published before the topic was settled (`settle_ms` after it got its first member here, or
//!   the bus was up) and before its publisher was heard; nor what an engine has published that
//!   ended before anybody here has ever heard of it; nor what was to be told to a member that was
//!   cut off within the next second, or by then.
//! - A closed gap has numbers that were given, before it was told, and that have not come; none is
//!   told twice; and some of them were given while the topic had members. An open gap begins behind
//!   what is known. Its publisher was not heard for two seconds before, or has ended; and something
//!   was done to a process shortly before.
//! - All members of a topic on an engine are told the same.

mod gaps;
mod members;
mod numbers;
mod places;
#[cfg(test)]
mod tests;

use super::history::{At, Came, History, Speaker};
use super::wire::Answer;
use gaps::Gaps;
use members::Member;
use numbers::Stream;
use places::places;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;

/// What comes is written down later than it came: readers wait for a CPU.
const SLACK: At = 700_000;
/// So much of what is wrong is told.
const FINDINGS: usize = 20;

type Streams = HashMap<(Speaker, u8), Stream>;

/// A time, in seconds.
struct Seconds(At);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            At::MAX => write!(f, "never"),
            at => write!(f, "{:.3} s", at as f64 / 1e6),
        }
    }
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In a few words.
    pub what: &'static str,
    /// Who, where, which, when.
    pub text: String,
}

/// All of it, as far as it is told.
#[derive(Debug, Default)]
struct Findings {
    first: Vec<Finding>,
    count: u64,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        self.count += 1;
        if self.first.len() < FINDINGS {
            self.first.push(finding);
        }
    }
}

/// What has happened in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Messages that an engine took.
    pub published: u64,
    /// Those that it refused.
    pub refused: u64,
    /// Messages that came to members on other engines.
    pub delivered: u64,
    /// Messages that members did not get and had a right to: all of them were told.
    pub lost: u64,
    /// Messages that did not come since the topic was not settled yet.
    pub not_owed: u64,
    /// Gaps that engines told, by their causes.
    pub gaps_lost: u64,
    /// As above.
    pub gaps_silent: u64,
    /// As above.
    pub gaps_restarted: u64,
    /// As above.
    pub gaps_unheard: u64,
    /// Messages in them, where these could be counted.
    pub missing: u64,
    /// What must not be.
    pub findings: u64,
}

/// Judges a run; `settle`: what its engines were told, in microseconds.
pub(super) fn judge(history: &History, settle: At) -> (Figures, Vec<Finding>) {
    let (mut figures, mut findings) = (Figures::default(), Findings::default());
    let streams: Streams =
        history.tries.iter().map(|(key, all)| (*key, Stream::new(all))).collect();
    for one in history.tries.values().flatten() {
        match one.answer {
            Answer::Accepted => figures.published += 1,
            Answer::Refused => figures.refused += 1,
            Answer::Unknown => {}
        }
    }
    let places = places(history, &streams, settle, &mut findings);
    let last_heard = last_heard(history, &streams);
    for ((at, topic), place) in &places {
        let (at, topic) = (*at, *topic);
        for stay in &place.stays {
            let Some(period) = place.period(stay) else { continue };
            let elsewhere = stay.heard.iter().filter(|(_, from, _)| *from != at);
            figures.delivered += elsewhere.count() as u64;
            let last_heard = &last_heard;
            let streams = &streams;
            let member = Member { history, streams, last_heard, at, topic, place, period, stay };
            member.order(&mut findings);
            member.coverage(&mut figures, &mut findings);
        }
        let gaps = Gaps { history, streams: &streams, at, topic, place };
        gaps.check(&mut figures, &mut findings);
    }
    figures.findings = findings.count;
    (figures, findings.first)
}

fn last_heard(history: &History, streams: &Streams) -> HashMap<(Speaker, u8), u64> {
    let mut last = HashMap::new();
    for (_, came) in history.visits.iter().flat_map(|visit| &visit.came) {
        let Came::Message { topic, from, serial } = came else { continue };
        let key = (*from, *topic);
        if let Some(number) = streams.get(&key).and_then(|of| of.number(*serial)) {
            let greatest = last.entry(key).or_insert(number);
            *greatest = number.max(*greatest);
        }
    }
    last
}
