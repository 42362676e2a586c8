//! `ceiling-tcp`: the bare echo of bytes, or of frames (`--frames`), as a server of its own.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::Parser;
use ringws_bench::ceiling::{Options, serve};
use ringws_bench::{Error, Result, machine};
use std::net::TcpListener;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sends back every byte it receives, at the least cost the kernel allows. Prints `listening on N`.
#[derive(Parser)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Provided buffers: a power of two.
    #[arg(long, default_value_t = 512)]
    buffers: u16,
    /// Bytes of a provided buffer.
    #[arg(long, default_value_t = 4096)]
    buffer_size: u32,
    /// Connections at the same time.
    #[arg(long, default_value_t = 12_000)]
    connections: u32,
    /// Echo WebSocket frames instead: upgrade, unmask, frame again in place. No checks, no limits,
    /// no callbacks: it separates the cost of touching frames from the cost of an engine.
    #[arg(long)]
    frames: bool,
    /// CPU to run on.
    #[arg(long)]
    cpu: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ceiling-tcp: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    arguments.cpu.map_or(Ok(()), machine::pin)?;
    // A registered table may not be larger than the limit of file descriptors.
    machine::allow_descriptors(u64::from(arguments.connections) + 64)?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))
        .map_err(Error::io(format!("port {}", arguments.port)))?;
    let port = listener.local_addr().map_err(Error::io("getsockname"))?.port();
    println!("listening on {port}");
    let Arguments { buffers, buffer_size, connections, frames, .. } = *arguments;
    serve(&listener, Options { buffers, buffer_size, connections, frames }, None)
}
