//! The first words to a server: TLS if there is any, and the request.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::reactor::api::call::with_env;
use crate::reactor::api::contract::Context;
#[cfg(feature = "tls")]
use crate::reactor::core::link::Link;
#[cfg(feature = "tls")]
use crate::reactor::core::slab::EndsBy;
use crate::reactor::core::slab::NO_DIAL;
#[cfg(feature = "tls")]
use crate::tls::Session;
use std::sync::Arc;

/// The way to the server is open, directly or through a proxy, and encrypted if it is to be: from
/// here on bytes are for it.
pub(crate) fn greet(ctx: &mut Context, slot: u32) {
    let index = ctx.slab.at(slot).dial();
    if index == NO_DIAL {
        return;
    }
    #[cfg(feature = "tls")]
    if begins(ctx, slot) {
        return;
    }
    let dial = ctx.dials.at(index);
    let ask = Arc::clone(&dial.target.ask);
    // The handshake has a timeout of its own.
    if let Some(node) = dial.timer.take() {
        ctx.wheel.remove(node);
    }
    with_env(ctx, slot, |conn, env| conn.ask(&ask, env));
    ctx.mark_dirty(slot);
}

/// Whether TLS is to be spoken with the server before anything else: then it has begun. A greeting
/// that cannot be made is reported as a handshake that has failed.
#[cfg(feature = "tls")]
fn begins(ctx: &mut Context, index: u32) -> bool {
    let slot = ctx.slab.at(index);
    let target = &ctx.dials.at(slot.dial()).target;
    let Some(settings) = target.tls.as_ref().filter(|_| target.url.is_secure()) else {
        return false;
    };
    if slot.is_secure() {
        return false;
    }
    let name = target.server_name();
    match Session::client(settings, &name, &mut ctx.pool) {
        Ok(session) => slot.rare().tls = Some(Link::new(session, slot.sending)),
        Err(_) => (slot.abort, slot.ends_by) = (true, EndsBy::Tls),
    }
    ctx.mark_dirty(index);
    true
}
