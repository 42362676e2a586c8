//! Opening many connections.

use crate::error::{Error, Result};
use crate::handshake;
use crate::machine;
use crate::ring;
use crate::scenario::{Kind, Scenario};
use crate::tls::{self, Blocking, Session};
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

/// Open connections.
#[derive(Debug)]
pub struct Opened {
    /// Blocking, Nagle's algorithm off.
    pub sockets: Vec<TcpStream>,
    /// With TLS, one for each.
    pub sessions: Vec<Session>,
}

/// Opens `count` connections as `scenario` says: through the handshake of TLS, if they are to be
/// encrypted, and the opening handshake on the resource `/`, unless they are raw.
pub fn open(server: SocketAddr, count: usize, scenario: &Scenario) -> Result<Opened> {
    machine::allow_descriptors(count as u64 + 64)?;
    let request = handshake::offering(server, "/", scenario.deflate);
    let config = scenario.tls.then(tls::client).transpose()?;
    let mut opened =
        Opened { sockets: Vec::with_capacity(count), sessions: Vec::with_capacity(count) };
    while opened.sockets.len() < count {
        let first = opened.sockets.len();
        for index in first..(first + HANDSHAKES).min(count) {
            let mut socket = connect(server, index)
                .map_err(Error::io(format!("connecting to {server}, connection {index}")))?;
            if let Some(config) = &config {
                let mut out = Vec::new();
                opened.sessions.push(Session::begin(config, &mut out)?);
                socket.write_all(&out).map_err(Error::io("beginning TLS"))?;
            }
            opened.sockets.push(socket);
        }
        // The server has the first flights of all of them.
        for (socket, session) in opened.from(first) {
            if let Some(session) = session {
                Blocking::new(socket, session).shake_hands()?;
            }
        }
        if scenario.kind != Kind::Raw {
            opened.upgrade(first, &request, scenario)?;
        }
    }
    Ok(opened)
}

impl Opened {
    /// The connections from `first` on.
    fn from(
        &mut self,
        first: usize,
    ) -> impl Iterator<Item = (&mut TcpStream, Option<&mut Session>)> {
        let mut sessions = self.sessions.iter_mut().skip(first);
        self.sockets.iter_mut().skip(first).map(move |socket| (socket, sessions.next()))
    }

    fn upgrade(&mut self, first: usize, request: &[u8], scenario: &Scenario) -> Result<()> {
        for (socket, session) in self.from(first) {
            match session {
                Some(session) => Blocking::new(socket, session).write_all(request),
                None => socket.write_all(request),
            }
            .map_err(Error::io("sending the handshake"))?;
        }
        for (socket, session) in self.from(first) {
            match session {
                Some(session) => {
                    handshake::read_answer(&mut Blocking::new(socket, session), scenario.deflate)?;
                }
                None => handshake::read_answer(socket, scenario.deflate)?,
            }
        }
        Ok(())
    }
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
