//! What the application is told of a connection that has ended.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::{CloseInfo, Failure, Timeout};
use crate::reactor::core::slab::{EndsBy, Slot};
use crate::ring::Errno;
use std::sync::Arc;

/// Why a connection has ended otherwise than by the closing handshake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
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
    /// Why; `None` when it was closed in order, by Close frames both ways.
    pub cause: Option<Cause>,
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

impl Closed<'_> {
    /// Where its cause stands among [`CAUSES`](crate::reactor::core::counters::CAUSES).
    pub(crate) fn place_of_cause(&self) -> usize {
        match &self.cause {
            None => 0,
            Some(Cause::Failure(Failure::TimedOut(timeout))) => match timeout {
                Timeout::Silence(_) => 1,
                Timeout::Stuck(_) => 2,
                // An opening that did not end has opened nothing.
                Timeout::Closing(_) | Timeout::Opening(_) => 3,
            },
            Some(Cause::Failure(Failure::Violation(_))) => 4,
            // The others are of connections that were never open.
            Some(Cause::Failure(
                Failure::EndOfStream
                | Failure::Handshake(_)
                | Failure::Answer(_)
                | Failure::Proxy(_),
            )) => 5,
            Some(Cause::Receiving(_)) => 6,
            Some(Cause::Sending(_)) => 7,
            Some(Cause::Tls(_) | Cause::Failure(Failure::Tls)) => 8,
            Some(Cause::Stopped) => 9,
            Some(Cause::Aborted) => 10,
            Some(Cause::Reactor(_)) => 11,
            Some(Cause::Panicked) => 12,
            Some(Cause::Failure(Failure::OutOfMemory)) => 13,
            Some(Cause::Failure(Failure::QueueFull)) => 14,
        }
    }
}

impl Slot {
    fn tls_cause(&self) -> Cause {
        Cause::Tls(self.tls_failure().unwrap_or_else(|| "not possible".into()))
    }

    /// What has ended it.
    pub(crate) fn cause(&self) -> Option<Cause> {
        let failure = self.conn.failure();
        let errno = || Errno::from_raw_os_error(self.errno());
        match (self.ends_by, failure) {
            (EndsBy::Stop, _) => Some(Cause::Stopped),
            (EndsBy::Reactor, _) if self.errno() == 0 => Some(Cause::Panicked),
            (EndsBy::Reactor, _) => Some(Cause::Reactor(errno())),
            #[cfg(feature = "tls")]
            (EndsBy::Tls, _) => Some(self.tls_cause()),
            (_, Some(Failure::Tls)) => Some(self.tls_cause()),
            // What we ended it for has come before whatever followed from it.
            (_, Some(failure @ (Failure::Violation(_) | Failure::OutOfMemory))) => {
                Some(Cause::Failure(failure))
            }
            (EndsBy::Application, _) => Some(Cause::Aborted),
            // Once the peer has closed, how it drops TCP is its affair, unless it costs something.
            (EndsBy::Receiving | EndsBy::Sending, None) if self.conn.unsent() == 0 => None,
            (EndsBy::Receiving, _) => Some(Cause::Receiving(errno())),
            (EndsBy::Sending, _) => Some(Cause::Sending(errno())),
            (EndsBy::Itself, failure) => failure.map(Cause::Failure),
        }
    }
}
