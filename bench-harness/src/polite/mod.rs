//! Fairness: how long a hundred polite connections wait for their echoes while others do what they
//! can to be in their way, and how much memory the server takes meanwhile.

mod siege;

pub use siege::Manner;

use crate::error::{Error, Result};
use crate::example::Workspace;
use crate::load::control::Control;
use crate::load::open::{self, OpenPlan, OpenReport};
use crate::machine;
use crate::process;
use crate::scenario::{Deflate, Kind, Scenario};
use crate::server::{Launch, Server, free_port};
use crate::tls::Certificate;
use siege::Siege;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The server: the C library with a budget.
const SOURCE: &str = "bench-harness/peers/c/ringws_polite.c";
/// Connections, and messages a second of all of them.
const POLITE: usize = 100;
const RATE: f64 = 1_000.0;
/// Time before the others begin, and before the clock does.
const HEAD_START: Duration = Duration::from_millis(500);
const WARMUP: Duration = Duration::from_secs(1);
/// Descriptors of either side.
const DESCRIPTORS: u64 = 14_000;

/// A row of the table, and what the polite ones may wait at the 99th percentile.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What the others do, in words.
    pub name: &'static str,
    /// What they do.
    pub manner: Manner,
    /// Microseconds.
    pub target: f64,
}

const fn row(name: &'static str, manner: Manner, target_ms: f64) -> Row {
    Row { name, manner, target: target_ms * 1e3 }
}

/// All rows.
pub const ROWS: &[Row] = &[
    row("nobody else", Manner::Nobody, 2.0),
    row("1 with 64 messages of 64 B in flight", Manner::Loop(1, 64, 64), 2.0),
    row("32 echo 128 KiB", Manner::Loop(32, 128 << 10, 1), 2.0),
    row("1 000 echo 16 KiB", Manner::Loop(1_000, 16 << 10, 1), 10.0),
    row("32 echo 1 MiB", Manner::Loop(32, 1 << 20, 1), 10.0),
    row("200 bombs, shared, read", Manner::Bombs(200, Deflate::Shared, true), 10.0),
    row("200 bombs, shared, not read", Manner::Bombs(200, Deflate::Shared, false), 10.0),
    row("200 bombs, takeover, read", Manner::Bombs(200, Deflate::Takeover, true), 10.0),
    row("200 bombs, takeover, not read", Manner::Bombs(200, Deflate::Takeover, false), 10.0),
    row("2 000 never read 1 MiB", Manner::NeverRead(2_000), 10.0),
    row("5 000 stop in the middle of 1 MiB", Manner::StopInTheMiddle(5_000), 10.0),
    row("20 connect a second", Manner::Connect(20, false), 10.0),
    row("20 connect a second, TLS", Manner::Connect(20, true), 10.0),
];

/// Where and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// CPU of the server, and of the load.
    pub cpus: (usize, usize),
    /// `memory_max`, MiB.
    pub memory_max: u32,
    /// How long the clock runs in each row.
    pub timed: Duration,
}

/// What came of a row.
#[derive(Debug)]
pub struct Outcome {
    /// The polite ones.
    pub polite: OpenReport,
    /// The most resident memory of the server, before the others began and in all.
    pub resident: (u64, u64),
    /// The others, in words.
    pub others: String,
}

/// The program and the certificate that rows are run with.
pub struct Prepared {
    program: PathBuf,
    certificate: Certificate,
}

/// Builds what is needed.
pub fn prepare() -> Result<Prepared> {
    let workspace = Workspace::find()?;
    let program = workspace.programs()?.join("polite");
    workspace.compile_echo(SOURCE, &workspace.library()?, &program)?;
    let certificate = Certificate::write(&workspace.target.join("polite"))?;
    Ok(Prepared { program, certificate })
}

/// Runs one row.
pub fn run(row: &Row, plan: &Plan, prepared: &Prepared) -> Result<Outcome> {
    machine::allow_descriptors(DESCRIPTORS)?;
    machine::pin(plan.cpus.1)?;
    let deflate = match row.manner {
        Manner::Bombs(_, deflate, _) => deflate.name(),
        _ => "off",
    };
    let secure_port = free_port()?;
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let command = vec![
        text(&prepared.program),
        "0".into(),
        plan.memory_max.to_string(),
        deflate.into(),
        secure_port.to_string(),
        text(&prepared.certificate.certificate),
        text(&prepared.certificate.key),
    ];
    let server = Server::start(&Launch { command, announces: true, cpu: Some(plan.cpus.0) })?;
    let (plain, pid) = (server.address, server.pid());
    let siege = Siege::open(row.manner, plain, SocketAddr::new(plain.ip(), secure_port))?;
    let open = OpenPlan {
        server: plain,
        scenario: Scenario::plain(POLITE, 64, 1, Kind::Binary),
        rate: RATE,
        warmup: HEAD_START + WARMUP,
        timed: plan.timed,
        grace: Duration::from_secs(5),
        spin: false,
        pid: Some(pid),
    };
    std::thread::scope(|scope| {
        let polite = scope.spawn(|| open::run(&open, &Control::default()));
        std::thread::sleep(HEAD_START);
        let before = process::resident(pid)?;
        let others = scope.spawn(|| siege.go_on(WARMUP + plan.timed));
        let mut most = before;
        while !polite.is_finished() {
            most = most.max(process::resident(pid)?);
            std::thread::sleep(Duration::from_millis(20));
        }
        let panicked = || Err(Error::Server("a thread of the load panicked".into()));
        let polite = polite.join().unwrap_or_else(|_| panicked())?;
        let others = others.join().unwrap_or_else(|_| Err(Error::Server("panicked".into())));
        let others = others.unwrap_or_else(|error| error.to_string());
        Ok(Outcome { polite, resident: (before, most), others })
    })
}
