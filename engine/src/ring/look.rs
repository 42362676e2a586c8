//! What a descriptor is that somebody else has made.

use super::{Credentials, Errno, sys};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

/// Why a descriptor is none that could be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSocket {
    /// It is open, but no socket, or it is not open.
    #[error("the descriptor is no socket")]
    NoSocket,
    /// Datagrams, or packets, or neither TCP nor Unix.
    #[error("the descriptor is no stream socket of TCP or Unix")]
    NoStream,
    /// It listens.
    #[error("the descriptor is a socket that listens, and no connection")]
    Listens,
    /// It never was connected, or its peer has reset it since.
    #[error("the socket is not connected, or not any more")]
    NotConnected,
    /// A look at it has failed.
    #[error("looking at the socket: {0}")]
    System(Errno),
}

/// The address of a peer; or of a Unix socket, which has none, the process at its other end.
pub(crate) type Peer = (Option<SocketAddr>, Option<Credentials>);

/// Whether it is a connected stream socket, and whose.
pub(crate) fn look(socket: BorrowedFd<'_>) -> Result<Peer, BadSocket> {
    let bad = |errno| match errno {
        Errno::NOTSOCK | Errno::BADF => BadSocket::NoSocket,
        Errno::NOTCONN => BadSocket::NotConnected,
        errno => BadSocket::System(errno),
    };
    if sockopt::socket_type(socket).map_err(bad)? != SocketType::STREAM {
        return Err(BadSocket::NoStream);
    }
    let family = sockopt::socket_domain(socket).map_err(bad)?;
    if ![AddressFamily::UNIX, AddressFamily::INET, AddressFamily::INET6].contains(&family) {
        return Err(BadSocket::NoStream);
    }
    if sockopt::socket_acceptconn(socket).map_err(bad)? {
        return Err(BadSocket::Listens);
    }
    let peer = rustix::net::getpeername(socket).map_err(bad)?;
    if family == AddressFamily::UNIX {
        return Ok((None, sys::peer_credentials(socket).map(Credentials::from)));
    }
    let peer = peer.ok_or(BadSocket::NotConnected)?;
    SocketAddr::try_from(peer).map(|peer| (Some(peer), None)).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SocketFlags, socket_with};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_could_be_served_is_told_from_what_could_not() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("bound");
        let client = TcpStream::connect(at).expect("listening");
        let (server, from) = listener.accept().expect("it has come");
        assert_eq!(look(server.as_fd()), Ok((Some(from), None)));
        assert_eq!(look(client.as_fd()), Ok((Some(at), None)));
        let (one, _other) = UnixStream::pair().expect("a pair");
        let (none, who) = look(one.as_fd()).expect("connected");
        let ours = who.map(|who| who.pid.cast_unsigned());
        assert_eq!((none, ours), (None, Some(std::process::id())));
        assert_eq!(look(listener.as_fd()), Err(BadSocket::Listens));
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        assert_eq!(look(udp.as_fd()), Err(BadSocket::NoStream));
        let stream = |family, kind| socket_with(family, kind, SocketFlags::CLOEXEC, None);
        let packets = stream(AddressFamily::UNIX, SocketType::SEQPACKET).expect("a socket");
        assert_eq!(look(packets.as_fd()), Err(BadSocket::NoStream));
        let alone = stream(AddressFamily::INET, SocketType::STREAM).expect("a socket");
        assert_eq!(look(alone.as_fd()), Err(BadSocket::NotConnected));
        let file = std::fs::File::open("/dev/null").expect("there");
        assert_eq!(look(file.as_fd()), Err(BadSocket::NoSocket));
    }
}
