//! The report as files: JSON, and JUnit's XML for what runs tests.

use super::judge::{Verdict, expected};
use super::play::Played;
use super::report::{Report, shown};
use super::row::{Row, Severity};
use crate::error::{Error, Result};
use crate::out::Out;
use crate::words::hex;
use clap::Args;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Where the report is written to, besides the terminal.
#[derive(Args, Debug)]
pub(crate) struct Files {
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[derive(Serialize)]
struct JsonRow<'r> {
    id: &'r str,
    clause: &'r str,
    severity: Severity,
    says: &'r str,
    verdict: Verdict,
    why: &'r str,
    expected: String,
    got: &'r str,
    /// Hex.
    sent: String,
    came: String,
    ms: u64,
}

impl Files {
    pub(super) fn write(&self, report: &Report<'_>, out: &mut Out) -> Result<()> {
        let both = [(&self.json, json(report)), (&self.junit, junit(report))];
        for (path, text) in both {
            let Some(path) = path else { continue };
            save(path, &text?)?;
            out.line(format_args!("written: {}", path.display()))?;
        }
        Ok(())
    }
}

fn save(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|source| Error::File { path: path.to_owned(), source })
}

fn json(report: &Report<'_>) -> Result<String> {
    let row = |(row, played): (&'_ Row, &'_ Played)| {
        serde_json::to_value(JsonRow {
            id: &row.id,
            clause: &row.clause,
            severity: row.severity,
            says: &row.says,
            verdict: played.verdict,
            why: &played.why,
            expected: expected(row),
            got: &played.got,
            sent: hex(&played.sent, usize::MAX).replace(' ', ""),
            came: hex(&played.came, usize::MAX).replace(' ', ""),
            ms: played.took.as_millis() as u64,
        })
    };
    let rows: std::result::Result<Vec<_>, _> = report.pairs().map(row).collect();
    let counts = report.counts();
    let whole = serde_json::json!({
        "url": report.url,
        "server": report.able,
        "counts": {
            "passed": counts.of(Verdict::Passed),
            "should": counts.of(Verdict::Should),
            "failed": counts.of(Verdict::Failed),
            "skipped": counts.of(Verdict::Skipped),
            "trouble": counts.of(Verdict::Trouble),
        },
        "rows": rows.map_err(std::io::Error::from)?,
    });
    Ok(serde_json::to_string_pretty(&whole).map_err(std::io::Error::from)? + "\n")
}

fn junit(report: &Report<'_>) -> Result<String> {
    let mut suite = TestSuite::new("ringws check");
    for (row, played) in report.pairs() {
        let mut status = match played.verdict {
            // A SHOULD is no failure of a test run; `--strict` says it by the exit code.
            Verdict::Passed | Verdict::Should => TestCaseStatus::success(),
            Verdict::Skipped => TestCaseStatus::skipped(),
            Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Trouble => TestCaseStatus::non_success(NonSuccessKind::Error),
        };
        let (why, says) = (&played.why, &row.says);
        if !why.is_empty() && played.verdict != Verdict::Should {
            status.set_message(format!("{}: {says} {why}", row.clause));
        }
        let mut case = TestCase::new(row.id.clone(), status);
        case.set_classname(row.id.split('.').next().unwrap_or_default());
        case.set_time(played.took);
        case.set_system_out(format!(
            "expected {}\ngot {}: {why}\nsent {}\ncame {}\n",
            expected(row),
            played.got,
            shown(&played.sent),
            shown(&played.came)
        ));
        suite.add_test_case(case);
    }
    let mut whole = quick_junit::Report::new(format!("ringws check {}", report.url));
    whole.add_test_suite(suite);
    whole.to_string().map_err(|error| std::io::Error::other(error).into())
}
