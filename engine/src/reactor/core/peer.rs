//! The address of a peer, in less memory than `SocketAddr` takes: each connection has one.

use crate::ring::Credentials;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// On a socket for both families an IPv4 peer comes as ::ffff:a.b.c.d.
pub(crate) fn canonical(at: SocketAddr) -> SocketAddr {
    match at.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, at.port()),
        // With its scope.
        IpAddr::V6(_) => at,
    }
}

/// An address, or who it is that has none, as far as that is known. Of IPv6 the flow label is left
/// out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddress {
    /// As IPv6 has it, or the first four bytes of it; or process, user and group.
    ip: [u8; 16],
    port: u16,
    family: Family,
}

#[derive(Clone, Copy, Debug)]
enum Family {
    None,
    /// None either, but known.
    Process,
    V4,
    V6,
    /// A link-local address with a scope, which stands in [`SCOPE`].
    V6Scoped,
}

/// Where a link-local address has zeros (RFC 4291 §2.5.6). Only such an address has a scope.
const SCOPE: std::ops::Range<usize> = 4..8;

impl PeerAddress {
    /// On a Unix socket.
    pub(crate) const NONE: Self = Self { ip: [0; 16], port: 0, family: Family::None };

    /// Which one it is.
    pub(crate) fn get(&self) -> Option<SocketAddr> {
        let [a, b, c, d, s0, s1, s2, s3, ..] = self.ip;
        let v6 = |ip: [u8; 16], scope| SocketAddrV6::new(ip.into(), self.port, 0, scope).into();
        match self.family {
            Family::None | Family::Process => None,
            Family::V4 => Some(SocketAddr::new(IpAddr::from([a, b, c, d]), self.port)),
            Family::V6 => Some(v6(self.ip, 0)),
            Family::V6Scoped => {
                let mut ip = self.ip;
                ip[SCOPE].fill(0);
                Some(v6(ip, u32::from_be_bytes([s0, s1, s2, s3])))
            }
        }
    }
}

impl PeerAddress {
    /// Of a connection that was accepted.
    pub(crate) fn new(at: Option<SocketAddr>, credentials: Option<Credentials>) -> Self {
        let (None, Some(Credentials { pid, uid, gid })) = (at, credentials) else {
            return at.into();
        };
        let mut ip = [0; 16];
        let words = [pid.cast_unsigned(), uid, gid];
        for (bytes, word) in ip.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        Self { ip, port: 0, family: Family::Process }
    }

    /// Who has connected, if that is a process on this machine.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        let Family::Process = self.family else { return None };
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = self.ip;
        Some(Credentials {
            pid: i32::from_ne_bytes([a, b, c, d]),
            uid: u32::from_ne_bytes([e, f, g, h]),
            gid: u32::from_ne_bytes([i, j, k, l]),
        })
    }
}

impl From<Option<SocketAddr>> for PeerAddress {
    fn from(at: Option<SocketAddr>) -> Self {
        match at {
            None => Self::NONE,
            Some(SocketAddr::V4(at)) => {
                let mut ip = [0; 16];
                ip[..4].copy_from_slice(&at.ip().octets());
                Self { ip, port: at.port(), family: Family::V4 }
            }
            Some(SocketAddr::V6(at)) => {
                let (mut ip, scope) = (at.ip().octets(), at.scope_id());
                let scoped = scope != 0 && at.ip().is_unicast_link_local();
                if scoped {
                    ip[SCOPE].copy_from_slice(&scope.to_be_bytes());
                }
                let family = if scoped { Family::V6Scoped } else { Family::V6 };
                Self { ip, port: at.port(), family }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_ipv4_and_a_scope_stays() {
        for (at, as_is) in [
            ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[fe80::1%7]:9", "[fe80::1%7]:9"),
        ] {
            assert_eq!(canonical(at.parse().expect("an address")).to_string(), as_is);
        }
    }

    #[test]
    fn an_address_comes_out_as_it_went_in_and_is_small() {
        let ats = ["127.0.0.1:80", "[::1]:65535", "[fe80::1%7]:9", "[fe80::2]:9", "0.0.0.0:0"];
        for at in ats.map(|text| text.parse::<SocketAddr>().expect("an address")) {
            assert_eq!(PeerAddress::from(Some(at)).get(), Some(at));
        }
        assert_eq!(PeerAddress::from(None).get(), None);
        assert_eq!(PeerAddress::from(None).credentials(), None);
        let who = Some(Credentials { pid: -2, uid: u32::MAX, gid: 7 });
        let peer = PeerAddress::new(None, who);
        assert_eq!((peer.get(), peer.credentials()), (None, who));
        let at = Some(SocketAddr::from(([192, 0, 2, 1], 9)));
        assert_eq!(PeerAddress::new(at, who).credentials(), None, "who has an address is no other");
        assert!(size_of::<PeerAddress>() <= 20);
    }
}
