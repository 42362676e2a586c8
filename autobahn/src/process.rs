//! The processes of a shard: one of the suite and, when that plays the server, the client that it
//! tests.

use crate::case::CaseId;
use crate::error::{Error, Result};
use crate::run::Run;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// What the suite prints when a case has connected.
const BEGINS: &str = "Running test case ID ";

/// How long the suite's server may take until it listens.
const LISTEN_MAX: Duration = Duration::from_secs(60);

/// Something that happened in a shard, by its number.
pub(crate) enum News {
    /// It has begun a case.
    Begun(usize),
    /// Its last case is over.
    Ended(usize),
}

/// One process of the suite with its cases.
pub(crate) struct Shard {
    suite: Child,
    client: Option<Child>,
    /// Its own folder, which holds `index.json` when it is done.
    pub(crate) folder: PathBuf,
    log: PathBuf,
    pub(crate) heard: Instant,
    pub(crate) done: bool,
}

impl Shard {
    /// Says what went wrong in it.
    pub(crate) fn note(&self, what: &str) -> String {
        format!("a process of the suite {what}; its output: {}", self.log.display())
    }

    /// Ends what runs of it.
    pub(crate) fn kill(&mut self) {
        for child in self.client.iter_mut().chain([&mut self.suite]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How the process ended that ends by itself, and with it the shard.
    pub(crate) fn ended(&mut self) -> Result<ExitStatus> {
        let child = self.client.as_mut().unwrap_or(&mut self.suite);
        child.wait().map_err(Error::io("wait for a shard"))
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts the suite as a client of the server at `url`.
pub(crate) fn against_server(
    run: &Run<'_>,
    url: &str,
    (n, cases): (usize, &[CaseId]),
    news: Sender<News>,
) -> Result<Shard> {
    let spec = serde_json::json!({ "servers": [{ "agent": run.agent, "url": url }] });
    let (mut shard, file) = suite(run, "fuzzingclient", spec, (n, cases))?;
    follow(shard.suite.stdout.take(), file, n, news, true);
    Ok(shard)
}

/// Starts the suite as a server, and the client under test when it listens.
pub(crate) fn against_client(
    run: &Run<'_>,
    client: impl FnOnce() -> Command,
    (n, cases): (usize, &[CaseId]),
    news: Sender<News>,
) -> Result<Shard> {
    let port = free_port()?;
    let scheme = if run.certificate.is_some() { "wss" } else { "ws" };
    let url = format!("{scheme}://127.0.0.1:{port}");
    let mut spec = serde_json::json!({ "url": url });
    if let (Some(certificate), Some(spec)) = (run.certificate, spec.as_object_mut()) {
        spec.insert("key".to_owned(), serde_json::json!(certificate.key));
        spec.insert("cert".to_owned(), serde_json::json!(certificate.chain));
    }
    let (mut shard, file) = suite(run, "fuzzingserver", spec, (n, cases))?;
    let second = file.try_clone().map_err(Error::io("a log"))?;
    follow(shard.suite.stdout.take(), file, n, news.clone(), false);
    listening(&mut shard, port)?;
    let mut command = client();
    let errors = second.try_clone().map_err(Error::io("a log"))?;
    command.args([&url, run.agent]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut client = command.spawn().map_err(Error::io(program))?;
    follow(client.stdout.take(), second, n, news, true);
    shard.client = Some(client);
    Ok(shard)
}

/// Starts one process of the suite. Returns its log too.
fn suite(
    run: &Run<'_>,
    mode: &str,
    mut spec: serde_json::Value,
    (n, cases): (usize, &[CaseId]),
) -> Result<(Shard, File)> {
    let folder = run.folder.join(format!("shard-{n}"));
    let (path, log) = (folder.with_extension("json"), folder.with_extension("log"));
    let cases: Vec<String> = cases.iter().map(CaseId::to_string).collect();
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("outdir".to_owned(), serde_json::json!(folder));
        spec.insert("cases".to_owned(), serde_json::json!(cases));
        spec.insert("exclude-cases".to_owned(), serde_json::json!([]));
        spec.insert("exclude-agent-cases".to_owned(), serde_json::json!({}));
    }
    fs::write(&path, spec.to_string()).map_err(Error::io(path.display().to_string()))?;
    let file = File::create(&log).map_err(Error::io(log.display().to_string()))?;
    let errors = file.try_clone().map_err(Error::io(log.display().to_string()))?;
    let mut command = run.suite.command();
    command.args(["--mode", mode, "--webport", "0", "--spec"]).arg(&path).current_dir(run.folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
    let suite = command.spawn().map_err(Error::io("wstest"))?;
    let shard = Shard { suite, client: None, folder, log, heard: Instant::now(), done: false };
    Ok((shard, file))
}

/// Copies what a process says to the log and tells the cases that it names; `ends` when its end is
/// that of the shard.
fn follow(
    output: Option<impl Read + Send + 'static>,
    mut log: File,
    n: usize,
    news: Sender<News>,
    ends: bool,
) {
    std::thread::spawn(move || {
        for line in output.into_iter().flat_map(|pipe| BufReader::new(pipe).lines()).flatten() {
            let _ = writeln!(log, "{line}");
            if line.starts_with(BEGINS) {
                let _ = news.send(News::Begun(n));
            }
        }
        if ends {
            let _ = news.send(News::Ended(n));
        }
    });
}

/// A port that nobody listens on; the suite cannot be asked which the system chose for it.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("a port"))?;
    Ok(listener.local_addr().map_err(Error::io("a port"))?.port())
}

/// Waits until the suite's server takes connections.
fn listening(shard: &mut Shard, port: u16) -> Result<()> {
    let started = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let ended = shard.suite.try_wait().map_err(Error::io("wait for wstest"))?;
        if ended.is_some() || started.elapsed() > LISTEN_MAX {
            return Err(Error::Suite(shard.note("does not listen")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Moves a file from a folder into another.
pub(crate) fn hand_over(name: &str, from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (from.join(name), to.join(name));
    fs::rename(&from, &to).map_err(Error::io(from.display().to_string()))
}
