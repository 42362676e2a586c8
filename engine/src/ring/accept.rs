//! Listening sockets, and the peers of what they accept.
//!
//! Multishot accept does not tell the peer's address, and a direct descriptor cannot be asked by
//! `getpeername(2)`. So a fresh socket is made an ordinary descriptor for a moment
//! (`FIXED_FD_INSTALL`), asked, and only then reported: a connection without a known peer would
//! otherwise be visible to the application.

use super::{Accepted, Completion, Errno, Socket};
use rustix::net::{AddressFamily, getpeername, getsockname};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How an accept that has ended has to be reported, once all its sockets are.
#[derive(Clone, Copy, Debug)]
enum Last {
    /// With its last socket.
    Accepted,
    /// After its last socket.
    Failed(Errno),
}

#[derive(Debug)]
struct Listener {
    /// `None` after `close_listener`.
    fd: Option<OwnedFd>,
    /// Peers have no address worth asking for.
    unix: bool,
    /// The kernel has the accept.
    armed: bool,
    /// Sockets whose peer is being asked.
    asking: u32,
    last: Option<Last>,
}

/// The listening sockets of a reactor.
#[derive(Debug)]
pub(super) struct Listeners(Vec<Listener>);

impl Listeners {
    pub(super) fn new(fds: Vec<OwnedFd>) -> Self {
        let listener = |fd: OwnedFd| {
            let family = getsockname(&fd).map(|address| address.address_family());
            let unix = family == Ok(AddressFamily::UNIX);
            Listener { fd: Some(fd), unix, armed: false, asking: 0, last: None }
        };
        Self(fds.into_iter().map(listener).collect())
    }

    /// The socket to arm an accept on. `None` when there is nothing to do.
    ///
    /// # Panics
    /// When an accept is out already, or there is no such listener.
    pub(super) fn arm(&mut self, index: usize) -> Option<BorrowedFd<'_>> {
        let listener = &mut self.0[index];
        assert!(!listener.armed && listener.last.is_none(), "one accept per listener at a time");
        let fd = listener.fd.as_ref()?;
        listener.armed = true;
        Some(fd.as_fd())
    }

    /// Whether the kernel has an accept to cancel. One that has ended is reported anyway.
    pub(super) fn is_armed(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|listener| listener.armed)
    }

    /// Whether peers of this listener can be asked for.
    pub(super) fn has_peers(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|listener| !listener.unix)
    }

    pub(super) fn close(&mut self, index: usize) {
        if let Some(listener) = self.0.get_mut(index) {
            debug_assert!(!listener.armed, "cancel the accept first");
            listener.fd = None;
        }
    }

    /// A completion of an accept that needs nothing more, or a failed one.
    pub(super) fn done(
        &mut self,
        index: usize,
        result: Result<Accepted, Errno>,
        more: bool,
        out: &mut Vec<Completion>,
    ) {
        let Some(listener) = self.0.get_mut(index) else { return };
        listener.armed = more;
        if !more && listener.asking > 0 {
            // Sockets of earlier completions are still being asked: they come first.
            if let Ok(accepted) = result {
                out.push(report(index, Ok(accepted), true));
            }
            listener.last = Some(match result {
                Ok(_) => Last::Accepted,
                Err(errno) => Last::Failed(errno),
            });
        } else {
            out.push(report(index, result, more));
        }
    }

    /// A completion of an accept whose peer is asked now.
    pub(super) fn asking(&mut self, index: usize, more: bool) {
        if let Some(listener) = self.0.get_mut(index) {
            listener.asking += 1;
            listener.armed = more;
            if !more {
                listener.last = Some(Last::Accepted);
            }
        }
    }

    /// The answer.
    pub(super) fn answered(&mut self, index: usize, accepted: Accepted, out: &mut Vec<Completion>) {
        let Some(listener) = self.0.get_mut(index) else { return };
        listener.asking -= 1;
        let last = if listener.asking == 0 { listener.last.take() } else { None };
        out.push(report(index, Ok(accepted), !matches!(last, Some(Last::Accepted))));
        if let Some(Last::Failed(errno)) = last {
            out.push(report(index, Err(errno), false));
        }
    }
}

fn report(listener: usize, result: Result<Accepted, Errno>, more: bool) -> Completion {
    Completion::Accepted { listener, result: result.map(Some), more }
}

/// The peer of a connected socket. `None` when it has gone already, or is not an Internet one.
pub(super) fn peer_of(socket: BorrowedFd<'_>) -> Option<SocketAddr> {
    SocketAddr::try_from(getpeername(socket).ok()??).ok()
}

/// A completion that carries a socket.
pub(super) fn accepted(socket: u32, peer: Option<SocketAddr>) -> Accepted {
    Accepted { socket: Socket(socket), peer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn listeners() -> Listeners {
        Listeners::new(vec![TcpListener::bind("127.0.0.1:0").expect("a listener").into()])
    }

    fn reported(out: &[Completion]) -> Vec<(Option<u32>, bool)> {
        let one = |completion: &Completion| match completion {
            Completion::Accepted { result, more, .. } => {
                (result.ok().flatten().map(|accepted| accepted.socket.0), *more)
            }
            _ => panic!("not of an accept"),
        };
        out.iter().map(one).collect()
    }

    #[test]
    fn the_end_is_reported_after_the_sockets_that_came_before_it() {
        let (mut listeners, mut out) = (listeners(), Vec::new());
        assert!(listeners.arm(0).is_some());
        listeners.asking(0, true);
        listeners.asking(0, true);
        listeners.done(0, Err(Errno::CANCELED), false, &mut out);
        assert!(!listeners.is_armed(0), "nothing to cancel");
        assert!(out.is_empty());
        listeners.answered(0, accepted(4, None), &mut out);
        listeners.answered(0, accepted(5, None), &mut out);
        assert_eq!(reported(&out), [(Some(4), true), (Some(5), true), (None, false)]);
        assert!(listeners.arm(0).is_some(), "free to be armed again");
    }

    #[test]
    fn the_last_socket_ends_the_operation() {
        let (mut listeners, mut out) = (listeners(), Vec::new());
        assert!(listeners.arm(0).is_some());
        listeners.asking(0, true);
        listeners.asking(0, false);
        listeners.answered(0, accepted(1, None), &mut out);
        listeners.answered(0, accepted(2, None), &mut out);
        assert_eq!(reported(&out), [(Some(1), true), (Some(2), false)]);
    }

    #[test]
    fn without_a_question_reports_are_direct() {
        let (mut listeners, mut out) = (listeners(), Vec::new());
        assert!(listeners.arm(0).is_some());
        listeners.done(0, Ok(accepted(1, None)), true, &mut out);
        listeners.done(0, Err(Errno::NFILE), false, &mut out);
        assert_eq!(reported(&out), [(Some(1), true), (None, false)]);
        listeners.close(0);
        assert!(listeners.arm(0).is_none());
    }
}
