//! Callbacks in a program under ThreadSanitizer: see [`crate::tsan`].

use crate::callbacks::rws_callbacks;
use crate::tsan;
use ringws_engine::proto::handshake::{Refusal, Reply};
use ringws_engine::reactor::{
    Asked, Closed, Conn, Context, Handler, Later, Message, NotConnected, Upgrade,
};
use std::sync::Arc;

/// What an endpoint or a target calls: the callbacks themselves, unless somebody watches.
pub(crate) fn handler(callbacks: rws_callbacks) -> Arc<dyn Handler> {
    if tsan::is_there() { Arc::new(Watched(callbacks)) } else { Arc::new(callbacks) }
}

struct Watched(rws_callbacks);

fn call<T>(ctx: &mut Context, call: impl FnOnce(&mut Context) -> T) -> T {
    tsan::taken(ctx.index());
    tsan::outside(|| call(ctx))
}

impl Handler for Watched {
    fn on_upgrade(&self, ctx: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        call(ctx, |ctx| self.0.on_upgrade(ctx, upgrade))
    }

    fn on_origin(&self, ctx: &mut Context, upgrade: &mut Upgrade<'_>) -> bool {
        call(ctx, |ctx| self.0.on_origin(ctx, upgrade))
    }

    fn on_request(&self, ctx: &mut Context, asked: &Asked<'_>) -> Reply {
        call(ctx, |ctx| self.0.on_request(ctx, asked))
    }

    fn on_gone(&self, ctx: &mut Context, later: Later, user: usize) {
        call(ctx, |ctx| self.0.on_gone(ctx, later, user));
    }

    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        call(ctx, |ctx| self.0.on_open(ctx, conn));
    }

    fn on_hand_over(&self, ctx: &mut Context, conn: Conn) -> Option<Vec<u8>> {
        call(ctx, |ctx| self.0.on_hand_over(ctx, conn))
    }

    fn on_taken_over(&self, ctx: &mut Context, conn: Conn, state: &[u8]) {
        call(ctx, |ctx| self.0.on_taken_over(ctx, conn, state));
    }

    fn on_refused(&self, ctx: &mut Context, why: &mut NotConnected<'_>) {
        call(ctx, |ctx| self.0.on_refused(ctx, why));
    }

    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        call(ctx, |ctx| self.0.on_message(ctx, conn, message));
    }

    fn on_pong(&self, ctx: &mut Context, conn: Conn, payload: &[u8]) {
        call(ctx, |ctx| self.0.on_pong(ctx, conn, payload));
    }

    fn on_drain(&self, ctx: &mut Context, conn: Conn) {
        call(ctx, |ctx| self.0.on_drain(ctx, conn));
    }

    fn on_close(&self, ctx: &mut Context, conn: Conn, closed: &mut Closed<'_>) {
        call(ctx, |ctx| self.0.on_close(ctx, conn, closed));
    }
}
