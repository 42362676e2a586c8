//! Sharing the cases among processes.

use crate::case::CaseId;
use crate::spec::Case;
use std::cmp::Reverse;

/// Splits the cases into at most `count` shards of about the same duration; none is empty.
///
/// The longest case first, each to the shard that has least so far: at worst a third longer than
/// the best split (Graham, 1969). The cases of a shard are in order.
pub fn split(cases: &[Case], count: usize) -> Vec<Vec<CaseId>> {
    let mut longest_first: Vec<&Case> = cases.iter().collect();
    longest_first.sort_by_key(|case| (Reverse(case.ms), case.id.clone()));
    let mut shards: Vec<(u64, Vec<CaseId>)> = vec![(0, Vec::new()); count.max(1).min(cases.len())];
    for case in longest_first {
        // Counting the cases too spreads those that take no time.
        if let Some((ms, ids)) = shards.iter_mut().min_by_key(|(ms, ids)| (*ms, ids.len())) {
            *ms += case.ms;
            ids.push(case.id.clone());
        }
    }
    let ordered = |(_, mut ids): (u64, Vec<CaseId>)| {
        ids.sort();
        ids
    };
    shards.into_iter().map(ordered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    fn cases(durations: &[u64]) -> Vec<Case> {
        let of = |(n, &ms): (usize, &u64)| Case {
            id: format!("1.{}", n + 1).parse().expect("a case"),
            ms,
        };
        durations.iter().enumerate().map(of).collect()
    }

    #[test]
    fn every_case_is_in_one_shard() {
        let all = Spec::load().expect("the table reads").set("core").expect("a set");
        for count in [1, 2, 3, 8, 64, 300, 301, 1000] {
            let shards = split(&all, count);
            assert_eq!(shards.len(), count.min(301));
            assert!(shards.iter().all(|shard| !shard.is_empty() && shard.is_sorted()));
            let mut ids: Vec<CaseId> = shards.concat();
            ids.sort();
            assert!(ids.iter().eq(all.iter().map(|case| &case.id)), "{count} shards");
        }
    }

    #[test]
    fn balanced_by_duration() {
        let durations = [5, 90, 5, 30, 30, 30];
        let few = cases(&durations);
        let ms_of = |cases: &[Case], id: &CaseId| -> u64 {
            cases.iter().filter(|case| case.id == *id).map(|case| case.ms).sum()
        };
        for shard in split(&few, 2) {
            assert_eq!(shard.iter().map(|id| ms_of(&few, id)).sum::<u64>(), 95);
        }
        let all = Spec::load().expect("the table reads").set("core").expect("a set");
        let total: u64 = all.iter().map(|case| case.ms).sum();
        for shard in split(&all, 4) {
            let ms: u64 = shard.iter().map(|id| ms_of(&all, id)).sum();
            assert!(ms.abs_diff(total / 4) < total / 40, "{ms} of {total}");
        }
    }

    #[test]
    fn cases_that_take_no_time_are_spread() {
        let shards = split(&cases(&[0; 9]), 3);
        assert!(shards.iter().all(|shard| shard.len() == 3));
    }

    #[test]
    fn nothing_to_split() {
        assert!(split(&[], 4).is_empty());
    }
}
