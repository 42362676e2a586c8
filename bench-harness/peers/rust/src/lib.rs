//! What the echo servers share: a listener on one thread, and a stream that gathers what is
//! written until the next read.
//!
//! Every server takes the port as its argument (0: any), prints `listening on N`, and is ended by
//! SIGTERM. Behind the port may stand `each`, `--deflate shared|takeover`, `--level N` and
//! `--tls CERTIFICATE KEY`. All allocate with mimalloc, as the echo of ringws in Rust does, unless
//! the feature of that name is off.

mod gather;
mod tls;

pub use gather::Gather;
pub use tls::Connection;

use std::future::Future;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpSocket;

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

/// What stands behind an option.
fn option(name: &str, index: usize) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1 + index)
}

/// How messages are to be compressed: `shared` is without context takeover.
pub fn deflate() -> Option<String> {
    option("--deflate", 0)
}

/// The level of compression, if one is asked for.
pub fn level() -> Option<u32> {
    option("--level", 0)?.parse().ok()
}

/// Says that the server is ready.
pub fn announce(at: SocketAddr) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {}", at.port())
}

/// Accepts on one thread and runs `echo` for each connection, in a task that is not made to yield
/// while its socket is ready: the examples of fastwebsockets and tokio-websockets do the same.
/// With `--tls` connections are encrypted.
pub fn serve<F>(echo: impl Fn(Connection) -> F + Copy + Send + 'static) -> io::Result<()>
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
        let files = option("--tls", 0).zip(option("--tls", 1));
        let acceptor = files.map(|(chain, key)| tls::acceptor(&chain, &key)).transpose()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let acceptor = acceptor.clone();
            tokio::spawn(tokio::task::unconstrained(async move {
                match acceptor {
                    None => echo(Connection::Plain(stream)).await,
                    // A handshake that fails ends; the load generator notices.
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => echo(Connection::Tls(Box::new(stream))).await,
                        Err(_) => {}
                    },
                }
            }));
        }
    })
}
