//! `rws_status`, `rws_error`, and how the engine's errors become them.

use crate::guard::guard;
use crate::succession::status_of;
use ringws_engine::conn::{self, Queued, SendError};
use ringws_engine::engine::Error;
use ringws_engine::reactor::{CallError, Closed, ConnectError, EndError, TargetError, TopicError};
use ringws_engine::ring::Errno;
use std::ffi::{CStr, c_char, c_int};

/// what a call answers; negative is failure
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rws_status {
    /// joined, but not all that it has missed is left: see rws_join_from
    RWS_LATE = 3,
    /// not queued but dropped, and counted, as its policy says: see Queues
    RWS_DROPPED = 2,
    /// queued, but the queue is now over send_queue_max: wait for on_drain
    RWS_FULL = 1,
    /// done
    RWS_OK = 0,
    /// bad argument
    RWS_E_INVALID = -1,
    /// a field or flag that this version does not know
    RWS_E_UNSUPPORTED = -2,
    /// out of memory, of address space, or of memory_max
    RWS_E_NOMEM = -3,
    /// a system call failed: rws_error.sys_errno
    RWS_E_SYSTEM = -4,
    /// the kernel lacks, or forbids, an io_uring feature we require
    RWS_E_KERNEL = -5,
    /// the connection has ended, or the timer has run, or there never was one
    RWS_E_GONE = -6,
    /// the closing handshake has begun: no more may be sent, on_close follows
    RWS_E_CLOSING = -7,
    /// not taken: too much waits already; each function says where, or see Statuses
    RWS_E_FULL = -8,
    /// more than a frame, a limit or a close reason can hold
    RWS_E_TOO_BIG = -9,
    /// RWS_TEXT, or a close reason, that is not UTF-8
    RWS_E_UTF8 = -10,
    /// not now, or not here: start twice, CONTINUATION without RWS_MORE, another reactor's, ...
    RWS_E_STATE = -11,
    /// a bug in this library, stopped at the boundary
    RWS_E_PANIC = -12,
    /// the server, or a proxy, has refused, or does not speak the protocol
    RWS_E_REFUSED = -13,
    /// the peer broke the protocol, or a limit
    RWS_E_PROTOCOL = -14,
    /// something did not happen in time
    RWS_E_TIMEOUT = -15,
    /// the peer has ended the transport without a Close frame; a turn: its reactor has ended
    RWS_E_ENDED = -16,
    /// TLS has failed
    RWS_E_TLS = -17,
}

/// why a call failed
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_error {
    /// what the call returned
    pub status: rws_status,
    /// errno of the system call that failed; 0 if none did
    pub sys_errno: c_int,
    /// for people; NUL-terminated UTF-8, cut between words where it is too long
    pub text: [c_char; 248],
}

/// A failure on its way into an `rws_error`.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: rws_status,
    errno: i32,
    text: String,
}

impl Failure {
    /// Any.
    pub(crate) fn new(status: rws_status, errno: i32, text: impl Into<String>) -> Self {
        Self { status, errno, text: text.into() }
    }

    /// A bad argument, and which.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self { status: rws_status::RWS_E_INVALID, errno: 0, text: text.into() }
    }
}

impl From<rws_status> for Failure {
    fn from(status: rws_status) -> Self {
        Self { status, errno: 0, text: text(status as c_int).to_string_lossy().into_owned() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, errno) = match &error {
            Error::Invalid(_) => (rws_status::RWS_E_INVALID, 0),
            Error::System { source, .. } => (system(*source), source.raw_os_error()),
            Error::Kernel(refused) => {
                let forbidden = rws_status::RWS_E_KERNEL;
                let status =
                    if refused.out_of_memory { rws_status::RWS_E_NOMEM } else { forbidden };
                (status, refused.errno.raw_os_error())
            }
            Error::State(_) => (rws_status::RWS_E_STATE, 0),
            Error::Succession(why) => status_of(*why),
            Error::Panicked(_) => (rws_status::RWS_E_PANIC, 0),
        };
        Self { status, errno, text: error.to_string() }
    }
}

fn system(errno: Errno) -> rws_status {
    if errno == Errno::NOMEM { rws_status::RWS_E_NOMEM } else { rws_status::RWS_E_SYSTEM }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let status = match error {
            TargetError::Call(error) => error.into(),
            TargetError::Tls => rws_status::RWS_E_UNSUPPORTED,
            _ => rws_status::RWS_E_INVALID,
        };
        Self { status, errno: 0, text: error.to_string() }
    }
}

impl From<&ConnectError> for Failure {
    fn from(error: &ConnectError) -> Self {
        let (status, errno) = match error {
            ConnectError::Name(_) => (rws_status::RWS_E_SYSTEM, 0),
            // Whether the kernel's patience ended first or ours.
            ConnectError::TimedOut | ConnectError::Transport(Errno::TIMEDOUT) => {
                (rws_status::RWS_E_TIMEOUT, Errno::TIMEDOUT.raw_os_error())
            }
            ConnectError::Transport(errno) => (system(*errno), errno.raw_os_error()),
            ConnectError::ResolverBusy | ConnectError::Full => (rws_status::RWS_E_FULL, 0),
            ConnectError::Proxy(_) | ConnectError::Answer(_) => (rws_status::RWS_E_REFUSED, 0),
            ConnectError::Tls(_) => (rws_status::RWS_E_TLS, 0),
            ConnectError::EndOfStream => (rws_status::RWS_E_ENDED, 0),
            ConnectError::Stopped => (rws_status::RWS_E_STATE, 0),
            ConnectError::Cancelled => (rws_status::RWS_E_GONE, 0),
        };
        Self { status, errno, text: error.to_string() }
    }
}

impl Failure {
    /// Why a connection to `host:port` did not come to be.
    pub(crate) fn of_dial(error: &ConnectError, dialled: &str) -> Self {
        let failure = Self::from(error);
        Self { text: format!("{dialled}: {}", failure.text), ..failure }
    }
}

impl From<&EndError> for Failure {
    fn from(error: &EndError) -> Self {
        let (status, errno) = match error {
            EndError::Failure(conn::Failure::TimedOut(_)) | EndError::Stopped => {
                (rws_status::RWS_E_TIMEOUT, 0)
            }
            EndError::Failure(conn::Failure::OutOfMemory) => (rws_status::RWS_E_NOMEM, 0),
            EndError::Failure(conn::Failure::EndOfStream) => (rws_status::RWS_E_ENDED, 0),
            EndError::Failure(conn::Failure::QueueFull) => (rws_status::RWS_E_FULL, 0),
            EndError::Failure(_) => (rws_status::RWS_E_PROTOCOL, 0),
            EndError::Tls(_) => (rws_status::RWS_E_TLS, 0),
            EndError::Receiving(errno) | EndError::Sending(errno) | EndError::Reactor(errno) => {
                (system(*errno), errno.raw_os_error())
            }
            // The application knows.
            EndError::Aborted => (rws_status::RWS_OK, 0),
            EndError::Panicked => (rws_status::RWS_E_PANIC, 0),
        };
        Self { status, errno, text: error.to_string() }
    }
}

impl From<&Closed<'_>> for Failure {
    /// In order or not.
    fn from(closed: &Closed<'_>) -> Self {
        let in_order = || Self::new(rws_status::RWS_OK, 0, closed.cause.text());
        closed.error.as_ref().map_or_else(in_order, Self::from)
    }
}

impl From<Failure> for rws_error {
    fn from(failure: Failure) -> Self {
        let mut text = [0; 248];
        let (start, more) = shortened(&failure.text, text.len() - 1);
        for (to, from) in text.iter_mut().zip(start.bytes().chain(more.bytes())) {
            *to = from as c_char;
        }
        Self { status: failure.status, sys_errno: failure.errno, text }
    }
}

/// A text of at most `most` bytes: whole, or up to the end of a word and with what shows it.
fn shortened(text: &str, most: usize) -> (&str, &'static str) {
    const MORE: &str = "...";
    if text.len() <= most {
        return (text, "");
    }
    let start = &text[..text.floor_char_boundary(most - MORE.len())];
    // A word that long is no word.
    let word = start.rfind(' ').filter(|&end| end >= most / 2);
    (start[..word.unwrap_or(start.len())].trim_end_matches([' ', ',', ';', ':']), MORE)
}

impl From<CallError> for rws_status {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Gone => Self::RWS_E_GONE,
            CallError::MailboxFull | CallError::BusFull | CallError::Send(SendError::Full) => {
                Self::RWS_E_FULL
            }
            CallError::Topic(TopicError::Empty | TopicError::Position) => Self::RWS_E_INVALID,
            CallError::Topic(TopicError::TooLong) => Self::RWS_E_TOO_BIG,
            CallError::Topic(TopicError::TooMany) => Self::RWS_E_FULL,
            CallError::Topic(TopicError::Elsewhere) => Self::RWS_E_STATE,
            CallError::Send(SendError::Closing) => Self::RWS_E_CLOSING,
            CallError::Send(SendError::Utf8) => Self::RWS_E_UTF8,
            CallError::Send(SendError::TooBig) => Self::RWS_E_TOO_BIG,
            CallError::Send(SendError::NotOpen | SendError::Sequence) | CallError::Stopped => {
                Self::RWS_E_STATE
            }
        }
    }
}

impl From<Queued> for rws_status {
    fn from(queued: Queued) -> Self {
        match queued {
            Queued::Ok => Self::RWS_OK,
            Queued::Full => Self::RWS_FULL,
            Queued::Dropped => Self::RWS_DROPPED,
        }
    }
}

/// The text of any integer.
fn text(status: c_int) -> &'static CStr {
    match status {
        3 => c"joined, but too late for all that was missed",
        2 => c"dropped, since the send queue is full",
        1 => c"queued, but the send queue is now full",
        0 => c"success",
        -1 => c"invalid argument",
        -2 => c"not known to this version of the library",
        -3 => c"out of memory",
        -4 => c"system call failed",
        -5 => c"io_uring is not usable on this kernel",
        -6 => c"connection gone",
        -7 => c"closing handshake has begun",
        -8 => c"send queue full",
        -9 => c"too big",
        -10 => c"not UTF-8",
        -11 => c"not possible in this state",
        -12 => c"internal error",
        -13 => c"refused by the server or a proxy",
        -14 => c"the peer broke the protocol or a limit",
        -15 => c"timed out",
        -16 => c"ended without a Close frame",
        -17 => c"TLS failed",
        _ => c"unknown status",
    }
}

/// static, never NULL
#[unsafe(no_mangle)]
pub extern "C" fn rws_strerror(status: c_int) -> *const c_char {
    guard(|| text(status).as_ptr())
}

/// The package's version as a number.
const VERSION: u32 = {
    const fn number(text: &str) -> u32 {
        match u32::from_str_radix(text, 10) {
            Ok(number) if number < 256 => number,
            _ => panic!("a part of the version does not fit into a byte"),
        }
    }
    number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | number(env!("CARGO_PKG_VERSION_PATCH"))
};

/// 0x00MMmmpp of the library that is linked; compare it with RWS_VERSION
#[unsafe(no_mangle)]
pub extern "C" fn rws_version() -> u32 {
    VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let error = rws_error::from(Failure::invalid("é".repeat(200)));
        let text: Vec<u8> = error.text.iter().map(|&c| c as u8).collect();
        assert_eq!(text.iter().position(|&byte| byte == 0), Some(247));
        assert_eq!(std::str::from_utf8(&text[..247]), Ok(("é".repeat(122) + "...").as_str()));
    }

    #[test]
    fn long_texts_are_cut_between_words() {
        for (text, most, start, more) in [
            ("it fits", 7, "it fits", ""),
            ("one two three four", 14, "one two", "..."),
            ("one two, three four", 14, "one two", "..."),
            ("incomprehensibilities of", 14, "incomprehen", "..."),
        ] {
            assert_eq!(shortened(text, most), (start, more));
        }
    }

    /// A try to connect fails with the status that the end of a connection has for the same
    /// thing.
    #[test]
    fn refusals_have_the_statuses_of_ends() {
        use rws_status::*;
        for (error, status, errno) in [
            (ConnectError::Name("unknown".into()), RWS_E_SYSTEM, 0),
            (ConnectError::Transport(Errno::CONNREFUSED), RWS_E_SYSTEM, 111),
            (ConnectError::Transport(Errno::MFILE), RWS_E_SYSTEM, 24),
            (ConnectError::Transport(Errno::NOMEM), RWS_E_NOMEM, 12),
            (ConnectError::Transport(Errno::TIMEDOUT), RWS_E_TIMEOUT, 110),
            (ConnectError::TimedOut, RWS_E_TIMEOUT, 110),
            (ConnectError::Tls("expired".into()), RWS_E_TLS, 0),
            (ConnectError::EndOfStream, RWS_E_ENDED, 0),
            (ConnectError::Full, RWS_E_FULL, 0),
            (ConnectError::ResolverBusy, RWS_E_FULL, 0),
            (ConnectError::Cancelled, RWS_E_GONE, 0),
            (ConnectError::Stopped, RWS_E_STATE, 0),
        ] {
            let failure = Failure::from(&error);
            assert_eq!((failure.status, failure.errno), (status, errno), "{error}");
        }
    }

    #[test]
    fn every_status_has_a_text_of_its_own() {
        let mut texts: Vec<_> = (-18..=2).map(text).collect();
        texts.sort();
        texts.dedup();
        // -18 is none: "unknown status" is among them.
        assert_eq!(texts.len(), 21);
        assert_eq!(text(rws_status::RWS_E_PANIC as c_int), c"internal error");
        assert_eq!(text(c_int::MIN), c"unknown status");
    }
}
