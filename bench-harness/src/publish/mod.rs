//! What a comparison leaves behind: every sample, and what people read.

mod csv;
mod date;
mod document;
mod headline;
pub mod numbers;

pub use csv::csv;
pub use date::{date, stamp};
pub use document::Document;
pub(crate) use document::{Table, dash, latency};
pub use headline::{best_peer, headline, is_peer};

use crate::compare::Comparison;
use crate::error::{Error, Result};
use crate::html;
use serde::Serialize;
use std::path::Path;

/// Writes `results.json`, `results.csv`, `headline.md` and `report.html` into a directory, which is
/// made if it is not there.
pub fn publish(comparison: &Comparison, directory: &Path) -> Result<()> {
    let name = directory.display();
    std::fs::create_dir_all(directory).map_err(Error::io(format!("creating {name}")))?;
    write(&directory.join("results.json"), &json(comparison)?)?;
    write(&directory.join("results.csv"), &csv(comparison))?;
    write(&directory.join("headline.md"), &headline(comparison))?;
    write(&directory.join("report.html"), &html::page(comparison))
}

/// As indented JSON, with a line end.
pub fn json(value: &impl Serialize) -> Result<String> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Error::Usage(error.to_string()))?;
    Ok(text + "\n")
}

/// Writes a file.
pub fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Error::io(format!("writing {}", path.display())))
}
