//! What to connect to.

use crate::conn::Limits;
use crate::proto::url::{Host, split_authority};
use crate::proto::{Ask, InvalidUrl, Proxy, Url};
use crate::reactor::api::contract::{Handler, Target};
use crate::reactor::client::refusal::TargetError;
use crate::ring::SocketOptions;
#[cfg(feature = "tls")]
use crate::tls;
use std::sync::Arc;

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
            socket_options: SocketOptions::default(),
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

    /// Whom the transport is made to: the server, or the proxy before it.
    pub(crate) fn dialled(&self) -> (&Host, u16) {
        match &self.proxy {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (self.url.host(), self.url.port()),
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
            _ => self
                .limits
                .check()
                .and_then(|()| self.socket_options.check())
                .map_err(TargetError::Limits),
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
