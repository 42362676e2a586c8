//! Servers against each other and against the ceilings, in one run.
//!
//! Absolute figures drift from minute to minute. So the servers take turns, each started anew for
//! each turn; what is judged is the ratio to a ceiling within the same round, as the median of all
//! rounds. The ceiling of bytes bounds every server; that of frames, which speaks WebSocket without
//! being a server, tells what touching the frames costs from what a server adds.

pub mod idle;
mod summary;
mod table;

pub use summary::{Spread, Summary};
pub use table::table;

use crate::error::{Error, Result};
use crate::example::Workspace;
use crate::load::closed::{self, Plan};
use crate::machine;
use crate::report::{DISTURBED, Report};
use crate::scenario::{Row, Suite};
use crate::server::{Launch, Server};
use serde::Serialize;
use std::time::Duration;

/// The name of the ceiling of bytes among the servers, and of the program.
pub const CEILING: &str = "ceiling-tcp";
/// The name of the ceiling of frames among the servers.
pub const CEILING_OF_FRAMES: &str = "ceiling-frames";

/// A server that takes part.
#[derive(Clone, Debug)]
pub struct Contender {
    /// As printed.
    pub name: String,
    /// How to start it.
    pub launch: Launch,
    /// Whether it only sends back bytes, without WebSocket.
    pub raw: bool,
    /// What it is made of, as its package manager or its own `--version` says.
    pub version: Option<String>,
}

impl Contender {
    /// A WebSocket server of unknown version.
    pub fn new(name: &str, launch: Launch) -> Self {
        Self { name: name.into(), launch, raw: false, version: None }
    }

    /// The ceilings of bytes and of frames, built now if they are not up to date.
    pub fn ceilings(workspace: &Workspace) -> Result<[Self; 2]> {
        let program = workspace.own_program(CEILING)?;
        let program = program.to_string_lossy().into_owned();
        let one = |name: &str, command, raw| {
            let launch = Launch { command, announces: true, cpu: None };
            Self { raw, ..Self::new(name, launch) }
        };
        Ok([
            one(CEILING, vec![program.clone()], true),
            one(CEILING_OF_FRAMES, vec![program, "--frames".into()], false),
        ])
    }

    /// From `name=command line` with `{port}` in it.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((name, line)) if !name.is_empty() && line.contains("{port}") => {
                Ok(Self::new(name, Launch::parse(line)))
            }
            _ => Err(Error::Usage(format!("`{text}` is not of the form name=command {{port}}"))),
        }
    }

    /// How to start it for a row.
    fn launch(&self, row: &Row, cpu: usize) -> Launch {
        let mut launch = self.launch.clone();
        launch.cpu = Some(cpu);
        if [CEILING, CEILING_OF_FRAMES].contains(&self.name.as_str()) {
            launch.command.extend(row.ceiling.iter().cloned());
        }
        launch
    }
}

/// Which CPU does what.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cpus {
    /// The server's.
    pub server: usize,
    /// The load generator's.
    pub load: usize,
}

/// All that a comparison found.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Where it ran.
    pub machine: machine::Description,
    /// Which CPU did what.
    pub cpus: Cpus,
    /// The summaries, by row, then by server.
    pub summaries: Vec<Summary>,
    /// Every single measurement, in the order they were taken.
    pub measurements: Vec<Measurement>,
}

/// One server in one round of one row.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// Name of the row.
    pub row: String,
    /// Name of the server.
    pub server: String,
    /// From 0.
    pub round: usize,
    /// What was measured.
    pub report: Report,
}

/// Runs every row of the suite. A measurement that other work disturbed is repeated up to
/// `retries` times, and the least disturbed one counts. `progress` is called before each.
pub fn run(
    suite: &Suite,
    contenders: &[Contender],
    cpus: Cpus,
    retries: usize,
    mut progress: impl FnMut(&str),
) -> Result<Comparison> {
    machine::pin(cpus.load)?;
    let mut measurements = Vec::new();
    for row in &suite.row {
        for round in 0..suite.pairs {
            for contender in contenders {
                progress(&format!("{}: {}, round {}", row.name, contender.name, round + 1));
                let report = undisturbed(retries, || measure(suite, row, contender, cpus))
                    .map_err(|error| Error::Server(format!("{}: {error}", contender.name)))?;
                let (row, server) = (row.name.clone(), contender.name.clone());
                measurements.push(Measurement { row, server, round, report });
            }
        }
    }
    let summaries = summary::summarize(suite, contenders, &measurements);
    let machine = machine::Description::read();
    Ok(Comparison { machine, cpus, summaries, measurements })
}

fn undisturbed(retries: usize, mut measure: impl FnMut() -> Result<Report>) -> Result<Report> {
    let mut best = measure()?;
    for _ in 0..retries {
        if best.disturbed < DISTURBED {
            break;
        }
        let again = measure()?;
        if again.disturbed < best.disturbed {
            best = again;
        }
    }
    Ok(best)
}

fn measure(suite: &Suite, row: &Row, contender: &Contender, cpus: Cpus) -> Result<Report> {
    let server = Server::start(&contender.launch(row, cpus.server))?;
    let report = closed::run(&Plan {
        server: server.address,
        scenario: row.scenario(contender.raw),
        warmup: Duration::from_secs_f64(suite.warmup),
        timed: Duration::from_secs_f64(suite.seconds),
        pid: Some(server.pid()),
    })?;
    server.interrupt()?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contender_needs_a_name_and_a_port() {
        let contender = Contender::parse("peer=/opt/echo --port={port} a=b").expect("legal");
        assert_eq!(contender.name, "peer");
        assert_eq!(contender.launch.command, ["/opt/echo", "--port={port}", "a=b"]);
        for bad in ["peer", "peer=/opt/echo", "=/opt/echo {port}"] {
            assert!(Contender::parse(bad).is_err(), "{bad}");
        }
    }
}
