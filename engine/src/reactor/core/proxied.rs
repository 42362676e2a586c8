//! A connection that a proxy has made for somebody else.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::proxies::{ByProxy, Proxied};
use super::slab::Slot;
use crate::proto::proxy::{ProxyHeader, ProxyReader};
use std::net::SocketAddr;
use std::sync::Arc;

impl Slot {
    /// A proxy has made it.
    pub(crate) fn await_proxy(&mut self) {
        self.rare().by_proxy = Some(ByProxy::Awaited(ProxyReader::default()));
    }

    /// The reader of the header that has not come whole.
    pub(crate) fn proxy_reader(&mut self) -> Option<&mut ProxyReader> {
        match self.rare.as_mut()?.by_proxy.as_mut()? {
            ByProxy::Awaited(reader) => Some(reader),
            ByProxy::Told(_) => None,
        }
    }

    /// Whether its header has not come whole, or was not to be had.
    pub(crate) fn awaits_proxy(&self) -> bool {
        let by_proxy = self.rare.as_ref().and_then(|rare| rare.by_proxy.as_ref());
        matches!(by_proxy, Some(ByProxy::Awaited(_)))
    }

    /// What its proxy has told.
    pub(crate) fn proxied(&self) -> Option<Arc<Proxied>> {
        match self.rare.as_ref()?.by_proxy.as_ref()? {
            ByProxy::Told(proxied) => Some(Arc::clone(proxied)),
            ByProxy::Awaited(_) => None,
        }
    }

    /// Its proxy has told: the peer has this address.
    pub(crate) fn introduce(&mut self, peer: Option<SocketAddr>, header: ProxyHeader) {
        let proxy = self.peer.get();
        if peer != proxy {
            self.peer = peer.into();
        }
        self.rare().by_proxy = Some(ByProxy::Told(Arc::new(Proxied { proxy, header })));
    }

    /// It is open: what its proxy has told was for whoever had to decide that.
    pub(crate) fn forget_proxy(&mut self) {
        let told = self.rare.as_mut().and_then(|rare| rare.by_proxy.take());
        if told.is_some() {
            self.drop_idle_rare();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::Connection;
    use crate::reactor::core::slab::Slab;
    use crate::ring::Socket;

    #[test]
    fn nothing_is_left_of_a_header_once_the_connection_is_open() {
        let mut slab = Slab::new(1).expect("memory");
        let (_, slot) = slab.insert(Connection::server(0), Socket(0), 0).expect("room");
        let at = |text: &str| Some(text.parse::<SocketAddr>().expect("an address"));
        slot.peer = at("192.0.2.1:1").into();
        assert!(!slot.awaits_proxy() && slot.proxied().is_none());
        slot.await_proxy();
        assert!(slot.awaits_proxy() && slot.proxy_reader().is_some() && slot.proxied().is_none());
        slot.introduce(at("[::1]:2"), ProxyHeader::default());
        assert!(!slot.awaits_proxy() && slot.proxy_reader().is_none());
        assert_eq!(slot.proxied().and_then(|proxied| proxied.proxy), at("192.0.2.1:1"));
        assert_eq!(slot.peer.get(), at("[::1]:2"));
        slot.forget_proxy();
        assert!(slot.rare.is_none() && slot.proxied().is_none());
        assert_eq!(slot.peer.get(), at("[::1]:2"));
        // What else it has stays.
        slot.await_proxy();
        slot.park(b"more");
        slot.forget_proxy();
        assert_eq!((slot.awaits_proxy(), slot.take_parked()), (false, b"more".to_vec()));
    }
}
