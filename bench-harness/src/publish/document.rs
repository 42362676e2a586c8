//! What a program has measured, as a table for the terminal and as a page.

use super::{json, numbers, write};
use crate::error::{Error, Result};
use crate::html;
use crate::machine::Description;
use crate::report::Latency;
use serde::Serialize;
use std::path::Path;
use std::time::SystemTime;

/// The name of a figure, and how it reads.
pub(crate) type Figure<'a, R> = (&'a str, &'a dyn Fn(&R) -> String);

/// A row for each figure, a column for each run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    pub(crate) fn new<R>(runs: &[(String, R)], figures: &[Figure<'_, R>]) -> Self {
        let columns = runs.iter().map(|(name, _)| name.clone()).collect();
        let row = |(name, figure): &Figure<'_, R>| {
            ((*name).to_owned(), runs.iter().map(|(_, run)| figure(run)).collect())
        };
        Self { columns, rows: figures.iter().map(row).collect() }
    }

    /// Rows become columns: where there are many runs and few figures.
    pub(crate) fn turn(&mut self) {
        let figures = self.rows.iter().map(|(name, _)| name.clone()).collect();
        let row = |(index, name): (usize, &String)| {
            let cells = self.rows.iter().filter_map(|(_, cells)| cells.get(index).cloned());
            (name.clone(), cells.collect())
        };
        let rows = self.columns.iter().enumerate().map(row).collect();
        (self.columns, self.rows) = (figures, rows);
    }

    /// For the terminal, and for documents.
    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head = [vec![String::new()], self.columns.clone()].concat();
        let rule = vec!["---".to_owned(); head.len()].join("|");
        let mut out = line(&head) + &format!("|{rule}|\n");
        for (name, cells) in &self.rows {
            out += &line(&[vec![name.clone()], cells.clone()].concat());
        }
        out
    }

    fn html(&self) -> String {
        let head: Vec<&str> =
            std::iter::once("").chain(self.columns.iter().map(String::as_str)).collect();
        let rows = self.rows.iter().map(|(name, cells)| {
            std::iter::once(name.as_str()).chain(cells.iter().map(String::as_str)).collect()
        });
        html::table(&head, rows)
    }
}

/// What a command leaves behind.
#[derive(Debug)]
pub struct Document {
    title: &'static str,
    table: Table,
    drawings: String,
    /// Below the table.
    facts: String,
    machine: Description,
    started_unix: u64,
}

#[derive(Serialize)]
struct Results<'a, R> {
    started_unix: u64,
    machine: &'a Description,
    runs: Vec<(&'a str, &'a R)>,
}

impl Document {
    /// Of now, and this machine.
    pub(crate) fn new(title: &'static str, table: Table, drawings: String, facts: String) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let started_unix = since.unwrap_or_default().as_secs();
        let machine = Description::read();
        Self { title, table, drawings, facts, machine, started_unix }
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        self.table.markdown() + "\n" + &self.facts
    }

    /// Writes `results.json` and `report.html` into a directory, which is made.
    pub fn write(&self, runs: &[(String, impl Serialize)], directory: &Path) -> Result<()> {
        let made = std::fs::create_dir_all(directory);
        made.map_err(Error::io(format!("creating {}", directory.display())))?;
        let (machine, started_unix) = (&self.machine, self.started_unix);
        let runs = runs.iter().map(|(name, run)| (name.as_str(), run)).collect();
        let results = Results { started_unix, machine, runs };
        write(&directory.join("results.json"), &json(&results)?)?;
        let line = html::machine_line(machine, started_unix);
        let facts = match self.facts.as_str() {
            "" => String::new(),
            facts => format!("<pre>{}</pre>", html::escape(facts)),
        };
        let body = self.table.html() + &facts + &self.drawings;
        write(&directory.join("report.html"), &html::document(self.title, &line, &body))
    }
}

/// Three percentiles.
pub(crate) fn latency(latency: Option<&Latency>) -> String {
    let us = numbers::microseconds;
    latency.map_or_else(dash, |it| format!("{}, {}, {}", us(it.p50), us(it.p99), us(it.p999)))
}

/// Where there is nothing to say.
pub(crate) fn dash() -> String {
    "–".into()
}
