//! `ceiling-epoll`: the bare echo of bytes on epoll, as a server of its own.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::Parser;
use ringws_bench::ceiling::epoll::serve;
use ringws_bench::{Error, Result, machine};
use std::net::TcpListener;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sends back every byte it receives, as fast as epoll allows. Prints `listening on N`.
#[derive(Parser)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Bytes of the receive buffer, the one for all.
    #[arg(long, default_value_t = 256 * 1024)]
    buffer_size: usize,
    /// Connections at the same time.
    #[arg(long, default_value_t = 12_000)]
    connections: u32,
    /// CPU to run on.
    #[arg(long)]
    cpu: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ceiling-epoll: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    arguments.cpu.map_or(Ok(()), machine::pin)?;
    machine::allow_descriptors(u64::from(arguments.connections) + 64)?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))
        .map_err(Error::io(format!("port {}", arguments.port)))?;
    let port = listener.local_addr().map_err(Error::io("getsockname"))?.port();
    println!("listening on {port}");
    serve(&listener, arguments.buffer_size)
}
