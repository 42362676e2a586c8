//! Whether the gaps that engines told are there: what they say is lost was published and has not
//! come, and who they say is silent was.

use super::super::history::{At, Ending, History, Speaker};
use super::places::{Period, Place, Told};
use super::{Figures, Finding, Findings, SLACK, Seconds, Streams};
use ringws_engine::broker::{Cause, Gap};

/// Who has made itself heard within that is not silent: the engine's own grace, which comes on top
/// of three times the promise.
const GRACE: At = 2_000_000;
/// For so long what is done to processes has consequences: brokers reconnect, promises pass.
const CONSEQUENCES: At = 8_000_000;

/// The gaps of a topic on a life of an engine.
pub(super) struct Gaps<'h> {
    pub(super) history: &'h History,
    pub(super) streams: &'h Streams,
    pub(super) at: Speaker,
    pub(super) topic: u8,
    pub(super) place: &'h Place,
}

impl Gaps<'_> {
    pub(super) fn check(&self, figures: &mut Figures, findings: &mut Findings) {
        for (index, told) in self.place.gaps.iter().enumerate() {
            let counter = match told.gap.cause {
                Cause::Lost => &mut figures.gaps_lost,
                Cause::Silent => &mut figures.gaps_silent,
                Cause::Restarted => &mut figures.gaps_restarted,
                Cause::Unheard => &mut figures.gaps_unheard,
            };
            *counter += 1;
            figures.missing += told.gap.count();
            let wrong = match told.whose {
                None => Some(("a gap of nobody", String::new())),
                Some(whose) if whose == self.at => Some(("a gap of its own", String::new())),
                Some(whose) => self.wrong(told, whose, &self.place.gaps[..index]),
            };
            if let Some((what, more)) = wrong {
                findings.add(Finding { what, text: format!("{}: {more}", self.describe(told)) });
            }
            self.everybody(told, findings);
        }
    }

    fn describe(&self, Told { at, gap: Gap { first, last, cause, .. }, whose }: &Told) -> String {
        let (Speaker { node, life }, topic) = (self.at, self.topic);
        let last = last.map_or_else(|| "?".to_owned(), |last| last.to_string());
        let whose = whose.map_or_else(
            || "nobody".to_owned(),
            |Speaker { node, life }| format!("engine {node} (life {life})"),
        );
        format!(
            "topic {topic}, told by engine {node} (life {life}) at {}: {first} to {last} of \
             {whose}, {cause:?}",
            Seconds(*at)
        )
    }

    fn wrong(
        &self,
        told: &Told,
        whose: Speaker,
        before: &[Told],
    ) -> Option<(&'static str, String)> {
        let period = self.period(told.at)?;
        match told.gap.last {
            Some(last) => self.wrong_range(told, whose, last, period, before),
            None => self.wrong_silence(told, whose, period),
        }
    }

    fn period(&self, at: At) -> Option<&Period> {
        self.place.periods.iter().find(|period| period.asked <= at && at <= period.gone)
    }

    fn wrong_range(
        &self,
        told: &Told,
        whose: Speaker,
        last: u64,
        period: &Period,
        before: &[Told],
    ) -> Option<(&'static str, String)> {
        let stream = self.streams.get(&(whose, self.topic));
        let gap = &told.gap;
        let mut of_members = false;
        for number in gap.first..=last {
            let Some(one) = stream.and_then(|of| of.of(number)) else {
                return Some(("a gap of what was never published", format!("{number}")));
            };
            if one.sent > told.at {
                let text = format!("{number} was published at {}", Seconds(one.sent));
                return Some(("a gap before anything was lost", text));
            }
            if period.heard.get(&whose).is_some_and(|heard| heard.contains(&number)) {
                return Some(("a gap of what has come", format!("{number}")));
            }
            of_members |= one.answered == 0 || one.answered > period.asked;
        }
        let again = before.iter().find(|other| {
            let overlaps = |end: u64| other.gap.first <= last && gap.first <= end;
            other.gap.origin == gap.origin
                && other.at >= period.asked
                && other.gap.last.is_some_and(overlaps)
        });
        if let Some(other) = again {
            return Some(("told twice", self.describe(other)));
        }
        if gap.cause == Cause::Unheard {
            let heard = period.heard.get(&whose).and_then(|heard| heard.range(..gap.first).next());
            return heard.map(|number| ("unheard, but heard", format!("{number}")));
        }
        let text = || format!("there were members from {} on", Seconds(period.asked));
        (!of_members).then(|| ("a gap of what was published to nobody", text()))
    }

    fn wrong_silence(
        &self,
        told: &Told,
        whose: Speaker,
        period: &Period,
    ) -> Option<(&'static str, String)> {
        let heard = period.heard.get(&whose);
        let stays = self.place.stays.iter().flat_map(|stay| &stay.heard);
        let of_it = || stays.clone().filter(|(at, from, _)| *from == whose && *at < told.at);
        if told.gap.cause == Cause::Silent {
            let last = of_it().map(|(at, ..)| *at).max();
            if let Some(at) = last.filter(|at| at + GRACE > told.at + SLACK) {
                return Some(("silent, but heard", format!("at {}", Seconds(at))));
            }
        } else {
            let life = self.history.lives.get(&whose)?;
            if life.ending == Ending::Runs || life.ended > told.at {
                return Some(("a new life of who has not ended", String::new()));
            }
        }
        let before = heard.and_then(|of| of.range(..told.gap.first).next_back().copied());
        if before.is_some_and(|before| before + 1 < told.gap.first)
            && (before.unwrap_or_default() + 1..told.gap.first)
                .any(|number| !self.place.covers(whose, number))
        {
            // It may have been given up by a heartbeat before: then that was told, too.
            return Some(("an open gap that leaves some out", format!("after {before:?}")));
        }
        let is_consequence = |at: At| at <= told.at && told.at <= at.saturating_add(CONSEQUENCES);
        let has_reason = self.history.faults.iter().any(|(at, _)| is_consequence(*at));
        (!has_reason).then(|| ("a gap without a reason", String::new()))
    }

    /// All members at the time have been told.
    fn everybody(&self, told: &Told, findings: &mut Findings) {
        for stay in &self.place.stays {
            let was_there = stay.joined + SLACK < told.at && told.at + SLACK < stay.left;
            if was_there && !stay.gaps.iter().any(|(_, gap)| *gap == told.gap) {
                let text = format!("{}: member {}", self.describe(told), stay.member);
                findings.add(Finding { what: "not told to all", text });
            }
        }
    }
}
