//! Open connections leave for the process that succeeds this one, each when it stands between two
//! messages.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::CloseInfo;
use crate::reactor::api::call::handle_of;
use crate::reactor::api::closed::Closed;
use crate::reactor::api::contract::Job;
use crate::reactor::core::adopt::{Adoptee, Arrival, Coming, Given, Passage};
use crate::reactor::core::carried::{CARRIED_MAX, Carried, CarriedTopic, STATE_MAX};
use crate::reactor::core::key;
use crate::reactor::core::labels::OPEN;
use crate::reactor::core::parting::{Goes, ListeningOn, Order, Parting, Told};
use crate::reactor::core::receive_mode::{ReceiveMode, ReceiveState};
use crate::reactor::core::seam::Seam;
use crate::reactor::core::slab::{EndsBy, Incoming, NO_DIAL, Phase};
use crate::reactor::state::Reactor;
use crate::ring::{Errno, Kernel};
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;

/// How often those are looked at again that were busy.
const LOOK_MS: u64 = 5;

impl<K: Kernel> Reactor<K> {
    pub(crate) fn run_partings(&mut self) {
        if !self.ctx.succession.is_due() {
            return;
        }
        while let Some(order) = self.ctx.succession.orders.pop_front() {
            self.carry_out_order(order);
        }
        let Some(parting) = &mut self.ctx.succession.parting else { return };
        for index in std::mem::take(&mut parting.ready) {
            self.part(index);
        }
        self.let_more_go();
    }

    fn carry_out_order(&mut self, order: Order) {
        match order {
            Order::Listeners(to) => self.copy_listeners(&to),
            Order::Begin(to, takes, lane) => {
                let parting = Parting::new(to, takes, lane);
                self.ctx.succession.parting = Some(Box::new(parting));
                self.arm_listeners();
                self.look_for_parting();
            }
            Order::More(credit) => {
                if let Some(parting) = &mut self.ctx.succession.parting {
                    parting.credit += credit;
                }
            }
            Order::Stay => {
                self.keep_all();
                let parting = self.ctx.succession.parting.take();
                if let Some(node) = parting.and_then(|parting| parting.node) {
                    self.ctx.wheel.remove(node);
                }
                self.arm_listeners();
            }
            // When the cancels have ended they are armed again, which looks first.
            Order::AcceptAnew => self.disarm_listeners(),
            Order::Finish => self.finish_parting(),
        }
    }

    fn copy_listeners(&self, to: &Sender<Told>) {
        let copy = |(index, endpoint)| {
            let socket = self.kernel.listener(index)?.try_clone_to_owned().ok()?;
            Some(ListeningOn { endpoint, socket })
        };
        let all = self.listeners.all.iter().map(|listener| listener.endpoint).enumerate();
        // Nobody listens any more where that has been given up.
        let _ = to.send(Told::Listeners(all.filter_map(copy).collect()));
    }

    /// Nobody leaves any more, nor is anybody accepted: what waits in a backlog is the successor's.
    fn finish_parting(&mut self) {
        self.keep_all();
        for listener in &mut self.listeners.all {
            listener.empty = true;
        }
        if let Some(parting) = &mut self.ctx.succession.parting {
            (parting.credit, parting.takes, parting.finishing) = (0, [].into(), true);
        }
        self.tell_finished();
    }

    /// All that left has been told of.
    fn tell_finished(&mut self) {
        let finished = |parting: &Parting| parting.finishing && parting.away == 0;
        if !self.ctx.succession.parting.as_deref().is_some_and(finished) {
            return;
        }
        let live = self.ctx.slab.in_phase(Phase::Live);
        let open = live.into_iter().filter(|&index| self.ctx.slab.at(index).is_open()).count();
        self.ctx.counters.left_behind.add(open as u64);
        if let Some(parting) = &mut self.ctx.succession.parting {
            parting.finishing = false;
            let _ = parting.to.send(Told::Finished(open as u64));
        }
    }

    /// Those that were about to leave stay.
    fn keep_all(&mut self) {
        let Some(parting) = &self.ctx.succession.parting else { return };
        let leaving: Vec<u32> = parting.leaving.keys().copied().collect();
        leaving.into_iter().for_each(|index| self.stay(index));
    }

    /// Looks who is there, and whether anybody may still leave. The timer of itself.
    pub(crate) fn look_for_parting(&mut self) {
        let live = self.ctx.slab.in_phase(Phase::Live);
        let mut later = false;
        let mut idle = Vec::new();
        for index in live {
            match self.goes(index) {
                Goes::Never => {}
                Goes::Later => later = true,
                Goes::WhenIdle => idle.push(handle_of(&self.ctx, index)),
            }
        }
        let (index, now) = (self.ctx.index, self.ctx.now);
        let quiet = self.listeners.all.iter().all(|listener| listener.out == 0);
        let Some(parting) = &mut self.ctx.succession.parting else { return };
        if quiet && !std::mem::replace(&mut parting.quiet, true) {
            let _ = parting.to.send(Told::Quiet);
        }
        let is_left = later || !idle.is_empty() || !parting.leaving.is_empty();
        if parting.waiting.is_empty() {
            parting.waiting.extend(idle);
        }
        if !is_left && !std::mem::replace(&mut parting.told, true) {
            let _ = parting.to.send(Told::Nobody(index));
        }
        parting.node = Some(self.ctx.wheel.insert(now + LOOK_MS, key::PARTINGS));
    }

    fn goes(&mut self, index: u32) -> Goes {
        let conn = handle_of(&self.ctx, index);
        let slot = self.ctx.slab.at(index);
        let Some(parting) = &self.ctx.succession.parting else { return Goes::Never };
        let takes = parting.takes.get(slot.endpoint as usize).copied().unwrap_or_default();
        let ends = slot.abort || slot.incoming != Incoming::Open || slot.conn.is_closing();
        if ends || !takes.any || slot.dial() != NO_DIAL || slot.is_secure() {
            return Goes::Never;
        }
        if !slot.conn.opened() {
            let waits = !slot.conn.is_between_requests() && slot.conn.failure().is_none();
            return if waits { Goes::Later } else { Goes::Never };
        }
        let bound = slot.conn.is_bound_here() || slot.conn.may_inflate() && !takes.deflated;
        match bound || parting.kept.contains(&conn) || parting.leaving.contains_key(&index) {
            true => Goes::Never,
            false => Goes::WhenIdle,
        }
    }

    /// Holds others until nothing of them is with the kernel.
    fn let_more_go(&mut self) {
        while let Some(parting) = &mut self.ctx.succession.parting
            && parting.goes_on()
            && let Some(conn) = parting.waiting.pop_front()
        {
            let live = self.ctx.slab.live(conn).is_some();
            if live && self.goes(conn.slot()) == Goes::WhenIdle && self.is_idle(conn.slot()) {
                self.hold_to_leave(conn.slot());
            }
        }
    }

    /// Whether nothing is queued, and nothing under way but a receive.
    fn is_idle(&mut self, index: u32) -> bool {
        let conn = handle_of(&self.ctx, index);
        let waits = self.ctx.post.lines.bytes(conn) > 0 || self.ctx.topics.is_replaying(conn);
        let slot = self.ctx.slab.at(index);
        let mode = slot.receive.mode();
        let direct = matches!(mode, Some(ReceiveMode::Direct | ReceiveMode::Rest))
            || slot.receive == ReceiveState::Waiting;
        let still = slot.phase == Phase::Live && !slot.abort && slot.incoming == Incoming::Open;
        let waits = waits || slot.sending || slot.stands_in_line() || direct;
        still && !waits && slot.parked_len() <= CARRIED_MAX / 2 && slot.conn.carry().is_some()
    }

    fn hold_to_leave(&mut self, index: u32) {
        let (token, now) = (self.ctx.slab.token(index), self.ctx.served.now);
        let slot = self.ctx.slab.at(index);
        let paused = slot.holds();
        slot.conn.set_paused(true, now);
        // Of others, reconciling does it.
        if slot.receive.mode() == Some(ReceiveMode::Watch) && slot.receive.cancel() {
            self.kernel.cancel_receive(token);
        }
        if let Some(parting) = &mut self.ctx.succession.parting {
            parting.credit -= 1;
            parting.leaving.insert(index, paused);
        }
        self.ctx.mark_dirty(index);
    }

    /// It has something to do: it is asked again later, or never.
    fn stay(&mut self, index: u32) {
        let Some(paused) = self.ctx.succession.forget(index) else { return };
        let now = self.ctx.served.now;
        if !paused {
            self.ctx.slab.at(index).conn.set_paused(false, now);
        }
        self.ctx.mark_dirty(index);
    }

    /// One that is held, and of which the kernel has nothing, leaves, unless it has got something
    /// to do meanwhile.
    fn part(&mut self, index: u32) {
        let leaves = |parting: &Parting| parting.leaving.contains_key(&index);
        if !self.ctx.succession.parting.as_deref().is_some_and(leaves) {
            return;
        }
        // What others have published or asked for by now is for it.
        self.ctx.catch_up();
        if !self.may_part(index) {
            return self.stay(index);
        }
        let conn = handle_of(&self.ctx, index);
        let endpoint = self.ctx.slab.at(index).endpoint;
        let state = self.endpoints.handler(endpoint).on_hand_over(&mut self.ctx, conn);
        self.ctx.read_own_mail();
        let (early, state) = (self.ctx.slab.at(index).parked_len(), state.unwrap_or_else(too_much));
        let keeps = state.len() > STATE_MAX;
        if let Some(parting) = self.ctx.succession.parting.as_mut().filter(|_| keeps) {
            parting.kept.insert(conn);
        }
        if keeps || early > CARRIED_MAX / 2 || !self.may_part(index) {
            return self.stay(index);
        }
        let lane = self.ctx.succession.parting.as_ref().map_or(0, |parting| parting.lane);
        let (topics, seam) = self.ctx.heard_by(conn, lane);
        // Nothing came meanwhile: so what it has heard ends there.
        match self.may_part(index) {
            false => self.stay(index),
            true => self.leave(index, state.into(), topics, seam),
        }
    }

    fn may_part(&mut self, index: u32) -> bool {
        self.is_idle(index) && !self.ctx.slab.at(index).receive.is_up()
    }

    /// Its slot is free for another, and its socket goes to whoever hands it over.
    fn leave(
        &mut self,
        index: u32,
        state: Box<[u8]>,
        topics: Vec<CarriedTopic>,
        seam: Option<Seam>,
    ) {
        let conn = handle_of(&self.ctx, index);
        let paused = self.ctx.succession.forget(index).unwrap_or(false);
        if let Some(parting) = &mut self.ctx.succession.parting {
            // It is on its way: given back when it has arrived.
            (parting.credit, parting.away) = (parting.credit - 1, parting.away + 1);
        }
        self.ctx.end_memberships(conn);
        let slot = self.ctx.slab.at(index);
        let Some(carry) = slot.conn.carry() else { return };
        let mut early = slot.conn.header_begun().to_vec();
        early.append(&mut slot.take_parked());
        let lifetime = slot.rare.as_ref().and_then(|rare| rare.lifetime);
        let until = lifetime.map(|node| self.ctx.wheel.deadline(node));
        let slot = self.ctx.slab.at(index);
        let carried = Carried {
            endpoint: slot.endpoint,
            conn: carry,
            peer: slot.peer.get(),
            credentials: slot.peer.credentials(),
            paused,
            lifetime_ms: until.map(|at| at.saturating_sub(self.ctx.now)),
            early: early.into(),
            topics,
            seam,
            state,
            is_back: false,
        };
        self.report_passed_on(index);
        self.leaves(index);
        let home = *self.ctx.homes.of(carried.endpoint) as u16;
        let (socket, peer) = self.vacate_with_socket(index, OPEN);
        let coming =
            Coming { endpoint: home, peer, given: Some(given(Box::new(carried))), promise: None };
        let name = self.passing.insert(Passage::Away(Arrival { socket, coming }));
        self.kernel.take_out(socket, name.slot);
    }

    fn report_passed_on(&mut self, index: u32) {
        let conn = handle_of(&self.ctx, index);
        let slot = self.ctx.slab.at(index);
        slot.ends_by = EndsBy::PassedOn;
        let info = slot.conn.close_info();
        let mut closed = Closed {
            info: CloseInfo { reason: "", code: info.code, sent: info.sent },
            errno: 0,
            cause: slot.cause(),
            error: None,
            unsent: 0,
            unread: 0,
            dropped: slot.dropped(),
            retry_ms: 0,
        };
        let endpoint = slot.endpoint;
        self.ctx.counters.ends.count(closed.cause as usize);
        self.ctx.counters.passed_on.add(1);
        self.endpoints.handler(endpoint).on_close(&mut self.ctx, conn, &mut closed);
    }

    /// Its socket has left the ring, or could not.
    pub(crate) fn went_away(&mut self, arrival: Arrival<Job>, result: Result<OwnedFd, Errno>) {
        let Arrival { socket, mut coming } = arrival;
        let Some(carried) = coming.given.as_mut().and_then(|given| given.carried.take()) else {
            return;
        };
        let (index, parting) = (self.ctx.index, &self.ctx.succession.parting);
        let gone = match result {
            Err(_) => {
                coming.given = Some(given_back(carried));
                self.listeners.held.push_back(Arrival { socket, coming });
                self.is_away();
                return self.arm_listeners();
            }
            Ok(socket) => Told::Gone(index, carried, socket),
        };
        let unsent = match parting {
            Some(parting) => parting.to.send(gone).err().map(|unsent| unsent.0),
            None => Some(gone),
        };
        self.is_away();
        // Nobody is there any more who would hand it over.
        if let Some(Told::Gone(_, carried, socket)) = unsent {
            coming.given = Some(given_back(carried));
            let adoptee = Adoptee { socket, socket_options: None, coming };
            self.ctx.adoptees.push_back(Box::new(adoptee));
        }
    }

    fn is_away(&mut self) {
        if let Some(parting) = &mut self.ctx.succession.parting {
            parting.away -= 1;
        }
        self.tell_finished();
    }
}

/// In the place of what an application that keeps its connection has not given.
fn too_much() -> Vec<u8> {
    vec![0; STATE_MAX + 1]
}

fn given(carried: Box<Carried>) -> Box<Given<Job>> {
    Box::new(Given { upgraded: true, carried: Some(carried), ..Given::default() })
}

/// It was on its way, and goes on here.
fn given_back(mut carried: Box<Carried>) -> Box<Given<Job>> {
    carried.is_back = true;
    given(carried)
}
