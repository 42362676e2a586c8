//! Connections that we make: name, address, socket, proxy, request. Attempts at several addresses
//! are made as RFC 8305 says: by turns of the families, and not one after the other's timeout.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::{Connection, Env};
use crate::proto::Origins;
use crate::reactor::api::contract::Context;
use crate::reactor::api::contract::Mail;
use crate::reactor::api::contract::Target;
use crate::reactor::api::setup::Served;
use crate::reactor::client::dials::{Dial, Stage};
use crate::reactor::client::greet::greet;
use crate::reactor::client::refusal::{ConnectError, TargetError};
use crate::reactor::core::addresses::AddressLimits;
use crate::reactor::core::key;
use crate::reactor::core::labels::HANDSHAKING;
use crate::reactor::core::mail::Found;
use crate::reactor::core::name::{CallError, DialId};
use crate::reactor::core::slab::NO_SLOT;
use crate::reactor::state::Reactor;
use crate::ring::{Errno, Kernel, Socket, Token};
use crate::tick::Tick;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// How long an address has before the next is tried beside it (RFC 8305 §5).
const ATTEMPT_DELAY_MS: u64 = 250;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 32;

impl<K: Kernel> Reactor<K> {
    /// Begins what was asked for, goes on with the names that were found, and ends what was given
    /// up; whatever a callback asks for meanwhile, too.
    pub(crate) fn run_dials(&mut self) {
        while self.ctx.dials.are_due() {
            while let Some((name, target)) = self.ctx.dials.wanted.pop_front() {
                self.begin_dial(name, target);
            }
            while let Some((name, found)) = self.ctx.dials.found.pop() {
                if self.ctx.dials.is_resolving(name) {
                    self.found(name.slot, found);
                }
            }
            while let Some(name) = self.ctx.dials.cancels.pop() {
                self.cancel_dial(name);
            }
        }
    }

    fn begin_dial(&mut self, name: DialId, target: Arc<Target>) {
        let served = Served {
            handler: Arc::clone(&target.handler),
            limits: target.limits,
            origins: Origins::Same,
            per_address: AddressLimits::default(),
            door: None,
            proxies: None,
            routes: None,
            tls: None,
            user: target.user,
        };
        let endpoint = self.endpoints.insert(&mut self.ctx, served);
        let index = self.ctx.dials.insert(Dial {
            name,
            target,
            endpoint,
            stage: Stage::Waiting,
            timer: None,
            deadline: 0,
            failures: 0,
            errno: None,
            cancelled: false,
        });
        self.try_dial(index);
    }

    /// From the name on.
    pub(crate) fn try_dial(&mut self, index: u32) {
        if self.ctx.closing {
            return self.refuse_dial(index, &ConnectError::Stopped);
        }
        if !self.has_room() {
            return self.refuse_dial(index, &ConnectError::Full);
        }
        let now = self.ctx.now;
        let dial = self.ctx.dials.at(index);
        let target = Arc::clone(&dial.target);
        dial.deadline = now.saturating_add(match target.connect_timeout_ms {
            u32::MAX => u64::MAX >> 1,
            ms => u64::from(ms),
        });
        dial.errno = None;
        dial.stage = Stage::Resolving;
        let (host, port) = target.dialled();
        match host.to_query() {
            Err(ip) => self.found(index, Ok(vec![SocketAddr::new(ip, port)])),
            Ok(name) => {
                self.schedule_dial(index);
                let (name_of, handle) = (self.ctx.dials.name(index), self.ctx.post.handle.clone());
                let reactor = self.ctx.index as usize;
                let found = move |found| {
                    // A reactor that has ended wants no answer; one whose mailbox is full gives up
                    // at the deadline.
                    let _ = handle.put(reactor, Mail::Resolved { dial: name_of, found });
                };
                if self.resolver.resolve(&name, port, Box::new(found)).is_err() {
                    self.refuse_dial(index, &ConnectError::ResolverBusy);
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        self.ctx.slab.room() > self.ctx.dials.attempts()
    }

    fn found(&mut self, index: u32, found: Found) {
        match found {
            Ok(addresses) if !addresses.is_empty() => {
                let (left, out) = (interleave(addresses), Vec::new());
                self.ctx.dials.at(index).stage = Stage::Connecting { left, out, next: 0 };
                self.next_attempt(index);
            }
            Ok(_) => self.refuse_dial(index, &ConnectError::Name("no address".into())),
            Err(text) => self.refuse_dial(index, &ConnectError::Name(text)),
        }
    }

    /// Tries the next address, beside those being tried.
    fn next_attempt(&mut self, index: u32) {
        let next_at = self.ctx.now + ATTEMPT_DELAY_MS;
        let dial = self.ctx.dials.at(index);
        let Stage::Connecting { left, next, .. } = &mut dial.stage else { return };
        let Some(to) = left.pop_front() else { return };
        *next = if left.is_empty() { Tick::MAX } else { next_at };
        let socket_options = dial.target.socket_options;
        let attempt = self.ctx.dials.begin_attempt(index, to);
        if let Stage::Connecting { out, .. } = &mut self.ctx.dials.at(index).stage {
            out.push(attempt);
        }
        self.kernel.connect(attempt, to, socket_options);
        self.schedule_dial(index);
    }

    /// An attempt has ended.
    pub(crate) fn connected(&mut self, attempt: Token, result: Result<Socket, Errno>) {
        let Some((index, to)) = self.ctx.dials.end_attempt(attempt) else {
            // Another was faster, or it was too late.
            if let Ok(socket) = result {
                self.kernel.close(socket, NO_SLOT);
            }
            return;
        };
        let dial = self.ctx.dials.at(index);
        let Stage::Connecting { out, left, .. } = &mut dial.stage else { return };
        out.retain(|other| *other != attempt);
        match result {
            Ok(socket) => self.enter(index, socket, to),
            Err(errno) => {
                let idle = out.is_empty();
                dial.errno = Some(errno);
                if !left.is_empty() {
                    self.next_attempt(index);
                } else if idle {
                    self.refuse_dial(index, &ConnectError::Transport(errno));
                }
            }
        }
    }

    /// A connected socket becomes a connection.
    fn enter(&mut self, index: u32, socket: Socket, to: SocketAddr) {
        self.cancel_attempts(index);
        let ctx = &mut self.ctx;
        let dial = ctx.dials.at(index);
        let (target, endpoint) = (Arc::clone(&dial.target), dial.endpoint);
        let limits = ctx.limits.of(endpoint);
        let (pool, tools) = (&mut ctx.pool, &mut ctx.tools);
        let mut env = Env { now: ctx.served.now, limits, pool, tools, copied: &mut 0 };
        let conn = match &target.proxy {
            Some(proxy) => Connection::tunnel(&proxy.request(&target.url), &mut env),
            None => Connection::unasked(env.now),
        };
        let Some((slot_index, slot)) = ctx.slab.insert(conn, socket, endpoint) else {
            self.kernel.close(socket, NO_SLOT);
            return self.refuse_dial(index, &ConnectError::Full);
        };
        slot.user = target.user;
        slot.peer = Some(to).into();
        slot.rare().dial = index;
        ctx.dials.at(index).stage = Stage::Up(slot_index);
        ctx.counters.connections.add(1);
        ctx.counters.connections_by_state.count(HANDSHAKING);
        ctx.counters.connected.add(1);
        ctx.mark_dirty(slot_index);
        if target.proxy.is_none() {
            greet(ctx, slot_index);
        }
        if self.ctx.slab.is_full() {
            self.disarm_listeners();
        }
    }

    /// The attempts that are out are not wanted any more.
    pub(crate) fn cancel_attempts(&mut self, index: u32) {
        let dial = self.ctx.dials.at(index);
        let Stage::Connecting { out, .. } = &mut dial.stage else { return };
        for attempt in std::mem::take(out) {
            self.ctx.dials.disown_attempt(attempt);
            self.kernel.cancel_connect(attempt);
        }
    }

    /// Sees to it that the dial is looked at when something is due.
    fn schedule_dial(&mut self, index: u32) {
        let dial = self.ctx.dials.at(index);
        let due = match dial.stage {
            Stage::Connecting { next, .. } => dial.deadline.min(next),
            _ => dial.deadline,
        };
        self.wake_dial(index, due);
    }

    pub(crate) fn wake_dial(&mut self, index: u32, due: Tick) {
        let node = self.ctx.wheel.insert(due, key::of_dial(index));
        if let Some(old) = self.ctx.dials.at(index).timer.replace(node) {
            self.ctx.wheel.remove(old);
        }
    }

    /// A dial's node on the wheel has fired.
    pub(crate) fn dial_due(&mut self, index: u32) {
        let now = self.ctx.now;
        let dial = self.ctx.dials.at(index);
        dial.timer = None;
        match &dial.stage {
            Stage::Waiting => self.try_dial(index),
            Stage::Up(slot) => {
                // Behind the proxy nothing has come in time.
                let slot = *slot;
                let late = self.ctx.slab.at(slot);
                late.set_errno(Errno::TIMEDOUT);
                late.abort = true;
                late.ends_by = crate::reactor::core::slab::EndsBy::Receiving;
                self.ctx.mark_dirty(slot);
            }
            _ if dial.deadline <= now => {
                self.refuse_dial(index, &ConnectError::TimedOut);
            }
            Stage::Connecting { next, .. } if *next <= now => self.next_attempt(index),
            Stage::Connecting { .. } | Stage::Resolving => self.schedule_dial(index),
        }
    }
}

impl Context {
    /// Connects to a server, on this reactor unless the target names another. `on_open` or
    /// `on_refused` follows, when this callback has returned.
    ///
    /// # Errors
    /// As [`Handle::connect`](crate::reactor::Handle::connect).
    pub fn connect(&mut self, mut target: Target) -> Result<DialId, TargetError> {
        if target.reactor.is_some_and(|reactor| reactor != self.index) {
            return self.post.handle.connect(target);
        }
        target.check()?;
        let name = self.post.handle.name_dial(self.index);
        self.dials.wanted.push_back((name, Arc::new(target)));
        Ok(name)
    }

    /// Gives a connect up. `on_refused` follows, when this callback has returned.
    ///
    /// # Errors
    /// As [`Handle::cancel_connect`](crate::reactor::Handle::cancel_connect); and
    /// [`CallError::Gone`] for what is over, if it was this reactor's.
    pub fn cancel_connect(&mut self, dial: DialId) -> Result<(), CallError> {
        if dial.reactor() != self.index {
            return self.post.handle.cancel_connect(dial);
        }
        let wanted = || self.dials.wanted.iter().any(|(name, _)| *name == dial);
        if self.dials.place(dial).is_none() && !wanted() {
            return Err(CallError::Gone);
        }
        self.dials.cancels.push(dial);
        Ok(())
    }
}

/// By turns of the families, that of the first address first (RFC 8305 §4).
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (ours, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|at| at.is_ipv6() == first);
    let (mut ours, mut others) = (ours.into_iter(), others.into_iter());
    let mut turns = VecDeque::new();
    loop {
        let before = turns.len();
        turns.extend(ours.next());
        turns.extend(others.next());
        if turns.len() == before || turns.len() >= ADDRESSES_MAX {
            return turns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let (a6, b6, c6) = (at("[::1]:1"), at("[::2]:1"), at("[::3]:1"));
        let (a4, b4) = (at("1.1.1.1:1"), at("1.1.1.2:1"));
        assert_eq!(interleave(vec![a6, b6, c6, a4, b4]), [a6, a4, b6, b4, c6]);
        assert_eq!(interleave(vec![a4, a6, b6]), [a4, a6, b6]);
        assert_eq!(interleave(vec![a6; 100]).len(), ADDRESSES_MAX);
        assert_eq!(interleave(Vec::new()).len(), 0);
    }
}
