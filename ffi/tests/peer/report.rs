//! What the two ends of a cell must have done with each other, and the table of the cells.

use super::MODES;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

/// Every cell does each of these, or says why its peer cannot.
const EXCHANGES: [&str; 9] = [
    "text",
    "binary",
    "empty",
    "one_mebibyte",
    "sixteen_mebibytes",
    "fragments",
    "ping_and_pong",
    "close_by_client",
    "close_by_server",
];

/// What was done in a cell.
#[derive(Default)]
pub(crate) struct Report {
    done: Vec<String>,
    not_applicable: BTreeMap<String, String>,
}

impl Report {
    pub(crate) fn ok(&mut self, exchange: &str) {
        self.done.push(exchange.to_owned());
    }

    pub(crate) fn not_applicable(&mut self, exchange: &str, reason: &str) {
        self.not_applicable.insert(exchange.to_owned(), reason.to_owned());
    }

    /// What the peer cannot do. Panics if something was left out without a word.
    pub(crate) fn complete(self) -> BTreeMap<String, String> {
        for exchange in EXCHANGES {
            let done = self.done.iter().any(|name| name == exchange);
            let excused = self.not_applicable.contains_key(exchange);
            assert!(done != excused, "{exchange}: done {done}, not applicable {excused}");
        }
        self.not_applicable
    }
}

/// What a cell of the table says.
pub(crate) enum Cell {
    /// All was exchanged, but for what the peer has no way to do.
    Passed(Duration, BTreeMap<String, String>),
    /// The peer has no such thing, and why.
    NotApplicable(&'static str),
    /// Something went wrong; what is above the table.
    Failed,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(took, _) => out.pad(&format!("PASS {:.1} s", took.as_secs_f64())),
            Self::NotApplicable(_) => out.pad("n.a."),
            Self::Failed => out.pad("FAILED"),
        }
    }
}

/// A peer in one role, with a cell for each mode.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) cells: Vec<Cell>,
}

/// The table and, below it, the reason of everything that is not applicable.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = format!("\n{:44}", "");
    for mode in MODES {
        let _ = write!(out, "{:>13}", mode.name);
    }
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    for row in rows {
        let _ = write!(out, "\n{:44}", row.name);
        for (cell, mode) in row.cells.iter().zip(MODES) {
            let _ = write!(out, "{:>13}", cell);
            let mut note = |text: String| {
                let place = format!("{} ({})", row.name, mode.name);
                match notes.iter_mut().find(|(known, _)| *known == text) {
                    Some((_, places)) => places.push(place),
                    None => notes.push((text, vec![place])),
                }
            };
            match cell {
                Cell::Passed(_, missing) => {
                    missing.iter().for_each(|(what, why)| note(format!("{what}: {why}")));
                }
                Cell::NotApplicable(reason) => note((*reason).to_owned()),
                Cell::Failed => {}
            }
        }
    }
    out.push_str("\n\nnot applicable:\n");
    for (note, places) in notes {
        let _ = writeln!(out, "  {note}\n      {}", places.join(", "));
    }
    out
}
