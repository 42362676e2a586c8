//! Internet addresses as the kernel reads and writes them.

use super::Credentials;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for an address of any family, and its length; or for the credentials of a peer that has
/// none.
#[repr(C)]
pub(super) struct Address {
    pub(super) storage: libc::sockaddr_storage,
    pub(super) len: libc::socklen_t,
}

impl Address {
    /// Room for what the kernel is to tell.
    pub(super) fn room() -> Self {
        // SAFETY: a `sockaddr_storage` is made of integers, for which zeros are valid.
        let storage = unsafe { MaybeUninit::zeroed().assume_init() };
        Self { storage, len: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    /// What the kernel is to know.
    pub(super) fn new(at: SocketAddr) -> Self {
        let mut address = Self::room();
        let place = &raw mut address.storage;
        let len = match at {
            SocketAddr::V4(at) => {
                // SAFETY: a `sockaddr_storage` has room and alignment for a `sockaddr_in`, which
                // is made of integers; `address` is ours alone while this borrow lives.
                let place = unsafe { &mut *place.cast::<libc::sockaddr_in>() };
                place.sin_family = libc::AF_INET as libc::sa_family_t;
                place.sin_port = at.port().to_be();
                place.sin_addr.s_addr = u32::from_ne_bytes(at.ip().octets());
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(at) => {
                // SAFETY: a `sockaddr_storage` has room and alignment for a `sockaddr_in6`, which
                // is made of integers; `address` is ours alone while this borrow lives.
                let place = unsafe { &mut *place.cast::<libc::sockaddr_in6>() };
                place.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                place.sin6_port = at.port().to_be();
                place.sin6_addr.s6_addr = at.ip().octets();
                place.sin6_scope_id = at.scope_id();
                size_of::<libc::sockaddr_in6>()
            }
        };
        address.len = len as libc::socklen_t;
        address
    }

    /// Of whom the kernel has written the credentials here.
    pub(super) fn credentials(&self) -> Credentials {
        // SAFETY: a `sockaddr_storage` has room and alignment for a `ucred`, which is made of
        // integers, and all of its bytes are initialised: `room` has zeroed them.
        let told = unsafe { &*(&raw const self.storage).cast::<libc::ucred>() };
        (*told).into()
    }

    /// What it says. `None` when that is no address of the Internet.
    pub(super) fn get(&self) -> Option<SocketAddr> {
        let (place, len) = (&raw const self.storage, self.len as usize);
        match i32::from(self.storage.ss_family) {
            libc::AF_INET if len >= size_of::<libc::sockaddr_in>() => {
                // SAFETY: a `sockaddr_storage` has room and alignment for a `sockaddr_in`, and
                // all of its bytes are initialised: `room` has zeroed them.
                let at = unsafe { &*place.cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(at.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(at.sin_port)).into())
            }
            libc::AF_INET6 if len >= size_of::<libc::sockaddr_in6>() => {
                // SAFETY: a `sockaddr_storage` has room and alignment for a `sockaddr_in6`, and
                // all of its bytes are initialised: `room` has zeroed them.
                let at = unsafe { &*place.cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(at.sin6_addr.s6_addr);
                let port = u16::from_be(at.sin6_port);
                Some(SocketAddrV6::new(ip, port, at.sin6_flowinfo, at.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

impl From<libc::ucred> for Credentials {
    fn from(libc::ucred { pid, uid, gid }: libc::ucred) -> Self {
        Self { pid, uid, gid }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["127.0.0.1:80", "255.1.2.3:65535", "[::1]:0", "[fe80::1%7]:443"] {
            let at: SocketAddr = text.parse().expect("an address");
            assert_eq!(Address::new(at).get(), Some(at));
        }
        assert_eq!(Address::room().get(), None);
        let mut short = Address::new("[::1]:1".parse().expect("an address"));
        short.len = 2;
        assert_eq!(short.get(), None, "a family without an address");
    }
}
