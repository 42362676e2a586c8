//! `rws_options`: the limits of one connection, and what the kernel is told of its socket.

use crate::constants::{RWS_OPT_DEFLATE, RWS_OPT_STREAM, RWS_OPT_TAKEOVER};
use crate::queue::when_full;
use crate::sized::{self, Sized};
use crate::status::rws_status;
use ringws_engine::config::SocketOptions;
use ringws_engine::conn::{Deflate, Limits};
use ringws_engine::proto::CloseCode;
use std::mem::offset_of;

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
    /// byte to the end of its body. With rws_upgrade_later or rws_request_later: to the answer,
    /// then 503. Default 10 000
    pub handshake_timeout_ms: u32,
    /// We send a Ping when the peer has been silent for half of it. The connection ends when it
    /// has been silent for all of it, and at least half of it has passed since our Ping was
    /// sent. A peer that takes some of our data is not silent, however slowly it reads; of what
    /// its own system has taken, nobody knows whether it was read. Between two HTTP requests
    /// the connection ends after all of it. Default 60 000
    pub idle_timeout_ms: u32,
    /// How long to wait for the peer's Close after ours was sent; and, while ours is still
    /// queued, here or in the kernel, for how long the peer may take nothing. Default 5 000
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
    /// TCP: the kernel asks a silent peer for a sign of life after so long, and twice more; who is
    /// gone ends the connection after three times as long, with RWS_E_SYSTEM and ETIMEDOUT, or
    /// EPIPE where a send was under way. At most 32 767; default: not, since idle_timeout_ms does
    /// it with Pings
    pub keepalive_s: u32,
    /// TCP: for so long the peer may leave what was sent unacknowledged, or keep its window shut,
    /// before the kernel ends the connection, with RWS_E_SYSTEM and ETIMEDOUT, or EPIPE where a
    /// send was under way (TCP_USER_TIMEOUT). Default: the system's, some 15 minutes
    pub user_timeout_ms: u32,
    /// TCP: the kernel polls the network card for so long (SO_BUSY_POLL). More than
    /// net.core.busy_read takes CAP_NET_ADMIN: RWS_E_INVALID. Default: the system's
    pub busy_poll_us: u32,
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
    pub(crate) unsafe fn read(from: *const Self) -> Result<(Limits, SocketOptions), rws_status> {
        let (default, kernel) = (Limits::default(), SocketOptions::default());
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
        let socket_options = SocketOptions {
            unsent_max,
            kernel_send_max: options.kernel_send_max,
            keepalive_s: options.keepalive_s,
            user_timeout_ms: options.user_timeout_ms,
            busy_poll_us: options.busy_poll_us,
        };
        Ok((limits, socket_options))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constants::RWS_WHEN_FULL_ABORT;
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
        keepalive_s: 0,
        user_timeout_ms: 0,
        busy_poll_us: 0,
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
        let bounds = SocketOptions {
            unsent_max: u32::MAX,
            kernel_send_max: 1 << 20,
            ..SocketOptions::default()
        };
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
}
