//! Whose word is taken for where a connection comes from, and what is known by it.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::proto::proxy::{ProxyHeader, ProxyReader};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Proxies in front of an endpoint. A connection of one of them begins with a header of the PROXY
/// protocol, version 1 or 2, before TLS: one without it is dropped. A connection from elsewhere is
/// dropped unheard, unless `direct`; what it says is then never read as such a header. So who may
/// tell of others is decided by where he comes from, never by what he says, which the specification
/// forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    networks: Vec<IpNet>,
    unix: bool,
    /// Whoever comes from elsewhere is served, too, as a peer that has no proxy.
    pub direct: bool,
}

/// An entry that names no proxy: which, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("proxy_from: \"{entry}\" {why}")]
pub struct InvalidProxies {
    /// The entry.
    pub entry: String,
    why: String,
}

/// What an endpoint with proxies makes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// It tells in a header whose it is.
    Proxy,
    /// It is the peer's own.
    Peer,
    /// Nobody's who is served.
    Stranger,
}

impl Proxies {
    /// A list with commas: addresses, networks as `10.0.0.0/8` and `2001:db8::/32`, and `unix` for
    /// whoever can connect to a Unix socket.
    ///
    /// # Errors
    /// [`InvalidProxies`] names the first entry that is none of these.
    pub fn parse(list: &str) -> Result<Self, InvalidProxies> {
        let mut proxies = Self { networks: Vec::new(), unix: false, direct: false };
        for entry in list.split(',').map(str::trim) {
            match entry {
                "unix" => proxies.unix = true,
                _ => proxies.networks.push(network(entry).map_err(|why| {
                    let entry = entry.to_owned();
                    InvalidProxies { entry, why }
                })?),
            }
        }
        Ok(proxies)
    }

    /// Whose a connection is of this address, which is none on a Unix socket. IPv4 is told as such.
    pub(crate) fn judge(&self, peer: Option<SocketAddr>) -> From {
        let known = peer.map_or(self.unix, |peer| {
            self.networks.iter().any(|network| network.contains(&peer.ip()))
        });
        match (known, self.direct) {
            (true, _) => From::Proxy,
            (false, true) => From::Peer,
            (false, false) => From::Stranger,
        }
    }
}

/// What is known of a connection of a proxy, from accept until it is open.
#[derive(Debug)]
pub(crate) enum ByProxy {
    /// Its header has not come whole: nobody knows yet whose it is.
    Awaited(ProxyReader),
    /// It has.
    Told(Arc<Proxied>),
}

/// What a proxy has told of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// The proxy's own address; `None` on a Unix socket.
    pub proxy: Option<SocketAddr>,
    /// What it says.
    pub header: ProxyHeader,
}

impl ByProxy {
    /// Bytes of memory that it keeps.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Awaited(reader) => reader.collected(),
            Self::Told(proxied) => proxied.header.held(),
        }
    }
}

fn network(entry: &str) -> Result<IpNet, String> {
    let single = entry.parse::<IpAddr>().map(IpNet::from);
    let network = match single {
        Ok(network) => network,
        Err(_) => entry
            .parse()
            .map_err(|_| "is no address, no network (10.0.0.0/8) and not \"unix\"".to_owned())?,
    };
    if network.addr() != network.network() {
        // Whoever wrote it meant one or the other, and one of them trusts many more.
        return Err(format!(
            "has bits behind its prefix: {} or {}?",
            network.trunc(),
            network.addr()
        ));
    }
    match network {
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() && v6.prefix_len() >= 96 => {
            Err("is IPv4 inside IPv6: write it as IPv4".to_owned())
        }
        network => Ok(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(list: &str, peer: &str) -> From {
        let peer = (peer != "unix").then(|| SocketAddr::new(peer.parse().unwrap(), 9));
        Proxies::parse(list).unwrap().judge(peer)
    }

    #[test]
    fn networks_and_addresses_are_told_apart() {
        let list = "10.0.0.0/8, 192.0.2.1,2001:db8::/32 , ::1";
        for peer in ["10.0.0.0", "10.255.255.255", "192.0.2.1", "2001:db8:ffff::1", "::1"] {
            assert_eq!(judged(list, peer), From::Proxy, "{peer}");
        }
        for peer in ["11.0.0.0", "192.0.2.2", "2001:db9::", "::2", "::", "0.0.0.0", "unix"] {
            assert_eq!(judged(list, peer), From::Stranger, "{peer}");
        }
        assert_eq!(judged("unix", "unix"), From::Proxy);
        assert_eq!(judged("unix", "127.0.0.1"), From::Stranger);
        assert_eq!(judged("0.0.0.0/0", "192.0.2.1"), From::Proxy);
        assert_eq!(judged("0.0.0.0/0", "::1"), From::Stranger);
        assert_eq!(judged("::/0", "192.0.2.1"), From::Stranger);
    }

    #[test]
    fn others_are_served_where_that_was_asked_for() {
        let proxies = Proxies { direct: true, ..Proxies::parse("192.0.2.1").unwrap() };
        let at = |text: &str| Some(SocketAddr::new(text.parse().unwrap(), 1));
        assert_eq!(proxies.judge(at("192.0.2.1")), From::Proxy);
        assert_eq!(proxies.judge(at("192.0.2.2")), From::Peer);
        assert_eq!(proxies.judge(None), From::Peer);
    }

    #[test]
    fn the_bad_entry_is_named() {
        for (list, entry) in [
            ("", ""),
            ("10.0.0.0/8,", ""),
            ("10.0.0.0/8, example.com", "example.com"),
            ("10.0.0.0/33", "10.0.0.0/33"),
            ("10.0.0.1/8", "10.0.0.1/8"),
            ("2001:db8::1/64", "2001:db8::1/64"),
            ("::ffff:10.0.0.0/104", "::ffff:10.0.0.0/104"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
            ("Unix", "Unix"),
            ("127.0.0.1:80", "127.0.0.1:80"),
        ] {
            let bad = Proxies::parse(list).expect_err(list);
            assert_eq!(bad.entry, entry);
            assert!(bad.to_string().starts_with(&format!("proxy_from: \"{entry}\" ")));
        }
        let bad = Proxies::parse("10.0.0.1/8").unwrap_err().to_string();
        assert!(bad.ends_with(": 10.0.0.0/8 or 10.0.0.1?"), "{bad}");
    }
}
