//! `bus`: what it costs that topics cross machines.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::{Parser, Subcommand};
use ringws_bench::bus::{self, Plan, page};
use ringws_bench::cluster::{self, Tuning};
use ringws_bench::example::Workspace;
use ringws_bench::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How long a message takes to a member on another engine, beside one on the same engine and beside
/// bare clients of the broker; and how many a second go until a publish is refused. Two engines and
/// a nats-server on one CPU, clients on the other. Prints tables, and leaves results.json and
/// report.html in --out, or target/bench/bus.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    child: Option<Child>,
    /// Bytes of a message; at least 17.
    #[arg(long, default_value_t = 128)]
    size: usize,
    /// Messages a second at which latency is measured.
    #[arg(long, value_delimiter = ',', default_values_t = [500, 2_000])]
    rates: Vec<u64>,
    /// Seconds of each of these.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Where the ramp begins, and where it gives up, messages a second.
    #[arg(long, value_delimiter = ',', default_values_t = [20_000, 2_000_000])]
    ramp: Vec<u64>,
    /// Seconds of each step of the ramp.
    #[arg(long, default_value_t = 3.0)]
    step: f64,
    /// CPU of the engines and the broker.
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// CPU of the clients.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// Where the results go.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Child {
    /// The broker.
    #[command(hide = true)]
    Broker { config: PathBuf },
    /// One of the engines.
    #[command(hide = true)]
    Engine {
        #[arg(long)]
        node: u64,
        servers: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.child {
        Some(Child::Broker { config }) => cluster::become_broker(&config),
        Some(Child::Engine { node, servers }) => cluster::serve(node, servers, Tuning::Defaults),
        None => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let broker = cluster::broker_version().ok_or_else(|| {
        Error::Usage("nats-server is not installed: apt-get install nats-server".into())
    })?;
    let directory = std::env::temp_dir().join(format!("ringws-bus-{}", std::process::id()));
    let [first, last] = *arguments.ramp.as_slice() else {
        return Err(Error::Usage("--ramp FIRST,LAST".into()));
    };
    let plan = Plan {
        program: std::env::current_exe().map_err(Error::io("finding this program"))?,
        directory: directory.clone(),
        cpus: Some([arguments.server_cpu, arguments.load_cpu]),
        size: arguments.size,
        rates: arguments.rates.clone(),
        time: duration(arguments.seconds)?,
        ramp: [first, last],
        step: duration(arguments.step)?,
    };
    let report = bus::run(&plan, broker, &|text| eprintln!("{text}")).inspect_err(|_| {
        eprintln!("the logs are in {}", directory.display());
    })?;
    let _ = std::fs::remove_dir_all(&directory);
    let document = page::page(&report);
    println!("{}", document.text());
    let default = || -> Result<PathBuf> { Ok(Workspace::find()?.target.join("bench").join("bus")) };
    let out = arguments.out.clone().map_or_else(default, Ok)?;
    document.write(&[("ringws".into(), report)], &out)?;
    println!("{}", out.join("report.html").display());
    Ok(())
}

fn duration(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| Error::Usage(error.to_string()))
}
