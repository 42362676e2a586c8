//! Running the suite: one process of it per shard, all at once.

use crate::case::CaseId;
use crate::certificate::Certificate;
use crate::error::{Error, Result};
use crate::expected::{Outcome, outcomes};
use crate::process::{News, Shard, against_client, against_server, hand_over};
use crate::progress::Progress;
use crate::suite::Suite;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How long a process may go without beginning another case. The suite itself gives up on a case
/// after 480 s at most.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// Who is tested.
pub enum Peer<'a> {
    /// An echo server that runs already, by its address.
    Server(&'a str),
    /// A client, by its program and flags: it is started once per shard with two more arguments,
    /// the address of the suite's server and its own name there.
    Client(&'a Path, &'a [OsString]),
}

/// What is to be run.
pub struct Run<'a> {
    /// The installed suite.
    pub suite: &'a Suite,
    /// Who is tested.
    pub peer: Peer<'a>,
    /// Its name in the reports.
    pub agent: &'a str,
    /// What the suite shows when it plays a server over TLS.
    pub certificate: Option<&'a Certificate>,
    /// Where the reports go, a folder that is there.
    pub folder: &'a Path,
}

/// What a run gave.
#[derive(Default)]
pub struct Results {
    /// By case; a case that gave nothing is not in it.
    pub outcomes: BTreeMap<CaseId, Outcome>,
    /// What went wrong with the suite itself.
    pub notes: Vec<String>,
}

impl Run<'_> {
    /// Runs the shards to their end. A process of the suite that breaks off leaves a note, and its
    /// cases without an outcome.
    pub fn all(&self, shards: &[Vec<CaseId>], progress: &mut Progress) -> Result<Results> {
        let (sender, news) = mpsc::channel();
        let start = |(n, cases): (usize, &Vec<CaseId>)| self.start((n, cases), sender.clone());
        let mut running = shards.iter().enumerate().map(start).collect::<Result<Vec<Shard>>>()?;
        drop(sender);
        let mut results = Results::default();
        while running.iter().any(|shard| !shard.done) {
            match news.recv_timeout(Duration::from_secs(1)) {
                Ok(News::Begun(n)) => {
                    progress.step();
                    running.get_mut(n).into_iter().for_each(|shard| shard.heard = Instant::now());
                }
                Ok(News::Ended(n)) => {
                    running.get_mut(n).into_iter().for_each(|shard| shard.done = true);
                }
                Err(RecvTimeoutError::Timeout) => progress.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let silent = |shard: &&mut Shard| !shard.done && shard.heard.elapsed() > SILENCE_MAX;
            for shard in running.iter_mut().filter(silent) {
                let seconds = SILENCE_MAX.as_secs();
                results.notes.push(shard.note(&format!("began no case for {seconds} s")));
                shard.kill();
                shard.done = true;
            }
        }
        for shard in &mut running {
            self.collect(shard, &mut results)?;
        }
        Ok(results)
    }

    /// Starts a shard on its cases.
    fn start(&self, share: (usize, &[CaseId]), news: Sender<News>) -> Result<Shard> {
        match self.peer {
            Peer::Server(url) => against_server(self, url, share, news),
            Peer::Client(program, flags) => {
                let client = || {
                    let mut command = Command::new(program);
                    command.args(flags);
                    command
                };
                against_client(self, client, share, news)
            }
        }
    }

    /// Reads the results of a shard that has ended, and moves its reports to those of the others.
    fn collect(&self, shard: &mut Shard, results: &mut Results) -> Result<()> {
        let status = shard.ended()?;
        shard.kill();
        let index = fs::read_to_string(shard.folder.join("index.json"));
        let (true, Ok(index)) = (status.success(), index) else {
            results.notes.push(shard.note(&format!("left no results ({status})")));
            return Ok(());
        };
        let outcomes = outcomes(&index, self.agent)?;
        for outcome in outcomes.values() {
            for name in [outcome.reportfile.clone(), page(&outcome.reportfile)] {
                hand_over(&name, &shard.folder, self.folder)?;
            }
        }
        results.outcomes.extend(outcomes);
        // What is left is the index of this shard alone, which the merged one replaces.
        let folder = shard.folder.display().to_string();
        fs::remove_dir_all(&shard.folder).map_err(Error::io(folder))
    }
}

/// The name of the HTML report beside a JSON one.
pub fn page(reportfile: &str) -> String {
    format!("{}.html", reportfile.strip_suffix(".json").unwrap_or(reportfile))
}
