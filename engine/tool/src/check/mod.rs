//! `ringws check`: a tester of anybody's WebSocket server.
//!
//! A corpus says, row by row, what is sent and what must come of it by which clause; rows are
//! played beside each other, each on a connection of its own and within a time.

mod able;
mod corpus;
mod files;
mod hear;
mod judge;
mod notation;
mod play;
mod report;
pub(crate) mod row;
mod talk;
mod wire;

pub(crate) use wire::Wire;

use crate::error::{Error, Result};
use crate::out::Out;
use crate::place::Place;
use crate::trust::Trust;
use clap::Args;
use files::Files;
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use talk::Peer;

/// What `check` is told.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The server: ws://host:port/path or wss://. An echo service shows most
    #[arg(required_unless_present = "list")]
    url: Option<String>,
    /// Only rows whose id matches: `utf8.*`, `*deflate*`. Repeated: any of them
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
    /// Leave out rows whose id matches
    #[arg(long, value_name = "GLOB")]
    skip: Vec<String>,
    /// Print the rows instead of playing them
    #[arg(long)]
    list: bool,
    /// More rows, in the notation of the built-in ones
    #[arg(long, value_name = "FILE")]
    corpus: Vec<PathBuf>,
    /// A header of every request
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// How long a row may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    timeout: f64,
    /// Rows that are played at a time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// End with 1 also for what is only a SHOULD
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    trust: Trust,
}

impl Check {
    pub(crate) fn run(&self, out: &mut Out) -> Result<ExitCode> {
        let rows = corpus::rows(&self.corpus, &self.only, &self.skip)?;
        if self.list {
            report::list(&rows, out)?;
            return Ok(ExitCode::SUCCESS);
        }
        let peer = self.peer()?;
        let able = able::probe(&peer)?;
        out.line(format_args!("{}", able.sentence(&peer.place.url)))?;
        let begun = Instant::now();
        let played = play::all(&rows, &peer, &able, self.jobs, out);
        let report = Report { url: &peer.place.url, able: &able, rows: &rows, played: &played };
        report.findings(out)?;
        report.table(begun.elapsed(), out)?;
        self.files.write(&report, out)?;
        Ok(report.exit_code(self.strict))
    }

    fn peer(&self) -> Result<Peer> {
        let place = Place::find(self.url.as_deref().unwrap_or_default())?;
        let patience = Duration::try_from_secs_f64(self.timeout)
            .ok()
            .filter(|patience| !patience.is_zero())
            .ok_or_else(|| Error::Usage("--timeout: seconds, more than none".into()))?;
        let tls = if place.secure { Some(self.trust.config()?) } else { None };
        let headers = self.headers.iter().map(|line| crate::header(line));
        Ok(Peer { place, tls, headers: headers.collect::<Result<_>>()?, patience })
    }
}
