//! `rws_endpoint`: what to listen on.

use crate::callbacks::rws_callbacks;
use crate::constants::{
    RWS_ENDPOINT_DIRECT, RWS_ENDPOINT_FD, RWS_ENDPOINT_LEAST_LOADED, RWS_ENDPOINT_NO_SOCKET,
    RWS_ENDPOINT_SHARED,
};
use crate::options::rws_options;
use crate::own;
use crate::route::rws_route;
use crate::sized::{self, Sized};
use crate::status::{Failure, rws_status};
use crate::types::{User, optional, rws_tls, string};
use crate::watched::handler;
use ringws_engine::config::{Address, AddressLimits, Admission, Endpoint, Placement, Proxies};
use ringws_engine::conn::Limits;
use ringws_engine::passed::of_number;
use ringws_engine::proto::Origins;
use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::sync::Arc;

/// what to listen on
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_endpoint {
    /// RWS_INIT
    pub size: u32,
    /// 0: the system chooses
    pub port: u32,
    /// Literal IPv4 / IPv6, or "unix:/path"; NULL: every address. A socket file on which nobody
    /// listens any more is replaced; rws_engine_free removes it. "::" is IPv6 alone.
    /// "systemd:" takes all sockets that systemd has passed to this process, "systemd:name" those
    /// of that name (sd_listen_fds(3)), as listen_fd takes one: RWS_E_INVALID if there is none
    pub address: *const c_char,
    /// copied
    pub callbacks: *const rws_callbacks,
    /// handed to each callback until rws_set_user, or rws_upgrade_set_user
    pub user: *mut c_void,
    /// copied
    pub options: *const rws_options,
    /// Whose web pages may connect, others get 403 before on_upgrade is asked; NULL: those of
    /// the same host and port, that is whose Origin names what the Host header names: a proxy
    /// must pass that on as it is. A list with commas: `example.com`, `*.example.com` (any host
    /// below it), both with `https://` or another scheme before them if only that is meant, and
    /// `:port` behind them if it is another than the default of the page's scheme, which is also
    /// what a Host without one means; `self` (the same host and port), `null` (pages without an
    /// origin), `*` (all)
    pub origins: *const c_char,
    /// a server's (a client's is RWS_E_INVALID), retained: connections speak TLS; NULL: plain
    pub tls: *mut rws_tls,
    /// Connections at the same time from one address, on all reactors, IPv6 counted by /64: those
    /// beyond are closed unheard (address_closed). Default: no limit, for behind a NAT, or a
    /// proxy, many have one address. This and the next two: not on a Unix socket
    pub per_address_max: u32,
    /// Upgrades in a second from one address, on the average: those beyond are answered with 429
    /// and Retry-After before on_upgrade is asked (address_refused). Default: no limit
    pub upgrades_per_second: u32,
    /// with it: how many may come at once; default: upgrades_per_second
    pub upgrades_burst: u32,
    /// RWS_ENDPOINT_*
    pub flags: u32,
    /// With RWS_ENDPOINT_FD, and without port and address: a TCP or Unix socket that listens, from
    /// a process before this one, or to be inherited by the next. It is copied, and yours stays
    /// open. All reactors accept from it. A drain or a stop leaves it as it is: who waits in its
    /// backlog waits for whoever else has it, and nobody is refused or reset in between. What
    /// rws_options says of TCP is set on it, for all who have it. RWS_E_INVALID: it is not open,
    /// or no stream socket that listens
    pub listen_fd: i32,
    /// connections that may wait to be accepted, on each reactor's socket; net.core.somaxconn cuts
    /// it; default 4 096. Not of a socket that listens already: RWS_E_INVALID
    pub backlog: u32,
    /// of "unix:/path": permissions of its file, set before anybody can connect, which takes that
    /// of writing: 0600, 0660; at most 0777. Default: your umask's
    pub mode: u32,
    /// 0
    pub reserved: u32,
    /// Copied: paths that act as endpoints of their own, with limits, origins, callbacks and user
    /// pointer; parameters: rws_request_param. RWS_E_INVALID: no path, or twice the same
    pub routes: *const rws_route,
    /// how many
    pub routes_len: usize,
    /// The proxies in front of it, a list with commas: addresses, networks (`10.0.0.0/8`,
    /// `2001:db8::/32`) and `unix` (whoever can connect to the Unix socket). A connection of one
    /// of them must begin, before TLS, with a header of the PROXY protocol, version 1 or 2
    /// (haproxy: send-proxy, send-proxy-v2), within handshake_timeout_ms: the address in it is the
    /// peer's, in rws_peer and for the limits by address. If it names none (LOCAL, UNKNOWN, Unix
    /// sockets) that stays the proxy's own. Without a header, or with a bad one (also a wrong
    /// CRC32C, or more than 4 KiB in version 2), the connection is dropped without an answer
    /// (refused_by_reason "proxy"; on_log says why). Who comes from elsewhere is closed unheard
    /// (strangers_closed), or with RWS_ENDPOINT_DIRECT served, but never believed. NULL: nobody
    /// is. What else the header says: rws_request_proxy_tlv. RWS_E_INVALID names a bad entry
    pub proxy_from: *const c_char,
    /// Upgrades in a second from all addresses together, on all reactors, on the average: those
    /// beyond are answered with 503 and a Retry-After before on_upgrade is asked
    /// (refused_by_reason "rate"). Each is told a second for which no more are told than are taken
    /// in it, at most 60: so a crowd that comes back at once comes in as you can serve it, while
    /// those who are in are served. Default: no limit
    pub admitted_per_second: u32,
    /// with it: how many may come at once; default: admitted_per_second
    pub admitted_burst: u32,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_endpoint {
    const SIZE_MIN: usize = offset_of!(rws_endpoint, user);
}

impl rws_endpoint {
    /// What addresses may have, each and all together.
    fn rates(&self) -> Result<(AddressLimits, Admission), Failure> {
        if self.upgrades_burst != 0 && self.upgrades_per_second == 0 {
            return Err(Failure::invalid("upgrades_burst without upgrades_per_second"));
        }
        let per_address = AddressLimits {
            connections_max: self.per_address_max,
            upgrades_per_second: self.upgrades_per_second,
            upgrades_burst: self.upgrades_burst,
        };
        if self.admitted_burst != 0 && self.admitted_per_second == 0 {
            return Err(Failure::invalid("admitted_burst without admitted_per_second"));
        }
        let admission = Admission {
            upgrades_per_second: self.admitted_per_second,
            upgrades_burst: self.admitted_burst,
        };
        Ok((per_address, admission))
    }

    /// The engine's endpoint.
    ///
    /// # Safety
    /// `from` is null or names an `rws_endpoint` as its `size` says, whose pointers are null or
    /// name what they say.
    pub(crate) unsafe fn read(from: *const Self) -> Result<Endpoint, Failure> {
        // SAFETY: null, or as their sizes say: the caller has promised it of `from` and of the
        // pointers in it.
        let (at, callbacks, (limits, socket_options)) = unsafe {
            let at = sized::read(from)?;
            (at, sized::read(at.callbacks)?, rws_options::read(at.options)?)
        };
        // SAFETY: null or NUL-terminated.
        let address = match (at.address.is_null(), unsafe { string(at.address) }) {
            (true, _) => Address::Any,
            (false, text) => address(text?)?,
        };
        if at.reserved != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED.into());
        }
        let (per_address, admission) = at.rates()?;
        let address = at.given()?.unwrap_or(address);
        let placement = match at.flags & RWS_ENDPOINT_LEAST_LOADED {
            0 => Placement::Kernel,
            _ => Placement::LeastLoaded,
        };
        let port = u16::try_from(at.port)
            .map_err(|_| Failure::invalid(format!("port {} is over 65535", at.port)))?;
        // SAFETY: null or NUL-terminated.
        let origins = unsafe { origins(at.origins) }?.unwrap_or_default();
        let tls = match at.tls.is_null() {
            true => None,
            // SAFETY: not null, so a live reference.
            false => Some(unsafe { own::borrow(at.tls) }?.server()?),
        };
        let limits = Limits { requests: callbacks.on_request.is_some(), ..limits };
        // SAFETY: null or NUL-terminated.
        let proxies = proxies(unsafe { optional(at.proxy_from) }?, at.flags)?;
        let mut endpoint = Endpoint {
            address,
            port,
            shared: at.flags & RWS_ENDPOINT_SHARED != 0,
            backlog: at.backlog,
            mode: at.mode,
            handler: handler(callbacks),
            limits,
            socket_options,
            placement,
            origins,
            per_address,
            admission,
            proxies,
            tls,
            user: User(at.user).to_word(),
            routes: Vec::new(),
        };
        if at.routes.is_null() && at.routes_len > 0 {
            return Err(Failure::invalid("routes is NULL, routes_len is not 0"));
        }
        for index in 0..at.routes_len {
            // SAFETY: there are so many, as the caller says, and their pointers are null or name
            // what they say.
            let route = unsafe { at.routes.add(index).read().read(&endpoint) }?;
            endpoint.routes.push(route);
        }
        Ok(endpoint)
    }
}

impl rws_endpoint {
    /// The socket that is given in place of an address.
    fn given(&self) -> Result<Option<Address>, Failure> {
        const SOCKETS: u32 = RWS_ENDPOINT_FD | RWS_ENDPOINT_SHARED | RWS_ENDPOINT_NO_SOCKET;
        const KNOWN: u32 = SOCKETS | RWS_ENDPOINT_DIRECT | RWS_ENDPOINT_LEAST_LOADED;
        if self.flags & !KNOWN != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED.into());
        }
        if self.flags & RWS_ENDPOINT_NO_SOCKET != 0 {
            let bare = self.address.is_null() && self.flags & RWS_ENDPOINT_FD == 0;
            return match bare && self.listen_fd == 0 {
                true => Ok(Some(Address::Nowhere)),
                false => Err(Failure::invalid("a socket beside RWS_ENDPOINT_NO_SOCKET")),
            };
        }
        match (self.flags & RWS_ENDPOINT_FD != 0, self.listen_fd) {
            (true, _) if !self.address.is_null() => {
                Err(Failure::invalid("an address beside RWS_ENDPOINT_FD"))
            }
            (true, number) => Ok(Some(Address::Given(Arc::new(of_number(number)?)))),
            (false, 0) => Ok(None),
            (false, _) => Err(Failure::invalid("listen_fd without RWS_ENDPOINT_FD")),
        }
    }
}

/// Whose web pages may connect; `None` for null.
///
/// # Safety
/// `list` is null or NUL-terminated.
pub(crate) unsafe fn origins(list: *const c_char) -> Result<Option<Origins>, Failure> {
    // SAFETY: as the caller says.
    let list = unsafe { optional(list) }?;
    let origins = list.map(Origins::parse).transpose();
    origins.map_err(|error| Failure::invalid(error.to_string()))
}

/// Whose PROXY headers are believed.
fn proxies(list: Option<&str>, flags: u32) -> Result<Option<Proxies>, Failure> {
    let direct = flags & RWS_ENDPOINT_DIRECT != 0;
    let Some(list) = list else {
        return match direct {
            true => Err(Failure::invalid("RWS_ENDPOINT_DIRECT without proxy_from")),
            false => Ok(None),
        };
    };
    let proxies = Proxies::parse(list);
    let mut proxies = proxies.map_err(|error| Failure::invalid(error.to_string()))?;
    proxies.direct = direct;
    Ok(Some(proxies))
}

fn address(text: &str) -> Result<Address, Failure> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path.is_empty() {
            true => Err(Failure::invalid("\"unix:\" without a path")),
            false => Ok(Address::Unix(path.into())),
        };
    }
    if let Some(name) = text.strip_prefix("systemd:") {
        return Ok(Address::Systemd((!name.is_empty()).then(|| name.into())));
    }
    text.parse().map(Address::Ip).map_err(|_| {
        Failure::invalid(format!(
            "\"{text}\" is no literal IPv4 or IPv6 address, nor unix:/path, nor systemd:name"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |text| address(text).map_err(|failure| failure.status);
        assert!(matches!(parse("127.0.0.1"), Ok(Address::Ip(ip)) if ip.is_ipv4()));
        assert!(matches!(parse("::1"), Ok(Address::Ip(ip)) if ip.is_ipv6()));
        assert!(
            matches!(parse("unix:/run/x"), Ok(Address::Unix(path)) if path.as_os_str() == "/run/x")
        );
        for bad in ["", "localhost", "[::1]", "127.0.0.1:80", "unix:", "/run/x"] {
            assert!(matches!(parse(bad), Err(rws_status::RWS_E_INVALID)), "{bad}");
        }
    }
}
