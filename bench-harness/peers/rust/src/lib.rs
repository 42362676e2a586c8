//! What the echo servers share: a listener on one thread, and a stream that gathers what is
//! written until the next read.
//!
//! Every server takes the port as its argument (0: any), prints `listening on N`, and is ended by
//! SIGTERM. All allocate with mimalloc, as the echo of ringws in Rust does, unless the feature of
//! that name is off.

mod gather;

pub use gather::Gather;

use std::future::Future;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The largest message: 64 MiB.
pub const MESSAGE_MAX: usize = 64 << 20;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Where to listen: 127.0.0.1 and the port of the command line.
pub fn address() -> io::Result<SocketAddr> {
    let port = std::env::args().nth(1).unwrap_or_default();
    let port = port.parse().map_err(|_| io::Error::other("usage: program PORT (0: any)"))?;
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Whether every answer is to leave at once, as in the echo examples of the libraries, instead of
/// together with the others that answer one read: `each` behind the port.
pub fn flush_each() -> bool {
    std::env::args().nth(2).as_deref() == Some("each")
}

/// Says that the server is ready.
pub fn announce(at: SocketAddr) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {}", at.port())
}

/// Accepts on one thread and runs `echo` for each connection, in a task that is not made to yield
/// while its socket is ready: the examples of fastwebsockets and tokio-websockets do the same.
pub fn serve<F>(echo: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address()?)?;
        let listener = socket.listen(BACKLOG)?;
        announce(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(tokio::task::unconstrained(echo(stream)));
        }
    })
}
