//! `load`: the load generator.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::{Args, Parser, Subcommand};
use ringws_bench::load::closed::{self, Plan};
use ringws_bench::load::idle::Idle;
use ringws_bench::scenario::{Kind, Scenario};
use ringws_bench::{Error, Result, machine, process};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Loads an echo server and checks every byte that comes back.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Every connection keeps `depth` messages in flight.
    Closed {
        #[command(flatten)]
        common: Common,
        /// Messages in flight on each connection.
        #[arg(long, default_value_t = 1)]
        depth: usize,
        /// Seconds that are measured.
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// Seconds of load before.
        #[arg(long, default_value_t = 1.0)]
        warmup: f64,
    },
    /// Opens connections and holds them.
    Idle {
        #[command(flatten)]
        common: Common,
        /// Exchange one message on each before they fall quiet.
        #[arg(long)]
        message: bool,
        /// Seconds to hold them.
        #[arg(long, default_value_t = 10.0)]
        hold: f64,
    },
}

#[derive(Args)]
struct Common {
    /// The server.
    #[arg(long, default_value = "127.0.0.1:9001")]
    server: SocketAddr,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Payload bytes of a message.
    #[arg(long, default_value_t = 20)]
    size: usize,
    /// Text messages instead of binary ones.
    #[arg(long, conflicts_with = "raw")]
    text: bool,
    /// Bytes without WebSocket, for `ceiling-tcp` without `--frames`.
    #[arg(long)]
    raw: bool,
    /// CPU to run on.
    #[arg(long)]
    cpu: Option<usize>,
    /// Process of the server, to read what it uses.
    #[arg(long)]
    pid: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Common {
    fn scenario(&self, depth: usize) -> Scenario {
        let kind = match (self.text, self.raw) {
            (true, _) => Kind::Text,
            (_, true) => Kind::Raw,
            _ => Kind::Binary,
        };
        Scenario { connections: self.connections, size: self.size, depth, kind }
    }
}

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
    match mode {
        Mode::Closed { common, depth, seconds, warmup } => {
            common.cpu.map_or(Ok(()), machine::pin)?;
            let report = closed::run(&Plan {
                server: common.server,
                scenario: common.scenario(depth),
                warmup: duration(warmup)?,
                timed: duration(seconds)?,
                pid: common.pid,
            })?;
            if common.json {
                return print_json(&report);
            }
            println!("{report}");
            Ok(())
        }
        Mode::Idle { common, message, hold } => {
            common.cpu.map_or(Ok(()), machine::pin)?;
            let before = common.pid.map(process::resident).transpose()?;
            let mut idle = Idle::open(common.server, &common.scenario(1))?;
            if message {
                idle.exchange()?;
            }
            std::thread::sleep(duration(hold)?);
            let after = common.pid.map(process::resident).transpose()?;
            let per_connection = before.zip(after).map(|(before, after)| {
                after.saturating_sub(before) as f64 / idle.count().max(1) as f64
            });
            if common.json {
                return print_json(&serde_json::json!({
                    "connections": idle.count(),
                    "resident_before": before,
                    "resident_after": after,
                    "bytes_per_connection": per_connection,
                }));
            }
            print!("{} connections held for {hold} s", idle.count());
            match per_connection {
                Some(bytes) => println!(": {bytes:.0} bytes resident per connection"),
                None => println!(),
            }
            Ok(())
        }
    }
}

fn duration(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| Error::Usage(error.to_string()))
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Error::Usage(error.to_string()))?;
    println!("{text}");
    Ok(())
}
