//! An echo service. `cargo run --release -p ringws-engine --example echo [PORT [MESSAGE_MAX]]`

use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::{Queued, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

// The feature leaves allocating to the system: to measure what this is worth.
#[cfg(not(feature = "system-allocator"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Echo;

impl Handler for Echo {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let flags = SendFlags::default();
        if ctx.send(conn, message.opcode, message.payload, flags) == Ok(Queued::Full) {
            // A slow reader: stop reading from it.
            let _ = ctx.pause(conn);
        }
    }

    fn on_drain(&self, ctx: &mut Context, conn: Conn) {
        let _ = ctx.resume(conn);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let port = args.next().map_or(Ok(9001), |arg| arg.parse())?;
    let mut endpoint = Endpoint::new(port, Arc::new(Echo));
    if let Some(arg) = args.next() {
        endpoint.limits.message_max = arg.parse()?;
        endpoint.limits.send_queue_max = endpoint.limits.message_max;
        // Even if its pieces are small.
        endpoint.limits.fragments_max = 1 << 17;
    }
    let engine = Engine::new(Config::default())?;
    let port = engine.listen(endpoint)?;
    engine.start()?;
    writeln!(std::io::stdout(), "listening on {port}")?;

    let handle = engine.handle().clone();
    ctrlc::set_handler(move || handle.stop(Duration::from_secs(5)))?;
    Ok(engine.wait()?)
}
