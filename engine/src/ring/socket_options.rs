//! What the kernel is told of a TCP socket: how much of what is sent it takes before the peer has
//! taken it, and when a peer is gone.

use super::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Options of TCP sockets, beside `TCP_NODELAY`, which all have. A Unix socket stays as the system
/// makes it. What an endpoint accepts inherits them from its listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Bytes that the kernel takes before it can put them on the wire (`TCP_NOTSENT_LOWAT`): what
    /// is beyond waits in the queue of its connection, so that `FULL` and `on_drain` come in time,
    /// control frames overtake it, and what has grown old can still be replaced. One segment may
    /// go over it, and what is on its way to the peer, up to the peer's window, does not count.
    /// Default 1 MiB, as much as one send has: a quick peer pays nothing. For feeds to readers that
    /// may be slow 16 to 64 KiB: it costs nothing with messages of up to 128 KiB either, but a
    /// third more time with those of 1 MiB. `u32::MAX`: no bound.
    pub unsent_max: u32,
    /// Bytes of all that the kernel holds, what the peer has not acknowledged too (`SO_SNDBUF`,
    /// which Linux doubles for what it needs itself, and cuts to `net.core.wmem_max`). It limits
    /// how quick a peer far away can be served: so many bytes in a round trip. Default 0: as the
    /// system has it, which grows with the connection up to `net.ipv4.tcp_wmem`.
    pub kernel_send_max: u32,
    /// TCP asks a silent peer for a sign of life after so many seconds, and twice more: after three
    /// times as long a peer that is gone ends the connection with `ETIMEDOUT` (`SO_KEEPALIVE`,
    /// `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`), or with `EPIPE` where a send was under way:
    /// the kernel tells the first error to that, which has sent a part. At most 32,767. Default 0:
    /// not.
    pub keepalive_s: u32,
    /// Milliseconds for which the peer may leave unacknowledged what was sent, or keep its window
    /// shut, before TCP ends the connection (`TCP_USER_TIMEOUT`), with the same errors. Default 0:
    /// the system's.
    pub user_timeout_ms: u32,
    /// Microseconds for which the kernel polls the network card for it (`SO_BUSY_POLL`). More than
    /// `net.core.busy_read` takes `CAP_NET_ADMIN`. Default 0: the system's.
    pub busy_poll_us: u32,
}

/// Probes that a silent peer may leave unanswered.
static PROBES: u32 = 2;
static ON: u32 = 1;

impl Default for SocketOptions {
    fn default() -> Self {
        let (keepalive_s, user_timeout_ms, busy_poll_us) = (0, 0, 0);
        let (unsent_max, kernel_send_max) = (1 << 20, 0);
        Self { unsent_max, kernel_send_max, keepalive_s, user_timeout_ms, busy_poll_us }
    }
}

impl SocketOptions {
    /// What the kernel would refuse, and of which.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.keepalive_s > 32_767 {
            return Err("keepalive_s: at most 32,767");
        }
        if self.user_timeout_ms > i32::MAX as u32 {
            return Err("user_timeout_ms: at most 2^31 - 1");
        }
        if self.busy_poll_us > i32::MAX as u32 {
            return Err("busy_poll_us: at most 2^31 - 1");
        }
        let refused = || {
            let socket =
                socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
            socket.is_ok_and(|socket| self.set_on(socket.as_fd()) == Err(Errno::PERM))
        };
        if self.busy_poll_us > 0 && refused() {
            return Err("busy_poll_us: more than net.core.busy_read takes CAP_NET_ADMIN");
        }
        Ok(())
    }

    /// Sets them on a socket. What it accepts inherits them.
    pub(crate) fn set_on(&self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        for (level, name, value) in self.options() {
            let (value, len) = (std::ptr::from_ref(value).cast(), size_of::<u32>() as u32);
            // SAFETY: the descriptor is open while it is borrowed, and the value is there to be
            // read, of the length that is given.
            let set = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, len) };
            if set != 0 {
                return Err(
                    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
                );
            }
        }
        Ok(())
    }

    /// Level, name and value of each socket option to set.
    pub(super) fn options(&self) -> impl Iterator<Item = (i32, i32, &u32)> {
        let unsent = (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, &self.unsent_max);
        let all = (libc::SOL_SOCKET, libc::SO_SNDBUF, &self.kernel_send_max);
        let probes = [
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE, &ON),
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, &self.keepalive_s),
            (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, &self.keepalive_s),
            (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, &PROBES),
        ];
        let stuck = (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, &self.user_timeout_ms);
        let polls = (libc::SOL_SOCKET, libc::SO_BUSY_POLL, &self.busy_poll_us);
        let some = |wanted: u32, option| (wanted != 0).then_some(option);
        let rest = [some(self.kernel_send_max, all), some(self.user_timeout_ms, stuck)];
        let rest = rest.into_iter().chain([some(self.busy_poll_us, polls)]).flatten();
        let probes = probes.into_iter().filter(|_| self.keepalive_s != 0);
        std::iter::once(unsent).chain(rest).chain(probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    /// What a socket has of an option.
    fn option(socket: &TcpStream, level: i32, name: i32) -> u32 {
        let (mut value, mut len) = (0u32, size_of::<u32>() as u32);
        let at = (&raw mut value).cast();
        // SAFETY: the socket is open, and there is room for as many bytes as it is told.
        let got = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, at, &raw mut len) };
        assert_eq!((got, len), (0, 4));
        value
    }

    #[test]
    fn what_is_accepted_inherits_when_a_peer_is_gone() {
        let options =
            SocketOptions { keepalive_s: 7, user_timeout_ms: 9_000, ..SocketOptions::default() };
        assert_eq!(options.check(), Ok(()));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        options.set_on(listener.as_fd()).expect("taken");
        let client = TcpStream::connect(listener.local_addr().expect("bound"));
        let (socket, _) = listener.accept().expect("it has come");
        drop(client);
        let tcp = |name| option(&socket, libc::IPPROTO_TCP, name);
        assert_eq!(option(&socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE), 1);
        let (idle, interval) = (tcp(libc::TCP_KEEPIDLE), tcp(libc::TCP_KEEPINTVL));
        assert_eq!((idle, interval, tcp(libc::TCP_KEEPCNT)), (7, 7, 2));
        assert_eq!(tcp(libc::TCP_USER_TIMEOUT), 9_000);
    }

    #[test]
    fn what_the_kernel_would_refuse_is_named() {
        let default = SocketOptions::default();
        for (options, field) in [
            (SocketOptions { keepalive_s: 32_768, ..default }, "keepalive_s"),
            (SocketOptions { user_timeout_ms: 1 << 31, ..default }, "user_timeout_ms"),
            (SocketOptions { busy_poll_us: 1 << 31, ..default }, "busy_poll_us"),
        ] {
            let text = options.check().expect_err("out of range");
            assert!(text.starts_with(field), "{text}");
        }
    }

    #[test]
    fn what_is_accepted_inherits_both() {
        let accepted = |settings: Option<SocketOptions>| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            if let Some(settings) = settings {
                settings.set_on(listener.as_fd()).expect("taken");
            }
            let client = TcpStream::connect(listener.local_addr().expect("bound"));
            let (socket, _) = listener.accept().expect("it has come");
            drop(client);
            let unsent = option(&socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT);
            (unsent, option(&socket, libc::SOL_SOCKET, libc::SO_SNDBUF))
        };
        let both = SocketOptions {
            unsent_max: 20_000,
            kernel_send_max: 50_000,
            ..SocketOptions::default()
        };
        assert_eq!(accepted(Some(both)), (20_000, 100_000));
        let none =
            SocketOptions { unsent_max: u32::MAX, kernel_send_max: 0, ..SocketOptions::default() };
        let (unsent, all) = accepted(Some(none));
        assert_eq!((unsent, all), (u32::MAX, accepted(None).1));
        assert_ne!(all, 100_000);
    }
}
