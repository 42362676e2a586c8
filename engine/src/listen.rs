//! Listening sockets: one per reactor, sharing a port, or one for all that was there before.

use crate::config::{Address, AddressLimits, Endpoint, Route};
use crate::engine::Error;
use crate::passed;
use crate::proto::Routes;
use crate::reactor::{Routed, Served};
use crate::ring::{BACKLOG, SocketOptions};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::fs::{self, File, Permissions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// For how long a port that is taken is tried again: a process that was killed holds it until the
/// kernel has taken its rings apart, which have accepts out. That takes some 10 ms.
const PATIENCE: Duration = Duration::from_millis(500);
/// The time between two tries.
const STEP: Duration = Duration::from_millis(10);

/// The sockets of an endpoint.
pub(crate) struct Listening {
    /// For each place one per reactor.
    pub(crate) sockets: Vec<Vec<OwnedFd>>,
    /// Of the first; 0 for a Unix socket.
    pub(crate) port: u16,
    /// Others have them too.
    pub(crate) given: bool,
}

/// The routes of an endpoint as its reactors see them.
pub(crate) fn routed(routes: &[Route]) -> Result<Option<Arc<Routed>>, Error> {
    let patterns = Routes::new(routes.iter().map(|route| &*route.pattern));
    let patterns = patterns.map_err(|error| Error::Invalid(error.to_string()))?;
    let mut served = Vec::new();
    for Route { pattern, handler, limits, origins, user } in routes.iter().cloned() {
        limits.check().map_err(|text| Error::Invalid(format!("route \"{pattern}\": {text}")))?;
        let (per_address, door, proxies) = (AddressLimits::default(), None, None);
        let (tls, routes) = (None, None);
        let one =
            Served { handler, limits, origins, per_address, door, proxies, tls, user, routes };
        served.push(one);
    }
    Ok((!served.is_empty()).then(|| Arc::new(Routed { patterns, served })))
}

pub(crate) fn listen(on: &Endpoint, reactors: u32) -> Result<Listening, Error> {
    let is_tcp = matches!(on.address, Address::Any | Address::Ip(_));
    if on.shared && !is_tcp {
        return Err(Error::Invalid("shared: of an address, not of a socket that is there".into()));
    }
    if on.port != 0 && !is_tcp {
        return Err(Error::Invalid(format!("port {}: this is no address", on.port)));
    }
    if on.mode > 0o777 || on.mode != 0 && !matches!(on.address, Address::Unix(_)) {
        return Err(Error::Invalid("mode: at most 0777, and of unix:/path alone".into()));
    }
    let given = matches!(on.address, Address::Given(_) | Address::Systemd(_));
    let listens = given || matches!(on.address, Address::Nowhere);
    if on.backlog > i32::MAX as u32 || on.backlog != 0 && listens {
        let text = "backlog: at most 2^31 - 1, and only of a socket that is made here";
        return Err(Error::Invalid(text.into()));
    }
    let (sockets, port) = match &on.address {
        Address::Unix(path) => (vec![listen_unix(path, on.mode, backlog_of(on), reactors)?], 0),
        Address::Ip(ip) => listen_tcp(on, SocketAddr::new(*ip, on.port), false, reactors)?,
        Address::Any => listen_any(on, reactors)?,
        Address::Nowhere => (Vec::new(), 0),
        Address::Given(socket) => take_over(on, [socket.as_fd()], reactors)?,
        Address::Systemd(name) => {
            let passed = passed::by_systemd(name.as_deref())?;
            take_over(on, passed.iter().map(AsFd::as_fd), reactors)?
        }
    };
    Ok(Listening { sockets, port, given })
}

/// With sockets that listen already, and that others have, too.
pub(crate) fn listen_on(
    on: &Endpoint,
    sockets: &[OwnedFd],
    reactors: u32,
) -> Result<Listening, Error> {
    let (sockets, port) = take_over(on, sockets.iter().map(AsFd::as_fd), reactors)?;
    Ok(Listening { sockets, port, given: true })
}

fn backlog_of(on: &Endpoint) -> i32 {
    if on.backlog == 0 { BACKLOG } else { on.backlog as i32 }
}

type Bound = (Vec<Vec<OwnedFd>>, u16);

fn listen_any(on: &Endpoint, reactors: u32) -> Result<Bound, Error> {
    let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), on.port);
    match listen_tcp(on, any, true, reactors) {
        // A machine without IPv6: every IPv4 address is every address.
        Err(Error::System { source: Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL, .. }) => {
            let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), on.port);
            listen_tcp(on, any, false, reactors)
        }
        other => other,
    }
}

/// Sockets that listen already.
fn take_over<'a>(
    on: &Endpoint,
    given: impl IntoIterator<Item = BorrowedFd<'a>>,
    reactors: u32,
) -> Result<Bound, Error> {
    let (mut sockets, mut first) = (Vec::new(), None);
    for socket in given {
        let port = passed::check(socket)?;
        let set = || -> Result<(), Errno> {
            if port.is_some() {
                sockopt::set_tcp_nodelay(socket, true)?;
                on.socket_options.set_on(socket)?;
            }
            Ok(())
        };
        set().map_err(|errno| failed("taking a listening socket over".into(), errno))?;
        sockets.push(copies(socket, reactors)?);
        first.get_or_insert(port.unwrap_or(0));
    }
    Ok((sockets, first.unwrap_or(0)))
}

/// One and the same socket for each reactor: a connection wakes the one that has waited longest.
fn copies(socket: BorrowedFd<'_>, reactors: u32) -> Result<Vec<OwnedFd>, Error> {
    let copy = |_| rustix::io::fcntl_dupfd_cloexec(socket, 0);
    let copies: Result<Vec<_>, Errno> = (0..reactors).map(copy).collect();
    copies.map_err(|errno| failed("copying a listening socket".into(), errno))
}

fn listen_tcp(
    on: &Endpoint,
    at: SocketAddr,
    dual_stack: bool,
    reactors: u32,
) -> Result<Bound, Error> {
    let mut at = at;
    let mut sockets = Vec::new();
    let backlog = backlog_of(on);
    if at.port() != 0 && !on.shared {
        // SO_REUSEPORT would let a second process of the same user share the port unnoticed: a
        // socket without it finds out whether someone is there.
        patiently(|| tcp_socket(at, dual_stack).and_then(|probe| net::bind(&probe, &at)))
            .map_err(|errno| failed(format!("listening on {at}"), errno))?;
    }
    for _ in 0..reactors {
        let socket = bind_tcp(at, dual_stack, on.socket_options, backlog)
            .map_err(|errno| failed(format!("listening on {at}"), errno))?;
        if at.port() == 0 {
            let bound = net::getsockname(&socket)
                .and_then(SocketAddr::try_from)
                .map_err(|errno| failed("reading the bound port".into(), errno))?;
            at.set_port(bound.port());
        }
        sockets.push(socket);
    }
    Ok((vec![sockets], at.port()))
}

/// Tries again for a while when the address is in use.
fn patiently<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    let start = Instant::now();
    loop {
        match call() {
            Err(Errno::ADDRINUSE) if start.elapsed() < PATIENCE => thread::sleep(STEP),
            other => return other,
        }
    }
}

fn bind_tcp(
    at: SocketAddr,
    dual_stack: bool,
    socket_options: SocketOptions,
    backlog: i32,
) -> Result<OwnedFd, Errno> {
    let socket = tcp_socket(at, dual_stack)?;
    // One listener per reactor on the same port: the kernel spreads connections over them.
    sockopt::set_socket_reuseport(&socket, true)?;
    // Accepted sockets inherit both. A turn's output leaves in one send: waiting gains nothing.
    sockopt::set_tcp_nodelay(&socket, true)?;
    socket_options.set_on(socket.as_fd())?;
    net::bind(&socket, &at)?;
    net::listen(&socket, backlog)?;
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

fn listen_unix(path: &Path, mode: u32, backlog: i32, reactors: u32) -> Result<Vec<OwnedFd>, Error> {
    let what = || format!("listening on {}", path.display());
    let socket = bind_unix(path, mode, backlog).map_err(|errno| failed(what(), errno))?;
    // Unix sockets know no SO_REUSEPORT: all reactors accept from the same one.
    copies(socket.as_fd(), reactors)
}

fn bind_unix(path: &Path, mode: u32, backlog: i32) -> Result<OwnedFd, Errno> {
    let at = SocketAddrUnix::new(path)?;
    let socket = unix_socket(SocketFlags::CLOEXEC)?;
    match net::bind(&socket, &at) {
        // Left by a process that has ended, if it is a socket that refuses. All else is not ours.
        Err(Errno::ADDRINUSE) if is_dead(path, &at) => {
            fs::remove_file(path).map_err(|error| errno_of(&error))?;
            net::bind(&socket, &at)?;
        }
        bound => bound?,
    }
    if mode != 0 {
        // Nobody gets in before it listens.
        let set = fs::set_permissions(path, Permissions::from_mode(mode));
        set.map_err(|error| errno_of(&error))?;
    }
    net::listen(&socket, backlog)?;
    Ok(socket)
}

fn is_dead(path: &Path, at: &SocketAddrUnix) -> bool {
    // What is no socket refuses too, and a link is not followed.
    if !fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        return false;
    }
    // Without waiting: a full backlog is a sign of life (EAGAIN).
    let asked = unix_socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
        .and_then(|probe| net::connect(&probe, at));
    asked == Err(Errno::CONNREFUSED)
}

fn unix_socket(flags: SocketFlags) -> Result<OwnedFd, Errno> {
    net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// The file of a Unix socket that we listen on, removed with it.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// The file itself: while it is held, no other has its number.
    file: Option<File>,
}

impl SocketFile {
    /// Of a path that was just bound.
    pub(crate) fn new(path: PathBuf) -> Self {
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let file = File::options().read(true).custom_flags(flags).open(&path).ok();
        Self { path, file }
    }

    /// It is another process's from here on.
    pub(crate) fn leave(mut self) {
        self.file = None;
    }

    fn is_ours(&self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let (ours, found) = (file.metadata()?, fs::symlink_metadata(&self.path)?);
        Ok((ours.dev(), ours.ino()) == (found.dev(), found.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process may have taken the path over since.
        if self.is_ours().unwrap_or(false) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn failed(what: String, source: Errno) -> Error {
    Error::System { what, source }
}
