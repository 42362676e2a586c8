//! From a broker's address to a connection with it.

use super::address::Address;
use super::online::Online;
use crate::reactor::{Found, Resolve};
use rustix::io::Errno;
use rustix::net::sockopt::{set_tcp_nodelay, socket_error};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What a lookup has come to.
pub(super) type Answer = Arc<Mutex<Option<Found>>>;

/// Where we are with a broker.
pub(super) enum Link {
    /// Waiting before it is tried.
    Pause { until: Instant },
    /// Its name is looked up.
    Resolving { answer: Answer, by: Instant },
    /// The first of its addresses that accepts is taken.
    Connecting { socket: OwnedFd, others: Vec<SocketAddr>, by: Instant },
    /// Connected.
    Online(Box<Online>),
}

/// Begins to look a broker's name up. `wake` is called when it is done.
pub(super) fn resolve(
    resolver: &dyn Resolve,
    address: &Address,
    by: Instant,
    wake: Arc<dyn Fn() + Send + Sync>,
) -> Result<Link, String> {
    let answer = Answer::default();
    let to = Arc::clone(&answer);
    let found = move |found| {
        *to.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        wake();
    };
    let asked = resolver.resolve(&address.host, address.port, Box::new(found));
    asked.map_err(|error| error.to_string())?;
    Ok(Link::Resolving { answer, by })
}

/// Begins to connect to the first of these that does not refuse at once.
pub(super) fn dial(mut addresses: Vec<SocketAddr>, by: Instant) -> Result<Link, String> {
    let mut why = "its name has no address".to_owned();
    while !addresses.is_empty() {
        let at = addresses.remove(0);
        match begin(&at) {
            Ok(socket) => return Ok(Link::Connecting { socket, others: addresses, by }),
            Err(errno) => why = std::io::Error::from(errno).to_string(),
        }
    }
    Err(why)
}

fn begin(at: &SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Frames are sent together where there are several; one alone is not to wait.
    set_tcp_nodelay(&socket, true)?;
    match connect(&socket, at) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Whether a socket that is writable now is connected.
pub(super) fn is_connected(socket: &OwnedFd) -> Result<(), String> {
    match socket_error(socket) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(errno)) | Err(errno) => Err(std::io::Error::from(errno).to_string()),
    }
}
