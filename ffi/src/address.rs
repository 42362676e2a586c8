//! `rws_address`: where a peer is.

use crate::constants::{RWS_FAMILY_IPV4, RWS_FAMILY_IPV6, RWS_FAMILY_NONE};
use crate::guard::guard;
use crate::own;
use std::ffi::c_char;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// where a peer is
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct rws_address {
    /// network order; of IPv4 the first four
    pub ip: [u8; 16],
    /// of a link-local IPv6 address; otherwise 0
    pub scope: u32,
    /// host order
    pub port: u16,
    /// RWS_FAMILY_*; IPv4 over an IPv6 socket is IPv4
    pub family: u8,
    /// 0
    pub reserved: u8,
}

impl From<Option<SocketAddr>> for rws_address {
    fn from(peer: Option<SocketAddr>) -> Self {
        let mut out = Self { ip: [0; 16], scope: 0, port: 0, family: RWS_FAMILY_NONE, reserved: 0 };
        let Some(peer) = peer else { return out };
        out.port = peer.port();
        match peer.ip().to_canonical() {
            IpAddr::V4(ip) => {
                out.family = RWS_FAMILY_IPV4;
                out.ip[..4].copy_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                out.family = RWS_FAMILY_IPV6;
                out.ip = ip.octets();
                out.scope = if let SocketAddr::V6(v6) = peer { v6.scope_id() } else { 0 };
            }
        }
        out
    }
}

impl std::fmt::Display for rws_address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, ..] = self.ip;
        match self.family {
            RWS_FAMILY_IPV4 => SocketAddrV4::new([a, b, c, d].into(), self.port).fmt(f),
            RWS_FAMILY_IPV6 => {
                SocketAddrV6::new(Ipv6Addr::from(self.ip), self.port, 0, self.scope).fmt(f)
            }
            _ => f.write_str("none"),
        }
    }
}

/// Like snprintf: writes `192.0.2.1:80`, `[2001:db8::1]:80` or `none`, cut to fit with its NUL,
/// and returns its whole length without it; less than 64.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_address_text(
    a: *const rws_address,
    out: *mut c_char,
    size: usize,
) -> usize {
    guard(|| {
        // SAFETY: null or the caller's struct.
        let Some(address) = (unsafe { a.as_ref() }) else { return 0 };
        // SAFETY: null or `size` bytes, as the caller says.
        unsafe { own::write_text(&address.to_string(), out, size) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (peer, text) in [
            ("127.0.0.1:9001", "127.0.0.1:9001"),
            ("[::1]:80", "[::1]:80"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"),
            ("[fe80::1%3]:80", "[fe80::1%3]:80"),
        ] {
            let address = rws_address::from(Some(peer.parse().unwrap()));
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(rws_address::from(None).to_string(), "none");
        let longest = rws_address {
            ip: [255; 16],
            scope: u32::MAX,
            port: u16::MAX,
            family: RWS_FAMILY_IPV6,
            reserved: 0,
        };
        assert!(longest.to_string().len() < 64);
    }
}
