//! An echo service on tokio-uring. `cargo run --release -p ringws-engine --features tokio-uring
//! --example echo_aio [PORT [MESSAGE_MAX]]`

use ringws_engine::aio::{Error, Options, WebSocket};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use tokio_uring::net::{TcpListener, TcpStream};

async fn echo(stream: TcpStream, options: &Options) -> Result<(), Error> {
    let mut socket = WebSocket::accept(stream, options).await?;
    while let Some(message) = socket.recv().await? {
        // Sent with the others that came together, when there is nothing more to receive.
        socket.feed(message).await?;
    }
    Ok(())
}

async fn serve(port: u16, options: Options) -> std::io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?.port())?;
    loop {
        let (stream, _) = listener.accept().await?;
        let options = options.clone();
        tokio_uring::spawn(async move {
            // A connection that fails ends, and its peer is told why.
            let _ = echo(stream, &options).await;
        });
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let port = args.next().map_or(Ok(9001), |arg| arg.parse())?;
    let mut options = Options::default();
    if let Some(arg) = args.next() {
        options.limits.message_max = arg.parse()?;
        options.limits.send_queue_max = options.limits.message_max;
        // Even if its pieces are small.
        options.limits.fragments_max = 1 << 17;
    }
    ctrlc::set_handler(|| std::process::exit(0))?;
    Ok(tokio_uring::start(serve(port, options))?)
}
