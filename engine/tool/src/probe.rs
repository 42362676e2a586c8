//! `ringws probe`: what this kernel offers to the engine, and what can be done for more.

use crate::by;
use crate::error::Result;
use crate::out::Out;
use clap::Args;
use ringws_engine::config::Config;
use ringws_engine::engine::Engine;
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
    engine: Chosen,
    features: Vec<Row>,
    limits: Vec<(&'static str, String)>,
    advice: Vec<String>,
}

/// What an engine of one reactor has come to, that was left the choice.
#[derive(Serialize)]
struct Chosen {
    /// `None`: it does not start.
    backend: Option<&'static str>,
    /// Why it is not io_uring.
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
        Ok(if found.engine.backend.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn look() -> Found {
    // On a thread of its own, as the table asks for.
    let features = std::thread::spawn(table).join().unwrap_or_default();
    let engine = start();
    let first = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().next().unwrap_or("unknown").to_owned()
    };
    let limits = vec![
        ("open files of a process (ulimit -n)", files()),
        ("backlog of a socket (net.core.somaxconn)", first("/proc/sys/net/core/somaxconn")),
        ("io_uring forbidden (kernel.io_uring_disabled)", disabled(&first)),
    ];
    let advice = advice(&features, &engine);
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
        engine,
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
fn start() -> Chosen {
    let config = Config { reactors: 1, connections_max: 64, ..Config::default() };
    let started = Engine::new(config).and_then(|engine| {
        engine.start()?;
        Ok(engine.backend().cloned())
    });
    match started {
        Ok(Some(chosen)) => Chosen {
            backend: Some(by::name(chosen.backend)),
            why: chosen.refused.map(|refused| refused.text),
        },
        Ok(None) => Chosen { backend: None, why: None },
        Err(error) => Chosen { backend: None, why: Some(error.to_string()) },
    }
}

/// What can be done for more.
fn advice(features: &[Feature], engine: &Chosen) -> Vec<String> {
    let mut advice = Vec::from_iter(engine.why.clone());
    for Feature { name, kernel_floor, required, present, .. } in features {
        if !present && engine.backend == Some("io_uring") {
            let what = if *required { "is needed" } else { "would be used" };
            advice.push(format!("{name} {what}: it comes with Linux {kernel_floor}"));
        }
    }
    advice
}

impl Found {
    fn print(&self, out: &mut Out) -> Result<()> {
        let Self { kernel, cpus, engine, .. } = self;
        out.line(format_args!("Linux {kernel}, {cpus} CPUs for this process"))?;
        let runs = match engine.backend {
            Some(backend) => format!("an engine runs by {backend}"),
            None => "an engine does not start".into(),
        };
        out.line(format_args!("{runs}\n"))?;
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
