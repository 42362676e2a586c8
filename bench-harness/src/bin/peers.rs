//! `peers`: installs and builds all that ringws is compared with, and sees that each echoes.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::Parser;
use ringws_bench::example::Workspace;
use ringws_bench::peers::{self, smoke};
use ringws_bench::{Error, Result};
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Prepares the servers that ringws is compared with, runs a short load on each, every echoed byte
/// checked, and prints what they are. Fails if one of them does.
#[derive(Parser)]
struct Arguments {
    /// Only these; all without any.
    names: Vec<String>,
    /// Seconds of load for each of the smoke test's rows.
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
    /// CPU of the servers; the load runs on any other.
    #[arg(long)]
    server_cpu: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let workspace = Workspace::find()?;
    let seconds = Duration::try_from_secs_f64(arguments.seconds)
        .map_err(|error| Error::Usage(error.to_string()))?;
    let names: Vec<&str> = match arguments.names.as_slice() {
        [] => peers::NAMES.to_vec(),
        names => names.iter().map(String::as_str).collect(),
    };
    let prepared = peers::prepare(&names, &workspace, &|what| eprintln!("{what}"));
    let mut good = true;
    for (name, contender) in prepared {
        println!("\n{name}");
        let contender = match contender {
            Ok(contender) => contender,
            Err(error) => {
                good = false;
                println!("  not prepared: {error}");
                continue;
            }
        };
        println!("  {}", contender.version.as_deref().unwrap_or("unknown version"));
        println!("  {}", peers::tuning(&name).unwrap_or_default());
        for row in smoke::ROWS {
            let outcome = smoke::row(&contender, row, seconds, arguments.server_cpu);
            good &= outcome.is_ok();
            match outcome {
                Ok(report) => println!("  ok      {}", smoke::line(&report)),
                Err(error) => println!("  FAILED  {row:?}: {error}"),
            }
        }
    }
    Ok(good)
}
