//! Why there is no connection, or cannot be one.

use crate::conn::Failure;
use crate::proto::{Answer, BadAnswer, InvalidUrl};
use crate::reactor::core::name::CallError;
use crate::ring::Errno;
use std::sync::Arc;

/// Why a target cannot be connected to, seen before anything was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The URL.
    #[error("URL: {0}")]
    Url(InvalidUrl),
    /// The URL of the proxy.
    #[error("proxy: {0}")]
    Proxy(InvalidUrl),
    /// A subprotocol that is no token, or there twice.
    #[error("not a subprotocol that may be offered")]
    Protocol,
    /// A header that the handshake owns, or one that would break the request.
    #[error("not a header that may be sent")]
    Header,
    /// What `Host` is to say.
    #[error("host: {0}")]
    Host(InvalidUrl),
    /// The name for TLS.
    #[error("name for TLS: {0}")]
    TlsName(InvalidUrl),
    /// A limit is out of its range: which, and the range.
    #[error("{0}")]
    Limits(&'static str),
    /// `wss://` in a library that was built without TLS.
    #[error("wss:// needs TLS, which this build does not have (feature `tls`)")]
    Tls,
    /// `wss://` without settings, on a system without root certificates.
    #[error("the system has no usable root certificates: install them, or give roots")]
    Roots,
    /// The reactor cannot be asked.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The name was not found: what the system says.
    #[error("name not found: {0}")]
    Name(Arc<str>),
    /// Too many names are being looked up.
    #[error("too many names are being looked up")]
    ResolverBusy,
    /// TCP, or sending and receiving before the connection was open.
    #[error("{0}")]
    Transport(Errno),
    /// Not in time.
    #[error("timed out")]
    TimedOut,
    /// The proxy has refused, or is none.
    #[error("proxy: {0}")]
    Proxy(BadAnswer),
    /// The server has refused, or is none.
    #[error("{0}")]
    Answer(BadAnswer),
    /// TLS: what was wrong with the server's certificate, or its words.
    #[error("TLS: {0}")]
    Tls(Arc<str>),
    /// The server has ended the connection without an answer.
    #[error("ended without an answer")]
    EndOfStream,
    /// The reactor has `connections_max` connections.
    #[error("no connection is free on this reactor")]
    Full,
    /// The engine is stopping.
    #[error("the engine is stopping")]
    Stopped,
    /// The application has given it up.
    #[error("cancelled")]
    Cancelled,
}

impl ConnectError {
    /// The status of HTTP that came, from the server or the proxy; 0 if none.
    pub fn status(&self) -> u16 {
        match self {
            Self::Answer(BadAnswer::Status(status)) | Self::Proxy(BadAnswer::Status(status)) => {
                *status
            }
            _ => 0,
        }
    }

    /// Of a connection that ended before it was open.
    pub(crate) fn of(failure: Option<Failure>, errno: i32, tls: Option<Arc<str>>) -> Self {
        if let (Some(Failure::Tls), Some(text)) = (failure, tls) {
            return Self::Tls(text);
        }
        match failure {
            Some(Failure::Answer(bad)) => Self::Answer(bad),
            Some(Failure::Proxy(bad)) => Self::Proxy(bad),
            Some(Failure::TimedOut(_)) => Self::TimedOut,
            _ if errno == Errno::TIMEDOUT.raw_os_error() => Self::TimedOut,
            _ if errno != 0 => Self::Transport(Errno::from_raw_os_error(errno)),
            _ => Self::EndOfStream,
        }
    }
}

/// What `on_refused` is told: there is no connection.
#[derive(Debug)]
pub struct NotConnected<'a> {
    /// Why.
    pub error: &'a ConnectError,
    /// What was dialled, `host:port`: the server, or the proxy before it.
    pub dialled: &'a str,
    /// The answer that opened nothing, of the server or the proxy; `None` if none came.
    pub answer: Option<&'a Answer<'static>>,
    /// The first bytes of its body, at most 1 KiB; empty if there was none.
    pub body: &'a [u8],
    /// In how many milliseconds it is tried again; 0: not. Yours to change.
    pub retry_ms: u32,
    /// The target's user word.
    pub user: usize,
}
