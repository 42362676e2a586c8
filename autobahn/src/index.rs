//! The merged index of the reports, a page and the suite's own JSON.

use crate::error::{Error, Result};
use crate::expected::{Expected, Outcome, Verdict};
use crate::report::{Judged, as_expected};
use crate::run::page;
use crate::spec::Spec;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<style>
body { font: 15px/1.5 sans-serif; margin: 2em; }
table { border-collapse: collapse; }
td, th { padding: 0.1em 0.8em; text-align: left; border-bottom: 1px solid #ddd; }
.Ok { background: #d7f0d7; }
.Informational { background: #dde7f7; }
.Failed { background: #f7c6c6; }
</style>
";

/// Writes `index.html` and `index.json` into the folder. Returns the path of the page.
pub fn write(
    folder: &Path,
    agent: &str,
    judged: &[Judged],
    spec: &Spec,
    expected: &Expected,
) -> Result<PathBuf> {
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(Error::io(path.display().to_string()))?;
        Ok(path)
    };
    put("index.json", json(agent, judged)?)?;
    put("index.html", html(agent, judged, spec, expected))
}

fn json(agent: &str, judged: &[Judged]) -> Result<String> {
    let cases: BTreeMap<String, &Outcome> = judged
        .iter()
        .filter_map(|case| Some((case.id.to_string(), case.outcome.as_ref()?)))
        .collect();
    let agents = BTreeMap::from([(agent, cases)]);
    serde_json::to_string_pretty(&agents).map_err(Error::data("index.json"))
}

fn html(agent: &str, judged: &[Judged], spec: &Spec, expected: &Expected) -> String {
    let (good, all) = (as_expected(judged), judged.len());
    let mut out = HEAD.to_owned();
    let _ = writeln!(out, "<title>{agent}: {good} of {all}</title>");
    let _ = writeln!(out, "<h1>{agent}: {good} of {all} cases as expected</h1>\n<table>");
    let mut group = None;
    for case in judged {
        if group != Some(case.id.group()) {
            group = Some(case.id.group());
            let title = spec.title(case.id.group());
            let _ = writeln!(
                out,
                "<tr><th>{}<th>{title}<th>closing<th>code<th>ms<th>",
                case.id.group()
            );
        }
        row(&mut out, case, expected);
    }
    out.push_str("</table>\n");
    out
}

fn row(out: &mut String, case: &Judged, expected: &Expected) {
    let (id, verdict) = (&case.id, case.verdict);
    let remark = match verdict {
        Verdict::Ok => String::new(),
        Verdict::Informational => expected.reason(id).unwrap_or_default().to_owned(),
        Verdict::Failed => {
            let (behavior, close) = expected.wanted(id);
            format!("expected {behavior}, closing {close}")
        }
    };
    let _ = match &case.outcome {
        Some(outcome) => writeln!(
            out,
            "<tr class={verdict:?}><td><a href=\"{}\">{id}</a><td>{}<td>{}<td>{}<td>{}<td>{remark}",
            page(&outcome.reportfile),
            outcome.behavior,
            outcome.behavior_close,
            outcome.remote_close_code.map_or(String::new(), |code| code.to_string()),
            outcome.duration,
        ),
        None => {
            writeln!(out, "<tr class={verdict:?}><td>{id}<td>no result<td><td><td><td>{remark}")
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expected::{Behavior, outcomes};

    fn judged() -> Vec<Judged> {
        let outcome = Outcome {
            behavior: Behavior::Ok,
            behavior_close: Behavior::WrongCode,
            remote_close_code: Some(1002),
            duration: 7,
            reportfile: "ringws_c_case_1_1_1.json".to_owned(),
        };
        let case = |id: &str, outcome| Judged {
            id: id.parse().expect("a case"),
            outcome,
            verdict: Verdict::Failed,
        };
        vec![case("1.1.1", Some(outcome)), case("2.1", None)]
    }

    #[test]
    fn the_merged_index_reads_as_the_suites_own() {
        let judged = judged();
        let text = json("ringws-c", &judged).expect("writes");
        let read = outcomes(&text, "ringws-c").expect("reads");
        assert_eq!(read.len(), 1);
        assert_eq!(read.get(&judged[0].id), judged[0].outcome.as_ref());
    }

    #[test]
    fn the_page_links_the_reports() {
        let (spec, expected) = (Spec::load().expect("reads"), Expected::load().expect("reads"));
        let page = html("ringws-c", &judged(), &spec, &expected);
        assert!(page.contains("<a href=\"ringws_c_case_1_1_1.html\">1.1.1</a>"), "{page}");
        assert!(page.contains("<td>OK<td>WRONG CODE<td>1002<td>7<td>expected OK, closing OK"));
        assert!(page.contains("<td>2.1<td>no result"), "{page}");
        assert!(page.contains("0 of 2 cases as expected"), "{page}");
    }
}
