//! How much of what is sent the kernel takes before the peer has taken it.

use super::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Bounds of what waits in the kernel's own send buffer, where no queue of ours counts it. Of TCP
/// connections only: a Unix socket's buffer is small, and stays as the system makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendBuffer {
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
}

impl Default for SendBuffer {
    fn default() -> Self {
        Self { unsent_max: 1 << 20, kernel_send_max: 0 }
    }
}

impl SendBuffer {
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
        [Some(unsent), (self.kernel_send_max != 0).then_some(all)].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

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
    fn what_is_accepted_inherits_both() {
        let accepted = |settings: Option<SendBuffer>| {
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
        let both = SendBuffer { unsent_max: 20_000, kernel_send_max: 50_000 };
        assert_eq!(accepted(Some(both)), (20_000, 100_000));
        let none = SendBuffer { unsent_max: u32::MAX, kernel_send_max: 0 };
        let (unsent, all) = accepted(Some(none));
        assert_eq!((unsent, all), (u32::MAX, accepted(None).1));
        assert_ne!(all, 100_000);
    }
}
