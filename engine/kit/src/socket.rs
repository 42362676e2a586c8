//! Sockets under a connection, on which nothing waits for ever.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What TCP and Unix sockets have in common.
pub trait Socket: Read + Write + Sized {
    /// How long one read or write may take.
    fn set_patience(&self, longest: Duration);

    /// Ends our direction; a connection that is gone already has none.
    fn half_close(&self);

    /// Another handle of the same socket.
    fn another(&self) -> Result<Self>;
}

macro_rules! sockets {
    ($($socket:ty),*) => {
        $(impl Socket for $socket {
            fn set_patience(&self, longest: Duration) {
                self.set_read_timeout(Some(longest)).expect("a read timeout");
                self.set_write_timeout(Some(longest)).expect("a write timeout");
            }
            fn half_close(&self) {
                let _ = self.shutdown(Shutdown::Write);
            }
            fn another(&self) -> Result<Self> {
                self.try_clone()
            }
        })*
    };
}

sockets!(TcpStream, UnixStream);

/// A connected socket.
pub fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream.set_patience(PATIENCE);
    stream
}

/// A port that nobody has, and that no client is given before it is used: Linux takes those of
/// clients from 32768 up (`ip_local_port_range`), and one of them on any address of this machine
/// would do to refuse it to a server.
pub fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    const SPAN: u32 = 32_768 - 10_000;
    // Tests of several processes begin in several places.
    let begin = std::process::id().wrapping_mul(7_919);
    let ports = (0..SPAN).map(|_| begin.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)));
    let mut ports = ports.map(|number| 10_000 + (number % SPAN) as u16);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
    ports.find(is_free).expect("a port")
}

/// A connected socket.
pub fn unix(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("somebody listens");
    stream.set_patience(PATIENCE);
    stream
}

/// From now on the kernel ends the connection with RST: when the last handle is closed, nothing
/// that was not read is delivered (socket(7), SO_LINGER).
pub fn reset(stream: &TcpStream) {
    let at_once = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(stream, at_once).expect("SO_LINGER");
}

/// Reads to the end of the stream, or to a reset.
pub fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    use ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if !matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected) => {
            panic!("the connection does not end: {error}, after {} bytes", all.len())
        }
        _ => all,
    }
}

/// A server of one connection, which is handed to `then` on a thread of its own; its port.
pub fn once<T: Send + 'static>(
    then: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("somebody comes");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_patience(PATIENCE);
        then(stream)
    });
    (port, serving)
}

/// Waits until it is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "never {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
