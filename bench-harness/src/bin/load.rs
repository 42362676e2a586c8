//! `load`: the load generator.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "load/arguments.rs"]
mod arguments;

use arguments::{Arguments, Common, Mode, Times, duration};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use ringws_bench::load::broadcast::{self, BroadcastPlan};
use ringws_bench::load::churn::{self, ChurnPlan, Ends};
use ringws_bench::load::closed::{self, Plan};
use ringws_bench::load::control::Control;
use ringws_bench::load::idle::{self, IdlePlan};
use ringws_bench::load::open::{self, OpenPlan};
use ringws_bench::load::threads;
use ringws_bench::{Error, Result, machine};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Arguments::parse().mode) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mode: Mode) -> Result<()> {
    let common = mode.common();
    common.cpu.map_or(Ok(()), machine::pin)?;
    let (control, bar) = control(mode.length()?)?;
    let done = measure(&mode, &control);
    bar.finish_and_clear();
    done
}

fn measure(mode: &Mode, control: &Control) -> Result<()> {
    match mode {
        Mode::Closed { common, times, depth, threads, cpus } => {
            let Times { warmup, timed } = times.read()?;
            let scenario = common.scenario(*depth);
            let plan = Plan { server: common.server, scenario, warmup, timed, pid: common.pid };
            let report = match arguments::threads(*threads, cpus)? {
                Some(cpus) => threads::run(&plan, &cpus, control)?,
                None => closed::run_with(&plan, control)?,
            };
            print(common, &report)
        }
        Mode::Open { common, times, rate, grace, no_spin } => {
            let Times { warmup, timed } = times.read()?;
            let plan = OpenPlan {
                server: common.server,
                scenario: common.scenario(1),
                rate: *rate,
                warmup,
                timed,
                grace: duration(*grace)?,
                spin: !no_spin,
                pid: common.pid,
            };
            print(common, &open::run(&plan, control)?)
        }
        Mode::Churn { common, times, message, client_ends, patience } => {
            let Times { warmup, timed } = times.read()?;
            let plan = ChurnPlan {
                server: common.server,
                scenario: common.scenario(1),
                message: *message,
                ends: if *client_ends { Ends::Client } else { Ends::Server },
                warmup,
                timed,
                patience: duration(*patience)?,
                pid: common.pid,
            };
            print(common, &churn::run(&plan, control)?)
        }
        Mode::Broadcast { common, times, depth, rate } => {
            let Times { warmup, timed } = times.read()?;
            let scenario = common.scenario(*depth);
            let (server, rate, pid) = (common.server, *rate, common.pid);
            let plan = BroadcastPlan { server, scenario, rate, warmup, timed, pid };
            print(common, &broadcast::run(&plan, control)?)
        }
        Mode::Idle { common, message, seconds, ping_interval } => {
            let plan = IdlePlan {
                server: common.server,
                scenario: common.scenario(1),
                message: *message,
                hold: duration(*seconds)?,
                ping_interval: ping_interval.map(duration).transpose()?,
                pid: common.pid,
            };
            print(common, &idle::run(&plan, control)?)
        }
    }
}

/// Progress on the terminal, if there is one, and an end in order on Ctrl-C; a second one kills.
fn control(length: Duration) -> Result<(Control, ProgressBar)> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(Error::io("taking signals"))?;
    }
    let bar = ProgressBar::new(length.as_millis() as u64);
    let style = ProgressStyle::with_template("{wide_bar} {msg}")
        .map_err(|error| Error::Usage(error.to_string()))?;
    bar.set_style(style);
    let shown = bar.clone();
    let progress = move |elapsed: Duration, done: u64| {
        shown.set_position(elapsed.as_millis() as u64);
        shown.set_message(format!("{:.1} s, {done} done", elapsed.as_secs_f64()));
    };
    Ok((Control { stop: Some(stop), progress: Some(Arc::new(progress)) }, bar))
}

/// The report to the terminal and, or, to where `--json` says.
fn print(common: &Common, report: &(impl Serialize + Display)) -> Result<()> {
    let Some(file) = &common.json else {
        println!("{report}");
        return Ok(());
    };
    let json =
        serde_json::to_string_pretty(report).map_err(|error| Error::Usage(error.to_string()))?;
    if file == Path::new("-") {
        println!("{json}");
        return Ok(());
    }
    println!("{report}");
    std::fs::write(file, json + "\n").map_err(Error::io(format!("writing {}", file.display())))
}
