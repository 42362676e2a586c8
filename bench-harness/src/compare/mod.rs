//! Servers against each other and against the ceilings, in one run.
//!
//! Absolute figures drift from minute to minute. So the servers take turns, each started anew for
//! each turn; what is judged is the ratio to a ceiling within the same round, as the median of all
//! rounds. The ceiling of bytes bounds every server; that of frames, which speaks WebSocket without
//! being a server, tells what touching the frames costs from what a server adds.

mod contender;
mod convert;
pub mod idle;
mod measure;
mod run;
mod sample;
mod stats;
mod summary;
mod table;
mod wire;

pub use contender::{CEILING, CEILING_OF_FRAMES, Contender, OWN, REFERENCE};
pub use run::{Step, effort, run};
pub use sample::{Figures, Metric, Outcome, Sample};
pub use stats::Spread;
pub use summary::{Ratio, Summary};
pub(crate) use table::served;
pub use table::table;
pub use wire::Wire;

use crate::machine;
use crate::peers;
use crate::scenario::{Mode, Row, Suite};
use serde::Serialize;

/// Which CPU does what.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cpus {
    /// The server's.
    pub server: usize,
    /// The load generator's.
    pub load: usize,
}

/// A server that took part, as it is recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Party {
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub version: Option<String>,
    /// How it was tuned, if it is one of those that are prepared here.
    pub tuning: Option<&'static str>,
    /// Program and arguments.
    pub command: Vec<String>,
}

impl From<&Contender> for Party {
    fn from(contender: &Contender) -> Self {
        Self {
            name: contender.name.clone(),
            version: contender.version.clone(),
            tuning: peers::tuning(&contender.name),
            command: contender.launch.command.clone(),
        }
    }
}

/// A server that should have taken part.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Why it did not.
    pub reason: String,
}

/// All that a comparison found.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// When it started, in seconds since 1970.
    pub started_unix: u64,
    /// How long it took.
    pub seconds: f64,
    /// Where it ran.
    pub machine: machine::Description,
    /// Which CPU did what.
    pub cpus: Cpus,
    /// What was asked for.
    pub suite: Suite,
    /// Who took part.
    pub servers: Vec<Party>,
    /// Who did not.
    pub missing: Vec<Missing>,
    /// What else did not happen, and why.
    pub notes: Vec<String>,
    /// The summaries, by row, then by server.
    pub summaries: Vec<Summary>,
    /// Every single measurement, in the order they were taken.
    pub samples: Vec<Sample>,
}

impl Comparison {
    /// The summaries of a row.
    pub fn of_row(&self, row: &Row) -> Vec<&Summary> {
        self.summaries.iter().filter(|summary| summary.row == row.name).collect()
    }

    /// The rows of a mode that have figures or failures.
    pub fn rows(&self, mode: Mode) -> Vec<&Row> {
        let rows = self.suite.row.iter().filter(|row| row.mode == mode);
        rows.filter(|row| !self.of_row(row).is_empty()).collect()
    }

    /// The largest share of a counted measurement that other work disturbed.
    pub fn disturbed(&self) -> f64 {
        let shares = self.samples.iter().filter_map(Sample::figures).map(Figures::disturbed);
        shares.fold(0.0, f64::max)
    }
}
