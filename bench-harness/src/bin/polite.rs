//! `polite`: how long polite connections wait while others are in their way.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::Parser;
use ringws_bench::polite::{self, Outcome, Plan, ROWS, Row};
use ringws_bench::{Error, Result};
use std::process::ExitCode;
use std::time::Duration;

/// A hundred connections send ten messages of 64 bytes a second each, while others flood the
/// server, do not read, stop in the middle or send bombs: how long the hundred wait for their
/// echoes, and how much memory the server takes. Fails if they wait for longer than they should.
#[derive(Parser)]
struct Arguments {
    /// Only rows whose name contains one of these; all without any.
    names: Vec<String>,
    /// Seconds of each row.
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,
    /// The budget of the server, MiB.
    #[arg(long, default_value_t = 256)]
    memory_max: u32,
    /// CPU of the server.
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// CPU of the load.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("polite: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let timed = Duration::try_from_secs_f64(arguments.seconds)
        .map_err(|error| Error::Usage(error.to_string()))?;
    let cpus = (arguments.server_cpu, arguments.load_cpu);
    let plan = Plan { cpus, memory_max: arguments.memory_max, timed };
    let prepared = polite::prepare()?;
    println!(
        "| beside | p50 ms | p99 | p99.9 | max | unanswered | late by the load | MiB before | \
         MiB at most | the others |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let wanted = |row: &&Row| {
        let names = &arguments.names;
        names.is_empty() || names.iter().any(|name| row.name.contains(name.as_str()))
    };
    let mut good = true;
    for row in ROWS.iter().filter(wanted) {
        match polite::run(row, &plan, &prepared) {
            Ok(outcome) => {
                good &= outcome.polite.latency.p99 <= row.target;
                print(row, &outcome);
            }
            Err(error) => {
                good = false;
                println!("| {} | {error} |", row.name);
            }
        }
    }
    Ok(good)
}

fn print(row: &Row, outcome: &Outcome) {
    let polite = &outcome.polite;
    let latency = &polite.latency;
    let ms = |us: f64| format!("{:.2}", us / 1e3);
    let missed = if latency.p99 <= row.target { "" } else { " (missed)" };
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "| {} | {} | {}{missed} | {} | {} | {} | {:.1} % | {} | {} | {} |",
        row.name,
        ms(latency.p50),
        ms(latency.p99),
        ms(latency.p999),
        ms(latency.max),
        polite.unanswered,
        polite.late * 100.0,
        mib(outcome.resident.0),
        mib(outcome.resident.1),
        outcome.others,
    );
}
