//! `cargo demo`: the library in use, from the C compiler to messages per second.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::Parser;
use ringws_bench::example::Workspace;
use ringws_bench::load::closed::{self, Plan};
use ringws_bench::scenario::{Kind, Scenario};
use ringws_bench::server::{Launch, Server};
use ringws_bench::{Error, Result, demo};
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Builds the library and the C echo server, talks to it, measures it and keeps serving.
#[derive(Parser)]
struct Arguments {
    /// End the server after the measurement, as Ctrl-C would, and check that it ends well.
    #[arg(long)]
    once: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let workspace = Workspace::find()?;
    println!("Building the library and ffi/examples/echo.c");
    let program = workspace.echo()?.to_string_lossy().into_owned();
    let launch = Launch { command: vec![program, "{port}".into()], announces: true, cpu: None };
    let mut server = Server::start(&launch)?;
    println!("Serving on ws://{}\n", server.address);
    demo::converse(server.address, |line| println!("  {line}"))?;
    measure(&server)?;
    if arguments.once {
        let status = server.interrupt()?;
        if !status.success() {
            return Err(Error::Server(format!("the server ended with {status} after SIGTERM")));
        }
        println!("\nThe server ended cleanly.");
        return Ok(());
    }
    let address = server.address;
    println!("\nStill serving on ws://{address} (process {}); Ctrl-C ends it.", server.pid());
    println!("  npx wscat -c ws://{address}");
    println!("  or in a browser's console:");
    println!("  ws = new WebSocket(\"ws://{address}\"); ws.onmessage = m => console.log(m.data);");
    println!("  ws.onopen = () => ws.send(\"hello\");");
    // Ctrl-C reaches both: the terminal signals the whole process group.
    let status = server.wait()?;
    Err(Error::Server(format!("the server ended by itself, {status}")))
}

fn measure(server: &Server) -> Result<()> {
    println!("\n64 connections, text messages of 20 bytes, every echoed byte checked:");
    for depth in [1, 64] {
        let report = closed::run(&Plan {
            server: server.address,
            scenario: Scenario::plain(64, 20, depth, Kind::Text),
            warmup: Duration::from_millis(300),
            timed: Duration::from_millis(1000),
            pid: Some(server.pid()),
        })?;
        let server_cost = report.server.map_or(0.0, |server| server.cpu_us_per_message);
        println!(
            "  {depth:>2} in flight each: {:>9.0} messages/s, latency p50 {:.0} us, p99 {:.0} us, \
             server CPU {server_cost:.2} us/message",
            report.messages_per_second, report.latency.p50, report.latency.p99
        );
    }
    Ok(())
}
