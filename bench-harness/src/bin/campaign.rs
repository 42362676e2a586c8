//! `campaign`: faults on the real kernel, one kind after the other, with a report.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::{Parser, ValueEnum};
use ringws_bench::campaign::kinds::KINDS;
use ringws_bench::campaign::report::{KindReport, Report, Verdict};
use ringws_bench::campaign::{self, Kind, Plan, outside, page};
use ringws_bench::example::Workspace;
use ringws_bench::machine::{self, Description};
use ringws_bench::publish::stamp;
use ringws_bench::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Descriptors of this side.
const DESCRIPTORS: u64 = 8_000;

/// Sets one fault after the other on the C library, serves bystanders beside it and counts every
/// message. Fails if one is lost without being told, if bystanders wait or anything is left behind.
#[derive(Parser)]
struct Arguments {
    /// Only these kinds; may be given several times.
    #[arg(long = "kind")]
    kinds: Vec<String>,
    /// Seconds of each fault.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// What messages and faults are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// By what means the server asks the kernel.
    #[arg(long, value_enum, default_value_t = Backend::Uring)]
    backend: Backend,
    /// Where the report goes; default: a new directory in target/campaign.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Lists the kinds.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    Uring,
    Epoll,
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().collect();
    let done = match words.as_slice() {
        // What this program starts itself as, to have clients that can be killed.
        [_, crew, order] if crew == "crew" => outside::work(order).map(|()| true),
        _ => run(&Arguments::parse()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("campaign: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => Workspace::find()?.target.join("campaign").join(stamp(started)),
    };
    let plan = Plan {
        seconds: Duration::try_from_secs_f64(arguments.seconds)
            .map_err(|error| Error::Usage(error.to_string()))?,
        seed: arguments.seed,
        epoll: arguments.backend == Backend::Epoll,
        directory: out.clone(),
    };
    if arguments.list {
        for kind in KINDS {
            let lacks = (kind.lacks)(&plan).map(|why| format!("\n    not possible here: {why}"));
            println!("{}\n    {}{}", kind.name, kind.what, lacks.unwrap_or_default());
        }
        return Ok(true);
    }
    let kinds = chosen(&arguments.kinds)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .map_err(Error::io("a signal's handler"))?;
    }
    machine::allow_descriptors(DESCRIPTORS)?;
    eprintln!("building the server");
    let programs = campaign::build()?;
    let (begin, machine) = (Instant::now(), Description::read());
    let mut done = Vec::new();
    for (index, kind) in kinds.iter().enumerate() {
        eprint!("{:2}/{} {:<22}", index + 1, kinds.len(), kind.name);
        let kind = campaign::run(kind, &plan, &programs, &interrupted).inspect_err(|_| {
            eprintln!();
        })?;
        progress(&kind);
        done.push(kind);
    }
    let seconds = begin.elapsed().as_secs_f64();
    let report =
        Report { started_unix: started, seed: arguments.seed, seconds, machine, kinds: done };
    write(&report, &out)?;
    print!("{}", report.markdown());
    println!("\n{}\nreport: {}", report.summary(), out.join("report.html").display());
    Ok(report.count(Verdict::Failed) == 0)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Kind>> {
    if let Some(unknown) = names.iter().find(|name| KINDS.iter().all(|kind| kind.name != **name)) {
        return Err(Error::Usage(format!("no kind `{unknown}`: see --list")));
    }
    let wanted = |kind: &&Kind| names.is_empty() || names.iter().any(|name| name == kind.name);
    Ok(KINDS.iter().filter(wanted).collect())
}

fn progress(kind: &KindReport) {
    let verdict = match kind.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::NotPossibleHere => "not possible here",
    };
    eprintln!("{verdict}  {:.1} s", kind.seconds);
    for text in &kind.violations {
        eprintln!("      {}", text.replace('\n', "\n      "));
    }
}

fn write(report: &Report, out: &std::path::Path) -> Result<()> {
    let json = serde_json::to_string_pretty(report)
        .map_err(|error| Error::Usage(format!("writing JSON: {error}")))?;
    for (name, text) in [
        ("report.json", json),
        ("report.html", page::page(report)),
        ("table.md", report.markdown()),
    ] {
        let path = out.join(name);
        std::fs::create_dir_all(out)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(Error::io(format!("writing {}", path.display())))?;
    }
    Ok(())
}
