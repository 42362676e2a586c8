//! What is printed: each finding with its clause, then a table.

use super::able::Able;
use super::judge::{Verdict, expected};
use super::play::Played;
use super::row::{Row, Severity};
use crate::error::Result;
use crate::out::Out;
use crate::words::hex;
use std::process::ExitCode;
use std::time::Duration;

/// All that was found.
pub(crate) struct Report<'r> {
    pub(crate) url: &'r str,
    pub(crate) able: &'r Able,
    pub(crate) rows: &'r [Row],
    pub(crate) played: &'r [Played],
}

/// How many rows had which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts([usize; 5]);

impl Counts {
    pub(crate) fn of(&self, verdict: Verdict) -> usize {
        self.0[verdict as usize]
    }

    fn add(&mut self, verdict: Verdict) {
        self.0[verdict as usize] += 1;
    }

    fn all(&self) -> usize {
        self.0.iter().sum()
    }
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Robust => "robust",
        }
    }
}

/// The rows as they would be played.
pub(super) fn list(rows: &[Row], out: &mut Out) -> Result<()> {
    for row in rows {
        let (id, severity, clause) = (&row.id, row.severity.word(), &row.clause);
        out.line(format_args!("{id:<40} {severity:<6} {clause:<18} {}", row.says))?;
    }
    Ok(())
}

impl Report<'_> {
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Row, &Played)> {
        self.rows.iter().zip(self.played)
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.played.iter().for_each(|one| counts.add(one.verdict));
        counts
    }

    /// What the program ends with: 1 for a failure, 2 when rows could not be played.
    pub(super) fn exit_code(&self, strict: bool) -> ExitCode {
        let counts = self.counts();
        let failed = counts.of(Verdict::Failed) + usize::from(strict) * counts.of(Verdict::Should);
        match (failed, counts.of(Verdict::Trouble)) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    pub(super) fn findings(&self, out: &mut Out) -> Result<()> {
        for (row, played) in self.pairs() {
            let word = match played.verdict {
                Verdict::Passed | Verdict::Skipped => continue,
                Verdict::Should => "SHOULD",
                Verdict::Failed => "FAILED",
                Verdict::Trouble => "TROUBLE",
            };
            // Of what is only a SHOULD the row's own severity says nothing.
            let severity = match played.verdict {
                Verdict::Should => String::new(),
                _ => format!("{}, ", row.severity.word()),
            };
            out.line(format_args!("\n{word:<8} {}   {severity}{}", row.id, row.clause))?;
            out.line(format_args!("         {}", row.says))?;
            out.line(format_args!("expected {}", expected(row)))?;
            out.line(format_args!("got      {}: {}", played.got, played.why))?;
            out.line(format_args!("sent     {}", shown(&played.sent)))?;
            if !played.came.is_empty() {
                out.line(format_args!("came     {}", shown(&played.came)))?;
            }
        }
        Ok(())
    }

    pub(super) fn table(&self, took: Duration, out: &mut Out) -> Result<()> {
        let mut groups: Vec<(&str, Counts)> = Vec::new();
        for (row, played) in self.pairs() {
            let group = row.id.split('.').next().unwrap_or_default();
            let at = groups.iter().position(|(name, _)| *name == group).unwrap_or_else(|| {
                groups.push((group, Counts::default()));
                groups.len() - 1
            });
            groups[at].1.add(played.verdict);
        }
        groups.push(("all", self.counts()));
        out.line(format_args!("\n{:<12} rows  passed  should  failed  skipped", ""))?;
        for (name, counts) in groups {
            let [passed, should, failed, skipped, trouble] = counts.0;
            let trouble = match trouble {
                0 => String::new(),
                rows => format!("  {rows} could not be played"),
            };
            out.line(format_args!(
                "{name:<12} {:>4}  {passed:>6}  {should:>6}  {failed:>6}  {skipped:>7}{trouble}",
                counts.all()
            ))?;
        }
        for (why, rows) in self.skipped() {
            let rows = if rows == 1 { "1 row".into() } else { format!("{rows} rows") };
            out.line(format_args!("skipped: {why} ({rows})"))?;
        }
        out.line(format_args!("in {:.1} s", took.as_secs_f64()))
    }

    /// Why rows say nothing of this server, and how many.
    fn skipped(&self) -> Vec<(&str, usize)> {
        let mut reasons: Vec<(&str, usize)> = Vec::new();
        for played in self.played.iter().filter(|one| one.verdict == Verdict::Skipped) {
            match reasons.iter_mut().find(|(why, _)| *why == played.why) {
                Some((_, rows)) => *rows += 1,
                None => reasons.push((&played.why, 1)),
            }
        }
        reasons
    }
}

/// Bytes of a row: the request as text, the rest in hex.
pub(super) fn shown(bytes: &[u8]) -> String {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return match bytes.is_ascii() {
            true => cut(bytes),
            false => hex(bytes, 40),
        };
    };
    let (head, frames) = bytes.split_at(end + 4);
    match frames {
        [] => cut(head),
        frames => format!("{} | {}", line(head), hex(frames, 40)),
    }
}

fn cut(text: &[u8]) -> String {
    let dots = if text.len() > 400 { "..." } else { "" };
    format!("\"{}{dots}\"", text[..text.len().min(400)].escape_ascii())
}

/// The first line of a head.
fn line(head: &[u8]) -> String {
    let first = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    format!("\"{}\"", first[..first.len().min(80)].escape_ascii())
}
