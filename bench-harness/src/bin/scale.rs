//! `scale`: very many connections.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::{Args, Parser, Subcommand};
use ringws_bench::example::Workspace;
use ringws_bench::publish::Document;
use ringws_bench::scale::Where;
use ringws_bench::scale::idle::{self, Plan};
use ringws_bench::scale::page;
use ringws_bench::scale::subject::{self, Settings, Subject};
use ringws_bench::scale::{soak, storm};
use ringws_bench::{Error, Result, machine, scale};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What the engine does with very many connections. Prints a table, and leaves results.json and
/// report.html in --out, or target/bench/scale-MODE.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    mode: Mode,
    /// CPU of the server.
    #[arg(long, default_value_t = 0, global = true)]
    server_cpu: usize,
    /// CPU of the clients.
    #[arg(long, default_value_t = 1, global = true)]
    load_cpu: usize,
    /// Do not run the clients behind all others (SCHED_IDLE): for a machine that has other work.
    #[arg(long, global = true)]
    beside_others: bool,
    /// Where the results go.
    #[arg(long, global = true)]
    out: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Mode {
    /// Connections that do nothing: memory, Pings, an echo among them, a message to all.
    Idle(Idle),
    /// A server is killed and started anew: all come back at once.
    Storm(Storm),
    /// Everything at once for minutes, at a share of what server and load can do: does it grow?
    Soak {
        /// How long.
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Which share.
        #[arg(long, default_value_t = 0.8)]
        share: f64,
    },
    /// A process of clients.
    #[command(hide = true)]
    Worker {
        server: SocketAddr,
        group: usize,
        count: usize,
        cpu: usize,
        #[arg(long)]
        behind: bool,
    },
}

#[derive(Args)]
struct Idle {
    /// How many. A reactor has at most as many as its table of descriptors, which RLIMIT_NOFILE
    /// bounds: 20,000 with the usual limits of a container.
    #[arg(long, default_value_t = 100_000)]
    connections: usize,
    /// The most of one process of clients.
    #[arg(long, default_value_t = 15_000)]
    each: usize,
    /// Reactors of the server.
    #[arg(long, default_value_t = 6)]
    reactors: usize,
    /// How long they are held, seconds.
    #[arg(long, default_value_t = 65.0)]
    seconds: f64,
    /// Of the engine.
    #[arg(long, default_value_t = 60_000)]
    idle_timeout_ms: u64,
    /// So many on one reactor and on uWebSockets, side by side; 0: no comparison.
    #[arg(long, default_value_t = 15_000)]
    beside: usize,
}

#[derive(Args)]
struct Storm {
    /// How many.
    #[arg(long, default_value_t = 50_000)]
    connections: usize,
    /// The most of one process of clients.
    #[arg(long, default_value_t = 15_000)]
    each: usize,
    /// Reactors of the server.
    #[arg(long, default_value_t = 4)]
    reactors: usize,
    /// Upgrades in a second that are let in, 0: all; for each a run.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 5_000])]
    admit: Vec<u64>,
}

/// As many as the table of descriptors allows, by the engine's defaults.
const EVERYBODY: Settings = Settings {
    reactors: 1,
    connections_max: 20_000,
    idle_timeout_ms: 60_000,
    admitted_per_second: 0,
};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.mode {
        Mode::Worker { server, group, count, cpu, behind } => {
            scale::serve(*server, *group, *count, *cpu, *behind)
        }
        Mode::Idle(what) => {
            let runs = idle(arguments, what)?;
            leave(arguments, "idle", &page::idle(&runs), &runs)
        }
        Mode::Storm(what) => {
            let runs = storm(arguments, what)?;
            leave(arguments, "storm", &page::storm(&runs), &runs)
        }
        Mode::Soak { minutes, share } => soak(arguments, *minutes, *share),
    }
}

fn idle(arguments: &Arguments, what: &Idle) -> Result<Vec<(String, idle::Report)>> {
    let program = subject::prepare()?;
    let peer = if what.beside > 0 { Some(subject::prepare_peer()?) } else { None };
    machine::pin(arguments.load_cpu)?;
    let plan = Plan {
        connections: what.connections,
        each: what.each,
        hold: duration(what.seconds)?,
        clients: clients(arguments)?,
        settle: Duration::from_secs(2),
        between: Duration::from_millis(2_500),
        twice: true,
    };
    let engine = |reactors| {
        let idle_timeout_ms = what.idle_timeout_ms;
        let settings = Settings { reactors, idle_timeout_ms, ..EVERYBODY };
        Subject::start(&program, settings, arguments.server_cpu, None)
    };
    let mut runs = Vec::new();
    let mut measure = |name: &str, plan: &Plan, subject: Subject| -> Result<()> {
        let report = idle::run(plan, &subject, &|text| eprintln!("{name}: {text}"))?;
        subject.server.interrupt()?;
        runs.push((name.to_owned(), report));
        Ok(())
    };
    measure("ringws", &plan, engine(what.reactors)?)?;
    if let Some(command) = peer {
        let hold = Duration::from_secs(2).min(plan.hold);
        let few = Plan { connections: what.beside, each: what.each, hold, ..plan };
        measure("ringws, one reactor", &few, engine(1)?)?;
        measure("uWebSockets", &few, Subject::start_peer(&command, arguments.server_cpu)?)?;
    }
    Ok(runs)
}

fn storm(arguments: &Arguments, what: &Storm) -> Result<Vec<(String, storm::Report)>> {
    let program = subject::prepare()?;
    machine::pin(arguments.load_cpu)?;
    let one = |rate: &u64| {
        let (reactors, admitted_per_second) = (what.reactors, *rate);
        let plan = storm::Plan {
            connections: what.connections,
            each: what.each,
            settings: Settings { reactors, admitted_per_second, ..EVERYBODY },
            program: program.clone(),
            cpu: arguments.server_cpu,
            clients: clients(arguments)?,
        };
        let name = if *rate == 0 { "no limit".to_owned() } else { format!("{rate} a second") };
        let report = storm::run(&plan, &|text| eprintln!("{name}: {text}"))?;
        Ok((name, report))
    };
    what.admit.iter().map(one).collect()
}

fn soak(arguments: &Arguments, minutes: f64, share: f64) -> Result<()> {
    let program = subject::prepare()?;
    machine::pin(arguments.load_cpu)?;
    let plan = soak::Plan {
        time: duration(minutes * 60.0)?,
        share,
        calibration: Duration::from_secs(5),
        program,
        cpu: arguments.server_cpu,
        directory: Workspace::find()?.target.join("scale"),
    };
    let report = soak::run(&plan, &|text| eprintln!("{text}"))?;
    let (document, right) = (page::soak(&report), report.is_right());
    leave(arguments, "soak", &document, &[("ringws".into(), report)])?;
    match right {
        true => Ok(()),
        false => Err(Error::Server("not all went right: see above".into())),
    }
}

fn leave<R: Serialize>(
    arguments: &Arguments,
    mode: &str,
    document: &Document,
    runs: &[(String, R)],
) -> Result<()> {
    println!("{}", document.text());
    let default = || -> Result<PathBuf> {
        Ok(Workspace::find()?.target.join("bench").join(format!("scale-{mode}")))
    };
    let directory = arguments.out.clone().map_or_else(default, Ok)?;
    document.write(runs, &directory)?;
    println!("{}", directory.join("report.html").display());
    Ok(())
}

fn clients(arguments: &Arguments) -> Result<Where> {
    let program = std::env::current_exe().map_err(Error::io("finding this program"))?;
    Ok(Where { program, cpu: arguments.load_cpu, behind: !arguments.beside_others })
}

fn duration(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| Error::Usage(error.to_string()))
}
