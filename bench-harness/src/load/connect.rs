//! Opening many connections.

use crate::error::{Error, Result};
use crate::handshake;
use crate::machine;
use rustix::net::{AddressFamily, SocketType};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Connections from one loopback address: far below the range of ephemeral ports, of which those
/// of a former run may still be in TIME-WAIT.
const PER_ADDRESS: usize = 4096;
/// Handshakes under way at the same time.
const HANDSHAKES: usize = 64;
/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens `count` blocking connections, Nagle's algorithm off; with `websocket`, through the opening
/// handshake on the resource `/`.
pub fn open(server: SocketAddr, count: usize, websocket: bool) -> Result<Vec<TcpStream>> {
    machine::allow_descriptors(count as u64 + 64)?;
    let request = handshake::request(server, "/");
    let mut streams = Vec::with_capacity(count);
    while streams.len() < count {
        let first = streams.len();
        for index in first..(first + HANDSHAKES).min(count) {
            let mut stream = connect(server, index)
                .map_err(Error::io(format!("connecting to {server}, connection {index}")))?;
            if websocket {
                stream.write_all(&request).map_err(Error::io("sending the handshake"))?;
            }
            streams.push(stream);
        }
        for stream in streams.iter_mut().skip(first).filter(|_| websocket) {
            handshake::read_response(stream)?;
        }
    }
    Ok(streams)
}

fn connect(server: SocketAddr, index: usize) -> std::io::Result<TcpStream> {
    let stream = match (server.ip(), index / PER_ADDRESS) {
        (IpAddr::V4(ip), group @ 1..=250) if ip.is_loopback() => {
            let source = Ipv4Addr::new(127, 0, 0, 1 + group as u8);
            let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
            rustix::net::bind(&socket, &SocketAddr::new(source.into(), 0))?;
            rustix::net::connect(&socket, &server)?;
            TcpStream::from(socket)
        }
        _ => TcpStream::connect(server)?,
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
