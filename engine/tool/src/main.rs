//! `ringws` on the command line: serve, connect, bench, probe, and check, a tester of anybody's
//! WebSocket server.

mod alert;
mod bench;
mod by;
mod check;
mod connect;
mod dial;
mod error;
mod manual;
mod out;
mod place;
mod probe;
mod serve;
mod size;
mod trust;
mod words;

use clap::{CommandFactory, Parser, Subcommand};
use error::{Error, Result};
use out::Out;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// WebSocket at the command line: a server, a client, a load, and a tester of anybody's server.
///
/// Ends with 0, with 1 for what was found or refused, with 2 when there was no result.
#[derive(Parser)]
#[command(name = "ringws", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve an echo or a chat, files and metrics
    Serve(serve::Serve),
    /// Talk to a server: at the keyboard, from a pipe, from a script
    Connect(connect::Connect),
    /// Load a server that echoes, and measure it
    Bench(bench::Bench),
    /// Show what this kernel offers to the engine
    Probe(probe::Probe),
    /// Test whether a server keeps RFC 6455 and RFC 7692, and what it makes of hostile input
    Check(check::Check),
    /// Print what completes the command line in a shell
    Completions(manual::Completions),
    /// Write pages for `man`
    Man(manual::Man),
}

fn main() -> ExitCode {
    let mut out = Out;
    match run(&Arguments::parse().command, &mut out) {
        Ok(code) => code,
        // Whoever has read our output has seen enough.
        Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // If there is nobody to be told, the exit code says it.
            let _ = out.note(format_args!("ringws: {error}"));
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command, out: &mut Out) -> Result<ExitCode> {
    match command {
        Command::Serve(serve) => serve.run(out),
        Command::Connect(connect) => connect.run(out),
        Command::Bench(bench) => bench.run(out),
        Command::Probe(probe) => probe.run(out),
        Command::Check(check) => check.run(out),
        Command::Completions(one) => one.run(Arguments::command(), out),
        Command::Man(man) => man.run(Arguments::command(), out),
    }
}

/// A header as the command line has it.
fn header(line: &str) -> Result<(String, String)> {
    let parts = line.split_once(':').filter(|(name, _)| !name.trim().is_empty());
    let (name, value) =
        parts.ok_or_else(|| Error::Usage(format!("-H \"{line}\": a header is \"Name: value\"")))?;
    Ok((name.trim().into(), value.trim().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_means_one_thing() {
        Arguments::command().debug_assert();
        let header = header("X-A: b: c").expect("a header");
        assert_eq!(header, ("X-A".to_owned(), "b: c".to_owned()));
        assert!(super::header("no header").is_err() && super::header(": x").is_err());
    }
}
