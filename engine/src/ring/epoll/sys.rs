//! The system calls that take addresses of ours.

use crate::ring::Errno;
use crate::ring::op::Source;
use crate::ring::outcome::borrow;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags, recv};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// What a socket is watched for, by edge: once it is known to have something, it is not told again.
pub(super) const SOCKET: EventFlags =
    EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);
/// The same of what only becomes readable.
pub(super) const READ: EventFlags = EventFlags::IN.union(EventFlags::ET);

/// What one wait brings at most; the rest comes with the next one.
pub(super) const EVENTS_MAX: usize = 512;

/// Events as the kernel writes them.
pub(super) struct Events(Box<[libc::epoll_event; EVENTS_MAX]>, usize);

impl Events {
    pub(super) fn new() -> Self {
        Self(Box::new([libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX]), 0)
    }

    /// One of those that the last wait has brought: its name, and what has happened.
    pub(super) fn get(&self, index: usize) -> Option<(u64, EventFlags)> {
        let event = self.0.get(..self.1)?.get(index)?;
        let (name, flags) = (event.u64, event.events);
        Some((name, EventFlags::from_bits_retain(flags)))
    }
}

pub(super) fn create() -> Result<OwnedFd, Errno> {
    epoll::create(CreateFlags::CLOEXEC)
}

pub(super) fn add(
    poll: &OwnedFd,
    fd: BorrowedFd<'_>,
    name: u64,
    flags: EventFlags,
) -> Result<(), Errno> {
    epoll::add(poll, fd, EventData::new_u64(name), flags)
}

/// Waits for events; how many have come. `None`: for ever.
pub(super) fn wait(
    poll: &OwnedFd,
    events: &mut Events,
    timeout: Option<Duration>,
) -> Result<usize, Errno> {
    // Rounded up: who wakes too early wakes for nothing.
    let millis = timeout.map_or(-1, |timeout| {
        i32::try_from(timeout.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX)
    });
    events.1 = 0;
    let (at, most) = (events.0.as_mut_ptr(), EVENTS_MAX as i32);
    // SAFETY: there is room for so many events, and `poll` is open while it is borrowed.
    let came = unsafe { libc::epoll_wait(poll.as_raw_fd(), at, most, millis) };
    events.1 = usize::try_from(came).map_err(|_| last())?;
    Ok(events.1)
}

/// Receives what there is, at most `len` bytes.
///
/// # Safety
/// So many may be written at `at`, by nobody else at the same time.
pub(super) unsafe fn receive(fd: i32, at: *mut u8, len: usize) -> Result<usize, Errno> {
    // SAFETY: the caller's promise; what was not written yet may hold anything.
    let room = unsafe { std::slice::from_raw_parts_mut(at.cast::<MaybeUninit<u8>>(), len) };
    loop {
        // SAFETY: open: it is a socket of ours that was not closed.
        // Not by libc's `recv`, where a thread may be cancelled: that costs 3 % of an echo.
        match recv(unsafe { borrow(fd) }, &mut *room, RecvFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            other => return other.map(|((received, _), _)| received.len()),
        }
    }
}

/// Sends what the socket takes at once.
///
/// # Safety
/// What `source` points to must be there.
pub(super) unsafe fn send(fd: i32, source: Source) -> Result<usize, Errno> {
    loop {
        let went = match source {
            Source::Bytes(at, len) => {
                // SAFETY: the caller's promise.
                let bytes = unsafe { std::slice::from_raw_parts(at, len as usize) };
                // SAFETY: open: it is a socket of ours that was not closed.
                let socket = unsafe { borrow(fd) };
                rustix::net::send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            }
            Source::Message(message) => {
                const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                // SAFETY: the caller's promise. A descriptor that is not open is refused.
                let went = unsafe { libc::sendmsg(fd, message, FLAGS) };
                usize::try_from(went).map_err(|_| last())
            }
        };
        match went {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

fn last() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
