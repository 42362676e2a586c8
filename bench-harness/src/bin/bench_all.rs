//! `cargo bench-all`: all servers in all rows, in turn, and a report about it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use ringws_bench::compare::{self, Comparison, Contender, Cpus, Metric, Missing, Sample, Step};
use ringws_bench::example::Workspace;
use ringws_bench::publish::{self, numbers};
use ringws_bench::scenario::Suite;
use ringws_bench::{Error, Result, peers};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures WebSocket servers in turn, each in a process on one CPU, the load on another, beside
/// the ceilings, and writes results.json, results.csv, headline.md and report.html.
#[derive(Parser)]
struct Arguments {
    /// About two minutes of measuring over a few servers (the default).
    #[arg(long, conflicts_with_all = ["full", "headline"])]
    quick: bool,
    /// The rows that matter most, the C example beside uWebSockets and the ceiling of bytes: about
    /// ten minutes.
    #[arg(long, conflicts_with = "full")]
    headline: bool,
    /// Everything: about an hour and a half.
    #[arg(long)]
    full: bool,
    /// Another file of rows.
    #[arg(long, conflicts_with_all = ["quick", "full", "headline"])]
    scenarios: Option<PathBuf>,
    /// Only these servers, separated by commas, instead of those the rows are meant for.
    #[arg(long, value_delimiter = ',')]
    servers: Option<Vec<String>>,
    /// One more echo server: `name=command {port}`, split at blanks. Several are possible.
    #[arg(long)]
    server: Vec<String>,
    /// Only the row of this name or, if there is none, those whose name contains this, and those
    /// their rates are taken from. Several are possible.
    #[arg(long)]
    row: Vec<String>,
    /// Where to write; by default a new directory under `target/bench`.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Rounds, instead of what the rows say.
    #[arg(long)]
    pairs: Option<usize>,
    /// Measured seconds, instead of what the rows say.
    #[arg(long)]
    seconds: Option<f64>,
    /// How often a measurement is repeated when other work had one of the CPUs.
    #[arg(long, default_value_t = 3)]
    retries: usize,
    /// CPU of the servers.
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// CPU of the load generator.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-all: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let workspace = Workspace::find()?;
    let suite = suite(arguments, &workspace)?;
    let names = arguments.servers.as_ref().unwrap_or(&suite.servers);
    let (mut contenders, missing) = prepare(names, &workspace);
    for text in &arguments.server {
        contenders.push(Contender::parse(text)?);
    }
    if contenders.is_empty() || suite.row.is_empty() {
        return Err(Error::Usage("no server, or no row: nothing to measure".into()));
    }
    let (steps, seconds) = compare::effort(&suite, &contenders);
    eprintln!("{steps} measurements, about {}", duration(seconds));
    let cpus = Cpus { server: arguments.server_cpu, load: arguments.load_cpu };
    let progress = Progress::new(steps);
    let mut comparison =
        compare::run(&suite, &contenders, cpus, arguments.retries, |step| progress.show(step))?;
    progress.bar.finish_and_clear();
    comparison.missing = missing;
    finish(arguments, &workspace, &comparison)
}

fn suite(arguments: &Arguments, workspace: &Workspace) -> Result<Suite> {
    let name = match (arguments.full, arguments.headline) {
        (true, _) => "full.toml",
        (_, true) => "headline.toml",
        _ => "quick.toml",
    };
    let committed = workspace.root.join("bench-harness/scenarios").join(name);
    let mut suite = Suite::read(arguments.scenarios.as_ref().unwrap_or(&committed))?;
    if !arguments.row.is_empty() {
        suite.retain(&arguments.row);
    }
    if let Some(pairs) = arguments.pairs {
        suite.pairs = pairs.max(1);
        suite.row.iter_mut().for_each(|row| row.pairs = None);
    }
    if let Some(seconds) = arguments.seconds {
        suite.seconds = seconds.clamp(0.05, 600.0);
        suite.row.iter_mut().for_each(|row| row.seconds = None);
    }
    Ok(suite)
}

/// Builds what is asked for. What cannot be had is said loudly and left out.
fn prepare(names: &[String], workspace: &Workspace) -> (Vec<Contender>, Vec<Missing>) {
    let (mut contenders, mut missing) = (Vec::new(), Vec::new());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (name, found) in peers::prepare(&names, workspace, &|what| eprintln!("{what}")) {
        match found {
            Ok(contender) => contenders.push(contender),
            Err(error) => {
                eprintln!("\n*** {name} IS LEFT OUT: {error}\n");
                missing.push(Missing { name, reason: error.to_string() });
            }
        }
    }
    (contenders, missing)
}

fn finish(arguments: &Arguments, workspace: &Workspace, comparison: &Comparison) -> Result<()> {
    let directory = arguments.out.clone().unwrap_or_else(|| {
        let name = publish::stamp(comparison.started_unix);
        workspace.target.join("bench").join(name)
    });
    publish::publish(comparison, &directory)?;
    print!("{}", compare::table(comparison));
    println!("\n{}", directory.join("report.html").display());
    Ok(())
}

struct Progress {
    bar: ProgressBar,
    terminal: bool,
    start: Instant,
}

impl Progress {
    fn new(steps: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new(steps as u64) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} left  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { bar, terminal, start: Instant::now() }
    }

    fn show(&self, step: &Step<'_>) {
        self.bar.set_position(step.done as u64);
        let what = format!("{}, round {}: {}", step.row, step.round + 1, step.server);
        let Some(sample) = step.sample else {
            self.bar.set_message(what);
            return;
        };
        let line = format!("{what}: {}", brief(sample));
        if self.terminal {
            if sample.failure().is_some() {
                self.bar.println(line);
            }
            return;
        }
        let elapsed = self.start.elapsed().as_secs_f64();
        let left = elapsed / step.done.max(1) as f64 * (step.of - step.done) as f64;
        eprintln!("[{}/{}, {} left] {line}", step.done, step.of, duration(left));
    }
}

/// A measurement in a few words.
fn brief(sample: &Sample) -> String {
    if let Some(why) = sample.failure() {
        return format!("FAILED: {why}");
    }
    let Some(figures) = sample.figures() else { return String::new() };
    type Shown = (Metric, fn(f64) -> String, &'static str);
    let shown: [Shown; 5] = [
        (Metric::MessagesPerSecond, numbers::count, "messages/s"),
        (Metric::CpuUsPerMessage, numbers::microseconds, "CPU per message"),
        (Metric::ConnectionsPerSecond, numbers::count, "connections/s"),
        (Metric::LatencyP99, numbers::microseconds, "p99"),
        (Metric::BytesPerQuiet, numbers::bytes, "per connection"),
    ];
    let words = shown.into_iter().filter_map(|(metric, show, unit)| {
        figures.get(metric).map(|value| format!("{} {unit}", show(value)))
    });
    words.collect::<Vec<_>>().join(", ")
}

fn duration(seconds: f64) -> String {
    match seconds.max(0.0).round() as u64 {
        seconds @ ..100 => format!("{seconds} s"),
        seconds @ ..6000 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
