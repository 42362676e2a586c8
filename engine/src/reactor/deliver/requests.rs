//! Requests: an upgrade becomes a connection that is open, or is refused; any other is answered.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::proto::handshake::{Refusal, Request, Response};
use crate::reactor::api::call::with_env;
use crate::reactor::api::contract::{Context, Mail, Wait};
use crate::reactor::api::setup::Served;
use crate::reactor::api::upgrade::{Asked, Upgrade, Way};
use crate::reactor::core::endpoints::ByEndpoint;
use crate::reactor::core::labels::{BY_HANDLER, BY_ORIGIN};
use crate::reactor::core::later::Ticket;
use crate::reactor::core::loads::Promise;
use crate::reactor::core::name::{CallError, Conn};
use std::sync::Arc;

/// A request has come, as far as its head, or with its body.
#[cold]
pub(crate) fn requested(
    ctx: &mut Context,
    endpoints: &ByEndpoint<Served>,
    conn: Conn,
    mut request: Request<'_>,
) {
    let index = conn.slot();
    ctx.mark_dirty(index);
    let endpoint = route(ctx, endpoints, index, &mut request);
    let handler = &endpoints.of(endpoint).handler;
    let admitted = match request.is_upgrade() {
        true => ctx.admit(index),
        false => ctx.admit_request(),
    };
    if let Err(refusal) = admitted {
        return with_env(ctx, index, |conn, env| conn.refuse(&refusal, env));
    }
    let home = *ctx.homes.of(endpoint);
    let wait = Wait {
        conn,
        handler: Arc::clone(handler),
        upgrade: None,
        user: ctx.slab.at(index).user,
        home: (home, ctx.user_at(index, endpoints.of(home).user)),
    };
    if request.is_upgrade() {
        return upgrade(ctx, wait, request);
    }
    if let Some(request) = with_env(ctx, index, |conn, env| conn.await_body(request, env)) {
        answer(ctx, wait, &request);
        if !ctx.slab.at(index).conn.awaits_answer() {
            go_home(ctx, endpoints, index);
        }
    }
}

/// From here on the connection belongs to the route that the path leads to, or else to the endpoint
/// that it came to.
fn route(
    ctx: &mut Context,
    endpoints: &ByEndpoint<Served>,
    index: u32,
    request: &mut Request<'_>,
) -> u32 {
    let home = go_home(ctx, endpoints, index);
    let routed = endpoints.of(home).routes.as_ref();
    let found = routed.and_then(|routed| routed.patterns.find(request.target()));
    let first = ctx.first_routes.get(home as usize);
    let (Some((place, parameters)), Some(first)) = (found, first) else { return home };
    let endpoint = first + place as u32;
    let user = ctx.user_at(index, endpoints.of(endpoint).user);
    let slot = ctx.slab.at(index);
    (slot.endpoint, slot.user) = (endpoint, user);
    request.set_parameters(parameters);
    endpoint
}

/// The next request is read under the limits of the endpoint that the connection came to.
fn go_home(ctx: &mut Context, endpoints: &ByEndpoint<Served>, index: u32) -> u32 {
    let home = *ctx.homes.of(ctx.slab.at(index).endpoint);
    let user = ctx.user_at(index, endpoints.of(home).user);
    let slot = ctx.slab.at(index);
    if slot.endpoint != home {
        (slot.endpoint, slot.user) = (home, user);
    }
    home
}

fn asked<'a>(
    ctx: &mut Context,
    conn: Conn,
    request: &'a Request<'a>,
    ticket: &'a Ticket<'a>,
) -> Asked<'a> {
    let slot = ctx.slab.at(conn.slot());
    let secure = slot.secure().map(Arc::new);
    let (peer, proxied) = (slot.peer, slot.proxied());
    Asked { request, peer, proxied, secure, user: slot.user, ticket }
}

fn answer(ctx: &mut Context, wait: Wait, request: &Request<'_>) {
    let engine = ctx.engine().clone();
    let ticket = Ticket::new(ctx.next_later(), &engine.0.laters);
    ticket.open();
    let asked = asked(ctx, wait.conn, request, &ticket);
    let reply = wait.handler.on_request(ctx, &asked);
    match ticket.taken() {
        Some(later) if ticket.is_later() => ctx.begin_wait(later, wait),
        Some(later) => {
            ctx.reply(wait.conn, &reply);
            ctx.void_wait(later, wait);
        }
        None => ctx.reply(wait.conn, &reply),
    }
}

fn upgrade(ctx: &mut Context, mut wait: Wait, request: Request<'_>) {
    let (conn, index) = (wait.conn, wait.conn.slot());
    let engine = ctx.engine().clone();
    let ticket = Ticket::new(ctx.next_later(), &engine.0.laters);
    let mut response = Response::default();
    let asked = asked(ctx, conn, &request, &ticket);
    let moved = ctx.given.get(&index).is_some_and(|given| given.moved.is_some());
    let takes = |reactor: u32, head: usize| {
        let mailbox = engine.0.mailboxes.get(reactor as usize).ok_or(CallError::Stopped)?;
        let weight = Mail::weight_with(head);
        mailbox.reserve(weight).map(|()| mailbox.give_up(weight))
    };
    let way = Way { loads: &engine.0.loads, takes: &takes, here: ctx.index, moved, to: None };
    let mut upgrade = Upgrade { asked, response: &mut response, way };
    let allowed = ctx.origins.of(ctx.slab.at(index).endpoint).allow(&request);
    let verdict = if allowed || wait.handler.on_origin(ctx, &mut upgrade) {
        ticket.open();
        let verdict = wait.handler.on_upgrade(ctx, &mut upgrade);
        if let Some(to) = upgrade.way.to.take() {
            return begin_move(ctx, index, to, &request);
        }
        verdict.inspect_err(|_| ctx.counters.refused_by_reason.count(BY_HANDLER))
    } else {
        ctx.counters.refused_by_reason.count(BY_ORIGIN);
        Err(Refusal::new(403).because("this origin may not connect"))
    };
    let user = upgrade.asked.user;
    match verdict {
        Ok(()) if ticket.is_later() => (),
        Ok(()) => ctx.open_upgraded(&*wait.handler, conn, &request, &response, user),
        Err(refusal) => {
            ticket.give_back();
            with_env(ctx, index, |conn, env| conn.refuse(&refusal, env));
        }
    }
    let Some(later) = ticket.taken() else { return };
    wait.user = user;
    if !ticket.is_later() {
        return ctx.void_wait(later, wait);
    }
    wait.upgrade = Some((request.into_owned(), response));
    ctx.begin_wait(later, wait);
}

/// It leaves for another reactor as soon as nothing of it is with the kernel. Its head is the first
/// of what waits there to be read.
fn begin_move(ctx: &mut Context, index: u32, to: Promise, request: &Request<'_>) {
    ctx.counters.bytes_copied.add(request.head().len() as u64);
    ctx.slab.at(index).park(request.head());
    with_env(ctx, index, |conn, _| conn.answer_elsewhere());
    ctx.moves.all.insert(index, to);
    ctx.mark_dirty(index);
}
