//! Requests: an upgrade becomes a connection that is open, or is refused; any other is answered.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::proto::handshake::{Refusal, Request, Response};
use crate::reactor::api::call::with_env;
use crate::reactor::api::contract::{Context, Handler};
use crate::reactor::api::setup::Served;
use crate::reactor::api::upgrade::{Asked, Upgrade};
use crate::reactor::core::counters::{BY_HANDLER, BY_ORIGIN};
use crate::reactor::core::endpoints::ByEndpoint;
use crate::reactor::core::name::Conn;
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
    let handler = &*endpoints.of(endpoint).handler;
    let admitted = match request.is_upgrade() {
        true => ctx.admit(index),
        false => ctx.admit_request(),
    };
    if let Err(refusal) = admitted {
        return with_env(ctx, index, |conn, env| conn.refuse(&refusal, env));
    }
    if request.is_upgrade() {
        return upgrade(ctx, handler, conn, &request);
    }
    if let Some(request) = with_env(ctx, index, |conn, env| conn.await_body(request, env)) {
        answer(ctx, handler, conn, &request);
        go_home(ctx, endpoints, index);
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
    let (slot, endpoint) = (ctx.slab.at(index), first + place as u32);
    (slot.endpoint, slot.user) = (endpoint, endpoints.of(endpoint).user);
    request.set_parameters(parameters);
    endpoint
}

/// The next request is read under the limits of the endpoint that the connection came to.
fn go_home(ctx: &mut Context, endpoints: &ByEndpoint<Served>, index: u32) -> u32 {
    let slot = ctx.slab.at(index);
    let home = *ctx.homes.of(slot.endpoint);
    if slot.endpoint != home {
        (slot.endpoint, slot.user) = (home, endpoints.of(home).user);
    }
    home
}

fn asked<'a>(ctx: &mut Context, conn: Conn, request: &'a Request<'a>) -> Asked<'a> {
    let slot = ctx.slab.at(conn.slot());
    let secure = slot.secure().map(Arc::new);
    Asked { request, peer: slot.peer.get(), secure, user: slot.user }
}

fn answer(ctx: &mut Context, handler: &dyn Handler, conn: Conn, request: &Request<'_>) {
    let asked = asked(ctx, conn, request);
    let reply = handler.on_request(ctx, &asked);
    ctx.counters.requests.add(1);
    // The callback may have begun a stop.
    let keep_alive = !ctx.draining;
    with_env(ctx, conn.slot(), |conn, env| conn.reply(&reply, keep_alive, env));
}

fn upgrade(ctx: &mut Context, handler: &dyn Handler, conn: Conn, request: &Request<'_>) {
    let index = conn.slot();
    let mut response = Response::default();
    let mut upgrade = Upgrade { asked: asked(ctx, conn, request), response: &mut response };
    let allowed = ctx.origins.of(ctx.slab.at(index).endpoint).allow(request);
    let verdict = if allowed || handler.on_origin(ctx, &mut upgrade) {
        let verdict = handler.on_upgrade(ctx, &mut upgrade);
        verdict.inspect_err(|_| ctx.counters.refused_by_reason.count(BY_HANDLER))
    } else {
        ctx.counters.refused_by_reason.count(BY_ORIGIN);
        Err(Refusal::new(403).because("this origin may not connect"))
    };
    match verdict {
        Ok(()) => {
            let user = upgrade.asked.user;
            let slot = ctx.slab.at(index);
            slot.user = user;
            let took = ctx.served.now.saturating_sub(slot.conn.began());
            with_env(ctx, index, |conn, env| conn.accept(request, &response, env));
            ctx.count_opened(Some(took));
            ctx.begin_lifetime(index);
            ctx.counters.upgraded.add(1);
            handler.on_open(ctx, conn);
        }
        Err(refusal) => with_env(ctx, index, |conn, env| conn.refuse(&refusal, env)),
    }
}
