//! `rws_options` and `rws_endpoint`: what to listen on, and the limits of its connections.

use crate::callbacks::rws_callbacks;
use crate::constants::*;
use crate::own;
use crate::queue::when_full;
use crate::route::rws_route;
use crate::sized::{self, Sized};
use crate::status::{Failure, rws_status};
use crate::types::{User, optional, rws_tls, string};
use ringws_engine::config::{Address, AddressLimits, Endpoint, SendBuffer};
use ringws_engine::conn::{Deflate, Limits};
use ringws_engine::passed::of_number;
use ringws_engine::proto::{CloseCode, Origins};
use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::sync::Arc;

/// limits of one connection; NULL: all defaults; a timeout of UINT32_MAX: never
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_options {
    /// RWS_INIT
    pub size: u32,
    /// RWS_OPT_*
    pub flags: u32,
    /// bytes of one message, streamed ones too, then 1009; default 1 MiB. RWS_OPT_STREAM and
    /// UINT32_MAX: no limit
    pub message_max: u32,
    /// fragments of one message, streamed ones too, then 1008; default 16 384
    pub fragments_max: u32,
    /// bytes queued, then RWS_FULL; one message of any size may go over it; default 1 MiB
    pub send_queue_max: u32,
    /// bytes of the HTTP head, 512 to 1 MiB, then 431; default 16 KiB
    pub head_max: u32,
    /// From accept to the end of the HTTP head, then 408; of each other request, from its first
    /// byte to the end of its body. Default 10 000
    pub handshake_timeout_ms: u32,
    /// We send a Ping when the peer has been silent for half of it. The connection ends when it
    /// has been silent for all of it, and at least half of it has passed since our Ping was
    /// sent. A peer that makes room for our data is not silent. Between two HTTP requests the
    /// connection ends after all of it. Default 60 000
    pub idle_timeout_ms: u32,
    /// How long to wait for the peer's Close after ours was sent; and, while ours is still
    /// queued, for how long the queue may make no progress. Default 5 000
    pub close_timeout_ms: u32,
    /// with RWS_OPT_DEFLATE: bytes from which messages are compressed, 1: all; default 128
    pub deflate_min: u32,
    /// 1 fast .. 9 small; default 1
    pub deflate_level: u32,
    /// of what we compress, 9..15; default 15
    pub deflate_window_bits: u32,
    /// 1..9, with RWS_OPT_TAKEOVER; default 8
    pub deflate_mem_level: u32,
    /// TCP: bytes that the kernel takes before it can put them on the wire (TCP_NOTSENT_LOWAT).
    /// What is beyond waits in the queue, where rws_buffered and send_queue_max count it; what is
    /// on its way, up to the peer's window, is not in it. Default 1 MiB; 16 to 64 KiB for feeds
    /// whose readers may be slow (a third more CPU time for messages of 1 MiB); UINT32_MAX: no
    /// bound
    pub unsent_max: u32,
    /// TCP: bytes of all that the kernel holds, what the peer has not acknowledged too
    /// (SO_SNDBUF: Linux doubles it, and cuts it to net.core.wmem_max), and so the most that can
    /// be sent in a round trip. Default: the system's, which grows with the connection
    pub kernel_send_max: u32,
    /// bytes of the body of an HTTP request, then 413; default 64 KiB
    pub body_max: u32,
    /// How long a connection may be open: then it is closed with lifetime_code, behind what is
    /// queued, after 90 to 100 % of it, at random, so that not all come back at once. Default:
    /// never
    pub lifetime_max_ms: u32,
    /// as rws_close has it; default RWS_CLOSE_GOING_AWAY
    pub lifetime_code: u32,
    /// A Ping so often, to measure the round trip: rws_rtt_us, RWS_HIST_PING_US. None while one
    /// has no answer. Default: never, so that only silence is asked: idle_timeout_ms
    pub ping_interval_ms: u32,
    /// RWS_WHEN_FULL_*: what becomes of a message that finds the queue full: see Queues
    pub when_full: u32,
    /// The queue counts as full, too, when the oldest message in it has waited for longer;
    /// RWS_WHEN_FULL_DROP_OLDEST, _CLOSE and _ABORT then act without a further message. Default:
    /// never
    pub queue_age_max_ms: u32,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_options {
    const SIZE_MIN: usize = offset_of!(rws_options, fragments_max);
}

impl rws_options {
    /// The engine's limits and the kernel's; the default for null and for each zero.
    ///
    /// # Safety
    /// `from` is null or names an `rws_options` as its `size` says.
    pub(crate) unsafe fn read(from: *const Self) -> Result<(Limits, SendBuffer), rws_status> {
        let (default, kernel) = (Limits::default(), SendBuffer::default());
        if from.is_null() {
            return Ok((default, kernel));
        }
        // SAFETY: not null, so the caller has promised an `rws_options` as its `size` says.
        let options = unsafe { sized::read(from) }?;
        if options.flags & !(RWS_OPT_STREAM | RWS_OPT_DEFLATE | RWS_OPT_TAKEOVER) != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED);
        }
        let or = |value: u32, default: u32| if value == 0 { default } else { value };
        let limits = Limits {
            message_max: or(options.message_max, default.message_max),
            fragments_max: or(options.fragments_max, default.fragments_max),
            send_queue_max: or(options.send_queue_max, default.send_queue_max),
            when_full: when_full(options.when_full)?,
            queue_age_max_ms: or(options.queue_age_max_ms, default.queue_age_max_ms),
            head_max: or(options.head_max, default.head_max),
            handshake_timeout_ms: or(options.handshake_timeout_ms, default.handshake_timeout_ms),
            idle_timeout_ms: or(options.idle_timeout_ms, default.idle_timeout_ms),
            close_timeout_ms: or(options.close_timeout_ms, default.close_timeout_ms),
            lifetime_max_ms: or(options.lifetime_max_ms, default.lifetime_max_ms),
            lifetime_code: match options.lifetime_code {
                0 => default.lifetime_code,
                // What no code can be is refused as one that must not be sent.
                code => CloseCode(u16::try_from(code).unwrap_or(u16::MAX)),
            },
            ping_interval_ms: or(options.ping_interval_ms, default.ping_interval_ms),
            stream: options.flags & RWS_OPT_STREAM != 0,
            deflate: options.deflate(),
            requests: false,
            body_max: or(options.body_max, default.body_max),
        };
        let unsent_max = or(options.unsent_max, kernel.unsent_max);
        Ok((limits, SendBuffer { unsent_max, kernel_send_max: options.kernel_send_max }))
    }
}

impl rws_options {
    /// What to negotiate of permessage-deflate. What does not fit becomes a value out of range.
    fn deflate(&self) -> Option<Deflate> {
        let default = Deflate::default();
        let or = |value: u32, default: u8| match value {
            0 => default,
            value => u8::try_from(value).unwrap_or(u8::MAX),
        };
        (self.flags & RWS_OPT_DEFLATE != 0).then(|| Deflate {
            takeover: self.flags & RWS_OPT_TAKEOVER != 0,
            min: if self.deflate_min == 0 { default.min } else { self.deflate_min },
            level: or(self.deflate_level, default.level),
            window_bits: or(self.deflate_window_bits, default.window_bits),
            mem_level: or(self.deflate_mem_level, default.mem_level),
        })
    }
}

/// what to listen on
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_endpoint {
    /// RWS_INIT
    pub size: u32,
    /// 0: the system chooses
    pub port: u32,
    /// Literal IPv4 / IPv6, or "unix:/path"; NULL: every address. A socket file on which nobody
    /// listens any more is replaced; its mode follows your umask; rws_engine_free removes it.
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
    /// 0
    pub reserved: u32,
    /// Copied: paths that act as endpoints of their own, with limits, origins, callbacks and user
    /// pointer; parameters: rws_request_param. RWS_E_INVALID: no path, or twice the same
    pub routes: *const rws_route,
    /// how many
    pub routes_len: usize,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_endpoint {
    const SIZE_MIN: usize = offset_of!(rws_endpoint, user);
}

impl rws_endpoint {
    /// The engine's endpoint.
    ///
    /// # Safety
    /// `from` is null or names an `rws_endpoint` as its `size` says, whose pointers are null or
    /// name what they say.
    pub(crate) unsafe fn read(from: *const Self) -> Result<Endpoint, Failure> {
        // SAFETY: null, or as their sizes say: the caller has promised it of `from` and of the
        // pointers in it.
        let (at, callbacks, (limits, send_buffer)) = unsafe {
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
        if at.upgrades_burst != 0 && at.upgrades_per_second == 0 {
            return Err(Failure::invalid("upgrades_burst without upgrades_per_second"));
        }
        let per_address = AddressLimits {
            connections_max: at.per_address_max,
            upgrades_per_second: at.upgrades_per_second,
            upgrades_burst: at.upgrades_burst,
        };
        let address = at.given()?.unwrap_or(address);
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
        let mut endpoint = Endpoint {
            address,
            port,
            shared: at.flags & RWS_ENDPOINT_SHARED != 0,
            handler: Arc::new(callbacks),
            limits,
            send_buffer,
            origins,
            per_address,
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
        if self.flags & !(RWS_ENDPOINT_FD | RWS_ENDPOINT_SHARED) != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED.into());
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
    use ringws_engine::conn::WhenFull;

    const ZERO: rws_options = rws_options {
        size: 0,
        flags: 0,
        message_max: 0,
        fragments_max: 0,
        send_queue_max: 0,
        head_max: 0,
        handshake_timeout_ms: 0,
        idle_timeout_ms: 0,
        close_timeout_ms: 0,
        deflate_min: 0,
        deflate_level: 0,
        deflate_window_bits: 0,
        deflate_mem_level: 0,
        unsent_max: 0,
        kernel_send_max: 0,
        body_max: 0,
        lifetime_max_ms: 0,
        lifetime_code: 0,
        ping_interval_ms: 0,
        when_full: 0,
        queue_age_max_ms: 0,
    };

    /// What the comments above say.
    #[test]
    fn defaults() {
        // SAFETY: null is allowed.
        let (limits, kernel) = unsafe { rws_options::read(std::ptr::null()) }.unwrap();
        assert_eq!((kernel.unsent_max, kernel.kernel_send_max), (1 << 20, 0));
        assert_eq!((limits.message_max, limits.fragments_max), (1 << 20, 16_384));
        assert_eq!((limits.send_queue_max, limits.head_max), (1 << 20, 16 << 10));
        assert_eq!((limits.handshake_timeout_ms, limits.idle_timeout_ms), (10_000, 60_000));
        assert_eq!((limits.close_timeout_ms, limits.stream), (5_000, false));
        assert_eq!((limits.body_max, limits.requests), (64 << 10, false));
        assert_eq!((limits.lifetime_max_ms, limits.ping_interval_ms), (u32::MAX, u32::MAX));
        assert_eq!((limits.lifetime_code.0, limits.deflate), (1001, None));
        assert_eq!((limits.when_full, limits.queue_age_max_ms), (WhenFull::Refuse, u32::MAX));
        let mut options = rws_options { size: size_of::<rws_options>() as u32, ..ZERO };
        options.flags = RWS_OPT_DEFLATE;
        // SAFETY: a struct as its size says.
        let read = |options: &rws_options| unsafe { rws_options::read(options) }.unwrap();
        let deflate = read(&options).0.deflate.unwrap();
        assert_eq!((deflate.takeover, deflate.min, deflate.level), (false, 128, 1));
        assert_eq!((deflate.window_bits, deflate.mem_level), (15, 8));
        options.flags |= RWS_OPT_TAKEOVER;
        (options.unsent_max, options.kernel_send_max) = (u32::MAX, 1 << 20);
        let bounds = SendBuffer { unsent_max: u32::MAX, kernel_send_max: 1 << 20 };
        assert_eq!(read(&options).1, bounds);
        for (code, fits) in [(4_000, true), (1_005, false), (65_536 + 1_000, false)] {
            options.lifetime_code = code;
            assert_eq!(read(&options).0.check().is_ok(), fits, "{code}");
        }
        options.lifetime_code = 0;
        options.when_full = RWS_WHEN_FULL_ABORT;
        assert_eq!(read(&options).0.when_full, WhenFull::Abort);
        options.deflate_window_bits = 256;
        assert!(read(&options).0.deflate.unwrap().takeover);
        assert!(read(&options).0.check().is_err());
    }

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
