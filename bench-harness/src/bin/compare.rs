//! `compare`: servers in turn, against the ceilings.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use ringws_bench::compare::{self, Contender, Cpus, idle};
use ringws_bench::example::Workspace;
use ringws_bench::scenario::{Kind, Scenario, Suite};
use ringws_bench::server::Launch;
use ringws_bench::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures echo servers in turn, each in a process on one CPU, the load on another, beside two
/// bare io_uring echoes: of bytes (`ceiling-tcp`), and of frames without anything else
/// (`ceiling-frames`).
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    common: Common,
    /// The rows.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/first.toml"))]
    scenarios: PathBuf,
    /// Only rows whose name contains this.
    #[arg(long)]
    row: Option<String>,
    /// How often each server is measured, instead of what the rows say.
    #[arg(long)]
    pairs: Option<usize>,
    /// Measured seconds, instead of what the rows say.
    #[arg(long)]
    seconds: Option<f64>,
    /// How often a measurement is repeated when other work had one of the CPUs.
    #[arg(long, default_value_t = 3)]
    retries: usize,
}

#[derive(Subcommand)]
enum Mode {
    /// Resident memory per idle connection.
    Idle {
        /// Connections to open.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
    },
}

#[derive(Args)]
struct Common {
    /// A WebSocket echo server: `name=command {port}`, split at blanks. Several are possible;
    /// without any, the C example is built and measured.
    #[arg(long, global = true)]
    server: Vec<String>,
    /// CPU of the servers.
    #[arg(long, default_value_t = 0, global = true)]
    server_cpu: usize,
    /// CPU of the load generator.
    #[arg(long, default_value_t = 1, global = true)]
    load_cpu: usize,
    /// Write all measurements to this file.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let cpus = Cpus { server: arguments.common.server_cpu, load: arguments.common.load_cpu };
    let servers = websocket_servers(&arguments.common)?;
    if let Some(Mode::Idle { connections }) = arguments.mode {
        // Without the ceilings: their table of connections is there from the start.
        return idle_memory(&arguments.common, &servers, connections, cpus);
    }
    let mut contenders = Vec::from(Contender::ceilings()?);
    contenders.extend(servers);
    let mut suite = Suite::read(&arguments.scenarios)?;
    suite.pairs = arguments.pairs.unwrap_or(suite.pairs);
    suite.seconds = arguments.seconds.unwrap_or(suite.seconds);
    if let Some(part) = &arguments.row {
        suite.retain(std::slice::from_ref(part));
    }
    let bar = ProgressBar::new(compare::effort(&suite, &contenders).0 as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}") {
        bar.set_style(style);
    }
    let comparison = compare::run(&suite, &contenders, cpus, arguments.retries, |step| {
        bar.set_message(format!("{}: {}, round {}", step.row, step.server, step.round + 1));
        bar.set_position(step.done as u64);
    })?;
    bar.finish_and_clear();
    print!("{}", compare::table(&comparison));
    write_json(arguments.common.json.as_deref(), &comparison)?;
    match comparison.summaries.iter().filter(|summary| summary.failure.is_some()).count() {
        0 => Ok(()),
        failed => Err(Error::Server(format!("{failed} failed, see the table"))),
    }
}

fn websocket_servers(common: &Common) -> Result<Vec<Contender>> {
    if !common.server.is_empty() {
        return common.server.iter().map(|text| Contender::parse(text)).collect();
    }
    eprintln!("building the C example");
    Ok(vec![Contender::example("ringws", &Workspace::find()?)?])
}

fn idle_memory(
    common: &Common,
    contenders: &[Contender],
    connections: usize,
    cpus: Cpus,
) -> Result<()> {
    let mut all = Vec::new();
    for contender in contenders {
        let kind = if contender.raw { Kind::Raw } else { Kind::Text };
        let scenario = Scenario::plain(connections, 20, 1, kind);
        let launch = Launch { cpu: Some(cpus.server), ..contender.launch.clone() };
        let memory = idle::measure(&contender.name, &launch, &scenario, cpus.load)?;
        println!("{memory}");
        all.push(memory);
    }
    write_json(common.json.as_deref(), &all)
}

fn write_json(path: Option<&Path>, value: &impl serde::Serialize) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Error::Usage(error.to_string()))?;
    std::fs::write(path, text + "\n").map_err(Error::io(format!("writing {}", path.display())))
}
