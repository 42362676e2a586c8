//! `ringws probe`: what this kernel offers to the engine, and what can be done for more.

use crate::error::Result;
use crate::out::Out;
use clap::Args;
use ringws_engine::config::Config;
use ringws_engine::engine::{Engine, Error};
use ringws_engine::ring::features::{Feature, table};
use serde::Serialize;
use std::process::ExitCode;

/// What `probe` is told.
#[derive(Args, Debug)]
pub(crate) struct Probe {
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Serialize)]
struct Found {
    kernel: String,
    cpus: usize,
    io_uring: Ring,
    features: Vec<Row>,
    limits: Vec<(&'static str, String)>,
    advice: Vec<String>,
}

/// Whether an engine starts, with one reactor.
#[derive(Serialize)]
struct Ring {
    works: bool,
    why: Option<String>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    since: &'static str,
    required: bool,
    present: bool,
    used: bool,
}

impl Probe {
    pub(crate) fn run(&self, out: &mut Out) -> Result<ExitCode> {
        let found = look();
        if self.json {
            let text = serde_json::to_string_pretty(&found).map_err(std::io::Error::from)?;
            out.line(format_args!("{text}"))?;
        } else {
            found.print(out)?;
        }
        Ok(if found.io_uring.works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn look() -> Found {
    // On a thread of its own, as the table asks for.
    let features = std::thread::spawn(table).join().unwrap_or_default();
    let io_uring = start();
    let first = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().next().unwrap_or("unknown").to_owned()
    };
    let limits = vec![
        ("open files of a process (ulimit -n)", files()),
        ("backlog of a socket (net.core.somaxconn)", first("/proc/sys/net/core/somaxconn")),
        ("io_uring forbidden (kernel.io_uring_disabled)", disabled(&first)),
    ];
    let advice = advice(&features, &io_uring);
    let rows = features.iter().map(|Feature { name, kernel_floor, required, present, used }| Row {
        name,
        since: kernel_floor,
        required: *required,
        present: *present,
        used: *used,
    });
    Found {
        kernel: first("/proc/sys/kernel/osrelease"),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        features: rows.collect(),
        io_uring,
        limits,
        advice,
    }
}

fn disabled(first: &impl Fn(&str) -> String) -> String {
    match first("/proc/sys/kernel/io_uring_disabled").as_str() {
        "0" => "no".into(),
        "1" => "but for a group".into(),
        "2" => "for everybody".into(),
        _ => "no such setting: it came with Linux 6.6".into(),
    }
}

fn files() -> String {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.map_or_else(|| "no limit".into(), |most| most.to_string())
}

/// An engine of one reactor, which ends at once.
fn start() -> Ring {
    let config = Config { reactors: 1, connections_max: 64, ..Config::default() };
    let started = Engine::new(config).and_then(|engine| engine.start());
    Ring { works: started.is_ok(), why: started.err().map(|error: Error| error.to_string()) }
}

fn advice(features: &[Feature], ring: &Ring) -> Vec<String> {
    let mut advice = Vec::new();
    if let Some(why) = &ring.why {
        advice.push(why.clone());
    }
    for Feature { name, kernel_floor, required, present, .. } in features {
        if !present && ring.works {
            let what = if *required { "is needed" } else { "would be used" };
            advice.push(format!("{name} {what}: it comes with Linux {kernel_floor}"));
        }
    }
    advice
}

impl Found {
    fn print(&self, out: &mut Out) -> Result<()> {
        let Self { kernel, cpus, io_uring, .. } = self;
        out.line(format_args!("Linux {kernel}, {cpus} CPUs for this process"))?;
        let works = match (io_uring.works, &io_uring.why) {
            (true, _) => "io_uring: an engine starts on it",
            (false, _) => "io_uring: an engine does not start",
        };
        out.line(format_args!("{works}\n"))?;
        for Row { name, since, required, present, used } in &self.features {
            let state = match (present, used, required) {
                (true, true, _) => "used",
                (true, false, _) => "there, not used",
                (false, _, true) => "MISSING, needed",
                (false, _, false) => "missing",
            };
            out.line(format_args!("  {name:<44} {state:<16} since Linux {since}"))?;
        }
        out.line(format_args!(""))?;
        for (name, value) in &self.limits {
            out.line(format_args!("  {name:<48} {value}"))?;
        }
        for advice in &self.advice {
            out.line(format_args!("\n{advice}"))?;
        }
        Ok(())
    }
}
