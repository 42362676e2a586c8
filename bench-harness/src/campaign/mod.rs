//! Faults on the real kernel, one kind after the other, and an oracle that counts every message:
//! each comes back exactly once and in order, or its loss was told; who is not concerned is served
//! on; afterwards nothing is left of anybody.

pub mod cgroup;
pub mod crew;
pub mod kinds;
pub mod link;
pub mod message;
pub mod oracle;
pub mod outside;
pub mod page;
pub mod report;
pub mod scene;
pub mod space;
pub mod subject;

use crate::error::{Error, Result};
use crate::example::Workspace;
use crate::tls::Certificate;
use oracle::Manner;
use report::{KindReport, Verdict};
use scene::Scene;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

const CLOCK: &str = "bench-harness/peers/c/campaign_clock.c";
const SERVER: &str = "bench-harness/peers/c/ringws_campaign.c";

/// A kind of fault.
pub struct Kind {
    /// What it is called with `--kind`.
    pub name: &'static str,
    /// What is done, and what has to come of it.
    pub what: &'static str,
    /// What this machine lacks for it, if anything.
    pub lacks: fn(&Plan) -> Option<String>,
    /// How the server is to be started for it.
    pub prepare: fn(&mut Scene<'_>) -> Result<()>,
    /// The fault: from the calm before to the calm after.
    pub act: fn(&mut Scene<'_>) -> Result<()>,
    /// What may be expected.
    pub limits: Limits,
}

/// What may be expected under a fault.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Milliseconds within which 99 % of the bystanders' answers come while it lasts; `None`: it
    /// concerns all, so only that all come.
    pub p99_ms: Option<f64>,
    /// What bystanders may lose.
    pub bystanders: Manner,
    /// Bytes of the heap that may stay in use: tables that have grown with the connections.
    pub growth: u64,
    /// Whether the server has ended, and what its status has to be.
    pub ends: Option<i32>,
}

/// Most kinds.
pub const LIMITS: Limits =
    Limits { p99_ms: Some(150.0), bystanders: Manner::Polite, growth: 1 << 20, ends: None };

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long a fault lasts.
    pub seconds: Duration,
    /// Of messages and of what the faults draw.
    pub seed: u64,
    /// By epoll.
    pub epoll: bool,
    /// Where files go.
    pub directory: PathBuf,
}

/// What is built first.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The server.
    pub server: PathBuf,
    /// What shows it another time of the day.
    pub clock: PathBuf,
    /// For its encrypted port.
    pub certificate: Certificate,
    /// This program, which is also that of clients in processes of their own.
    pub own: PathBuf,
}

/// Builds the server on the library, as its users would.
pub fn build() -> Result<Programs> {
    let workspace = Workspace::find()?;
    let directory = workspace.programs()?;
    let (server, clock) = (directory.join("campaign"), directory.join("campaign_clock.so"));
    workspace.compile_echo(SERVER, &workspace.library()?, &server)?;
    workspace.compile_shared(CLOCK, &clock)?;
    let certificate = Certificate::write(&workspace.target.join("campaign"))?;
    let own = std::env::current_exe().map_err(Error::io("the path of this program"))?;
    Ok(Programs { server, clock, certificate, own })
}

/// Runs one kind, whatever comes of it.
pub fn run(
    kind: &Kind,
    plan: &Plan,
    programs: &Programs,
    interrupted: &AtomicBool,
) -> Result<KindReport> {
    if let Some(lacks) = (kind.lacks)(plan) {
        return Ok(KindReport::impossible(kind, lacks));
    }
    let begin = Instant::now();
    let directory = plan.directory.join(kind.name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory)
        .map_err(Error::io(format!("creating {}", directory.display())))?;
    let mut scene = Scene::new(plan, programs, directory.clone(), interrupted);
    let done = play(kind, &mut scene);
    if let Err(interrupted @ Error::Interrupted { .. }) = done {
        return Err(interrupted);
    }
    if let Err(error) = done {
        scene.violations.push(error.to_string());
    }
    let report = KindReport::of(kind, &mut scene, begin.elapsed());
    if report.verdict == Verdict::Passed {
        let _ = std::fs::remove_dir_all(&directory);
    }
    Ok(report)
}

fn play(kind: &Kind, scene: &mut Scene<'_>) -> Result<()> {
    (kind.prepare)(scene)?;
    scene.open()?;
    scene.begin();
    let acted = (kind.act)(scene);
    if scene.period[1] == scene.period[0] {
        scene.end();
    }
    acted?;
    match kind.limits.ends {
        Some(status) => {
            scene.end_bystanders(kind.limits.bystanders)?;
            scene.end_server(false, status)
        }
        None => {
            scene.close(kind.limits.bystanders, kind.limits.growth)?;
            scene.end_server(true, 0)
        }
    }
}
