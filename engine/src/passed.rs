//! Listening sockets that others have made: by number, or by systemd (sd_listen_fds(3)).

use crate::engine::Error;
use crate::ring::borrow_number;
use rustix::io::{Errno, FdFlags};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The first descriptor that systemd passes.
const FIRST: i32 = 3;

/// The port of a stream socket that listens; `None` for a Unix socket.
pub(crate) fn check(socket: BorrowedFd<'_>) -> Result<Option<u16>, Error> {
    let found = || -> Result<_, Errno> {
        let listens = sockopt::socket_acceptconn(socket)?;
        let is_stream = sockopt::socket_type(socket)? == SocketType::STREAM;
        let family = sockopt::socket_domain(socket)?;
        Ok((listens && is_stream, family, rustix::net::getsockname(socket)?))
    };
    let (listens, family, address) = match found() {
        Ok(found) => found,
        Err(Errno::NOTSOCK) => return Err(Error::Invalid("the descriptor is no socket".into())),
        Err(source) => {
            let what = "looking at a listening socket".into();
            return Err(Error::System { what, source });
        }
    };
    if !listens {
        return Err(Error::Invalid("the descriptor is no stream socket that listens".into()));
    }
    match family {
        AddressFamily::UNIX => Ok(None),
        AddressFamily::INET | AddressFamily::INET6 => {
            let address = SocketAddr::try_from(address);
            Ok(Some(address.map_or(0, |address| address.port())))
        }
        _ => Err(Error::Invalid("the descriptor is a socket of neither TCP nor Unix".into())),
    }
}

/// A copy of a descriptor that is named by its number. What it is a copy of stays open.
///
/// # Errors
/// [`Error::Invalid`] if nothing is open there, [`Error::System`] if descriptors have run out.
pub fn of_number(number: i32) -> Result<OwnedFd, Error> {
    let copied = borrow_number(number).ok_or(Errno::BADF);
    copied.and_then(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 0)).map_err(|source| match source {
        Errno::BADF => Error::Invalid(format!("descriptor {number} is not open")),
        _ => Error::System { what: format!("copying descriptor {number}"), source },
    })
}

/// Copies of those that systemd has passed to this process under a name, or of all. As
/// sd_listen_fds does it, the passed ones are kept from the children of this process.
pub(crate) fn by_systemd(name: Option<&str>) -> Result<Vec<OwnedFd>, Error> {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let ours = var("LISTEN_PID") == std::process::id().to_string();
    let count = if ours { var("LISTEN_FDS").parse().unwrap_or(0) } else { 0 };
    if count < 1 {
        let text = "systemd has passed no sockets to this process (LISTEN_PID, LISTEN_FDS)";
        return Err(Error::Invalid(text.into()));
    }
    let names = var("LISTEN_FDNAMES");
    let mut names = names.split(':');
    let mut found = Vec::new();
    for number in (FIRST..).take(count) {
        let copy = of_number(number)?;
        if let Some(passed) = borrow_number(number) {
            // It is open, as was just seen.
            let _ = rustix::io::fcntl_setfd(passed, FdFlags::CLOEXEC);
        }
        let is_named = names.next().unwrap_or("unknown");
        if name.is_none_or(|name| name == is_named) {
            found.push(copy);
        }
    }
    match (found.is_empty(), name) {
        (true, Some(name)) => {
            let text = format!("systemd has passed no socket named \"{name}\" (LISTEN_FDNAMES)");
            Err(Error::Invalid(text))
        }
        _ => Ok(found),
    }
}
