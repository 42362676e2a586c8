//! `codec-compare`: the engine's codec beside those of other WebSocket libraries, in turn.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::Parser;
use ringws_bench::codec::Task;
use ringws_bench::codec::table::{Group, markdown};
use ringws_bench::codec::timing::{Plan, measure};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Times codecs in turn, in many short samples, on a machine that should have nothing else to do.
#[derive(Parser)]
struct Arguments {
    /// Only tasks whose name contains this, for example `stream-decode/ascii`.
    #[arg(long, default_value = "")]
    task: String,
    /// Samples of each case.
    #[arg(long, default_value_t = Plan::default().rounds)]
    rounds: usize,
    /// Microseconds of a sample.
    #[arg(long, default_value_t = 150)]
    sample: u64,
    /// Write the table to this file.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = Plan { rounds: arguments.rounds, sample: Duration::from_micros(arguments.sample) };
    let tasks = Task::all().into_iter().filter(|task| task.name().contains(&arguments.task));
    let groups: Vec<Group> = tasks
        .map(|task| {
            let mut cases = ringws_bench_codec_peers::cases(task);
            let timings = measure(&mut cases, plan);
            Group::new(task, &cases, timings)
        })
        .collect();
    let table = markdown(&groups);
    print!("{table}");
    let Some(out) = arguments.out else { return ExitCode::SUCCESS };
    match std::fs::write(&out, table) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("codec-compare: {}: {error}", out.display());
            ExitCode::FAILURE
        }
    }
}
