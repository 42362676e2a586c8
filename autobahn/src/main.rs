//! `cargo autobahn`: the command line of the conformance run.

use clap::Parser;
use ringws_autobahn::build::Server;
use ringws_autobahn::case::Pattern;
use ringws_autobahn::error::{Error, Result};
use ringws_autobahn::expected::Expected;
use ringws_autobahn::progress::{Progress, say};
use ringws_autobahn::run::{Results, Run};
use ringws_autobahn::server::Running;
use ringws_autobahn::spec::{Case, Spec};
use ringws_autobahn::suite::Suite;
use ringws_autobahn::workspace::Workspace;
use ringws_autobahn::{index, report, shard};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Runs the Autobahn conformance suite against an echo server.
///
/// Needs `wstest` on PATH, or a Python 2.7 with which to install it under the target directory.
/// Exits with 0 when every case is as expected, with 1 when not, with 2 when it could not run.
#[derive(Parser)]
#[command(bin_name = "cargo autobahn")]
struct Options {
    /// The server to build, start and test [default: c, or none with --url]
    #[arg(long, value_enum)]
    server: Option<Server>,
    /// A server that already runs and echoes, like ws://127.0.0.1:9001
    #[arg(long)]
    url: Option<String>,
    /// The cases to run, like `1.*,6.4.*` [default: groups 1 to 7, 9 and 10]
    #[arg(long, value_delimiter = ',', conflicts_with = "full")]
    cases: Vec<Pattern>,
    /// Run the full set of specs/cases.toml
    #[arg(long)]
    full: bool,
    /// How many processes of the suite run at once [default: the number of CPUs]
    #[arg(long)]
    shards: Option<NonZeroUsize>,
}

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
    let server = chosen(options)?;
    let (spec, expected) = (Spec::load()?, Expected::load()?);
    let cases = select(options, &spec)?;
    let workspace = Workspace::find()?;
    let home = workspace.target.join("autobahn");
    let suite = Suite::find(&home, say)?;
    say(&format!("{}: {}", suite.origin, suite.version()?));

    let folder = fresh(home.join("reports").join(server.agent()))?;
    if server != Server::None {
        say(&format!("building {}", server.agent()));
    }
    let program = server.build(&workspace)?;
    let start = |program| Running::start(Command::new(program), &folder.join("server.log"));
    let running = program.map(start).transpose()?;
    let url = match (&running, &options.url) {
        (Some(running), _) => format!("ws://127.0.0.1:{}", running.port),
        (None, url) => url.clone().unwrap_or_default(),
    };

    let shards = shard::split(&cases, shards(options));
    let mut progress = Progress::start(cases.len(), shards.len());
    let run = Run { suite: &suite, url: &url, agent: server.agent(), folder: &folder };
    let Results { outcomes, notes } = run.all(&shards, &mut progress)?;
    let seconds = progress.finish();
    let stopped = running.map_or(Ok(()), Running::stop);

    let judged = report::judge(&cases, outcomes, &expected);
    let page = index::write(&folder, server.agent(), &judged, &spec, &expected)?;
    let good = report::as_expected(&judged);
    let mut lines = vec![report::text(&judged, &spec, &expected, &folder)];
    lines.extend(notes);
    lines.push(format!("reports: {}", page.display()));
    lines.push(format!("{good} of {} cases as expected in {seconds:.1} s", judged.len()));
    lines.extend(stopped.as_ref().err().map(Error::to_string));
    writeln!(std::io::stdout(), "{}", lines.join("\n")).map_err(Error::io("standard output"))?;
    Ok(good == judged.len() && stopped.is_ok())
}

fn chosen(options: &Options) -> Result<Server> {
    match (options.server, &options.url) {
        (None, None) => Ok(Server::C),
        (None | Some(Server::None), Some(_)) => Ok(Server::None),
        (Some(Server::None), None) => Err(Error::Usage("--server none needs --url".to_owned())),
        (Some(_), Some(_)) => {
            Err(Error::Usage("--url is for a server that already runs (--server none)".to_owned()))
        }
        (Some(server), None) => Ok(server),
    }
}

fn select(options: &Options, spec: &Spec) -> Result<Vec<Case>> {
    match (options.cases.as_slice(), options.full) {
        ([], true) => spec.set("full"),
        ([], false) => spec.set("default"),
        (patterns, _) => spec.select(patterns),
    }
}

fn shards(options: &Options) -> usize {
    let cpus = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    options.shards.unwrap_or_else(cpus).get()
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
