//! permessage-deflate on one connection, RFC 7692: what is agreed on, and the messages we send.

use super::deflation::{Deflation, Inflation, Own};
use super::outbox::{Head, send_queue_max};
use crate::codec::{Deflater, Inflater};
use crate::conn::carry::CarriedDeflate;
use crate::conn::{Connection, Env, Queued, SendError};
use crate::memory::Outgoing;
use crate::proto::deflate::{self, Agreed, Terms};
use crate::proto::handshake::Request;
use crate::proto::{Opcode, Role};
use bytes::Bytes;

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
        self.deflation = Deflation::with(bits, env.limits);
        if own.is_some() {
            self.rare().own = own;
        }
        self.inbound.allow_compressed(inflation.map(Box::new));
        Some(agreed)
    }

    /// What was agreed on, where the peer may refer back or not.
    pub(in crate::conn) fn carried_deflate(&self, theirs: bool) -> Option<CarriedDeflate> {
        let ours = self.rare.as_ref().is_some_and(|rare| rare.own.is_some());
        let Deflation { bits, .. } = self.deflation;
        (bits != 0).then_some(CarriedDeflate { bits, ours, theirs })
    }

    /// Goes on with what was agreed on elsewhere. What the peer may rely on is there whatever the
    /// budget says; a compressor of its own we can do without.
    pub(in crate::conn) fn compress_on(&mut self, agreed: CarriedDeflate, env: &mut Env<'_>) {
        let mem_level = env.limits.deflate.unwrap_or_default().mem_level;
        let codec = &mut env.tools.codec;
        let inflation = (agreed.theirs || env.limits.stream).then(|| {
            let _share = codec.budget.take_always(Inflater::MEMORY);
            Box::new(Inflation { inflater: None, takeover: agreed.theirs, come: 0, _share })
        });
        if agreed.ours {
            let share = codec.budget.take(Deflater::memory(agreed.bits, mem_level));
            codec.done.refused += u64::from(share.is_none());
            self.rare().own = share.map(|_share| Box::new(Own { deflater: None, _share }));
        }
        self.deflation = Deflation::with(agreed.bits, env.limits);
        self.inbound.allow_compressed(inflation);
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
        self.append_deflated(opcode, payload, env);
        Ok(self.outbox.queued(max))
    }

    /// Appends a whole message, compressed where that is smaller.
    fn append_deflated(&mut self, opcode: Opcode, payload: &[u8], env: &mut Env<'_>) {
        let plain = Head::of(opcode);
        let codec = &mut env.tools.codec;
        let own = self.rare.as_mut().and_then(|rare| rare.own.as_deref_mut());
        match self.deflation.deflate(own, payload, env.limits, codec).map(<[u8]>::len) {
            None => self.outbox.append(plain, payload, env),
            Some(len) => {
                codec.done.deflated += 1;
                codec.done.plain += payload.len() as u64;
                codec.done.saved += payload.len().saturating_sub(len) as u64;
                let scratch = codec.take_scratch();
                let bytes = scratch.get(..len).unwrap_or_default();
                self.outbox.append(Head { rsv1: true, ..plain }, bytes, env);
                env.tools.codec.put_scratch(scratch);
            }
        }
    }

    /// The same of a message made before.
    pub(super) fn append_message_deflated(&mut self, m: &Outgoing, env: &mut Env<'_>) {
        if self.rare.as_ref().is_some_and(|rare| rare.own.is_some()) {
            return self.append_deflated(m.opcode(), m.payload(), env);
        }
        match self.deflated(m, env) {
            Some(smaller) => {
                count_deflated(m, &smaller, env);
                self.outbox.append_message(&smaller, env);
            }
            None => self.outbox.append_message(m, env),
        }
    }

    /// The compressed form of a message made before, which keeps it; `None` if it is not smaller.
    fn deflated(&self, message: &Outgoing, env: &mut Env<'_>) -> Option<Outgoing> {
        let codec = &mut env.tools.codec;
        let payload = message.payload();
        let setting = self.deflation.setting(env.limits).shared(payload.len());
        message.deflated(setting, || {
            codec.deflate(payload, setting).map(|bytes| Bytes::copy_from_slice(bytes).into())
        })
    }

    /// The same of a message made before, which keeps its compressed form.
    #[inline(never)]
    pub(super) fn send_message_deflated(
        &mut self,
        message: &Outgoing,
        env: &mut Env<'_>,
    ) -> Result<Queued, SendError> {
        if self.rare.as_ref().is_some_and(|rare| rare.own.is_some()) {
            return self.send_deflated(message.opcode(), message.payload(), env);
        }
        let Some(smaller) = self.deflated(message, env) else {
            return self.send_made(message, env);
        };
        let queued = self.send_made(&smaller, env)?;
        count_deflated(message, &smaller, env);
        Ok(queued)
    }
}

fn count_deflated(message: &Outgoing, smaller: &Outgoing, env: &mut Env<'_>) {
    let done = &mut env.tools.codec.done;
    done.deflated += 1;
    done.plain += message.payload().len() as u64;
    done.saved += message.payload().len().saturating_sub(smaller.payload().len()) as u64;
}
