//! What passes between two processes: records over a Unix socket, some of which bring a descriptor
//! (unix(7), `SCM_RIGHTS`). Calls do not wait by themselves, whatever the descriptor says: it may
//! be shared.

use crate::ring::{Errno, look};
use crate::succession::SuccessionError;
use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, recvmsg, sendmsg, shutdown,
};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Kind, descriptors, two zeros, and the length of the body.
const HEAD: usize = 8;

/// Bytes of a body.
pub(crate) const BODY_MAX: usize = 8 << 20;

/// A record.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
    pub(crate) fd: Option<OwnedFd>,
}

/// One end.
#[derive(Debug)]
pub(crate) struct Line(OwnedFd);

impl Line {
    /// A stream socket of this machine whose other end belongs to the same user.
    pub(crate) fn new(socket: OwnedFd) -> Result<Self, (SuccessionError, OwnedFd)> {
        let why = match look(socket.as_fd()) {
            Ok((None, Some(peer))) if peer.uid == rustix::process::geteuid().as_raw() => {
                return Ok(Self(socket));
            }
            Ok((None, Some(peer))) => SuccessionError::Stranger(peer.uid),
            Ok(_) => SuccessionError::NoUnixSocket,
            Err(error) => SuccessionError::Socket(error),
        };
        Err((why, socket))
    }

    /// Sends a record, until then at the latest.
    pub(crate) fn send(
        &self,
        kind: u8,
        body: &[u8],
        fd: Option<BorrowedFd<'_>>,
        until: Instant,
    ) -> Result<(), SuccessionError> {
        let len = u32::try_from(body.len()).map_err(|_| SuccessionError::Malformed("too long"))?;
        let [a, b, c, d] = len.to_le_bytes();
        let head = [kind, u8::from(fd.is_some()), 0, 0, a, b, c, d];
        let (mut sent, mut fd) = (0, fd);
        while sent < HEAD + body.len() {
            let parts = [
                IoSlice::new(head.get(sent..).unwrap_or_default()),
                IoSlice::new(body.get(sent.saturating_sub(HEAD)..).unwrap_or_default()),
            ];
            let fds = fd.as_slice();
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !fds.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(fds));
            }
            match sendmsg(&self.0, &parts, &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
            {
                // It goes with the first byte.
                Ok(n) => (sent, fd) = (sent + n, None),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, until)?,
                // The other end has more descriptors on their way to it than one may have open.
                Err(Errno::TOOMANYREFS) => std::thread::sleep(Duration::from_millis(1)),
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(SuccessionError::Gone),
                Err(errno) => return Err(SuccessionError::System(errno)),
            }
        }
        Ok(())
    }

    /// The next record, until then at the latest.
    pub(crate) fn receive(&self, until: Instant) -> Result<Record, SuccessionError> {
        let mut head = [0; HEAD];
        let fd = self.fill(&mut head, true, until)?;
        let [kind, fds, 0, 0, a, b, c, d] = head else {
            return Err(SuccessionError::Malformed("a record that is none"));
        };
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if len > BODY_MAX || fds > 1 || (fds == 1) != fd.is_some() {
            return Err(SuccessionError::Malformed(
                "a record of no size, or without its descriptor",
            ));
        }
        let mut body = vec![0; len];
        self.fill(&mut body, false, until)?;
        Ok(Record { kind, body, fd })
    }

    /// Nothing can be sent any more, from either end. What was sent before still comes.
    pub(crate) fn shut_down(&self) {
        // Refused where the other end is closed.
        let _ = shutdown(&self.0, Shutdown::Both);
    }

    /// Whether something comes before then: a record, or the end.
    pub(crate) fn has_some(&self, until: Instant) -> bool {
        self.wait(PollFlags::IN, until).is_ok()
    }

    /// Receives so many bytes. A descriptor comes with the first byte of a record.
    fn fill(
        &self,
        mut room: &mut [u8],
        may_bring: bool,
        until: Instant,
    ) -> Result<Option<OwnedFd>, SuccessionError> {
        let mut fd = None;
        while !room.is_empty() {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let came = recvmsg(&self.0, &mut [IoSliceMut::new(room)], &mut control, flags);
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = message {
                    fd = fds.last().or(fd);
                }
            }
            match came {
                Ok(came) if came.bytes == 0 => return Err(SuccessionError::Gone),
                Ok(came) => room = room.get_mut(came.bytes..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, until)?,
                Err(Errno::CONNRESET) => return Err(SuccessionError::Gone),
                Err(errno) => return Err(SuccessionError::System(errno)),
            }
            if fd.is_some() && !may_bring {
                return Err(SuccessionError::Malformed("a descriptor inside a record"));
            }
        }
        Ok(fd)
    }

    fn wait(&self, what: PollFlags, until: Instant) -> Result<(), SuccessionError> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            match poll(&mut [PollFd::new(&self.0, what)], timeout.as_ref()) {
                Ok(0) => return Err(SuccessionError::TimedOut),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(SuccessionError::System(errno)),
            }
        }
    }
}
