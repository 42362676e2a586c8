//! The address of a peer, in less memory than `SocketAddr` takes: each connection has one.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// An address, or none. Of IPv6 the flow label is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddress {
    /// As IPv6 has it, or the first four bytes of it.
    ip: [u8; 16],
    scope: u32,
    port: u16,
    family: Family,
}

#[derive(Clone, Copy, Debug)]
enum Family {
    None,
    V4,
    V6,
}

impl PeerAddress {
    /// On a Unix socket.
    pub(crate) const NONE: Self = Self { ip: [0; 16], scope: 0, port: 0, family: Family::None };

    /// Which one it is.
    pub(crate) fn get(&self) -> Option<SocketAddr> {
        let [a, b, c, d, ..] = self.ip;
        match self.family {
            Family::None => None,
            Family::V4 => Some(SocketAddr::new(IpAddr::from([a, b, c, d]), self.port)),
            Family::V6 => Some(SocketAddrV6::new(self.ip.into(), self.port, 0, self.scope).into()),
        }
    }
}

impl From<Option<SocketAddr>> for PeerAddress {
    fn from(at: Option<SocketAddr>) -> Self {
        match at {
            None => Self::NONE,
            Some(SocketAddr::V4(at)) => {
                let mut ip = [0; 16];
                ip[..4].copy_from_slice(&at.ip().octets());
                Self { ip, scope: 0, port: at.port(), family: Family::V4 }
            }
            Some(SocketAddr::V6(at)) => {
                let (ip, scope) = (at.ip().octets(), at.scope_id());
                Self { ip, scope, port: at.port(), family: Family::V6 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_out_as_it_went_in_and_is_small() {
        let ats = ["127.0.0.1:80", "[::1]:65535", "[fe80::1%7]:9", "0.0.0.0:0"];
        for at in ats.map(|text| text.parse::<SocketAddr>().expect("an address")) {
            assert_eq!(PeerAddress::from(Some(at)).get(), Some(at));
        }
        assert_eq!(PeerAddress::from(None).get(), None);
        assert!(size_of::<PeerAddress>() <= 24);
    }
}
