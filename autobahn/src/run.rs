//! Running the suite: one process of it per shard, all at once.

use crate::case::CaseId;
use crate::error::{Error, Result};
use crate::expected::{Outcome, outcomes};
use crate::progress::Progress;
use crate::suite::Suite;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How long a process may go without beginning another case. The suite itself gives up on a case
/// after 100 s at most.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// What the suite prints when a case has connected.
const BEGINS: &str = "Running test case ID ";

/// What is to be run.
pub struct Run<'a> {
    /// The installed suite.
    pub suite: &'a Suite,
    /// The address of the server.
    pub url: &'a str,
    /// Its name in the reports.
    pub agent: &'a str,
    /// Where the reports go, a folder that is there.
    pub folder: &'a Path,
}

/// One process of the suite.
struct Shard {
    child: Child,
    /// Its own folder, which holds `index.json` when it is done.
    folder: PathBuf,
    log: PathBuf,
    heard: Instant,
    done: bool,
}

impl Shard {
    fn note(&self, what: &str) -> String {
        format!("a process of the suite {what}; its output: {}", self.log.display())
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

enum News {
    /// A shard has begun a case.
    Begun(usize),
    /// A shard has closed its output.
    Ended(usize),
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
        let start = |(n, cases): (usize, &Vec<CaseId>)| self.start(n, cases, sender.clone());
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
                shard.child.kill().map_err(Error::io("kill wstest"))?;
                shard.done = true;
            }
        }
        for shard in &mut running {
            self.collect(shard, &mut results)?;
        }
        Ok(results)
    }

    /// Starts one process on its cases.
    fn start(&self, n: usize, cases: &[CaseId], news: Sender<News>) -> Result<Shard> {
        let folder = self.folder.join(format!("shard-{n}"));
        let spec = folder.with_extension("json");
        let log = folder.with_extension("log");
        let cases: Vec<String> = cases.iter().map(CaseId::to_string).collect();
        let text = serde_json::json!({
            "outdir": folder,
            "servers": [{ "agent": self.agent, "url": self.url }],
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        });
        fs::write(&spec, text.to_string()).map_err(Error::io(spec.display().to_string()))?;
        let mut file = File::create(&log).map_err(Error::io(log.display().to_string()))?;
        let errors = file.try_clone().map_err(Error::io(log.display().to_string()))?;
        let mut command = self.suite.command();
        command.args(["--mode", "fuzzingclient", "--spec"]).arg(&spec).current_dir(self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().map_err(Error::io("wstest"))?;
        let stdout = child.stdout.take();
        std::thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|pipe| BufReader::new(pipe).lines()).flatten() {
                let _ = writeln!(file, "{line}");
                if line.starts_with(BEGINS) {
                    let _ = news.send(News::Begun(n));
                }
            }
            let _ = news.send(News::Ended(n));
        });
        Ok(Shard { child, folder, log, heard: Instant::now(), done: false })
    }

    /// Reads the results of a shard that has ended, and moves its reports to those of the others.
    fn collect(&self, shard: &mut Shard, results: &mut Results) -> Result<()> {
        let status = shard.child.wait().map_err(Error::io("wait for wstest"))?;
        let index = fs::read_to_string(shard.folder.join("index.json"));
        let (true, Ok(index)) = (status.success(), index) else {
            results.notes.push(shard.note(&format!("left no results ({status})")));
            return Ok(());
        };
        let outcomes = outcomes(&index, self.agent)?;
        for outcome in outcomes.values() {
            for name in [outcome.reportfile.clone(), page(&outcome.reportfile)] {
                let (from, to) = (shard.folder.join(&name), self.folder.join(&name));
                fs::rename(&from, &to).map_err(Error::io(from.display().to_string()))?;
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
