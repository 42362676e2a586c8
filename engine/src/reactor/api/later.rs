//! Answers that come after the callback has returned.
//!
//! A request that waits is in two places. In `Laters`, which all threads share, is its name, for
//! exactly as long as somebody may answer: whoever takes it out sees to the rest. What the answer
//! is made from is the reactor's own, and stays until that has been told one way or the other. So
//! nothing is told twice, or not at all.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::proto::handshake::{Refusal, Reply, Request, Response};
use crate::reactor::api::call::with_env;
use crate::reactor::api::contract::{Context, Handle, Handler, Mail, Wait};
use crate::reactor::core::labels::{BY_HANDLER, BY_STOP};
use crate::reactor::core::later::{LaterError, Wanted};
use crate::reactor::core::name::{Conn, Later};

impl Handle {
    /// Answers a request that was left for [later](crate::reactor::Asked::later): an upgrade with
    /// 101 and the headers of `reply`, and with a subprotocol if one is named, else the one that
    /// `on_upgrade` has chosen; or any request with `reply`. Other answers than 101 to an upgrade
    /// end the connection.
    ///
    /// `Ok` means handed over, in the order of what this thread asks of the reactor. Of a 101
    /// exactly one callback follows with `user`: `on_open`, or `on_gone` if the peer has gone by
    /// then or the engine stops. Of other answers nothing follows.
    ///
    /// # Errors
    /// [`LaterError`]. Nothing has changed then; after [`LaterError::Gone`] `on_gone` was called or
    /// will be, unless it was answered before.
    pub fn answer(
        &self,
        later: Later,
        reply: Reply,
        protocol: Option<&str>,
        user: usize,
    ) -> Result<(), LaterError> {
        self.0.laters.answer(later, |wanted| {
            let opens = reply.status == 101;
            let fits = match wanted {
                Wanted::Upgrade(_) => opens || (300..=599).contains(&reply.status),
                Wanted::Reply => (200..=599).contains(&reply.status),
            };
            if !fits {
                return Err(LaterError::Status);
            }
            let offered = |name| match wanted {
                Wanted::Upgrade(offered) => opens && offered.iter().any(|this| this == name),
                Wanted::Reply => false,
            };
            if !protocol.is_none_or(offered) {
                return Err(LaterError::Protocol);
            }
            let protocol = protocol.map(str::to_owned);
            // It may call the application, as a job does, and never inside another callback.
            let carry_out = move |ctx: &mut Context| ctx.answered(later, reply, protocol, user);
            Ok(self.put(later.reactor() as usize, Mail::Job(Box::new(carry_out)))?)
        })
    }
}

impl Context {
    /// The name of a request, should it be answered later.
    pub(crate) fn next_later(&mut self) -> Later {
        self.waits.latest += 1;
        Later::new(self.index, self.waits.latest)
    }

    /// A callback has left the answer for later: nothing more is read until then.
    pub(crate) fn begin_wait(&mut self, later: Later, wait: Wait) {
        let index = wait.conn.slot();
        let slot = self.slab.at(index);
        slot.user = wait.user;
        slot.conn.answer_later();
        let kept = wait.upgrade.as_ref().map_or(0, |(request, _)| request.head_len());
        slot.rare().later = Some((later, kept));
        self.waits.all.insert(later, wait);
        self.mark_dirty(index);
    }

    /// A callback has asked for time, and then answered all the same. If somebody else has done so
    /// meanwhile, he is told that he was too late.
    pub(crate) fn void_wait(&mut self, later: Later, wait: Wait) {
        if !self.post.handle.0.laters.take(later) {
            self.waits.all.insert(later, wait);
        }
    }

    /// Nobody waits for the answer any more, if somebody has. The handler is told, unless an answer
    /// is on its way: that sees to it.
    pub(crate) fn end_wait(&mut self, index: u32) {
        let rare = self.slab.at(index).rare.as_mut();
        let Some((later, _)) = rare.and_then(|rare| rare.later.take()) else { return };
        if self.post.handle.0.laters.take(later)
            && let Some(wait) = self.waits.all.remove(&later)
        {
            wait.handler.on_gone(self, later, wait.user);
        }
    }

    /// In a stop nobody waits for an answer.
    pub(crate) fn refuse_waiting(&mut self) {
        let waiting: Vec<Conn> = self.waits.all.values().map(|wait| wait.conn).collect();
        for conn in waiting {
            let index = conn.slot();
            if !self.slab.live(conn).is_some_and(|slot| slot.conn.awaits_answer()) {
                continue;
            }
            self.refuse_stopping(index);
            self.end_wait(index);
        }
        for index in std::mem::take(&mut self.moves.all).into_keys() {
            self.refuse_stopping(index);
        }
    }

    fn refuse_stopping(&mut self, index: u32) {
        self.counters.refused_by_reason.count(BY_STOP);
        let refusal = self.turn_down();
        self.refuse(index, &refusal);
    }

    fn refuse(&mut self, index: u32, refusal: &Refusal) {
        with_env(self, index, |conn, env| conn.refuse(refusal, env));
        self.mark_dirty(index);
    }

    /// An answer was handed over.
    fn answered(&mut self, later: Later, reply: Reply, protocol: Option<String>, user: usize) {
        let Some(wait) = self.waits.all.remove(&later) else { return };
        let (conn, opens) = (wait.conn, reply.status == 101);
        let index = conn.slot();
        let waits = self
            .slab
            .live(conn)
            .is_some_and(|slot| slot.later() == Some(later) && slot.conn.awaits_answer());
        if !waits {
            if opens {
                wait.handler.on_gone(self, later, user);
            }
            return;
        }
        self.slab.at(index).rare().later = None;
        let Some((request, mut response)) = wait.upgrade else {
            self.reply(conn, &reply);
            let slot = self.slab.at(index);
            (slot.endpoint, slot.user) = wait.home;
            return;
        };
        if !opens {
            let mut refusal = Refusal::from(reply);
            response.add_to(&mut refusal);
            self.counters.refused_by_reason.count(BY_HANDLER);
            return self.refuse(index, &refusal);
        }
        if self.draining {
            self.refuse_stopping(index);
            return wait.handler.on_gone(self, later, user);
        }
        response.add_those_of(&reply);
        if let Some(name) = protocol {
            // Offered, as was seen when it was handed over.
            let _ = response.set_protocol(&request, &name);
        }
        self.open_upgraded(&*wait.handler, conn, &request, &response, user);
    }

    /// Answers a request that is no upgrade.
    pub(crate) fn reply(&mut self, conn: Conn, reply: &Reply) {
        self.counters.requests.add(1);
        // The callback may have begun a stop.
        let keep_alive = !self.draining;
        with_env(self, conn.slot(), |conn, env| conn.reply(reply, keep_alive, env));
        self.mark_dirty(conn.slot());
    }

    /// Answers an upgrade with 101.
    pub(crate) fn open_upgraded(
        &mut self,
        handler: &dyn Handler,
        conn: Conn,
        request: &Request<'_>,
        response: &Response,
        user: usize,
    ) {
        let index = conn.slot();
        self.given.remove(&index);
        let slot = self.slab.at(index);
        slot.user = user;
        let took = self.served.now.saturating_sub(slot.conn.began());
        with_env(self, index, |conn, env| conn.accept(request, response, env));
        self.mark_dirty(index);
        self.count_opened(Some(took));
        self.begin_lifetime(index);
        self.slab.at(index).forget_proxy();
        self.counters.upgraded.add(1);
        handler.on_open(self, conn);
    }
}
