//! The same bare echo of bytes on epoll: what readiness costs beside completion.
//!
//! Edge-triggered, armed once for both directions: an `epoll_wait` for all that is ready, then one
//! `recv` and one `send` for each. Level-triggered costs the kernel a second look at each socket.

use super::BACKLOG;
use crate::error::{Error, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_nodelay;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};
use std::net::TcpListener;

/// Stands for the listener; descriptors are smaller.
const LISTENER: u64 = u64::MAX;
/// Events of one wait.
const EVENTS: usize = 1024;

/// One accepted socket.
#[derive(Debug)]
struct Socket {
    fd: OwnedFd,
    /// What the socket did not take, from `sent` on. Nothing is received before it is gone.
    rest: Vec<u8>,
    sent: usize,
}

/// Echoes for ever, receiving up to `buffer_size` bytes at once.
pub fn serve(listener: &TcpListener, buffer_size: usize) -> Result<()> {
    // As the ceiling on io_uring has it.
    rustix::net::listen(listener, BACKLOG).map_err(Error::io("listen"))?;
    set_tcp_nodelay(listener, true).map_err(Error::io("TCP_NODELAY"))?;
    listener.set_nonblocking(true).map_err(Error::io("O_NONBLOCK"))?;
    let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(Error::io("epoll_create1"))?;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)
        .map_err(Error::io("epoll_ctl"))?;
    let mut echo = Echo { epoll, sockets: Vec::new(), buffer: vec![0; buffer_size] };
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        events.clear();
        match epoll::wait(&echo.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::io("epoll_wait")(error)),
        }
        for event in &events {
            match event.data.u64() {
                LISTENER => echo.accept(listener).map_err(Error::io("accept"))?,
                slot => echo.ready(slot as usize, event.flags),
            }
        }
    }
}

struct Echo {
    epoll: OwnedFd,
    /// By descriptor.
    sockets: Vec<Option<Socket>>,
    buffer: Vec<u8>,
}

impl Echo {
    fn accept(&mut self, listener: &TcpListener) -> std::io::Result<()> {
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let fd = match rustix::net::accept_with(listener, flags) {
                Ok(fd) => fd,
                Err(Errno::AGAIN | Errno::MFILE | Errno::NFILE) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(error) => return Err(error.into()),
            };
            let slot = fd.as_raw_fd() as usize;
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &fd, EventData::new_u64(slot as u64), flags)?;
            if self.sockets.len() <= slot {
                self.sockets.resize_with(slot + 1, || None);
            }
            if let Some(place) = self.sockets.get_mut(slot) {
                *place = Some(Socket { fd, rest: Vec::new(), sent: 0 });
            }
        }
    }

    fn ready(&mut self, slot: usize, flags: EventFlags) {
        let Some(place) = self.sockets.get_mut(slot) else { return };
        let Some(socket) = place else { return };
        // The end of the stream is an edge too: when it came with bytes, it must be read now.
        let ending = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        if socket.turn(&mut self.buffer, ending).is_err() {
            // Closing takes it out of the epoll set.
            *place = None;
        }
    }
}

impl Socket {
    /// Sends what is left, then echoes until the socket has no more or takes no more. An error is
    /// the end, as is the end of the stream.
    fn turn(&mut self, buffer: &mut [u8], ending: bool) -> rustix::io::Result<()> {
        loop {
            while let Some(rest @ [_, ..]) = self.rest.get(self.sent..) {
                match send(&self.fd, rest)? {
                    0 => return Ok(()),
                    sent => self.sent += sent,
                }
            }
            self.rest.clear();
            self.sent = 0;
            let received = match rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Err(Errno::PIPE),
                Ok((received, _)) => received,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error),
            };
            let whole = received == buffer.len();
            let bytes = buffer.get(..received).unwrap_or_default();
            let sent = send(&self.fd, bytes)?;
            self.rest.extend_from_slice(bytes.get(sent..).unwrap_or_default());
            // A short receive has emptied the socket: what comes later is another edge.
            if self.rest.is_empty() && !whole && !ending {
                return Ok(());
            }
        }
    }
}

/// How many bytes the socket took.
fn send(fd: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<usize> {
    match rustix::net::send(fd, bytes, SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        other => other,
    }
}
