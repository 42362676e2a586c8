//! permessage-deflate on one connection, RFC 7692: what was agreed on, and the messages we send.

use super::outbox::{Head, send_queue_max};
use crate::codec::{Deflater, Inflater, Setting, Share};
use crate::conn::{Connection, Env, Limits, Queued, SendError};
use crate::memory::Outgoing;
use crate::proto::deflate::{self, Agreed, Terms};
use crate::proto::handshake::Request;
use crate::proto::{Opcode, Role};
use bytes::Bytes;

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
    pub(in crate::conn) fn check(&self) -> Result<(), &'static str> {
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

/// The sending direction of a connection.
#[derive(Debug)]
pub(in crate::conn) struct Deflation {
    /// Whole messages from here on are compressed. `u32::MAX` when nothing is.
    pub(super) min: u32,
    /// The window of what we compress, in bits.
    bits: u8,
    own: Option<Box<Own>>,
}

/// A compressor of the connection's own.
#[derive(Debug)]
struct Own {
    /// Made with the first message.
    deflater: Option<Deflater>,
    _share: Share,
}

/// An inflater of the connection's own.
#[derive(Debug)]
pub(in crate::conn) struct Inflation {
    /// Made with the first message.
    pub(in crate::conn) inflater: Option<Inflater>,
    /// It remembers earlier messages.
    pub(in crate::conn) takeover: bool,
    /// Bytes of the message in progress, inflated.
    pub(in crate::conn) come: u64,
    _share: Share,
}

impl Deflation {
    /// Nothing is compressed.
    pub(in crate::conn) const OFF: Self =
        Self { min: u32::MAX, bits: deflate::BITS_MAX, own: None };

    /// Whether a message of so many bytes is compressed.
    #[inline]
    pub(super) fn suits(&self, len: usize) -> bool {
        len >= self.min as usize
    }

    fn setting(&self, limits: &Limits) -> Setting {
        Setting { level: limits.deflate.unwrap_or_default().level, bits: self.bits }
    }

    /// A message compressed; `None` when it is better sent as it is.
    fn deflate<'c>(
        &mut self,
        payload: &[u8],
        limits: &Limits,
        codec: &'c mut crate::codec::Codec,
    ) -> Option<&'c [u8]> {
        let setting = self.setting(limits);
        let Some(own) = &mut self.own else { return codec.deflate(payload, setting) };
        let mem_level = limits.deflate.unwrap_or_default().mem_level;
        let deflater = own.deflater.get_or_insert_with(|| Deflater::new(setting, mem_level));
        // It has seen the message, so the peer must see it too, even if it is not smaller.
        Some(codec.deflate_by(deflater, payload))
    }
}

impl Connection {
    /// Negotiates as a server, before the answer is sent.
    pub(in crate::conn) fn negotiate(
        &mut self,
        request: &Request<'_>,
        env: &mut Env<'_>,
    ) -> Option<Agreed> {
        let terms = env.limits.deflate?.terms();
        let values = request
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case(deflate::FIELD))
            .map(|(_, value)| value);
        let agreed = deflate::accept(values, &terms)?;
        self.take_up(agreed, Role::Server, env)
    }

    /// What a client offers: less where the budget is spent.
    pub(in crate::conn) fn offered(&self, env: &Env<'_>) -> Option<Terms> {
        let terms = env.limits.deflate?.terms();
        let left = env.tools.codec.budget.take(Inflater::MEMORY).is_some();
        match left {
            true => Some(terms),
            false if env.limits.stream => None,
            false => Some(Terms { takeover: false, ..terms }),
        }
    }

    /// Compresses from now on as was agreed, or with less of a memory where the budget is spent:
    /// a server may still say so, and its answer is what this returns. `None` means that the
    /// connection cannot follow: a server declines, a client has to fail.
    pub(crate) fn take_up(
        &mut self,
        mut agreed: Agreed,
        role: Role,
        env: &mut Env<'_>,
    ) -> Option<Agreed> {
        let wanted = env.limits.deflate?;
        let stream = env.limits.stream;
        let (ours, theirs) = match role {
            Role::Server => (&mut agreed.server, &mut agreed.client),
            Role::Client => (&mut agreed.client, &mut agreed.server),
        };
        let codec = &mut env.tools.codec;
        let mut inflation = None;
        if theirs.takeover || stream {
            match codec.budget.take(Inflater::MEMORY) {
                Some(share) => {
                    let takeover = theirs.takeover;
                    inflation =
                        Some(Inflation { inflater: None, takeover, come: 0, _share: share });
                }
                None => {
                    codec.done.refused += 1;
                    if stream || role == Role::Client {
                        return None;
                    }
                    (ours.takeover, theirs.takeover) = (false, false);
                }
            }
        }
        let bits = ours.bits.unwrap_or(deflate::BITS_MAX).min(wanted.window_bits);
        let mut own = None;
        if ours.takeover {
            let share = codec.budget.take(Deflater::memory(bits, wanted.mem_level));
            ours.takeover = share.is_some();
            codec.done.refused += u64::from(share.is_none());
            own = share.map(|share| Box::new(Own { deflater: None, _share: share }));
        }
        // u32::MAX is off.
        self.deflation = Deflation { min: wanted.min.min(u32::MAX - 1), bits, own };
        self.inbound.allow_compressed(inflation.map(Box::new));
        Some(agreed)
    }

    /// Queues a whole message, compressed where that is smaller.
    #[inline(never)]
    pub(super) fn send_deflated(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        let max = send_queue_max(env);
        self.outbox.admit(opcode, payload.len(), true, max)?;
        self.outbox.check(opcode, payload, true)?;
        let plain = Head::of(opcode);
        let codec = &mut env.tools.codec;
        match self.deflation.deflate(payload, env.limits, codec).map(<[u8]>::len) {
            None => self.outbox.append(plain, payload, env),
            Some(len) => {
                codec.done.deflated += 1;
                codec.done.saved += payload.len().saturating_sub(len) as u64;
                let scratch = codec.take_scratch();
                let bytes = scratch.get(..len).unwrap_or_default();
                self.outbox.append(Head { rsv1: true, ..plain }, bytes, env);
                env.tools.codec.put_scratch(scratch);
            }
        }
        Ok(self.outbox.queued(max))
    }

    /// The same of a message made before, which keeps its compressed form.
    #[inline(never)]
    pub(super) fn send_message_deflated(
        &mut self,
        message: &Outgoing,
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        if self.deflation.own.is_some() {
            return self.send_deflated(message.opcode(), message.payload(), env);
        }
        let codec = &mut env.tools.codec;
        let payload = message.payload();
        let setting = self.deflation.setting(env.limits).shared(payload.len());
        let deflated = message.deflated(setting, || {
            codec.deflate(payload, setting).map(|bytes| Bytes::copy_from_slice(bytes).into())
        });
        let Some(smaller) = deflated else {
            return self.send_made(message, env);
        };
        let queued = self.send_made(&smaller, env)?;
        let done = &mut env.tools.codec.done;
        done.deflated += 1;
        done.saved += payload.len().saturating_sub(smaller.payload().len()) as u64;
        Ok(queued)
    }
}
