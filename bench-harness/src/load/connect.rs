//! Opening many connections.

use crate::error::{Error, Result};
use crate::handshake;
use crate::machine;
use crate::ring;
use rustix::net::sockopt::set_tcp_congestion;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Connections from one loopback address: far below the range of ephemeral ports, of which those
/// of a former run may still be in TIME-WAIT.
const PER_ADDRESS: usize = 4096;
/// Addresses that differ in their last part only.
const SOURCES: usize = 250;
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
    let socket = ring::socket(server, source(server, index / PER_ADDRESS))?;
    // No clock per acknowledgement and no pacing, which other algorithms have: neither is of use
    // on a path without loss, and it is the load that would pay. Of what the server sends the
    // server's own socket decides.
    set_tcp_congestion(&socket, "reno")?;
    rustix::net::connect(&socket, &server)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The address from which the connections of a group leave, if the server is on the loopback
/// interface, all of whose addresses (127.0.0.0/8) are this machine's: each has its own ports.
pub(crate) fn source(server: SocketAddr, group: usize) -> Option<Ipv4Addr> {
    match server.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {
            let [low, high] = [group % SOURCES, group / SOURCES % SOURCES].map(|part| part as u8);
            Some(Ipv4Addr::new(127, 0, high, 1 + low))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_of_connections_has_an_address_of_its_own() {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 9001));
        let mut sources: Vec<_> = (0..1000).map(|group| source(server, group)).collect();
        assert_eq!(sources.first(), Some(&Some(Ipv4Addr::LOCALHOST)));
        sources.sort();
        sources.dedup();
        assert_eq!(sources.len(), 1000);
        assert!(sources.iter().flatten().all(|source| source.is_loopback()));
        assert_eq!(source(SocketAddr::from(([192, 0, 2, 1], 80)), 3), None);
    }
}
