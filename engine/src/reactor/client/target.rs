//! What to connect to, and what comes when that fails.

use crate::conn::{Failure, Limits};
use crate::proto::url::{Host, split_authority};
use crate::proto::{Answer, Ask, BadAnswer, InvalidUrl, Proxy, Url};
use crate::reactor::api::handler::Handler;
use crate::reactor::core::name::CallError;
use crate::ring::Errno;
use crate::tls;
use std::sync::Arc;

/// A server to connect to.
#[derive(Clone)]
pub struct Target {
    pub(crate) url: Url,
    pub(crate) ask: Arc<Ask>,
    pub(crate) proxy: Option<Proxy>,
    /// Whose certificate the server must show, if another's than that of the URL's host.
    pub(crate) tls_name: Option<Host>,
    /// How to speak TLS with a `wss://` server; `None`: trusting whom the system trusts.
    pub tls: Option<tls::Client>,
    /// Who is called.
    pub handler: Arc<dyn Handler>,
    /// The limits of the connection.
    pub limits: Limits,
    /// The user word that it starts with.
    pub user: usize,
    /// The reactor that it belongs to; `None`: the calling one in a callback, else each in turn.
    pub reactor: Option<u32>,
    /// For the name, TCP, the proxy and TLS together. Default 10,000 ms.
    pub connect_timeout_ms: u32,
    /// How long to wait before connecting again, doubled with each failure and varied at random
    /// between half of it and all. 0, the default: never. Not after the application itself has
    /// closed or aborted the connection.
    pub retry_min_ms: u32,
    /// What that grows to. 0: 30,000 ms, or `retry_min_ms` if that is more.
    pub retry_max_ms: u32,
}

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

impl Target {
    /// The server of a `ws://` or `wss://` URL, with the default limits.
    ///
    /// # Errors
    /// [`TargetError::Url`], and [`TargetError::Tls`] for `wss://` in a build without TLS.
    pub fn new(url: &str, handler: Arc<dyn Handler>) -> Result<Self, TargetError> {
        let url = Url::parse(url).map_err(TargetError::Url)?;
        if url.is_secure() && cfg!(not(feature = "tls")) {
            return Err(TargetError::Tls);
        }
        Ok(Self {
            ask: Arc::new(Ask::new(&url)),
            url,
            proxy: None,
            tls_name: None,
            tls: None,
            handler,
            limits: Limits::default(),
            user: 0,
            reactor: None,
            connect_timeout_ms: 10_000,
            retry_min_ms: 0,
            retry_max_ms: 0,
        })
    }

    /// Offers a subprotocol, behind those offered before.
    ///
    /// # Errors
    /// [`TargetError::Protocol`].
    pub fn offer_protocol(&mut self, name: &str) -> Result<(), TargetError> {
        Arc::make_mut(&mut self.ask).offer_protocol(name).map_err(|_| TargetError::Protocol)
    }

    /// Adds a header to the request.
    ///
    /// # Errors
    /// [`TargetError::Header`].
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), TargetError> {
        Arc::make_mut(&mut self.ask).add_header(name, value).map_err(|_| TargetError::Header)
    }

    /// Says `Host: host[:port]` instead of what the URL names, and expects its certificate, unless
    /// [`Target::set_tls_name`] says whose: a server is reached by an address, or by another name.
    ///
    /// # Errors
    /// [`TargetError::Host`].
    pub fn set_host(&mut self, host: &str) -> Result<(), TargetError> {
        let (named, port) = split_authority(host).map_err(TargetError::Host)?;
        let authority = port.map_or_else(|| named.to_string(), |port| format!("{named}:{port}"));
        Arc::make_mut(&mut self.ask).set_authority(authority);
        self.tls_name.get_or_insert(named);
        Ok(())
    }

    /// Asks for that name in TLS (a name, or an address, an IPv6 one in brackets), and expects its
    /// certificate.
    ///
    /// # Errors
    /// [`TargetError::TlsName`].
    pub fn set_tls_name(&mut self, name: &str) -> Result<(), TargetError> {
        self.tls_name = match split_authority(name).map_err(TargetError::TlsName)? {
            (name, None) => Some(name),
            (_, Some(_)) => return Err(TargetError::TlsName(InvalidUrl::Port)),
        };
        Ok(())
    }

    /// Whom the server's certificate must be for.
    #[cfg(feature = "tls")]
    pub(crate) fn server_name(&self) -> String {
        match self.tls_name.as_ref().unwrap_or(self.url.host()) {
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string(),
            Host::Zoned(ip, _) => ip.to_string(),
        }
    }

    /// Whether each value is in its range. Fills in what `wss://` needs.
    pub(crate) fn check(&mut self) -> Result<(), TargetError> {
        #[cfg(feature = "tls")]
        if self.url.is_secure() && self.tls.is_none() {
            self.tls = Some(tls::Client::system().map_err(|_| TargetError::Roots)?);
        }
        match self.connect_timeout_ms {
            0 => Err(TargetError::Limits("connect_timeout_ms: at least 1 ms")),
            _ => self.limits.check().map_err(TargetError::Limits),
        }
    }

    /// Connects through an HTTP proxy: `http://[user:password@]host[:port]`.
    ///
    /// # Errors
    /// [`TargetError::Proxy`].
    pub fn through(&mut self, proxy: &str) -> Result<(), TargetError> {
        self.proxy = Some(Proxy::parse(proxy).map_err(TargetError::Proxy)?);
        Ok(())
    }
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
    /// The answer that opened nothing, of the server or the proxy; `None` if none came.
    pub answer: Option<&'a Answer<'static>>,
    /// The first bytes of its body, at most 1 KiB; empty if there was none.
    pub body: &'a [u8],
    /// In how many milliseconds it is tried again; 0: not. Yours to change.
    pub retry_ms: u32,
    /// The target's user word.
    pub user: usize,
}
