//! The limits of one connection. Safe on the open internet by default.

use crate::proto::CloseCode;
use crate::proto::deflate::Terms;

/// Limits and modes, shared by all connections of an endpoint. A timeout of `u32::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message; more is answered with 1009, as soon as they are declared. Default
    /// 1 MiB. 0 is as much as 2^32 - 1, and with `stream` both mean no limit: such a message need
    /// not fit anywhere.
    pub message_max: u32,
    /// Fragments of one message, empty ones too; more is answered with 1008. Default 16,384.
    pub fragments_max: u32,
    /// Bytes queued to be sent, headers too, before `FULL`. Default 1 MiB.
    pub send_queue_max: u32,
    /// What becomes of a message for which there is no room. Default: it is refused.
    pub when_full: WhenFull,
    /// For how long a message may wait in the queue; when the oldest one has for longer, the queue
    /// counts as full. Default `u32::MAX`, for as long as it takes.
    pub queue_age_max_ms: u32,
    /// Bytes of the HTTP head; more is answered with 431. Default 16 KiB.
    pub head_max: u32,
    /// From accept to the end of the HTTP head, and of each further request on the connection from
    /// its first byte to the end of its body; then 408. Default 10,000 ms.
    pub handshake_timeout_ms: u32,
    /// A Ping after half of it without a sign of life, the end after all of it, but not before half
    /// of it has passed since the Ping has left. While reading is stopped: for progress of what is
    /// being sent, and to read what a peer that has ended has left. Between two HTTP requests: the
    /// end. Default 60,000 ms.
    pub idle_timeout_ms: u32,
    /// For the peer's part of the closing handshake, since our Close has left; before that, without
    /// progress of what is queued. Default 5,000 ms.
    pub close_timeout_ms: u32,
    /// How long a connection may be open: then Close with `lifetime_code`, so that peers spread
    /// over machines that were added, and certificates and rights are looked at anew. Between 90
    /// and 100 % of it, at random, so that not all come back at once. Default never.
    pub lifetime_max_ms: u32,
    /// With what. Default 1001.
    pub lifetime_code: CloseCode,
    /// A Ping so often, also to a peer that is heard of, to measure the round trip. Default never:
    /// then only silence is asked.
    pub ping_interval_ms: u32,
    /// Deliver data as it comes instead of whole messages. Nothing is copied and memory does not
    /// grow with a message. Text is checked too, but a part may end inside a character.
    pub stream: bool,
    /// Negotiate permessage-deflate (RFC 7692). Default off.
    pub deflate: Option<Deflate>,
    /// HTTP requests that are no upgrade are read, and handed to the application. Default off: they
    /// are answered with 426.
    pub requests: bool,
    /// Bytes of the body of such a request; more is answered with 413. Default 64 KiB.
    pub body_max: u32,
}

impl Limits {
    /// The payload bytes that the frames of one message may declare in all.
    #[inline]
    pub(super) const fn message_bytes(&self) -> u64 {
        match (self.message_max, self.stream) {
            (0 | u32::MAX, true) => u64::MAX,
            (0, false) => u32::MAX as u64,
            (max, _) => max as u64,
        }
    }

    /// The same for frames of a compressed message: what does not get smaller may get a little
    /// larger.
    pub(super) const fn compressed_bytes(&self) -> u64 {
        let max = self.message_bytes();
        max.saturating_add(max >> 8).saturating_add(64)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_max: 1 << 20,
            fragments_max: 16_384,
            send_queue_max: 1 << 20,
            when_full: WhenFull::Refuse,
            queue_age_max_ms: u32::MAX,
            head_max: 16 << 10,
            handshake_timeout_ms: 10_000,
            idle_timeout_ms: 60_000,
            close_timeout_ms: 5_000,
            lifetime_max_ms: u32::MAX,
            lifetime_code: CloseCode::GOING_AWAY,
            ping_interval_ms: u32::MAX,
            stream: false,
            deflate: None,
            requests: false,
            body_max: 64 << 10,
        }
    }
}

impl Limits {
    /// Whether each value is in its range.
    ///
    /// # Errors
    /// The name of the first that is not, and its range.
    pub fn check(&self) -> Result<(), &'static str> {
        let timeouts = [self.handshake_timeout_ms, self.idle_timeout_ms, self.close_timeout_ms];
        if self.message_max == 0 || self.send_queue_max == 0 || self.fragments_max == 0 {
            return Err("message_max, send_queue_max and fragments_max: at least 1");
        }
        if !(512..=1 << 20).contains(&self.head_max) {
            return Err("head_max: from 512 bytes to 1 MiB");
        }
        if !self.lifetime_code.is_sendable() {
            return Err("lifetime_code: a code that a Close frame may have");
        }
        let more = [&self.lifetime_max_ms, &self.ping_interval_ms, &self.queue_age_max_ms];
        let timeouts = timeouts.iter().chain(more);
        if timeouts.clone().any(|timeout| *timeout == 0) {
            return Err("timeouts: at least 1 ms; 4,294,967,295 turns one off");
        }
        if let Some(deflate) = &self.deflate {
            deflate.check()?;
        }
        Ok(())
    }
}

/// What becomes of a whole message of data that finds the send queue full: over `send_queue_max`,
/// or with a message in it that has waited for longer than `queue_age_max_ms`. Fragments and
/// control frames are refused where a message would be dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It is refused, and `on_drain` tells when there is room.
    #[default]
    Refuse,
    /// It is dropped.
    DropNewest,
    /// The oldest ones are dropped that have not begun to leave, until there is room for it, or
    /// none of them is left. Those that have waited for too long are dropped without it, too.
    DropOldest,
    /// The connection is closed with 1013, behind what is queued.
    Close,
    /// The connection is ended without a closing handshake, and what is queued is dropped.
    Abort,
}

/// What one connection has of its own in the place of its endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePolicy {
    /// See [`Limits::when_full`].
    pub when_full: WhenFull,
    /// See [`Limits::send_queue_max`]; `None`: the endpoint's.
    pub send_queue_max: Option<u32>,
    /// See [`Limits::queue_age_max_ms`]; `None`: the endpoint's.
    pub queue_age_max_ms: Option<u32>,
}

impl QueuePolicy {
    /// The limits of an endpoint, with what the connection has of its own.
    pub(super) fn over(&self, limits: &Limits) -> Limits {
        Limits {
            when_full: self.when_full,
            send_queue_max: self.send_queue_max.unwrap_or(limits.send_queue_max),
            queue_age_max_ms: self.queue_age_max_ms.unwrap_or(limits.queue_age_max_ms),
            ..*limits
        }
    }
}

/// How to compress, and what of it to agree to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// Each connection has a compressor and an inflater of its own, which remember earlier
    /// messages: better compression for hundreds of KiB of memory. Past the budget of the reactor,
    /// and without this, all connections of a reactor share theirs. Default off.
    pub takeover: bool,
    /// Bytes from which messages are compressed. Default 128.
    pub min: u32,
    /// From 1, fast, to 9, small. Default 1.
    pub level: u8,
    /// The largest window of what we compress, in bits, from 9 to 15. Default 15.
    pub window_bits: u8,
    /// With takeover: from 1 to 9, how much of a message is looked at as one block. Default 8.
    pub mem_level: u8,
}

impl Default for Deflate {
    fn default() -> Self {
        Self { takeover: false, min: 128, level: 1, window_bits: 15, mem_level: 8 }
    }
}

impl Deflate {
    /// Whether each value is in its range.
    fn check(&self) -> Result<(), &'static str> {
        if !(1..=9).contains(&self.level) || !(1..=9).contains(&self.mem_level) {
            return Err("deflate level and memory level: from 1 to 9");
        }
        match (9..=15).contains(&self.window_bits) {
            true => Ok(()),
            false => Err("deflate window: from 9 to 15 bits"),
        }
    }

    /// What to agree to.
    pub fn terms(&self) -> Terms {
        Terms { takeover: self.takeover, bits: self.window_bits }
    }
}
