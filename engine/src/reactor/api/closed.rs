//! What the application is told of a connection that has ended.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::{Cause, CloseInfo, Failure, Timeout};
use crate::reactor::core::slab::{EndsBy, Slot};
use crate::ring::Errno;
use std::sync::Arc;

/// What has kept the closing handshake from being completed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// The peer broke RFC 6455 or a limit, something did not happen in time, or the peer has ended
    /// the transport without a Close frame.
    #[error("{0}")]
    Failure(Failure),
    /// TLS has failed: what was wrong.
    #[error("TLS: {0}")]
    Tls(Arc<str>),
    /// Receiving has failed.
    #[error("receiving: {0}")]
    Receiving(Errno),
    /// Sending has failed. What had come was read first.
    #[error("sending: {0}")]
    Sending(Errno),
    /// The grace of the engine's stop was over.
    #[error("not closed within the grace of the stop")]
    Stopped,
    /// The application has ended it, by `abort`.
    #[error("aborted by the application")]
    Aborted,
    /// Its reactor could not go on.
    #[error("the reactor cannot go on: {0}")]
    Reactor(Errno),
    /// A callback has panicked on its reactor.
    #[error("a callback has panicked on the reactor")]
    Panicked,
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub struct Closed<'a> {
    /// Codes and reason.
    pub info: CloseInfo<'a>,
    /// The `errno` that ended the transport; 0 if it ended in order.
    pub errno: i32,
    /// What its end has begun with.
    pub cause: Cause,
    /// What has gone wrong; `None` when it was closed in order, by Close frames both ways.
    pub error: Option<EndError>,
    /// Bytes of messages, with the headers of their frames, that were queued and that the kernel
    /// has not taken. Of a send that was under way all count.
    pub unsent: u64,
    /// Bytes of messages that had come and were not delivered: the application had paused.
    pub unread: u64,
    /// Calls of other threads that were taken for it and could not be carried out, what was
    /// published on its topics and it refused, and messages that its policy has dropped.
    pub dropped: u32,
    /// Of a connection that we made: in how many milliseconds it is made again; 0: not, and its
    /// handler is not called any more. Yours to change.
    pub retry_ms: u32,
}

impl Cause {
    /// What an end has begun with: a Close frame, or else what has ended it.
    fn of(begun: Option<Self>, error: Option<&EndError>) -> Self {
        let Some(error) = error.filter(|_| begun.is_none()) else {
            return begun.unwrap_or(Self::Ended);
        };
        match error {
            EndError::Failure(failure) => Self::of_failure(*failure),
            EndError::Tls(_) => Self::Tls,
            EndError::Receiving(errno) | EndError::Sending(errno) => match *errno {
                // A send that was under way keeps what has broken it, and the next one says EPIPE.
                Errno::CONNRESET | Errno::PIPE => Self::Reset,
                _ => Self::Transport,
            },
            EndError::Stopped => Self::Stop,
            EndError::Aborted => Self::Abort,
            EndError::Reactor(_) => Self::Reactor,
            EndError::Panicked => Self::Panic,
        }
    }

    fn of_failure(failure: Failure) -> Self {
        match failure {
            Failure::TimedOut(Timeout::Silence(_)) => Self::Silent,
            Failure::TimedOut(_) => Self::Stuck,
            Failure::Violation(_) => Self::Protocol,
            Failure::OutOfMemory => Self::Memory,
            Failure::QueueFull => Self::Full,
            Failure::Tls => Self::Tls,
            // The others are of connections that were never open.
            Failure::EndOfStream
            | Failure::Handshake(_)
            | Failure::Answer(_)
            | Failure::Proxy(_) => Self::Ended,
        }
    }
}

impl Closed<'_> {
    /// Whether the closing handshake was begun and did not end in time.
    pub(crate) fn is_unanswered(&self, begun: Option<Cause>) -> bool {
        begun.is_some() && matches!(self.error, Some(EndError::Failure(Failure::TimedOut(_))))
    }
}

impl Slot {
    fn tls_error(&self) -> EndError {
        EndError::Tls(self.tls_failure().unwrap_or_else(|| "not possible".into()))
    }

    /// What its end has begun with.
    pub(crate) fn cause(&self) -> Cause {
        match self.ends_by {
            EndsBy::PassedOn => Cause::PassedOn,
            _ => Cause::of(self.conn.closing(), self.error().as_ref()),
        }
    }

    /// What has kept it from being closed in order.
    pub(crate) fn error(&self) -> Option<EndError> {
        let failure = self.conn.failure();
        let errno = || Errno::from_raw_os_error(self.errno());
        match (self.ends_by, failure) {
            (EndsBy::Stop, _) => Some(EndError::Stopped),
            (EndsBy::Reactor, _) if self.errno() == 0 => Some(EndError::Panicked),
            (EndsBy::Reactor, _) => Some(EndError::Reactor(errno())),
            #[cfg(feature = "tls")]
            (EndsBy::Tls, _) => Some(self.tls_error()),
            (_, Some(Failure::Tls)) => Some(self.tls_error()),
            // What we ended it for has come before whatever followed from it.
            (
                _,
                Some(failure @ (Failure::Violation(_) | Failure::OutOfMemory | Failure::QueueFull)),
            ) => Some(EndError::Failure(failure)),
            (EndsBy::Application, _) => Some(EndError::Aborted),
            // Once the peer has closed, how it drops TCP is its affair, unless it costs something.
            (EndsBy::Receiving | EndsBy::Sending, None) if self.conn.unsent() == 0 => None,
            (EndsBy::Receiving, _) => Some(EndError::Receiving(errno())),
            (EndsBy::Sending, _) => Some(EndError::Sending(errno())),
            (EndsBy::Itself | EndsBy::PassedOn, failure) => failure.map(EndError::Failure),
        }
    }
}
