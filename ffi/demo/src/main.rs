//! `cargo demo`: the library in use, from the C compiler to messages per second.
//!
//! Builds the library fast (the profile `demo`, without TLS), compiles `ffi/examples/echo.c` and
//! `chat.cpp` as a user would, talks to the first with a client of its own that needs nothing but
//! `std`, and serves the second, a page to be opened.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod build;
mod chat;
mod client;
mod frame;
mod measure;
mod server;

use chat::Chat;
use client::{Client, exchange};
use server::Server;
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

/// What goes wrong is only ever shown.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: cargo demo [-- --once]
Builds the library, ffi/examples/echo.c and chat.cpp, sends messages through the echo, then serves
the chat and its page until Ctrl-C; Enter restarts it. With --once it talks through the chat
instead, over a restart, and ends.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        [] => run(false),
        ["--once"] => run(true),
        ["--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(once: bool) -> Result<()> {
    let start = Instant::now();
    println!("Building the library, ffi/examples/echo.c and ffi/examples/chat.cpp");
    let built = build::all()?;
    let server = Server::start(&built.echo, 0, &[])?;
    let address = server.address;
    println!("Built in {:.0} s, echoing on ws://{address}\n", start.elapsed().as_secs_f64());
    converse(address)?;
    measure(&server)?;
    server.stop()?;
    println!("\nThe echo server ended cleanly.");
    let mut chat = Chat::start(&built)?;
    if once { chat.converse() } else { chat.serve() }
}

/// Sends a greeting, text beyond ASCII, 64 KiB of bytes, a Ping and a Close, and shows the answers;
/// one that is not the right one is an error.
fn converse(address: SocketAddr) -> Result<()> {
    let mut client = Client::connect(address)?;
    for text in ["Hello from ringws", "naïve café, Ελληνικά, 日本語, 🦀"] {
        let echo = exchange(&mut client, frame::TEXT, frame::TEXT, text.as_bytes())?;
        println!("  text    -> {text}");
        println!("          <- {}", String::from_utf8_lossy(&echo));
    }
    let bytes: Vec<u8> = (0..64u32 * 1024).map(|i| ((i * i) >> 7) as u8).collect();
    let echo = exchange(&mut client, frame::BINARY, frame::BINARY, &bytes)?;
    println!("  binary  -> {} bytes", bytes.len());
    println!("          <- {} bytes, the same", echo.len());
    let pong = exchange(&mut client, frame::PING, frame::PONG, b"are you there?")?;
    println!("  ping    -> are you there?");
    println!("          <- pong: {}", String::from_utf8_lossy(&pong));
    let code = client.close(client::NORMAL_CLOSURE, "bye")?;
    println!("  close   -> {} bye", client::NORMAL_CLOSURE);
    println!("          <- {code}, connection ended");
    Ok(())
}

fn measure(server: &Server) -> Result<()> {
    println!("\nText messages of 20 bytes, every echoed byte checked:");
    let [median, worst] = measure::round_trips(server.address)?;
    println!(
        "  one connection: a round trip takes {median:.0} us (median), 99 in 100 {worst:.0} us"
    );
    let crowd = measure::crowd(server)?;
    println!(
        "  64 connections, 64 in flight each: {:.0} messages/s, server CPU {:.2} us/message",
        crowd.messages_per_second, crowd.cpu_us_per_message
    );
    println!("  (this build is made fast, not optimized across crates; see `cargo bench-all`)");
    Ok(())
}
