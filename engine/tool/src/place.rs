//! Where a server is: what a URL says, and the sockets to it.

use crate::error::{Error, Result};
use ringws_engine::proto::Url;
use ringws_engine::proto::url::Host;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// A URL that was read and whose name was looked up.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) secure: bool,
    /// For TLS: a name or an address.
    pub(crate) name: String,
    /// For `Host`.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) target: String,
    addresses: Vec<SocketAddr>,
}

impl Place {
    pub(crate) fn find(url: &str) -> Result<Self> {
        let bad = |why: String| Error::Url { url: url.into(), why };
        let parsed = Url::parse(url).map_err(|error| bad(error.to_string()))?;
        let name = match parsed.host() {
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string(),
            Host::Zoned(ip, zone) => format!("{ip}%{zone}"),
        };
        let found = (name.as_str(), parsed.port()).to_socket_addrs();
        let addresses: Vec<_> = found.map_err(|error| bad(error.to_string()))?.collect();
        Ok(Self {
            url: url.into(),
            secure: parsed.is_secure(),
            name,
            authority: parsed.authority(),
            target: parsed.target().into(),
            addresses,
        })
    }

    /// A connected socket.
    pub(crate) fn connect(&self, patience: Duration) -> Result<TcpStream> {
        let mut why = "the name has no address".to_owned();
        for address in &self.addresses {
            match TcpStream::connect_timeout(address, patience) {
                Ok(stream) => return Ok(stream),
                Err(error) => why = error.to_string(),
            }
        }
        Err(Error::Unreachable { at: self.authority.clone(), why })
    }
}
