//! `cluster`: engines across brokers, under fire.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use ringws_bench::cluster::{self, Figures, Finding, Outcome, Plan, Tuning};
use ringws_bench::{Error, Result};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

/// Three engines whose topics cross three routed nats-servers, with members and publishers on each,
/// while brokers and engines are killed, frozen, stopped and started again. Fails if a member gets
/// a message twice, out of order, or not at all without having been told of a gap, or if it is told
/// of a gap that is none.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    child: Option<Child>,
    /// How many runs, each with the next seed.
    #[arg(long, default_value_t = 20)]
    runs: u64,
    /// Seconds of each: more than 9.
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
    /// The first seed; by the clock without.
    #[arg(long)]
    seed: Option<u64>,
    /// Messages a second of each of six publishers.
    #[arg(long, default_value_t = 300)]
    rate: u64,
    /// Nothing is done to the processes.
    #[arg(long)]
    calm: bool,
    /// Write all figures there as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Child {
    /// One of the brokers.
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

#[derive(Serialize)]
struct Run {
    seed: u64,
    figures: Figures,
    faults: Vec<String>,
    findings: Vec<Finding>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.child {
        Some(Child::Broker { config }) => cluster::become_broker(&config).map(|()| true),
        Some(Child::Engine { node, servers }) => {
            cluster::serve(node, servers, Tuning::UnderFire).map(|()| true)
        }
        None => run(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let version = cluster::broker_version().ok_or_else(|| {
        Error::Usage("nats-server is not installed: apt-get install nats-server".into())
    })?;
    println!("{version}");
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(Error::io("taking signals"))?;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let first = arguments.seed.unwrap_or(now.as_millis() as u64);
    let program = std::env::current_exe().map_err(Error::io("finding this program"))?;
    let length = Duration::try_from_secs_f64(arguments.seconds)
        .map_err(|error| Error::Usage(error.to_string()))?;
    println!(
        "| seed | published | refused | delivered | lost | before settled | gaps: lost | silent | \
         restarted | unheard | messages in them | faults | findings |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut runs = Vec::new();
    for seed in first..first.saturating_add(arguments.runs) {
        let directory =
            std::env::temp_dir().join(format!("ringws-cluster-{}-{seed}", std::process::id()));
        let (program, rate, calm) = (program.clone(), arguments.rate, arguments.calm);
        let plan = Plan { program, directory, seed, length, rate, calm };
        let done = one(&plan, &stop);
        let keeps = !matches!(&done, Ok(run) if run.findings.is_empty());
        if keeps {
            eprintln!("seed {seed}: the logs are in {}", plan.directory.display());
        } else {
            let _ = std::fs::remove_dir_all(&plan.directory);
        }
        runs.push(done?);
    }
    if let Some(path) = &arguments.json {
        write(path, &runs)?;
    }
    let bad = runs.iter().filter(|run| !run.findings.is_empty()).count();
    println!("{} runs, {bad} with findings", runs.len());
    Ok(bad == 0)
}

fn write(path: &Path, runs: &[Run]) -> Result<()> {
    let json =
        serde_json::to_string_pretty(runs).map_err(|error| Error::Usage(error.to_string()))?;
    std::fs::write(path, json + "\n").map_err(Error::io(format!("writing {}", path.display())))
}

fn one(plan: &Plan, stop: &AtomicBool) -> Result<Run> {
    let bar = ProgressBar::new(plan.length.as_millis() as u64);
    let style = ProgressStyle::with_template("{wide_bar} {msg}")
        .map_err(|error| Error::Usage(error.to_string()))?;
    bar.set_style(style);
    let progress = |elapsed: Duration, [published, delivered, gaps]: [u64; 3]| {
        bar.set_position(elapsed.as_millis() as u64);
        bar.set_message(format!(
            "seed {}: {:.1} s, {published} published, {delivered} delivered, {gaps} gaps",
            plan.seed,
            elapsed.as_secs_f64()
        ));
    };
    let outcome = cluster::run(plan, stop, &progress);
    bar.finish_and_clear();
    let Outcome { figures, findings, faults } = outcome?;
    let all = figures;
    println!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        plan.seed,
        all.published,
        all.refused,
        all.delivered,
        all.lost,
        all.not_owed,
        all.gaps_lost,
        all.gaps_silent,
        all.gaps_restarted,
        all.gaps_unheard,
        all.missing,
        faults.len() / 2,
        all.findings,
    );
    if !findings.is_empty() {
        println!("    {}", faults.join(", "));
        for Finding { what, text } in &findings {
            println!("    {what}: {text}");
        }
    }
    Ok(Run { seed: plan.seed, figures, faults, findings })
}
