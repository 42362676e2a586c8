//! Listening sockets: one per reactor, sharing a port.

use crate::config::Address;
use crate::engine::Error;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Connections that may wait to be accepted; the system's `somaxconn` caps it.
const BACKLOG: i32 = 4096;

/// One listening socket per reactor, and the port they share (0 for a Unix socket).
pub(crate) fn listen(
    address: &Address,
    port: u16,
    reactors: u32,
) -> Result<(Vec<OwnedFd>, u16), Error> {
    match address {
        Address::Unix(path) => Ok((listen_unix(path, reactors)?, 0)),
        Address::Ip(ip) => listen_tcp(SocketAddr::new(*ip, port), false, reactors),
        Address::Any => {
            let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
            match listen_tcp(any, true, reactors) {
                // A machine without IPv6: every IPv4 address is every address.
                Err(Error::System { source: Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL, .. }) => {
                    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
                    listen_tcp(any, false, reactors)
                }
                other => other,
            }
        }
    }
}

fn listen_tcp(
    at: SocketAddr,
    dual_stack: bool,
    reactors: u32,
) -> Result<(Vec<OwnedFd>, u16), Error> {
    let mut at = at;
    let mut sockets = Vec::new();
    if at.port() != 0 {
        // SO_REUSEPORT would let a second process of the same user share the port unnoticed: a
        // socket without it finds out whether someone is there.
        tcp_socket(at, dual_stack)
            .and_then(|probe| net::bind(&probe, &at))
            .map_err(|errno| failed(format!("listening on {at}"), errno))?;
    }
    for _ in 0..reactors {
        let socket = bind_tcp(at, dual_stack)
            .map_err(|errno| failed(format!("listening on {at}"), errno))?;
        if at.port() == 0 {
            let bound = net::getsockname(&socket)
                .and_then(SocketAddr::try_from)
                .map_err(|errno| failed("reading the bound port".into(), errno))?;
            at.set_port(bound.port());
        }
        sockets.push(socket);
    }
    Ok((sockets, at.port()))
}

fn bind_tcp(at: SocketAddr, dual_stack: bool) -> Result<OwnedFd, Errno> {
    let socket = tcp_socket(at, dual_stack)?;
    // One listener per reactor on the same port: the kernel spreads connections over them.
    sockopt::set_socket_reuseport(&socket, true)?;
    // Accepted sockets inherit it. A turn's output leaves in one send: waiting gains nothing.
    sockopt::set_tcp_nodelay(&socket, true)?;
    net::bind(&socket, &at)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn tcp_socket(at: SocketAddr, dual_stack: bool) -> Result<OwnedFd, Errno> {
    let family = if at.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !dual_stack)?;
    }
    Ok(socket)
}

fn listen_unix(path: &Path, reactors: u32) -> Result<Vec<OwnedFd>, Error> {
    let what = || format!("listening on {}", path.display());
    // A socket left by a process that has ended refuses to be bound; anything else is not ours.
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path)
            .map_err(|error| failed(what(), Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    }
    let flags = SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .and_then(|socket| {
            net::bind(&socket, &SocketAddrUnix::new(path)?)?;
            net::listen(&socket, BACKLOG)?;
            Ok(socket)
        })
        .map_err(|errno| failed(what(), errno))?;
    // Unix sockets know no SO_REUSEPORT: all reactors accept from the same one.
    let mut sockets = Vec::new();
    for _ in 1..reactors {
        let shared = rustix::io::fcntl_dupfd_cloexec(&socket, 0);
        sockets.push(shared.map_err(|errno| failed(what(), errno))?);
    }
    sockets.push(socket);
    Ok(sockets)
}

fn failed(what: String, source: Errno) -> Error {
    Error::System { what, source }
}
