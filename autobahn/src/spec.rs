//! The table of the suite's cases, `specs/cases.toml`, and the selection of a run.

use crate::case::{CaseId, Pattern};
use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// All cases, by group.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    sets: BTreeMap<String, Vec<Pattern>>,
    #[serde(rename = "group")]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    id: u32,
    title: String,
    cases: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    under: CaseId,
    count: u32,
    ms: u64,
}

/// A case to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// Its number.
    pub id: CaseId,
    /// About how long it takes, in milliseconds.
    pub ms: u64,
}

impl Spec {
    /// The table that is part of this program.
    pub fn load() -> Result<Self> {
        toml::from_str(include_str!("../specs/cases.toml")).map_err(Error::data("specs/cases.toml"))
    }

    /// The cases of a named set, in order.
    pub fn set(&self, name: &str) -> Result<Vec<Case>> {
        let Some(patterns) = self.sets.get(name) else {
            let known: Vec<&str> = self.sets.keys().map(String::as_str).collect();
            return Err(Error::Usage(format!("no set `{name}`, but {}", known.join(", "))));
        };
        self.select(patterns)
    }

    /// The cases that any of the patterns selects, in order. A pattern that selects none is a
    /// mistake, and said so.
    pub fn select(&self, patterns: &[Pattern]) -> Result<Vec<Case>> {
        for pattern in patterns {
            if !self.all().any(|case| pattern.matches(&case.id)) {
                return Err(Error::Usage(format!("no case matches `{pattern}`")));
            }
        }
        let selected = |case: &Case| patterns.iter().any(|pattern| pattern.matches(&case.id));
        Ok(self.all().filter(selected).collect())
    }

    /// What a group is about.
    pub fn title(&self, id: u32) -> &str {
        let group = self.groups.iter().find(|group| group.id == id);
        group.map_or("", |group| group.title.as_str())
    }

    fn all(&self) -> impl Iterator<Item = Case> {
        let of_entry = |entry: &Entry| {
            let (under, ms) = (entry.under.clone(), entry.ms);
            (1..=entry.count).map(move |n| Case { id: under.child(n), ms })
        };
        self.groups.iter().flat_map(|group| &group.cases).flat_map(of_entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec::load().expect("the table reads")
    }

    /// The counts of Autobahn 25.10.1.
    #[test]
    fn as_many_cases_as_the_suite_has() {
        let counts = [
            (1, 16),
            (2, 11),
            (3, 7),
            (4, 10),
            (5, 20),
            (6, 145),
            (7, 37),
            (9, 54),
            (10, 1),
            (12, 90),
            (13, 126),
        ];
        let spec = spec();
        for (group, count) in counts {
            assert_eq!(spec.all().filter(|c| c.id.group() == group).count(), count, "{group}");
        }
        assert_eq!(spec.all().count(), 517);
        assert_eq!(spec.set("core").expect("a set").len(), 301);
        assert_eq!(spec.set("full").expect("a set").len(), 517);
        let deflate = spec.set("deflate").expect("a set");
        assert!(deflate.iter().all(|case| matches!(case.id.group(), 12 | 13)));
        assert!(spec.set("other").is_err());
    }

    #[test]
    fn in_order_once_each_and_in_their_group() {
        let spec = spec();
        let cases: Vec<CaseId> = spec.all().map(|case| case.id).collect();
        assert!(cases.is_sorted_by(|a, b| a < b));
        for group in &spec.groups {
            assert!(!group.title.is_empty());
            assert!(group.cases.iter().all(|entry| entry.under.group() == group.id));
        }
    }

    #[test]
    fn selection_by_patterns() {
        let patterns = |texts: &[&str]| -> Vec<Pattern> {
            texts.iter().map(|text| text.parse().expect("a pattern")).collect()
        };
        let spec = spec();
        assert_eq!(spec.select(&patterns(&["1.*", "6.4.*"])).expect("both match").len(), 20);
        assert_eq!(spec.select(&patterns(&["1.*", "1.1.1"])).expect("both match").len(), 16);
        assert_eq!(spec.select(&patterns(&["*"])).expect("matches").len(), 517);
        assert!(spec.select(&patterns(&["1.*", "8.*"])).is_err());
    }
}
