//! Connections that come from other threads, of the application or of other reactors, and those
//! that leave for another reactor.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::api::call::{handle_of, with_env};
use crate::reactor::api::contract::{Job, Mail};
use crate::reactor::core::adopt::{Adoptee, Arrival, Coming, Given, Lost, Passage};
use crate::reactor::core::loads::Promise;
use crate::reactor::core::name::CallError;
use crate::reactor::deliver::deliver::park;
#[cfg(feature = "tls")]
use crate::reactor::deliver::tls::put_aside;
use crate::reactor::state::Reactor;
use crate::ring::{Errno, Kernel, Socket};
use std::os::fd::OwnedFd;

impl<K: Kernel> Reactor<K> {
    /// Whether one that has come by mail may have its place in the ring: there is a slot for it,
    /// too. Until then it waits, as in a backlog.
    fn may_adopt(&self) -> bool {
        let coming = self.passing.len() + self.listeners.held.len();
        self.ctx.slab.room() > coming && self.kernel.room() > 0
    }

    /// Whether there is one that could go on.
    pub(crate) fn adoptees_are_due(&self) -> bool {
        !self.ctx.adoptees.is_empty() && (self.may_adopt() || !self.hears())
    }

    /// Lets those go on for whom there is room.
    pub(crate) fn run_adoptees(&mut self) {
        self.run_moves();
        while self.adoptees_are_due()
            && let Some(adoptee) = self.ctx.adoptees.pop_front()
        {
            let Adoptee { socket, socket_options, coming } = *adoptee;
            if !self.hears() {
                drop(socket);
                self.reject(coming);
                continue;
            }
            let name = self.passing.insert(Passage::In(coming));
            self.kernel.adopt(name.slot, socket, socket_options);
        }
    }

    /// Its socket is in the ring, or will not be.
    pub(crate) fn adopted(&mut self, name: u32, result: Result<Socket, Errno>) {
        let Some(passage) = self.passing.remove(name) else { return };
        let coming = passage.coming();
        match result {
            Ok(socket) => self.listeners.held.push_back(Arrival { socket, coming }),
            Err(_) => self.reject(coming),
        }
        self.arm_listeners();
    }

    /// Sends one that was accepted here to a reactor that has fewer.
    pub(crate) fn send_over(&mut self, arrival: Arrival<Job>, promise: Promise) {
        let socket = arrival.socket;
        let name = self.passing.insert(Passage::Out(arrival, promise));
        self.kernel.take_out(socket, name.slot);
    }

    /// Its socket has left the ring. Where that, or the mail, fails it is served here.
    pub(crate) fn taken_out(&mut self, name: u32, result: Result<OwnedFd, Errno>) {
        let (arrival, promise) = match self.passing.remove(name) {
            Some(Passage::Out(arrival, promise)) => (arrival, promise),
            Some(Passage::Away(arrival)) => return self.went_away(arrival, result),
            _ => return,
        };
        match result {
            Ok(socket) => self.mail_over(socket, arrival.coming, promise),
            Err(_) => {
                let coming = lost(arrival.coming, Lost::Short);
                self.listeners.held.push_back(Arrival { coming, ..arrival });
            }
        }
        self.arm_listeners();
    }

    fn mail_over(&mut self, socket: OwnedFd, mut coming: Coming<Job>, promise: Promise) {
        let to = promise.reactor();
        coming.promise = Some(promise);
        let engine = self.ctx.engine().clone();
        let Some(mailbox) = engine.0.mailboxes.get(to as usize) else { return };
        // It has its options from the listening socket.
        let adoptee = Box::new(Adoptee { socket, socket_options: None, coming });
        let weight = Mail::weight_with(adoptee.coming.early_len());
        match mailbox.offer(adoptee, weight, Mail::Adopt) {
            Ok(wake) => {
                self.ctx.counters.handed_over.add(1);
                self.ctx.post.to_wake.extend(wake.then_some(to));
            }
            Err((error, mut adoptee)) => {
                let why = if error == CallError::Stopped { Lost::Ended } else { Lost::Short };
                adoptee.coming.promise = None;
                adoptee.coming = lost(adoptee.coming, why);
                self.ctx.adoptees.push_back(adoptee);
            }
        }
    }

    /// A connection with a slot begins as the application has said.
    pub(crate) fn begin_given(&mut self, index: u32, mut given: Box<Given<Job>>) {
        if let Some(moved) = &mut given.moved {
            self.goes_on(index, moved);
        }
        if let Some(carried) = given.carried.take() {
            return self.begin_carried(index, *carried);
        }
        let came = given.moved.as_ref().is_none_or(|moved| moved.lost.is_none());
        self.ctx.counters.adopted.add(u64::from(came));
        let early = std::mem::take(&mut given.early);
        if let Some(user) = given.user {
            self.ctx.slab.at(index).user = user;
        }
        if !given.upgraded {
            self.ctx.given.insert(index, given);
            return self.begin_early(index, early);
        }
        let ctx = &mut self.ctx;
        park(ctx, index, &early);
        with_env(ctx, index, |conn, env| conn.begin_open(env));
        ctx.count_opened(None);
        ctx.begin_lifetime(index);
        let conn = handle_of(ctx, index);
        self.endpoints.handler(ctx.slab.at(index).endpoint).on_open(&mut self.ctx, conn);
    }

    /// Takes what was read before, in front of what the socket brings.
    fn begin_early(&mut self, index: u32, mut early: Box<[u8]>) {
        let mut from = 0;
        if self.ctx.slab.at(index).awaits_proxy() {
            match self.take_early_header(index, &mut early) {
                Some(end) => from = end,
                None => return,
            }
        }
        let early = early.get(from..).unwrap_or_default();
        #[cfg(feature = "tls")]
        if self.ctx.slab.at(index).is_secure() {
            let (ctx, endpoints) = (&mut self.ctx, &self.endpoints.served);
            return put_aside(ctx, endpoints, &mut self.handshakes, index, early);
        }
        park(&mut self.ctx, index, early);
    }

    /// One that never had a slot: its socket is closed.
    pub(crate) fn reject(&mut self, coming: Coming<Job>) {
        self.ctx.counters.accept_dropped.add(1);
        if coming.was_moved() {
            self.address_leaves(coming.endpoint.into(), coming.peer);
        }
        self.ctx.was_unopened(coming.given);
    }

    /// What of all that has not come to its end, of which nothing will come.
    pub(crate) fn next_abandoned(&mut self) -> Option<Coming<Job>> {
        if let Some(adoptee) = self.ctx.adoptees.pop_front() {
            return Some(adoptee.coming);
        }
        if let Some(arrival) = self.listeners.held.pop_front() {
            return Some(arrival.coming);
        }
        let passing = self.passing.iter().next().map(|(name, _)| name)?;
        self.passing.remove(passing).map(Passage::coming)
    }
}

/// One that was to be moved stays, to be refused; any other is served.
fn lost(mut coming: Coming<Job>, why: Lost) -> Coming<Job> {
    if let Some(moved) = coming.given.as_mut().and_then(|given| given.moved.as_mut()) {
        moved.lost = Some(why);
    }
    coming
}
