//! The result of a run: each case judged, a table by group, the failures.

use crate::case::CaseId;
use crate::expected::{Expected, Outcome, Verdict};
use crate::run::page;
use crate::spec::{Case, Spec};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// A case and how it was judged.
pub struct Judged {
    /// Its number.
    pub id: CaseId,
    /// `None` when the case left no result.
    pub outcome: Option<Outcome>,
    /// Against `expected.toml`.
    pub verdict: Verdict,
}

/// Judges every case of the selection, and what came unasked for (which is a failure too).
pub fn judge(
    selected: &[Case],
    mut outcomes: BTreeMap<CaseId, Outcome>,
    expected: &Expected,
) -> Vec<Judged> {
    let mut judged: Vec<Judged> = Vec::with_capacity(selected.len());
    for case in selected {
        let outcome = outcomes.remove(&case.id);
        let verdict = expected.verdict(&case.id, outcome.as_ref());
        judged.push(Judged { id: case.id.clone(), outcome, verdict });
    }
    for (id, outcome) in outcomes {
        judged.push(Judged { id, outcome: Some(outcome), verdict: Verdict::Failed });
    }
    judged
}

/// How many cases gave what they must.
pub fn as_expected(judged: &[Judged]) -> usize {
    judged.iter().filter(|case| case.verdict != Verdict::Failed).count()
}

/// The table by group and, if any, the failures.
pub fn text(judged: &[Judged], spec: &Spec, expected: &Expected, folder: &Path) -> String {
    let mut out = table(judged, spec);
    let failures: Vec<&Judged> =
        judged.iter().filter(|case| case.verdict == Verdict::Failed).collect();
    if !failures.is_empty() {
        out.push_str("\nnot as expected\n");
    }
    for case in failures {
        let (behavior, close) = expected.wanted(&case.id);
        let _ = match &case.outcome {
            Some(outcome) => writeln!(
                out,
                "  {:7} {} (close: {}, code {}), expected {behavior} (close: {close})\n{:10}{}",
                case.id.to_string(),
                outcome.behavior,
                outcome.behavior_close,
                outcome.remote_close_code.map_or("none".to_owned(), |code| code.to_string()),
                "",
                folder.join(page(&outcome.reportfile)).display(),
            ),
            None => {
                let log = folder.join("shard-*.log");
                writeln!(out, "  {:7} left no result, see {}", case.id.to_string(), log.display())
            }
        };
    }
    out
}

fn table(judged: &[Judged], spec: &Spec) -> String {
    let mut groups: BTreeMap<u32, [usize; 3]> = BTreeMap::new();
    for case in judged {
        let counts = groups.entry(case.id.group()).or_default();
        match case.verdict {
            Verdict::Ok => counts[0] += 1,
            Verdict::Informational => counts[1] += 1,
            Verdict::Failed => counts[2] += 1,
        }
    }
    let mut out = String::new();
    let mut row = |id: &str, title: &str, cases: &str, [ok, info, failed]: [&str; 3]| {
        let _ = writeln!(out, "{id:>5}  {title:24}{cases:>7}{ok:>7}{info:>15}{failed:>8}");
    };
    row("group", "", "cases", ["OK", "informational", "failed"]);
    let mut total = [0; 3];
    for (id, counts) in &groups {
        let shown = counts.map(|count| count.to_string());
        let cases: usize = counts.iter().sum();
        row(
            &id.to_string(),
            spec.title(*id),
            &cases.to_string(),
            shown.each_ref().map(String::as_str),
        );
        total = std::array::from_fn(|n| total[n] + counts[n]);
    }
    let shown = total.map(|count| count.to_string());
    row("all", "", &judged.len().to_string(), shown.each_ref().map(String::as_str));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expected::Behavior;

    fn outcome(id: &str, behavior: Behavior) -> (CaseId, Outcome) {
        let reportfile = format!("ringws_c_case_{}.json", id.replace('.', "_"));
        let outcome = Outcome {
            behavior,
            behavior_close: Behavior::Ok,
            remote_close_code: Some(1000),
            duration: 1,
            reportfile,
        };
        (id.parse().expect("a case"), outcome)
    }

    fn judged(outcomes: &[(&str, Behavior)]) -> (Vec<Judged>, String) {
        let spec = Spec::load().expect("reads");
        let expected = Expected::load().expect("reads");
        let patterns = [(); 2].map(|()| "2".parse().expect("a pattern"));
        let selected = spec.select(&patterns).expect("matches");
        let outcomes = outcomes.iter().map(|(id, behavior)| outcome(id, *behavior)).collect();
        let judged = judge(&selected, outcomes, &expected);
        let text = text(&judged, &spec, &expected, Path::new("/reports"));
        (judged, text)
    }

    fn all_ok() -> Vec<(&'static str, Behavior)> {
        let ids = ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11"];
        ids.map(|id| (id, Behavior::Ok)).into()
    }

    #[test]
    fn all_as_expected() {
        let (judged, text) = judged(&all_ok());
        assert_eq!(as_expected(&judged), 11);
        let words: Vec<&str> = text.lines().last().expect("a total").split_whitespace().collect();
        assert_eq!(words, ["all", "11", "11", "0", "0"]);
        assert!(!text.contains("not as expected"));
        assert!(text.contains("Pings and pongs"));
    }

    #[test]
    fn a_failure_names_its_report() {
        let mut outcomes = all_ok();
        outcomes[2].1 = Behavior::NonStrict;
        let (judged, text) = judged(&outcomes);
        assert_eq!((as_expected(&judged), judged.len()), (10, 11));
        assert!(text.contains("2.3     NON-STRICT (close: OK, code 1000), expected OK"), "{text}");
        assert!(text.contains("/reports/ringws_c_case_2_3.html"), "{text}");
    }

    #[test]
    fn a_missing_and_an_unasked_case_are_failures() {
        let mut outcomes = all_ok();
        outcomes.remove(10);
        let (without, text) = judged(&outcomes);
        assert_eq!((as_expected(&without), without.len()), (10, 11));
        assert!(text.contains("2.11    left no result"), "{text}");
        outcomes.push(("1.1.1", Behavior::Ok));
        let (with, _) = judged(&outcomes);
        assert_eq!((as_expected(&with), with.len()), (10, 12));
    }
}
