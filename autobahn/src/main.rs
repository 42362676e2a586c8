//! `cargo autobahn`: the conformance run.

use clap::Parser;
use ringws_autobahn::certificate::Certificate;
use ringws_autobahn::error::{Error, Result};
use ringws_autobahn::expected::Expected;
use ringws_autobahn::options::{Options, Tested};
use ringws_autobahn::progress::{Progress, say};
use ringws_autobahn::run::{Peer, Results, Run};
use ringws_autobahn::server::Running;
use ringws_autobahn::spec::Spec;
use ringws_autobahn::suite::Suite;
use ringws_autobahn::workspace::Workspace;
use ringws_autobahn::{index, report, shard};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    match conformance(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            say(&format!("cargo autobahn: {error}"));
            ExitCode::from(2)
        }
    }
}

/// The whole run; whether all is as expected.
fn conformance(options: &Options) -> Result<bool> {
    let agent = options.tested()?.agent() + &options.mode().suffix();
    let (spec, expected) = (Spec::load()?, Expected::load()?);
    let cases = options.select(&spec)?;
    let workspace = Workspace::find()?;
    let home = workspace.target.join("autobahn");
    let suite = Suite::find(&home, say)?;
    say(&format!("{}: {}", suite.origin, suite.version()?));

    let folder = fresh(home.join("reports").join(&agent))?;
    let certificate = options.mode().tls.then(|| Certificate::make(&folder)).transpose()?;
    let certificate = certificate.as_ref();
    say(&format!("building {agent}"));
    let subject = Subject::bring_up(options, &workspace, certificate, &folder)?;

    let shards = shard::split(&cases, options.shards());
    let mut progress = Progress::start(cases.len(), shards.len());
    let (suite, folder) = (&suite, folder.as_path());
    let run = Run { suite, peer: subject.peer(), agent: &agent, certificate, folder };
    let Results { outcomes, notes } = run.all(&shards, &mut progress)?;
    let seconds = progress.finish();
    let stopped = subject.stop();

    let judged = report::judge(&cases, outcomes, &expected);
    let page = index::write(folder, &agent, &judged, &spec, &expected)?;
    let good = report::as_expected(&judged);
    let mut lines = vec![report::text(&judged, &spec, &expected, folder)];
    lines.extend(notes);
    lines.push(format!("reports: {}", page.display()));
    lines.push(format!("{good} of {} cases as expected in {seconds:.1} s", judged.len()));
    lines.extend(stopped.as_ref().err().map(Error::to_string));
    writeln!(std::io::stdout(), "{}", lines.join("\n")).map_err(Error::io("standard output"))?;
    Ok(good == judged.len() && stopped.is_ok())
}

/// The program under test.
enum Subject {
    /// A server, by its address; ours, or one that runs anyway.
    Server(Option<Running>, String),
    /// A client with its flags, which each shard starts.
    Client(PathBuf, Vec<OsString>),
}

impl Subject {
    /// Builds it, and starts it if it is a server.
    fn bring_up(
        options: &Options,
        workspace: &Workspace,
        certificate: Option<&Certificate>,
        folder: &Path,
    ) -> Result<Self> {
        let mode = options.mode();
        let server = match options.tested()? {
            Tested::Client(client) => {
                let flags = mode.client_flags(certificate);
                return Ok(Self::Client(client.build(workspace)?, flags));
            }
            Tested::Url(url) => return Ok(Self::Server(None, url.to_owned())),
            Tested::Server(server) => server.build(workspace, mode.is_special())?,
        };
        let mut command = Command::new(server);
        command.args(mode.server_flags(certificate));
        let running = Running::start(command, &folder.join("server.log"))?;
        let scheme = if mode.tls { "wss" } else { "ws" };
        let url = format!("{scheme}://127.0.0.1:{}", running.port);
        Ok(Self::Server(Some(running), url))
    }

    fn peer(&self) -> Peer<'_> {
        match self {
            Self::Server(_, url) => Peer::Server(url),
            Self::Client(program, flags) => Peer::Client(program, flags),
        }
    }

    /// Stops a server that was started here.
    fn stop(self) -> Result<()> {
        match self {
            Self::Server(Some(running), _) => running.stop(),
            _ => Ok(()),
        }
    }
}

/// An empty folder in place of what an earlier run left there.
fn fresh(folder: PathBuf) -> Result<PathBuf> {
    let failed = |folder: &Path| Error::io(folder.display().to_string());
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(failed(&folder))?;
    }
    std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
    Ok(folder)
}
